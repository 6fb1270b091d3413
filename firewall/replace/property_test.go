package replace_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall/replace"
)

// node is a machine as it is, and not as it is known: what the kernel does outlives the process, and both outlive the way to the API server.
type node struct {
	exists, leaving, powered, process, reaches bool
	asked                                      bool // to be off
	own                                        bool
	term                                       int64
	holds                                      bool
	report                                     replace.Report
	off                                        bool // as the BMC said it last
}

func (n *node) answers() bool { return n.exists && n.powered && n.holds }

// site is a Firewall with two machines, and whoever may die.
type site struct {
	now        time.Time
	state      replace.State
	cancelled  bool
	done       bool
	old, next  node
	everServed bool
	deleted    bool // by hand
}

// read has a node read the Firewall and do as it says: it stops before it says so, and says that it answers after it does.
func (s *site) read(n *node, me replace.Holder) {
	if !s.hears(n) || s.state.Term < n.term {
		return
	}
	n.term, n.holds = s.state.Term, s.state.Holder == me
}

// say has a node report what it did, which may be before or after it reads again.
func (s *site) say(n *node) {
	if s.hears(n) {
		n.report = replace.Report{Seen: s.now, Term: n.term, Holds: n.holds, Generation: generation}
	}
}

// hears says whether a node has a way to the API server. A first machine loses it when the other one answers for its only address.
func (s *site) hears(n *node) bool {
	return n.exists && n.powered && n.process && n.reaches && (n.own || n == &s.next || !s.everServed)
}

func (n *node) fact() replace.Machine {
	return replace.Machine{Exists: n.exists, Leaving: n.leaving, Ready: n.exists && !n.asked, PowerOff: n.asked, Off: n.asked && n.off, Own: n.own, Report: n.report}
}

// look is the controller's: it may die before what it noted is done.
func (s *site) look(t *rapid.T, dies bool) {
	f := replace.Facts{State: s.state, Due: !s.done, Cancelled: s.cancelled, Generation: generation, Resolved: true, Old: s.old.fact(), New: s.next.fact()}
	d := replace.Decide(f, s.now)
	if d.Next.Term < s.state.Term || d.Next.Holder != s.state.Holder && d.Next.Term == s.state.Term {
		t.Fatalf("the right changes hands within a term: %+v to %+v", s.state, d.Next)
	}
	if d.Next != s.state {
		if d.Next.Phase == replace.Idle {
			s.end(t, d)
		}
		if d.Next.Phase == replace.Releasing && !s.everServed {
			t.Fatal("the earlier machine is released, and the new one never served")
		}
		s.state = d.Next
		return
	}
	if dies {
		return
	}
	switch d.Do {
	case replace.Nothing:
	case replace.Claim:
		s.next = node{own: true, exists: true, powered: true, process: true, reaches: true}
	case replace.PowerOffOld:
		s.old.asked = true
	case replace.PowerOnOld:
		s.old.asked, s.old.off = false, false
	case replace.PowerOffNew:
		s.next.asked = true
	case replace.ReleaseOld:
		s.old.leaving = true
	case replace.ReleaseNew:
		s.next.leaving = true
	}
}

// end is when there is one machine left, whose right it is.
func (s *site) end(t *rapid.T, d replace.Decision) {
	s.done = true
	if s.old.exists && s.next.exists {
		t.Fatalf("a machine leaks: %+v", d)
	}
	// Who deletes the Firewall's own Machine has it made again; its name has the right.
	if left := s.old.exists || s.next.exists; !left && !s.deleted || d.Next.Holder == replace.Nobody {
		t.Fatalf("nobody is left: %+v", d)
	}
}

// bmc does what it was asked, and wipes what leaves.
func (n *node) bmc(obeys bool) {
	if !obeys || !n.exists {
		return
	}
	switch {
	case n.leaving:
		*n = node{report: n.report, own: n.own}
	case n.asked:
		n.powered, n.off = false, true
	case !n.powered:
		n.powered, n.process, n.reaches = true, true, true
	}
}

// check holds what is true at every moment.
func (s *site) check(t *rapid.T) {
	if s.old.answers() && s.next.answers() {
		t.Fatalf("two machines answer: %+v", s)
	}
	s.everServed = s.everServed || s.next.answers()
}

// Whatever dies in whatever order, and comes back or does not, no two machines answer, none is released before the other has served, and once the dying ends, one machine is left.
func TestNoTwoAnswerWhoeverDies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &site{now: noon, state: replace.State{Term: 3, Holder: replace.Old, Since: noon}}
		s.old = node{exists: true, powered: true, process: true, reaches: true, term: 3, holds: true, own: rapid.Bool().Draw(t, "own")}
		steps := rapid.IntRange(0, 120).Draw(t, "steps")
		for range steps {
			s.now = s.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 1, 1, 8, 40, 200}).Draw(t, "seconds")) * time.Second)
			n, me := &s.old, replace.Old
			if rapid.Bool().Draw(t, "which") {
				n, me = &s.next, replace.New
			}
			switch rapid.IntRange(0, 13).Draw(t, "what") {
			case 0, 1, 2:
				s.look(t, false)
			case 3:
				s.look(t, true)
			case 4, 5:
				s.read(n, me)
			case 6, 7:
				s.say(n)
			case 8, 9:
				n.bmc(rapid.Bool().Draw(t, "obeys"))
			case 10:
				n.process = rapid.Bool().Draw(t, "process")
			case 11:
				n.reaches = rapid.Bool().Draw(t, "reaches")
			case 12:
				if rapid.IntRange(0, 4).Draw(t, "deleted by hand") == 0 {
					n.leaving, s.deleted = n.exists, true
				}
			case 13:
				if rapid.IntRange(0, 4).Draw(t, "cancel") == 0 {
					s.cancelled = true
				}
			}
			s.check(t)
		}
		s.calm(t)
	})
}

// calm lets everybody work who can: a replacement ends within minutes.
func (s *site) calm(t *rapid.T) {
	for range 400 {
		if (s.done || s.cancelled) && s.state.Phase == replace.Idle {
			return
		}
		s.now = s.now.Add(time.Second)
		for _, n := range []*node{&s.old, &s.next} {
			n.bmc(true)
			n.process, n.reaches = n.exists && n.powered, n.exists && n.powered
		}
		s.read(&s.old, replace.Old)
		s.read(&s.next, replace.New)
		s.check(t)
		s.say(&s.old)
		s.say(&s.next)
		s.look(t, false)
		s.check(t)
	}
	t.Fatalf("it does not end: %+v", s)
}
