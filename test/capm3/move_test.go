package capm3_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

const (
	clusterAPI = "cluster.x-k8s.io/v1beta2"
	blockMove  = "clusterctl.cluster.x-k8s.io/block-move"
)

// clusterctl builds the program into a folder beside Go's cache. Go links it again only when something changed.
func clusterctl(ctx context.Context, t *testing.T) string {
	t.Helper()
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	must(t, err)
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(cache))), "ingot-clusterctl")
	build := exec.CommandContext(ctx, "go", "build", "-C", "clusterctl", "-ldflags", "-s -w", "-o", dir+"/", "sigs.k8s.io/cluster-api/cmd/clusterctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build clusterctl: %v: %s: its modules come from a module proxy or the module cache", err, out)
	}
	return filepath.Join(dir, "clusterctl")
}

// defineCluster installs Cluster API's own definitions, from the module that clusterctl is built of.
func defineCluster(ctx context.Context, t *testing.T, s *site.Site) {
	t.Helper()
	// It may not be on this machine yet: listing a module does not bring it here.
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-C", "clusterctl", "-json", "sigs.k8s.io/cluster-api").Output()
	must(t, err)
	var module struct{ Dir string }
	must(t, json.Unmarshal(out, &module))
	for _, kind := range []string{"clusters", "machines"} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "config", "crd", "bases", "cluster.x-k8s.io_"+kind+".yaml"))
		must(t, err)
		u := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal(text, &u.Object))
		define(ctx, t, s.Client, u)
	}
	defineMachines(ctx, t, s.Client)
}

// setStatus writes a status as the controller of the kind does.
func setStatus(ctx context.Context, t *testing.T, c client.Client, u *unstructured.Unstructured, status map[string]any) {
	t.Helper()
	before := u.DeepCopy()
	u.Object["status"] = status
	must(t, c.Status().Patch(ctx, u, client.MergeFrom(before)))
}

// newCluster makes a cluster whose infrastructure and control plane are there, with one Machine that is a node.
func newCluster(ctx context.Context, t *testing.T, s *site.Site) machine {
	t.Helper()
	ref := func(kind, name string) map[string]any {
		return map[string]any{"apiGroup": "infrastructure.cluster.x-k8s.io", "kind": kind, "name": name}
	}
	cluster := object(clusterAPI, "Cluster", "blue", nil, map[string]any{"infrastructureRef": ref("Metal3Cluster", "blue"), "controlPlaneEndpoint": map[string]any{"host": "192.0.2.1", "port": int64(6443)}})
	create(ctx, t, s.Client, cluster)
	setStatus(ctx, t, s.Client, cluster, map[string]any{
		"initialization": map[string]any{"infrastructureProvisioned": true, "controlPlaneInitialized": true},
		"conditions":     []any{map[string]any{"type": "ControlPlaneInitialized", "status": "True", "reason": "Initialized", "message": "", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}},
	})
	labelled := func(u *unstructured.Unstructured) *unstructured.Unstructured {
		u.SetLabels(map[string]string{clusterLabel: "blue"})
		return u
	}
	create(ctx, t, s.Client, labelled(object(infrastructure, "Metal3Cluster", "blue", cluster, map[string]any{})))
	owner := labelled(object(clusterAPI, "Machine", "w-0", cluster, map[string]any{
		"clusterName": "blue", "bootstrap": map[string]any{"dataSecretName": "w-0-bootstrap"}, "infrastructureRef": ref("Metal3Machine", "w-0"),
	}))
	create(ctx, t, s.Client, owner)
	setStatus(ctx, t, s.Client, owner, map[string]any{"nodeRef": map[string]any{"name": "w-0"}})
	return newMachine(ctx, t, s, "w-0", owner)
}

// followPause is CAPM3's part of a move: once the cluster is paused, the host is, and only then may the Metal3Machine go.
func (p provider) followPause(ctx context.Context, m machine) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		cluster := object(clusterAPI, "Cluster", m.cluster, nil, nil)
		if err := p.client.Get(ctx, client.ObjectKeyFromObject(cluster), cluster); err != nil {
			return err
		}
		if paused, _, _ := unstructured.NestedBool(cluster.Object, "spec", "paused"); paused {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := p.pause(ctx, m); err != nil {
		return err
	}
	return p.block(ctx, m, false)
}

// block keeps clusterctl from moving the Metal3Machine, or lets it.
func (p provider) block(ctx context.Context, m machine, blocked bool) error {
	u, err := p.object(ctx, m)
	if err != nil {
		return err
	}
	before := u.DeepCopy()
	annotations := u.GetAnnotations()
	delete(annotations, blockMove)
	if blocked {
		annotations[blockMove] = ""
	}
	u.SetAnnotations(annotations)
	return p.client.Patch(ctx, u, client.MergeFrom(before))
}

