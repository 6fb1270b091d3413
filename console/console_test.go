package console_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/console"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tenant is a session of a Machine's owner that goes well.
func tenant() console.Facts {
	return console.Facts{
		Target: console.Target{Kind: console.MachineKind, Namespace: "p", Name: "m"}, Partition: "site",
		Machine: &console.Object{UID: "M"}, Claim: &console.Claim{Object: console.Object{UID: "C"}, Owner: "M", HostNamespace: "hosts", HostName: "h"},
		Host: &console.Host{
			Object: console.Object{UID: "H"}, Namespace: "hosts", Name: "h", Partition: "site", BMC: true,
			Consumer: &console.Consumer{Kind: "HostClaim", Namespace: "p", Name: "m"}, ConsumerUID: "C",
		},
		Right: console.Type, RightAt: now, Started: now.Add(-time.Hour), Bound: &console.Allocation{Host: "H", Consumer: "C"},
	}
}

// operator is a session of the provider's at the same host.
func operator() console.Facts {
	f := tenant()
	f.Target, f.Machine, f.Claim = console.Target{Kind: console.HostKind, Namespace: "hosts", Name: "h"}, nil, nil
	return f
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		from   func() console.Facts
		change func(*console.Facts)
		want   console.Reason
	}{
		{"a tenant", tenant, func(*console.Facts) {}, ""},
		{"an operator", operator, func(*console.Facts) {}, ""},
		{"a host of nobody", operator, func(f *console.Facts) { f.Host.Consumer, f.Bound = nil, nil }, ""},
		{"a claim", tenant, func(f *console.Facts) { f.Target.Kind, f.Machine = console.ClaimKind, nil }, ""},
		{"a new session", tenant, func(f *console.Facts) { f.Bound, f.Started = nil, time.Time{} }, ""},
		{"no right", tenant, func(f *console.Facts) { f.Right = console.NoRight }, console.NotAllowed},
		{"an unknown right", tenant, func(f *console.Facts) { f.Right = 7 }, console.NotAllowed},
		{"no right and no machine", tenant, func(f *console.Facts) { f.Right, f.Machine = console.NoRight, nil }, console.NotAllowed},
		{"an old right", tenant, func(f *console.Facts) { f.RightAt = now.Add(-console.RightLife - 1) }, console.RightsNotKnown},
		{"blind", tenant, func(f *console.Facts) { f.BlindSince = now.Add(-console.BlindLife - 1) }, console.ObjectsNotKnown},
		{"blind for a moment", tenant, func(f *console.Facts) { f.BlindSince = now }, ""},
		{"too long", tenant, func(f *console.Facts) { f.Started = now.Add(-console.SessionLife - 1) }, console.TooLong},
		{"no machine", tenant, func(f *console.Facts) { f.Machine = nil }, console.NoSuchObject},
		{"a machine that is given up", tenant, func(f *console.Facts) { f.Machine.Deleting = true }, console.BeingGivenUp},
		{"a claim that is given up", tenant, func(f *console.Facts) { f.Claim.Deleting = true }, console.BeingGivenUp},
		{"no claim yet", tenant, func(f *console.Facts) { f.Claim = nil }, console.NoHostYet},
		{"somebody's claim of that name", tenant, func(f *console.Facts) { f.Claim.Owner = "X" }, console.NoHostYet},
		{"a claim without a host", tenant, func(f *console.Facts) { f.Claim.HostName, f.Host = "", nil }, console.NoHostYet},
		{"a host that is gone", tenant, func(f *console.Facts) { f.Host = nil }, console.NoHostYet},
		{"another host", tenant, func(f *console.Facts) { f.Host.Name = "x" }, console.NoHostYet},
		{"a host given back", tenant, func(f *console.Facts) { f.Host.Consumer = nil }, console.NoLongerYours},
		{"a host given to another", tenant, func(f *console.Facts) { f.Host.Consumer.Namespace = "q" }, console.NoLongerYours},
		{"a host of another kind of consumer", tenant, func(f *console.Facts) { f.Host.Consumer.Kind = "Metal3Machine" }, console.NoLongerYours},
		{"a claim made anew", tenant, func(f *console.Facts) { f.Claim.UID = "C2" }, console.NoLongerYours},
		{"bound to the time before", tenant, func(f *console.Facts) { f.Claim.UID, f.Host.ConsumerUID = "C2", "C2" }, console.Reallocated},
		{"a host made anew", tenant, func(f *console.Facts) { f.Host.UID = "H2" }, console.Reallocated},
		{"an operator, and the host is given back", operator, func(f *console.Facts) { f.Host.Consumer = nil }, console.Reallocated},
		{"an operator, and the host is given on", operator, func(f *console.Facts) { f.Host.ConsumerUID = "C2" }, console.Reallocated},
		{"an operator, and the host is given to a stranger", operator, func(f *console.Facts) {
			f.Host.Consumer, f.Host.ConsumerUID = &console.Consumer{Kind: "X", Name: "x"}, ""
		}, console.Reallocated},
		{"no host", operator, func(f *console.Facts) { f.Host = nil }, console.NoSuchObject},
		{"a host that goes", operator, func(f *console.Facts) { f.Host.Deleting = true }, console.BeingGivenUp},
		{"another partition's", operator, func(f *console.Facts) { f.Host.Partition = "x" }, console.OtherPartition},
		{"no BMC", operator, func(f *console.Facts) { f.Host.BMC = false }, console.NoBMC},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.from()
			c.change(&f)
			v := console.Decide(f, now)
			if v.Open != (c.want == "") || v.Reason != c.want || v.Open != (v.Message == "") {
				t.Errorf("%+v, want %q", v, c.want)
			}
			if v.Open && (v.Right != f.Right || v.HostName != "h" || v.Allocation.Host != f.Host.UID) {
				t.Errorf("%+v", v)
			}
			if !v.Open && v.Right != console.NoRight {
				t.Errorf("a refusal gives a right: %+v", v)
			}
		})
	}
}

