package agent_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/step"
)

// kernels is a machine's kexec.
type kernels struct {
	load, enter error
	loaded      []step.Disk
	entered     int
}

func (k *kernels) Load(_ context.Context, d step.Disk) (step.Loaded, error) {
	k.loaded = append(k.loaded, d)
	return step.Loaded{Kernel: "/vmlinuz", CommandLine: "ro"}, k.load
}

func (k *kernels) Enter(context.Context) error {
	k.entered++
	return k.enter
}

func withKernels(k agent.Kernels) func(*agent.Options) {
	return func(o *agent.Options) { o.Hardware.Kernels = k }
}

// TestTheAgentEntersTheInstalledSystem: it leaves when the partition role has its word, even if the boot is over by then, and turns nothing off.
func TestTheAgentEntersTheInstalledSystem(t *testing.T) {
	for name, over := range map[string]func(site *agentapitest.Site){
		"while the boot goes on":      func(*agentapitest.Site) {},
		"with the boot over":          func(site *agentapitest.Site) { site.Supersede("b") },
		"with the boot's window gone": func(site *agentapitest.Site) { site.Change("b", func(w *agentapi.Window) { w.KeyHash = "" }) },
	} {
		t.Run(name, func(t *testing.T) {
			site := agentapitest.New(t, "127.0.0.1")
			site.Start()
			m, k := newMachine(t, 1<<20), &kernels{}
			ended := live(t, site, m, site.Open("b", "t"), withKernels(k))
			site.Want("b", &protocol.Step{ID: "s1", Kind: step.LoadSystem, LoadSystem: &protocol.LoadSystem{Claim: m.disks[1]}})
			if o := site.AwaitOutcome("b", "s1", patience); o.Failure != nil || o.Loaded == nil || o.Loaded.Kernel != "/vmlinuz" || len(k.loaded) != 1 || k.loaded[0].SerialNumber != m.disks[1].SerialNumber {
				t.Fatalf("%+v, loaded %+v", o, k.loaded)
			}
			site.Want("b", &protocol.Step{ID: "s2", Kind: step.EnterSystem})
			site.AwaitOutcome("b", "s2", patience)
			over(site)
			if err := <-ended; err != nil || k.entered != 1 {
				t.Errorf("%v, entered %d times", err, k.entered)
			}
			select {
			case <-m.off:
				t.Error("the machine was turned off")
			default:
			}
		})
	}
}

// TestWhatIsNotEntered: without a kernel, without one that was made ready, and where the machine must be restarted after all.
func TestWhatIsNotEntered(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	m, k := newMachine(t, 1<<20), &kernels{load: errors.New("it is locked down"), enter: errors.New("no")}
	ended := live(t, site, m, site.Open("b", "t"), withKernels(k))
	ask := func(id string, s protocol.Step) *step.Failure {
		s.ID = id
		site.Want("b", &s)
		return site.AwaitOutcome("b", id, patience).Failure
	}
	if f := ask("s1", protocol.Step{Kind: step.EnterSystem}); f == nil {
		t.Fatal("entered what was not made ready")
	}
	if f := ask("s2", protocol.Step{Kind: step.LoadSystem, LoadSystem: &protocol.LoadSystem{Claim: m.disks[0]}}); f == nil {
		t.Fatal("a kernel that could not be loaded is ready")
	}
	if f := ask("s3", protocol.Step{Kind: step.LoadSystem, LoadSystem: &protocol.LoadSystem{Claim: step.Disk{SerialNumber: "another"}}}); f == nil || len(k.loaded) != 1 {
		t.Fatalf("%+v, loaded from %+v", f, k.loaded)
	}
	if f := ask("s4", protocol.Step{Kind: step.EnterSystem}); f == nil {
		t.Fatal("entered what failed to be made ready")
	}
	k.load = nil
	if f := ask("s5", protocol.Step{Kind: step.LoadSystem, LoadSystem: &protocol.LoadSystem{Claim: m.disks[0]}}); f != nil {
		t.Fatal(f)
	}
	if f := ask("s6", protocol.Step{Kind: step.EnterSystem}); f != nil {
		t.Fatal(f)
	}
	// The machine of the test refuses to restart, and says so.
	if err := <-ended; err == nil || err.Error() != "nobody asked for a reboot" {
		t.Errorf("%v", err)
	}
}
