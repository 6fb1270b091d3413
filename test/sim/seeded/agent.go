package seeded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// agent is the agent's program in one boot of a machine.
type agent struct {
	m     *machine
	n     int64
	boot  string
	token string
	key   string
	at    protocol.ExchangeRequest
	doing *protocol.Step
	// changed ends the wait of the exchange under way: the server's answer comes when there is something to do.
	changed <-chan struct{}
	// turn numbers the exchanges, so that one that was overtaken does not happen.
	turn int
}

// The agent's pace.
const (
	idleEvery  = 30 * time.Second
	retryEvery = 7 * time.Second
)

// startAgent reads the medium, as the boot role serves it: only while its window is there.
func (m *machine) startAgent(n int64, medium string) {
	if !m.alive(n) {
		return
	}
	w := m.w
	var windows ingot.BootWindowList
	if err := w.store.List(context.Background(), &windows); err != nil {
		w.wrong("list windows: %v", err)
		return
	}
	for _, win := range windows.Items {
		if win.Spec.MediaName == "" || medium != agentMedia+win.Spec.MediaName+".iso" {
			continue
		}
		s := &corev1.Secret{}
		if err := w.store.Get(context.Background(), client.ObjectKey{Namespace: ingot.BootNamespace, Name: win.Spec.TokenSecretName}, s); err != nil {
			continue
		}
		a := &agent{m: m, n: n, boot: win.Name, token: string(s.Data[ingot.BootTokenKey]), key: hash(fmt.Sprint(win.Name, m.name, n))}
		a.at = protocol.ExchangeRequest{BootID: win.Name, Phase: step.Idle}
		m.agent = a
		if w.chance(w.faults.neighbour, "neighbour "+m.name) {
			w.agenda.add(w.now().Add(w.between(0, 4*time.Second, "neighbour "+m.name)), m.name, func() {
				w.note(m.name, "  a neighbour tries the token")
				_ = m.enrol(a.boot, a.token, hash("neighbour of "+a.boot), "another machine")
			})
		}
		a.soon(w.between(0, 3*time.Second, "start "+m.name), a.enrol)
		return
	}
	w.note(m.name, "  the medium is not served any more")
}

// soon has the agent do something unless its machine was restarted meanwhile.
func (a *agent) soon(after time.Duration, do func()) {
	w := a.m.w
	w.agenda.add(w.now().Add(after), a.m.name, func() {
		if !a.m.alive(a.n) || a.m.agent != a {
			return
		}
		if w.chance(w.faults.agentDies, "agent "+a.m.name+" dies") {
			w.note(a.m.name, "  the agent dies")
			a.m.agent, a.m.runs = nil, "nothing"
			return
		}
		do()
	})
}

func (a *agent) enrol() {
	switch a.m.enrol(a.boot, a.token, a.key, a.m.uuid) {
	case letIn:
		a.exchange()
	case refused:
		a.m.w.note(a.m.name, "  the agent is refused")
		a.m.runs = "nothing"
	case noAnswer:
		a.soon(retryEvery, a.enrol)
	}
}

type admission int

const (
	noAnswer admission = iota
	letIn
	refused
)

// enrol trades a token as the agents' server does, with what may happen on the way.
func (m *machine) enrol(boot, token, key, uuid string) admission {
	w := m.w
	p := w.process
	if p == nil || w.chance(w.faults.messageLost, "enrol "+m.name) {
		return noAnswer
	}
	win, err := p.hosts.WindowForAgent(p.ctx, boot)
	switch {
	case err != nil:
		return noAnswer
	case win == nil || win.Spec.TokenHash != hash(token):
		return refused
	case win.Status.AgentKeyHash == key:
		w.acceptedKey(boot, key)
		return letIn
	case win.Status.AgentKeyHash != "" && !w.trusting:
		return refused
	case w.now().Before(win.Spec.OpensAt.Time) || !w.now().Before(win.Spec.ClosesAt.Time):
		return refused
	}
	if err := p.hosts.Redeemed(p.ctx, boot, win.ResourceVersion, bootwindow.Redemption{KeyHash: key, SystemUUID: uuid}); err != nil {
		if apierrors.IsNotFound(err) {
			return refused
		}
		return noAnswer
	}
	w.acceptedKey(boot, key)
	if w.chance(w.faults.messageLost, "answer "+m.name) {
		return noAnswer
	}
	return letIn
}

