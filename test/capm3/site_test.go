package capm3_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
)

const namespace = "default"

// until looks again until nothing is wrong any more.
func until(ctx context.Context, t *testing.T, what string, look func(context.Context) error) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in time: %v", what, err)
		}
	}
}

// must ends the test where something that cannot fail did.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// defineMachines installs the two kinds of CAPM3's that own hosts, or stand above those that do. Their fields are nobody's business here, so that any are taken.
func defineMachines(ctx context.Context, t *testing.T, c client.Client) {
	t.Helper()
	for kind, plural := range map[string]string{"Metal3Cluster": "metal3clusters", "Metal3Machine": "metal3machines"} {
		anything := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
		define(ctx, t, c, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": plural + ".infrastructure.cluster.x-k8s.io", "labels": map[string]any{"cluster.x-k8s.io/v1beta2": "v1beta2"}},
			"spec": map[string]any{
				"group": "infrastructure.cluster.x-k8s.io", "scope": "Namespaced",
				"names": map[string]any{"kind": kind, "listKind": kind + "List", "plural": plural, "singular": strings.ToLower(kind)},
				"versions": []any{map[string]any{
					"name": "v1beta2", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
					"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{"spec": anything, "status": anything}}},
				}},
			},
		}})
	}
}

// define installs a definition as clusterctl does, with its label, and waits until the kind is served.
func define(ctx context.Context, t *testing.T, c client.Client, crd *unstructured.Unstructured) {
	t.Helper()
	labels := crd.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["clusterctl.cluster.x-k8s.io"] = ""
	crd.SetLabels(labels)
	must(t, c.Create(ctx, crd))
	until(ctx, t, crd.GetName(), func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(crd.Object, "status", "conditions")
		for _, x := range conditions {
			if m, ok := x.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
				return err
			}
		}
		return errors.Join(err, errors.New("not established"))
	})
}

// create makes an object, once its kind is known everywhere.
func create(ctx context.Context, t *testing.T, c client.Client, o client.Object) {
	t.Helper()
	until(ctx, t, "create "+o.GetName(), func(ctx context.Context) error {
		err := c.Create(ctx, o)
		if err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			t.Fatal(err)
		}
		return err
	})
}

func object(apiVersion, kind, name string, owner client.Object, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "spec": spec}}
	u.SetNamespace(namespace)
	u.SetName(name)
	if owner != nil {
		v, k := owner.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
		controls := true
		u.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: v, Kind: k, Name: owner.GetName(), UID: owner.GetUID(), Controller: &controls}})
	}
	return u
}

// enrol makes the lab's machines hosts without an image, as an operator does who keeps them for Cluster API, and waits until they are offered.
func enrol(ctx context.Context, t *testing.T, s *site.Site, edit func(i int, h *metal3.BareMetalHost)) {
	t.Helper()
	machines := s.Lab.State().Machines
	for i, m := range machines {
		must(t, s.Enrol(ctx, m, func(h *metal3.BareMetalHost) {
			h.Spec.Image, h.Labels = nil, map[string]string{"role": "worker", "rack": "r7"}
			if edit != nil {
				edit(i, h)
			}
		}))
	}
	must(t, s.Await(ctx, namespace, func(all []metal3.BareMetalHost) bool {
		free := 0
		for _, h := range all {
			if h.Status.Provisioning.State == metal3.StateAvailable && h.Status.ErrorMessage == "" {
				free++
			}
		}
		return free == len(machines)
	}))
}

// awaitState waits until a host is in a state.
func awaitState(ctx context.Context, t *testing.T, s *site.Site, name string, state metal3.ProvisioningState) *metal3.BareMetalHost {
	t.Helper()
	var host metal3.BareMetalHost
	must(t, s.Await(ctx, namespace, func(all []metal3.BareMetalHost) bool {
		for _, h := range all {
			if h.Name == name && h.Status.Provisioning.State == state {
				host = h
				return true
			}
		}
		return false
	}))
	return &host
}

// labMachine is the machine behind a host.
func labMachine(t *testing.T, s *site.Site, name string) lab.Machine {
	t.Helper()
	for _, m := range s.Lab.State().Machines {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("the lab has no machine %s", name)
	return lab.Machine{}
}

// writings is how often a disk of the machine was opened for writing.
func writings(s *site.Site, name string) int {
	n := 0
	for _, w := range s.Lab.Journal.Writings() {
		if w.Machine == name {
			n++
		}
	}
	return n
}

const mib = 1 << 20

// holdsImage compares the disk with the image, but for the partition tables.
func holdsImage(t *testing.T, s *site.Site, path string) bool {
	t.Helper()
	got := make([]byte, len(s.ImageRaw)-2*mib)
	readAt(t, path, got, mib)
	return bytes.Equal(got, s.ImageRaw[mib:len(s.ImageRaw)-mib])
}

// isClean says whether the disk has neither partition table.
func isClean(t *testing.T, path string, size int64) bool {
	t.Helper()
	for _, at := range []int64{0, size - mib} {
		got := make([]byte, mib)
		readAt(t, path, got, at)
		if !bytes.Equal(got, make([]byte, mib)) {
			return false
		}
	}
	return true
}

// isCleanHost says it of the disk that the host's image went to.
func isCleanHost(t *testing.T, s *site.Site, h *metal3.BareMetalHost) bool {
	t.Helper()
	disk := labMachine(t, s, h.Name).Disks[0]
	return isClean(t, disk.Path, disk.SizeBytes)
}

func readAt(t *testing.T, path string, into []byte, at int64) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	_, err = f.ReadAt(into, at)
	must(t, err)
}

// onConfigDrive reads a file of the config drive, which is an ISO 9660 image in a partition of the disk (UEFI 2.10 §5.3 for the table, OpenStack for the label).
func onConfigDrive(t *testing.T, path, name string) []byte {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	const sector, labelAt = 512, 16*2048 + 40
	header := make([]byte, sector)
	readAt(t, path, header, sector)
	at, count, size := int64(binary.LittleEndian.Uint64(header[72:])), int64(binary.LittleEndian.Uint32(header[80:])), int64(binary.LittleEndian.Uint32(header[84:]))
	for i := range count {
		entry := make([]byte, size)
		readAt(t, path, entry, at*sector+i*size)
		first, last := int64(binary.LittleEndian.Uint64(entry[32:])), int64(binary.LittleEndian.Uint64(entry[40:]))
		if first == 0 {
			continue
		}
		part := io.NewSectionReader(f, first*sector, (last-first+1)*sector)
		label := make([]byte, len("config-2"))
		if _, err := part.ReadAt(label, labelAt); err != nil || string(label) != "config-2" {
			continue
		}
		region, err := bootmedia.Find(part, name)
		must(t, err)
		content := make([]byte, region.Bytes)
		_, err = part.ReadAt(content, region.Offset)
		must(t, err)
		return content
	}
	t.Fatalf("%s has no config drive", path)
	return nil
}
