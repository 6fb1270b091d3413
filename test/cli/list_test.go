package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/internal/cli/layout"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// site gives a test a client and a namespace of its own, for which the program's kubeconfig is set.
func site(t *testing.T, namespace string) client.WithWatch {
	t.Helper()
	cp := controlplanetest.Shared(t)
	scheme, err := session.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	k, err := client.NewWithWatch(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig(t, cp.Admin))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if err := k.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	return k
}

// addHost creates a host with its life cycle as the partition role would have left them.
func addHost(t *testing.T, k client.Client, namespace, name string, state metal3.ProvisioningState, change func(*metal3.BareMetalHost, *ingot.HostLifecycle)) {
	t.Helper()
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	h.Status.Provisioning.State, h.Status.OperationalStatus = state, metal3.OperationalStatusOK
	if change != nil {
		change(h, l)
	}
	hostStatus, lifeStatus := h.Status, l.Status
	for _, o := range []client.Object{h, l} {
		if err := k.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	h.Status, l.Status = hostStatus, lifeStatus
	for _, o := range []client.Object{h, l} {
		if err := k.Status().Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLists(t *testing.T) {
	k := site(t, "lists")
	for i, state := range []metal3.ProvisioningState{metal3.StateAvailable, metal3.StateProvisioned, metal3.StateAvailable} {
		addHost(t, k, "lists", fmt.Sprintf("rack%d", []int{10, 2, 1}[i]), state, func(h *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			h.Labels = map[string]string{"row": fmt.Sprint(i), ingot.PartitionLabel: "east"}
			if state == metal3.StateProvisioned {
				h.Spec.ConsumerRef = &corev1.ObjectReference{Kind: "HostClaim", Namespace: "team-a", Name: "web"}
			}
			l.Status.Outcome.Reason = "Looks"
		})
	}
	run, contains := terminal(t, host.Command)
	all := func(want string, args ...string) {
		t.Helper()
		out, _ := run(0, append([]string{"list", "-n", "lists", "-o", "name"}, args...)...)
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("%v: %q, want %q", args, got, want)
		}
	}
	all("rack1 rack2 rack10")
	all("rack10 rack2 rack1", "--sort-by", "-name")
	all("rack10 rack1 rack2", "--sort-by", "state,-name")
	all("rack1 rack10", "--state", "avail*")
	all("rack2", "--filter", "state!=available")
	all("rack2", "--project", "team-a")
	all("rack1 rack2", "-l", "row!=0")
	all("rack1", "-l", "row!=0", "--state", "available", "--partition", "east")
	all("", "--partition", "west")
	all("lists/rack1 lists/rack2 lists/rack10", "-A", "--filter", "namespace=lists", "-n", "")

	shown, _ := run(0, "list", "-n", "lists", "-o", "markdown")
	contains(shown, "| NAME | STATE |", "| rack2 | provisioned |", "| web |")
	shown, _ = run(0, "list", "-n", "lists", "-o", "template={{.host.metadata.name}} is {{.host.status.provisioning.state}}", "--state", "provisioned")
	if shown != "rack2 is provisioned\n" {
		t.Errorf("template: %q", shown)
	}
	shown, _ = run(0, "list", "-n", "lists", "-o", "json", "--sort-by", "-name")
	var objects []host.Host
	if err := json.Unmarshal([]byte(shown), &objects); err != nil || len(objects) != 3 || objects[0].Host.Name != "rack10" || objects[0].Lifecycle.Status.Outcome.Reason != "Looks" {
		t.Errorf("%v, %d objects:\n%s", err, len(objects), shown)
	}
	_, messages := run(0, "list", "-n", "lists", "--state", "nowhere")
	contains(messages, `no hosts in namespace "lists" pass the filters; -A looks in every namespace`)
	for want, args := range map[string][]string{
		`no column "colour": use one of namespace, name, state`: {"--sort-by", "colour"},
		"write column=glob":                 {"--filter", "state"},
		`there is no column "x"`:            {"--filter", "x=1"},
		"-l":                                {"-l", "a=b=c"},
		"-o markdown is a finished table":   {"-o", "markdown", "--watch"},
		`output format "xml" is not known`:  {"-o", "xml"},
		"-o template: template: -o:1: uncl": {"-o", "template={{.a"},
	} {
		_, messages := run(1, append([]string{"list", "-n", "lists"}, args...)...)
		contains(messages, want)
	}
	_, messages = run(session.NotThere, "get", "-n", "lists", "nobody")
	contains(messages, "host nobody is not in namespace")
	run, contains = terminal(t, layout.Command)
	_, messages = run(1, "list", "-A")
	contains(messages, "layouts are in no namespace")
}

// TestCompletion presses the tab key: names, columns and values are live; what was asked a moment ago is remembered; without an API server there is silence.
func TestCompletion(t *testing.T) {
	k := site(t, "tab")
	addHost(t, k, "tab", "alpha", metal3.StateAvailable, nil)
	addHost(t, k, "tab", "beta", metal3.StateProvisioned, nil)
	run, contains := terminal(t, host.Command)
	eventually := func(want []string, args ...string) {
		t.Helper()
		out, messages := offered(t, run, args...)
		contains(out, want...)
		if strings.Contains(messages, "rror") {
			t.Errorf("something is said at the prompt: %s", messages)
		}
	}
	eventually([]string{"alpha\n", "beta\n"}, "get", "-n", "tab", "")
	eventually([]string{"beta\n"}, "get", "-n", "tab", "be")
	eventually([]string{"available\n", "provisioned\n"}, "list", "-n", "tab", "--state", "")
	eventually([]string{"state=available\n"}, "list", "-n", "tab", "--filter", "state=")
	eventually([]string{"state=\n", "bmc=\n"}, "list", "--filter", "")
	eventually([]string{"state,-name\n"}, "list", "--sort-by", "state,-")
	eventually([]string{"template=\n", "markdown\n"}, "list", "-o", "")

	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "ingot", "completion", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is remembered: %v", err)
	}
	for _, f := range files {
		if i, err := os.Stat(f); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, i, err)
		}
		// What is remembered is offered as it stands, and not for longer than a moment.
		old := time.Now().Add(-time.Hour)
		if err := os.WriteFile(f, []byte("remembered\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(f, old, old); err != nil {
			t.Fatal(err)
		}
	}
	eventually([]string{"alpha\n"}, "get", "-n", "tab", "")

	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	out, messages := run(0, "__complete", "get", "-n", "tab", "")
	if out != ":4\n" || strings.Contains(messages, "kubeconfig") {
		t.Errorf("without an API server: %q, %q", out, messages)
	}
}

