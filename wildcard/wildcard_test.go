package wildcard_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/wildcard"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "anything", true}, {"?", "", false}, {"?", "ä", true}, {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "acd", false},
		{"AMD EPYC 7*", "amd epyc 7763 64-core", true}, {"*a*b*", "xxaxxbxx", true}, {"*aab", "aaab", true}, {"m1-*", "m2-small", false}, {"??", "abc", false}, {"a**b", "ab", true},
	} {
		if got := wildcard.Match(c.pattern, c.text); got != c.want {
			t.Errorf("%q of %q: %v", c.pattern, c.text, got)
		}
	}
	if !wildcard.MatchAny([]string{"a", "b*"}, "bc") || wildcard.MatchAny(nil, "") {
		t.Error("MatchAny")
	}
}

func TestCommon(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"*", "*", true}, {"a*", "*b", true}, {"a*", "b*", false}, {"?", "", false}, {"a?c", "ab*", true}, {"nvidia*a100*", "nvidia*h100*", true}, {"nvidia a100", "nvidia h100", false}, {"A", "a", true}, {"*x", "y", false},
	} {
		text, ok := wildcard.Common(c.a, c.b)
		if ok != c.want || ok && (!wildcard.Match(c.a, text) || !wildcard.Match(c.b, text)) {
			t.Errorf("%q and %q: %q, %v", c.a, c.b, text, ok)
		}
	}
}

// Whatever text two patterns both fit, they are known to have one in common; and the text that is given fits both.
func TestCommonIsWhatBothMatch(t *testing.T) {
	pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b, text := pattern.Draw(t, "a"), pattern.Draw(t, "b"), rapid.StringOfN(rapid.SampledFrom([]rune("abx")), 0, 8, -1).Draw(t, "text")
		found, ok := wildcard.Common(a, b)
		if ok && (!wildcard.Match(a, found) || !wildcard.Match(b, found)) {
			t.Fatalf("%q is no text of both %q and %q", found, a, b)
		}
		if !ok && wildcard.Match(a, text) && wildcard.Match(b, text) {
			t.Fatalf("%q and %q have %q in common", a, b, text)
		}
		if !wildcard.Match(wildcard.Literal(text+"*?"), text+"*?") {
			t.Fatalf("Literal(%q)", text)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("AMD EPYC 7*", "*EPYC ?763*", "AMD EPYC 7763 64-Core Processor")
	f.Add("*", "", "İı")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		if len(a) > 200 || len(b) > 200 || len(text) > 500 {
			return
		}
		both := wildcard.Match(a, text) && wildcard.Match(b, text)
		found, ok := wildcard.Common(a, b)
		if both && !ok || ok && (!wildcard.Match(a, found) || !wildcard.Match(b, found)) {
			t.Fatalf("%q, %q, %q: %q, %v", a, b, text, found, ok)
		}
	})
}