// exchange says where the agent is and takes what is wanted.
func (a *agent) exchange() {
	w, m := a.m.w, a.m
	p := w.process
	a.at.Sequence++
	a.at.Wait = 0
	if p == nil || w.chance(w.faults.messageLost, "exchange "+m.name) {
		a.exchangeIn(retryEvery)
		return
	}
	if a.at.Phase == step.Running {
		a.at.Progress = &step.Progress{Phase: "working", DoneBytes: a.at.Sequence, UpdatedAt: w.now()}
	}
	said := a.at
	err := p.hosts.Report(p.ctx, a.boot, said)
	if w.chance(w.faults.messageTwice, "twice "+m.name) {
		a.soon(w.between(time.Second, time.Minute, "late "+m.name), func() {
			if p := w.process; p != nil {
				_ = p.hosts.Report(p.ctx, a.boot, said)
			}
		})
	}
	if errors.Is(err, host.ErrBootOver) {
		a.over()
		return
	}
	if err != nil {
		a.exchangeIn(retryEvery)
		return
	}
	wanted, err := p.hosts.Wanted(p.ctx, a.boot)
	switch {
	case errors.Is(err, host.ErrBootOver), err == nil && wanted.Over:
		a.over()
	case err != nil || wanted.Step == nil || wanted.Step.ID == a.at.StepID || a.at.Phase == step.Running || p.dead():
		if err == nil {
			a.changed = wanted.Changed
		}
		a.again()
	case wanted.Step.Kind == step.PowerOff:
		a.over()
	default:
		a.begin(wanted.Step)
	}
}

func (a *agent) again() {
	pace := idleEvery
	if a.at.Phase == step.Running {
		pace = 20 * time.Second
	}
	a.exchangeIn(pace)
}

// exchangeIn puts the next exchange on the agenda, in place of one that is there.
func (a *agent) exchangeIn(pace time.Duration) {
	a.turn++
	turn := a.turn
	a.soon(pace, func() {
		if a.turn == turn {
			a.changed = nil
			a.exchange()
		}
	})
}

// heed ends the agent's wait when the server has something to say.
func (a *agent) heed() {
	select {
	case <-a.changed:
		a.changed = nil
		a.exchangeIn(20 * time.Millisecond)
	default:
	}
}

// over is the end of an agent that is not wanted any more.
func (a *agent) over() {
	a.m.w.note(a.m.name, "  the agent turns the machine off")
	a.m.agent, a.m.runs = nil, ""
	a.m.bmc.PowerOffByItself()
}

// begin takes up a step.
func (a *agent) begin(s *protocol.Step) {
	w, m := a.m.w, a.m
	w.note(m.name, "  the agent begins %s %s", s.Kind, s.ID)
	w.checkStep(m, a.boot, s)
	a.doing = s
	a.at.StepID, a.at.Phase, a.at.Outcome, a.at.Progress = s.ID, step.Running, nil, nil
	if s.Kind == step.WriteImage {
		if d := m.disk(s.WriteImage.Claim.SerialNumber); d != nil {
			d.content = "part of " + s.WriteImage.Image.URL
		}
		m.drive = s.WriteImage.ConfigDrive
	}
	if s.Kind == step.BurnIn {
		m.burnsIn(s.BurnIn.Plan)
	}
	longest := map[step.Kind]time.Duration{step.Inspect: 20 * time.Second, step.ChooseDisk: 2 * time.Second, step.Clean: time.Minute, step.WriteImage: 4 * time.Minute, step.BurnIn: 10 * time.Minute}[s.Kind]
	a.soon(w.between(time.Second, max(longest, 2*time.Second), "step "+m.name), func() { a.finish(s) })
	a.exchange()
}

