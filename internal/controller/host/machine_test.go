package host_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// machine is a machine whose firmware boots what its BMC says: an agent from a medium, or what was written to its disk.
type machine struct {
	w       *world
	name    string
	mac     string
	address string
	bmc     *fake.BMC

	mu sync.Mutex
	// power ends the boot under way, which is the booted-th that the BMC told of.
	power  context.CancelFunc
	booted int
	done   sync.WaitGroup
	// writes are the writes that began, by step; ended those that were finished.
	writes, ended map[string]int
	writing       int
	// wiped counts cleanings, systems the boots from a disk that holds an image.
	wiped, systems int
	image          string
	// lives are the media of boots from a CD that is not the agent's.
	lives []string
	// fail is the next failure of a kind of step.
	fail map[step.Kind]*step.Failure
	// tested are the plans of the burn-ins that began; a worn machine fails them.
	tested []string
	worn   bool
	// hold, when not nil, keeps a step of this kind running until it is closed.
	hold map[step.Kind]chan struct{}
	// uuid is what the machine's agents call it.
	uuid string
	// tpm is the fingerprint of its TPM, empty for none.
	tpm string
	// deaf machines boot nothing.
	deaf bool
	// problems are breaches of the invariants.
	problems []string
	drive    []byte
	// asked is the last write that was handed out.
	asked *protocol.WriteImage
}

// agentMedia begins the URL of every agent's medium.
const agentMedia = "https://10.9.0.2:8445/media/"

func (w *world) addMachine(name string) *machine {
	w.t.Helper()
	h := fnv.New32a()
	_, _ = h.Write([]byte(w.namespace + name))
	n := h.Sum32()
	m := &machine{
		w: w, name: name, mac: fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", byte(n>>24), byte(n>>16), byte(n>>8), byte(n)),
		address: "redfish-virtualmedia+https://" + name + "." + w.namespace + ".test/redfish/v1/Systems/1",
		writes:  map[string]int{}, ended: map[string]int{}, fail: map[step.Kind]*step.Failure{}, hold: map[step.Kind]chan struct{}{},
	}
	hardware := w.hardware
	hardware.UUID = w.namespace + "." + name
	config := fake.Config{
		Address: m.address, Username: "admin", Password: secret.New("secret"), Hardware: hardware, Lacks: w.lacks, OnBoot: m.boot,
	}
	if w.bios != nil {
		w.bios(&config)
	}
	b, err := w.bmcs.Add(config)
	if err != nil {
		w.t.Fatal(err)
	}
	m.bmc = b
	w.mu.Lock()
	w.machines[name] = m
	w.mu.Unlock()
	go m.watchPower(w.t.Context())
	return m
}

// watchPower ends the boot when the BMC cut the power.
func (m *machine) watchPower(ctx context.Context) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		booted := m.booted
		m.mu.Unlock()
		// A boot between the look and the cut is not the one that the power was seen off in.
		if !m.bmc.Powered() {
			m.cut(func() bool { return m.booted == booted })
		}
	}
}

// cut ends the boot under way if it is the one that is meant, which is asked for under the lock.
func (m *machine) cut(meant func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.power != nil && meant() {
		m.power()
		m.power = nil
	}
}

func anyBoot() bool { return true }

func (w *world) endMachines() {
	w.mu.Lock()
	all := w.machines
	w.machines = map[string]*machine{}
	w.mu.Unlock()
	for _, m := range all {
		m.cut(anyBoot)
		m.done.Wait()
		m.mu.Lock()
		for _, p := range m.problems {
			w.t.Errorf("machine %s: %s", m.name, p)
		}
		m.mu.Unlock()
	}
}