// lockedBuffer is what a watching command writes to while the test reads.
type lockedBuffer struct {
	sync.Mutex
	b bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.b.String()
}

func TestWatch(t *testing.T) {
	k := site(t, "watched")
	addHost(t, k, "watched", "alpha", metal3.StateInspecting, nil)
	var out, messages lockedBuffer
	c := host.Command(session.New(&out, &messages))
	c.SetArgs([]string{"list", "-n", "watched", "--watch", "--filter", "state!=deprovisioning"})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	until := func(b *lockedBuffer, want string) {
		t.Helper()
		deadline := time.Now().Add(3 * time.Minute)
		for !strings.Contains(b.String(), want) {
			if time.Now().After(deadline) {
				t.Fatalf("%q did not come:\n%s%s", want, out.String(), messages.String())
			}
			select {
			case err := <-ended:
				t.Fatalf("it ended: %v\n%s", err, messages.String())
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	until(&out, "inspecting")
	addHost(t, k, "watched", "beta", metal3.StateRegistering, nil)
	until(&out, "registering")
	// A change of the life cycle alone changes the row too.
	l := &ingot.HostLifecycle{}
	if err := k.Get(t.Context(), client.ObjectKey{Namespace: "watched", Name: "alpha"}, l); err != nil {
		t.Fatal(err)
	}
	l.Status.Outcome.Reason = "AgentBooting"
	if err := k.Status().Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	until(&out, "AgentBooting")
	// One that no longer passes the filter, and one that is deleted, are gone.
	h := &metal3.BareMetalHost{}
	if err := k.Get(t.Context(), client.ObjectKey{Namespace: "watched", Name: "alpha"}, h); err != nil {
		t.Fatal(err)
	}
	h.Status.Provisioning.State = metal3.StateDeprovisioning
	if err := k.Status().Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	until(&messages, "host alpha is gone from the list")
	if err := k.Delete(t.Context(), &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "watched", Name: "beta"}}); err != nil {
		t.Fatal(err)
	}
	until(&messages, "host beta is gone from the list")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("being ended is no error: %v", err)
	}
	if n := strings.Count(out.String(), "NAME"); n != 1 {
		t.Errorf("%d headers:\n%s", n, out.String())
	}
}