func TestEscape(t *testing.T) {
	for _, c := range []struct {
		typed, sent string
		commands    []console.Command
	}{
		{"ls\r", "ls\r", nil},
		{"~.", "", []console.Command{console.Leave}},
		{"ls\r~.more", "ls\rmore", []console.Command{console.Leave}},
		{"a~.", "a~.", nil},
		{"~~.", "~.", nil},
		{"~x", "~x", nil},
		{"~\r~t", "~\r", []console.Command{console.TakeOver}},
		{"x\n~t~?", "x\n", []console.Command{console.TakeOver, console.Help}},
		{"~", "~", nil},
	} {
		for cut := 1; cut <= len(c.typed); cut++ {
			sent, commands := feed([]byte(c.typed), cut)
			if sent != c.sent || !slices.Equal(commands, c.commands) {
				t.Errorf("%q in pieces of %d: %q %v, want %q %v", c.typed, cut, sent, commands, c.sent, c.commands)
			}
		}
	}
}

func feed(typed []byte, cut int) (string, []console.Command) {
	var e console.Escape
	var sent strings.Builder
	var commands []console.Command
	for len(typed) > 0 {
		piece := typed[:min(cut, len(typed))]
		typed = typed[len(piece):]
		for piece != nil {
			s, c, rest := e.Feed(piece)
			sent.Write(s)
			if c != 0 {
				commands = append(commands, c)
			}
			piece = rest
		}
	}
	sent.Write(e.Flush())
	return sent.String(), commands
}

// FuzzEscape: nothing that was typed is lost but the sequences, and the pieces in which it comes make no difference.
func FuzzEscape(f *testing.F) {
	f.Add([]byte("ls\r~.\r~~x~t"), 3)
	f.Add([]byte("~"), 1)
	f.Fuzz(func(t *testing.T, typed []byte, cut int) {
		cut = max(cut, 1)
		whole, commands := feed(typed, len(typed)+1)
		if sent, again := feed(typed, cut); sent != whole || !slices.Equal(commands, again) {
			t.Errorf("%q in pieces of %d: %q %v, whole %q %v", typed, cut, sent, again, whole, commands)
		}
		doubled := bytes.Count(typed, []byte("~~"))
		if len(whole)+2*len(commands)+doubled < len(typed) || len(whole) > len(typed) {
			t.Errorf("%q becomes %q and %v", typed, whole, commands)
		}
	})
}

func TestTargets(t *testing.T) {
	for _, user := range []string{"machine.p.m", "claim.p.m", "host.hosts.rack-1.example"} {
		target, err := console.ParseLogin(user)
		if err != nil || target.Login() != user {
			t.Errorf("%s: %+v %v", user, target, err)
		}
	}
	for _, user := range []string{"", "root", "machine.p", "disk.p.m", "machine..m", "machine.P.m", "machine.p./", "machine.p.m\n", "machine." + strings.Repeat("x", 64) + ".m"} {
		if target, err := console.ParseLogin(user); err == nil {
			t.Errorf("%q is read as %+v", user, target)
		}
	}
}

func FuzzParseLogin(f *testing.F) {
	f.Add("machine.p.m")
	f.Add("host.hosts.a.b.c")
	f.Fuzz(func(t *testing.T, user string) {
		if target, err := console.ParseLogin(user); err == nil && (target.Login() != user || strings.ContainsAny(user, "/\n %")) {
			t.Errorf("%q is read as %+v", user, target)
		}
	})
}

func TestExpired(t *testing.T) {
	r := func(id string, bytes int64, age time.Duration, open bool) console.Recording {
		return console.Recording{ID: id, Bytes: bytes, Ended: now.Add(-age), Open: open}
	}
	all := []console.Recording{r("old", 10, 72*time.Hour, false), r("mid", 20, 24*time.Hour, false), r("new", 30, time.Hour, false), r("live", 1000, 100*time.Hour, true)}
	for name, c := range map[string]struct {
		keep console.Keep
		gone []string
	}{
		"everything": {console.Keep{}, nil},
		"two days":   {console.Keep{Age: 48 * time.Hour}, []string{"old"}},
		"two":        {console.Keep{Count: 2}, []string{"old", "mid"}},
		"bytes":      {console.Keep{Bytes: 1055}, []string{"old"}},
		"none":       {console.Keep{Bytes: 1}, []string{"old", "mid", "new"}},
	} {
		got := console.Expired(all, c.keep, now)
		slices.Sort(got)
		slices.Sort(c.gone)
		if !slices.Equal(got, c.gone) {
			t.Errorf("%s: %v, want %v", name, got, c.gone)
		}
	}
}