func (m *machine) problem(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

// boot is called by the fake BMC.
func (m *machine) boot(b fake.Boot) {
	m.cut(anyBoot)
	ctx, cancel := context.WithCancel(m.w.t.Context())
	n := len(m.bmc.Boots())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.power = cancel
	m.booted++
	if m.deaf {
		return
	}
	if b.Setting.Device != bmc.BootCD || b.Medium == "" {
		if m.image != "" {
			m.systems++
		}
		return
	}
	if !strings.HasPrefix(b.Medium, agentMedia) {
		m.lives = append(m.lives, b.Medium)
		return
	}
	m.done.Go(func() { m.agent(ctx, n, b.Medium) })
}

// agent is the life of one agent, which the n-th boot started: from the medium to its last step.
func (m *machine) agent(ctx context.Context, n int, medium string) {
	boot, token := m.readMedium(ctx, medium)
	if boot == "" {
		return
	}
	if !m.enrol(ctx, boot, token, hashText(boot+m.name)) {
		return
	}
	at := protocol.ExchangeRequest{BootID: boot, Phase: step.Idle}
	for ctx.Err() == nil {
		want, over := m.exchange(ctx, &at)
		switch {
		case over:
			m.bmc.ShutDown(n)
			return
		case want == nil:
		case want.Kind == step.PowerOff:
			m.bmc.ShutDown(n)
			return
		default:
			m.run(ctx, n, &at, want)
			if want.Kind == step.EnterSystem && at.Outcome != nil && at.Outcome.Failure == nil {
				// Its last word is heard, and the installed system runs.
				m.exchange(ctx, &at)
				return
			}
		}
	}
}

// readMedium does what the boot role does: it finds the window of a medium's URL and the token in its Secret.
func (m *machine) readMedium(ctx context.Context, medium string) (boot, token string) {
	var all ingot.BootWindowList
	if err := m.w.admin.List(ctx, &all, client.InNamespace(ingot.BootNamespace)); err != nil {
		return "", ""
	}
	for _, w := range all.Items {
		if w.Spec.MediaName == "" || medium != agentMedia+w.Spec.MediaName+".iso" {
			continue
		}
		s := &corev1.Secret{}
		if err := m.w.admin.Get(ctx, client.ObjectKey{Namespace: ingot.BootNamespace, Name: w.Spec.TokenSecretName}, s); err != nil {
			return "", ""
		}
		if hashText(string(s.Data[ingot.BootTokenKey])) != w.Spec.TokenHash {
			m.problem("window %s has another token's hash", w.Name)
		}
		return w.Name, string(s.Data[ingot.BootTokenKey])
	}
	return "", ""
}

// enrol does what the agents' server does.
func (m *machine) enrol(ctx context.Context, boot, token, key string) bool {
	for ctx.Err() == nil {
		if r := m.w.reconciler(); r != nil {
			w, err := r.WindowForAgent(ctx, boot)
			switch {
			case err == nil && (w == nil || w.Spec.TokenHash != hashText(token) || (w.Status.AgentKeyHash != "" && w.Status.AgentKeyHash != key)):
				return false
			case err == nil && w.Status.AgentKeyHash == key:
				return true
			case err == nil:
				evidence, reason := m.prove(w)
				if reason != "" {
					if err = r.RefusedAgent(ctx, boot, w.ResourceVersion, reason, m.security()); err == nil {
						return false
					}
					continue
				}
				if err = r.Redeemed(ctx, boot, w.ResourceVersion, bootwindow.Redemption{KeyHash: key, SystemUUID: m.named(), TPM: evidence}); err == nil {
					return true
				}
				if apierrors.IsNotFound(err) {
					return false
				}
			}
		}
		pause(ctx)
	}
	return false
}

// prove is what the agents' server makes of the machine's TPM.
func (m *machine) prove(w *ingot.BootWindow) (e *attest.Evidence, reason string) {
	asked, key := attest.Demand{}, m.security()
	if t := w.Spec.TPM; t != nil {
		asked = attest.Demand{Policy: attest.Policy(t.Use), EndorsementKey: t.EndorsementKey}
	}
	if _, reason = attest.Judge(asked, attest.Shown{EndorsementKey: key, Proven: true}); reason == "" && key != "" && asked.Asks() {
		e = &attest.Evidence{EndorsementKey: key, Algorithm: "ecc-p256", PCRs: []attest.PCR{{Index: 7, SHA256: key}}, At: m.w.now()}
	}
	return e, reason
}

// security is the fingerprint of the machine's TPM, empty for none.
func (m *machine) security() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tpm
}

// putTPM puts a TPM into the machine in place of any other.
func (m *machine) putTPM(fingerprint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tpm = fingerprint
}

// exchange says where the agent is and asks for what is wanted, once, with a short wait.
func (m *machine) exchange(ctx context.Context, at *protocol.ExchangeRequest) (want *protocol.Step, over bool) {
	at.Sequence++
	r := m.w.reconciler()
	if r == nil {
		pause(ctx)
		return nil, false
	}
	if err := r.Report(ctx, at.BootID, *at); err != nil {
		pause(ctx)
		return nil, errors.Is(err, host.ErrBootOver)
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	for {
		wanted, err := r.Wanted(ctx, at.BootID)
		switch {
		case errors.Is(err, host.ErrBootOver), err == nil && wanted.Over:
			return nil, true
		case err != nil:
			pause(ctx)
			return nil, false
		case wanted.Step != nil && wanted.Step.ID != at.StepID:
			return wanted.Step, false
		case at.Phase == step.Running:
			return nil, false
		}
		select {
		case <-wanted.Changed:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// named is what the machine's agents call it.
func (m *machine) named() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.uuid
}

// rename makes it another machine, behind the same BMC.
func (m *machine) rename(uuid string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uuid = uuid
}

// counts are what happened to the machine until now.
func (m *machine) counts() (writes, wiped, systems int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.writes {
		writes += n
	}
	return writes, m.wiped, m.systems
}

// liveBoots are the boots from a medium that is not the agent's.
func (m *machine) liveBoots() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.lives)
}

// holdFirmware makes the machine boot nothing: its agent is the test.
func (m *machine) holdFirmware() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = true
}

// holdStep keeps steps of a kind running until release.
func (m *machine) holdStep(k step.Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold[k] = make(chan struct{})
}

func (m *machine) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, c := range m.hold {
		close(c)
		delete(m.hold, k)
	}
}

// failStep makes the next step of a kind fail.
func (m *machine) failStep(k step.Kind, f *step.Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail[k] = f
}

// reportToken reads the first-boot token from the config drive, as the installed system would.
func (m *machine) reportToken() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := string(m.drive)
	const before = "/v1/first-boot/"
	i := strings.Index(text, before+m.w.namespace+"/"+m.name+"/")
	if i < 0 {
		return ""
	}
	token, _, _ := strings.Cut(text[i+len(before+m.w.namespace+"/"+m.name+"/"):], `\"`)
	return token
}

func pause(ctx context.Context) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
}
