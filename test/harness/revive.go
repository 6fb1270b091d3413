package harness

import (
	"context"
	"os"
	"regexp"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hung are a kernel's words when it has lost its timer, which emulated machines with two processors do once in some hundred boots, and more often on a starved host. Nothing but a reset helps then.
var hung = regexp.MustCompile(`kthread timer wakeup didn't happen for \d{5,} jiffies|blocked for more than 120 seconds`)

// Revive resets a virtual machine whose kernel hangs, as an operator would, and says so in the test's log: it is the lab's fault. It asks the API, and is called while something is waited for.
func (w *World) Revive(ctx context.Context, t testing.TB, key client.ObjectKey) {
	t.Helper()
	for i := range w.State.Machines {
		if w.Key(i) != key || w.State.Machines[i].ConsoleLog == "" {
			continue
		}
		console, err := os.ReadFile(w.State.Machines[i].ConsoleLog)
		if err != nil || len(console) < w.revived[key] {
			return // there is none yet, or a new one
		}
		said := hung.Find(console[w.revived[key]:])
		if said == nil {
			return
		}
		t.Logf("lab fault: the kernel of %s hangs (%s): the machine is reset", key, said)
		w.revived[key] = len(console)
		w.Change(ctx, t, key, func(h *metal3.BareMetalHost) {
			if h.Annotations == nil {
				h.Annotations = map[string]string{}
			}
			h.Annotations[metal3.RebootAnnotationPrefix] = `{"mode":"hard"}`
		})
	}
}