func (a *agent) finish(s *protocol.Step) {
	if a.doing != s {
		return
	}
	a.doing = nil
	a.at.Phase, a.at.Progress, a.at.Outcome = step.Finished, nil, a.outcome(s)
	a.m.w.note(a.m.name, "  the agent ended %s: %s", s.Kind, asJSON(a.at.Outcome.Failure))
	a.exchange()
}

func (a *agent) outcome(s *protocol.Step) *step.Outcome {
	w, m := a.m.w, a.m
	if w.chance(w.faults.stepFails, "step "+m.name) {
		return &step.Outcome{Failure: &step.Failure{Kind: step.Internal, Message: seededFault}}
	}
	switch s.Kind {
	case step.Inspect:
		return &step.Outcome{Inventory: &step.Inventory{
			Hostname: m.name, System: step.System{Manufacturer: "Ingot", SerialNumber: m.name, UUID: m.uuid}, MemoryBytes: 4 << 30, CPU: step.CPU{Architecture: "x86_64", Count: 4},
			NICs: []step.NIC{{Name: "eth0", MAC: m.mac, LinkUp: true}}, Disks: m.plain(),
		}}
	case step.ChooseDisk:
		d, failure := rootdevice.Choose(m.plain(), s.ChooseDisk.Hints, s.ChooseDisk.MinSizeBytes)
		if failure != nil {
			return &step.Outcome{Failure: failure}
		}
		m.chosen = d.SerialNumber
		return &step.Outcome{Disk: &d}
	case step.Clean:
		return a.cleaned()
	case step.BurnIn:
		return a.burntIn(s.BurnIn)
	case step.WriteImage:
		return a.written(s.WriteImage)
	default:
		return &step.Outcome{Failure: &step.Failure{Kind: step.Unsupported, Message: "this agent does not know the step"}}
	}
}

func (a *agent) cleaned() *step.Outcome {
	out := &step.Outcome{}
	for _, d := range a.m.disks {
		wipe := step.Wipe{Disk: d.Disk, Method: "metadata", StartedAt: a.m.w.now(), FinishedAt: a.m.w.now(), Clean: true}
		if a.m.w.chance(a.m.w.faults.stain, "stain "+a.m.name) {
			wipe.Clean, wipe.Message = false, "a signature is left"
		} else {
			d.content = ""
		}
		out.Wipes = append(out.Wipes, wipe)
	}
	return out
}

func (a *agent) written(o *protocol.WriteImage) *step.Outcome {
	d := a.m.disk(o.Claim.SerialNumber)
	switch {
	case d == nil:
		return &step.Outcome{Failure: &step.Failure{Kind: step.Invalid, Message: "the claimed disk is gone"}}
	case o.Image.Checksum != goodSum:
		return &step.Outcome{Failure: &step.Failure{Kind: step.Invalid, Message: "the digest is wrong"}}
	}
	d.content = imageOf(o.Image.URL)
	if a.m.w.eager {
		d.content = ""
	}
	return &step.Outcome{Disk: &d.Disk, Written: &step.Written{Digest: "sha256:" + o.Image.Checksum, ImageBytes: 1}}
}

// report is the installed system's, with the token of its config drive.
func (m *machine) report(n int64) {
	p := m.w.process
	const before = "/v1/first-boot/"
	_, rest, found := strings.Cut(string(m.drive), before+m.key.Namespace+"/"+m.name+"/")
	if !m.alive(n) || p == nil || !found {
		return
	}
	token, _, _ := strings.Cut(rest, `\"`)
	want, err := p.hosts.FirstBootTokenHash(p.ctx, m.key)
	if err != nil || want != hash(token) {
		return
	}
	m.w.note(m.name, "  the system reports")
	_ = p.hosts.SaveFirstBoot(p.ctx, m.key, want, host.FirstBootReport{Hostname: m.name, Kernel: "6.1", InstanceID: "i"})
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
