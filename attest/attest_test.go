package attest

import (
	"strings"
	"testing"
)

const (
	mine   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	theirs = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// TestJudge has every combination of policy, pin and what is shown.
func TestJudge(t *testing.T) {
	none, broken := Shown{}, Shown{Trouble: "it does not answer"}
	said, proved := Shown{EndorsementKey: mine}, Shown{EndorsementKey: mine, Proven: true}
	other, otherProved := Shown{EndorsementKey: theirs}, Shown{EndorsementKey: theirs, Proven: true}
	for _, c := range []struct {
		policy Policy
		pinned string
		shown  Shown
		want   Verdict
		reason string
	}{
		{"", "", none, Admit, ""}, {"", mine, none, Admit, ""}, {"", mine, otherProved, Admit, ""},
		{Never, "", none, Admit, ""}, {Never, "", said, Admit, ""}, {Never, mine, none, Admit, ""}, {Never, mine, other, Admit, ""},
		{Prefer, "", none, Admit, ""}, {Prefer, "", broken, Admit, ""}, {Prefer, "", said, Challenge, ""}, {Prefer, "", proved, Admit, ""},
		{Prefer, mine, none, Refuse, "shows no TPM, and the host's machine has one"},
		{Prefer, mine, broken, Refuse, "it does not answer"},
		{Prefer, mine, said, Challenge, ""}, {Prefer, mine, proved, Admit, ""},
		{Prefer, mine, other, Refuse, theirs}, {Prefer, mine, otherProved, Refuse, mine},
		{Require, "", none, Refuse, "the policy requires one"}, {Require, "", broken, Refuse, "it does not answer"},
		{Require, "", said, Challenge, ""}, {Require, "", proved, Admit, ""},
		{Require, mine, none, Refuse, mine}, {Require, mine, said, Challenge, ""}, {Require, mine, proved, Admit, ""},
		{Require, mine, other, Refuse, theirs}, {Require, mine, otherProved, Refuse, theirs},
	} {
		got, reason := Judge(Demand{c.policy, c.pinned}, c.shown)
		if got != c.want || (reason != "") != (got == Refuse) || !strings.Contains(reason, c.reason) {
			t.Errorf("%q, pinned %.4q, shown %+v: %s %q; want %s %q", c.policy, c.pinned, c.shown, got, reason, c.want, c.reason)
		}
		// Who was let in does what the same demand asks for.
		var e *Evidence
		if c.shown.Proven {
			e = &Evidence{EndorsementKey: c.shown.EndorsementKey}
		}
		if got == Admit && !(Demand{c.policy, c.pinned}).Satisfies(e) {
			t.Errorf("%q, pinned %.4q, shown %+v is let in, and does not satisfy", c.policy, c.pinned, c.shown)
		}
	}
}

func TestSatisfiesWhatIsAskedLater(t *testing.T) {
	for name, c := range map[string]struct {
		d    Demand
		e    *Evidence
		want bool
	}{
		"nothing was proved and now it is required": {Demand{Policy: Require}, nil, false},
		"nothing was proved and now it is pinned":   {Demand{Policy: Prefer, EndorsementKey: mine}, nil, false},
		"another was proved":                        {Demand{Policy: Prefer, EndorsementKey: mine}, &Evidence{EndorsementKey: theirs}, false},
		"it was proved":                             {Demand{Policy: Require, EndorsementKey: mine}, &Evidence{EndorsementKey: mine}, true},
		"nothing is asked any more":                 {Demand{Policy: Never, EndorsementKey: mine}, nil, true},
	} {
		if got := c.d.Satisfies(c.e); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestParse(t *testing.T) {
	colons := "SHA256:" + strings.TrimSuffix(strings.Repeat("AA:", 32), ":")
	for in, want := range map[string]string{mine: mine, " sha256:" + mine: mine, colons: mine, "": "", "none": "", mine[1:]: "", mine + "a": "", strings.Repeat("g", 64): ""} {
		got, err := ParseFingerprint(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]Policy{"": "", "Require": Require, " prefer ": Prefer, "never": Never} {
		if got, err := ParsePolicy(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := ParsePolicy("yes"); err == nil {
		t.Error("an unknown policy is taken")
	}
}