// clusterctl moves a cluster with its host to another site, whose Ingot goes on with the machine without touching it; the host that is nobody's stays.
func TestClusterctlMovesACluster(t *testing.T) {
	clusterctl(t.Context(), t) // before the clock starts: where nothing of it was compiled yet it takes minutes
	ctx := sitetest.Bounded(t)
	from := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 2}})
	to := sitetest.Start(t, site.Options{Beside: from})
	enrol(ctx, t, from, nil)
	for _, s := range []*site.Site{from, to} {
		defineCluster(ctx, t, s)
	}
	m := newCluster(ctx, t, from)
	before := deploy(ctx, t, from, m, "192.0.2.10")
	written := writings(from, before.Name)

	here, there := provider{client: from.Client}, provider{client: to.Client}
	must(t, here.block(ctx, m, true))
	following := make(chan error, 1)
	go func() { following <- here.followPause(ctx, m) }()
	move(ctx, t, from, to)
	must(t, <-following)
	checkLeft(ctx, t, from, before)

	// What CAPM3 finds, and does first, on the other side.
	moved, err := there.hostOf(ctx, m)
	must(t, err)
	if moved.Annotations[metal3.PausedAnnotation] != pausedByCAPM3 || moved.Status.Provisioning.State != metal3.StateNone {
		t.Errorf("the host came with the annotations %v, in state %q", moved.Annotations, moved.Status.Provisioning.State)
	}
	must(t, there.resume(ctx, m))
	after := awaitState(ctx, t, to, before.Name, metal3.StateProvisioned)
	until(ctx, t, "the status is whole", func(ctx context.Context) (err error) {
		if after, err = there.hostOf(ctx, m); err != nil {
			return err
		}
		if _, left := after.Annotations[metal3.StatusAnnotation]; left || after.Status.HardwareDetails == nil || !after.Status.PoweredOn {
			return fmt.Errorf("annotations %v, hardware %v, on %v", after.Annotations, after.Status.HardwareDetails != nil, after.Status.PoweredOn)
		}
		return nil
	})
	checkMoved(t, from, before, after)
	must(t, there.update(ctx, m))
	checkMoved(t, from, before, awaitState(ctx, t, to, before.Name, metal3.StateProvisioned))
	if n := writings(from, before.Name); n != written || !from.Lab.Machine(before.Name).Powered() {
		t.Errorf("the machine was touched: its disks were opened for writing %d times more, it is on: %v", n-written, from.Lab.Machine(before.Name).Powered())
	}

	// The other site's Ingot has all that it needs to take the machine back.
	if h := withdraw(ctx, t, to, m); !isCleanHost(t, to, h) {
		t.Error("the machine was taken back and its disk is not clean")
	}
}

// move runs clusterctl.
func move(ctx context.Context, t *testing.T, from, to *site.Site) {
	t.Helper()
	program, home := clusterctl(ctx, t), t.TempDir()
	kubeconfig := func(s *site.Site) string { return filepath.Join(s.DataDir, "admin.kubeconfig") }
	cmd := exec.CommandContext(ctx, program, "move", "-v", "5", "--namespace", namespace, "--kubeconfig", kubeconfig(from), "--to-kubeconfig", kubeconfig(to))
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "CLUSTERCTL_DISABLE_VERSIONCHECK=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("clusterctl move: %v\n%s", err, out)
	}
}

// checkLeft: the site that a host was moved from has neither it nor what belonged to it any more, and the other host as it was.
func checkLeft(ctx context.Context, t *testing.T, s *site.Site, moved *metal3.BareMetalHost) {
	t.Helper()
	for _, o := range []client.Object{&metal3.BareMetalHost{}, &metal3.HardwareData{}, &corev1.Secret{}} {
		key := client.ObjectKeyFromObject(moved)
		if _, ok := o.(*corev1.Secret); ok {
			key.Name = moved.Spec.BMC.CredentialsName
		}
		until(ctx, t, fmt.Sprintf("%T %s is gone", o, key), func(ctx context.Context) error {
			switch err := s.Client.Get(ctx, key, o); {
			case apierrors.IsNotFound(err):
				return nil
			case err != nil:
				return err
			}
			return fmt.Errorf("it is there, with the finalizers %v", o.GetFinalizers())
		})
	}
	var rest metal3.BareMetalHostList
	must(t, s.Client.List(ctx, &rest, client.InNamespace(namespace)))
	if len(rest.Items) != 1 || rest.Items[0].Status.Provisioning.State != metal3.StateAvailable {
		t.Errorf("the site has %d hosts left, want the one that belongs to no cluster", len(rest.Items))
	}
}

// checkMoved: CAPM3 sees the host that it knew.
func checkMoved(t *testing.T, s *site.Site, before, after *metal3.BareMetalHost) {
	t.Helper()
	was, is := before.Status, after.Status
	if !equality.Semantic.DeepEqual(was.Provisioning, is.Provisioning) || is.ErrorMessage != "" || is.OperationalStatus != metal3.OperationalStatusOK || !is.PoweredOn {
		t.Errorf("the host was provisioned with %+v, and is with %+v: %s", was.Provisioning, is.Provisioning, is.ErrorMessage)
	}
	if !equality.Semantic.DeepEqual(was.HardwareDetails, is.HardwareDetails) || !slices.Equal(addresses(before), addresses(after)) {
		t.Errorf("its hardware was %+v and is %+v", was.HardwareDetails, is.HardwareDetails)
	}
	if !slices.Contains(after.Finalizers, metal3.BareMetalHostFinalizer) || after.Spec.ConsumerRef == nil || after.Spec.ConsumerRef.Name != before.Spec.ConsumerRef.Name {
		t.Errorf("it has the finalizers %v and the consumer %+v", after.Finalizers, after.Spec.ConsumerRef)
	}
	if !holdsImage(t, s, labMachine(t, s, after.Name).Disks[0].Path) {
		t.Error("its disk does not hold the image")
	}
}
