package selector

import (
	"errors"
	"strings"
	"testing"
)

func TestParsePrintsOneSpelling(t *testing.T) {
	cases := []struct{ in, want string }{
		{"", "all()"},
		{" \t ", "all()"},
		{"all()", "all()"},
		{"all( )", "all()"},
		{"global()", "global()"},
		{"has(x)", "has(x)"},
		{"has( role/master )", "has(role/master)"},
		{"!has(x)", "!has(x)"},
		{"! ! has(x)", "!!has(x)"},
		{"a=='b'", `a == "b"`},
		{`a == 'say "x"'`, `a == 'say "x"'`},
		{`a == "it's"`, `a == "it's"`},
		{"a != ''", `a != ""`},
		{"a in {}", "a in {}"},
		{"a in {'c','b','b'}", `a in {"b", "c"}`},
		{"a in{'b'}", `a in {"b"}`},
		{"a not in { 'b' , \"c\" }", `a not in {"b", "c"}`},
		{"a notin {'b'}", `a not in {"b"}`},
		{"a not\tin {'b'}", `a not in {"b"}`},
		{"a contains 'b'", `a contains "b"`},
		{"a starts with 'b'", `a starts with "b"`},
		{"a startswith'b'", `a starts with "b"`},
		{"a endswith 'b'", `a ends with "b"`},
		{"a ends  with 'b'", `a ends with "b"`},
		{"all == 'x'", `all == "x"`},
		{"has == 'x'", `has == "x"`},
		{"in in {'in'}", `in in {"in"}`},
		{"not not in {'not'}", `not not in {"not"}`},
		{"a == 'b' && c == 'd' || e == 'f'", `a == "b" && c == "d" || e == "f"`},
		{"a == 'b' && (c == 'd' || e == 'f')", `a == "b" && (c == "d" || e == "f")`},
		{"(((a == 'b')))", `a == "b"`},
		{"!a == 'b'", `!a == "b"`},
		{"!(a == 'b' && has(c))", `!(a == "b" && has(c))`},
		{"(has(a) || has(b)) || has(c)", "(has(a) || has(b)) || has(c)"},
		{"(has(a) && has(b)) && has(c)", "(has(a) && has(b)) && has(c)"},
		{"plane == 'control' && has(role/master)", `plane == "control" && has(role/master)`},
		{"projectcalico.org/namespace == 'x'", `projectcalico.org/namespace == "x"`},
	}
	for _, c := range cases {
		s, err := Parse(c.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.in, err)
			continue
		}
		if s.String() != c.want {
			t.Errorf("Parse(%q) prints %s, want %s", c.in, s, c.want)
		}
		again, err := Parse(s.String())
		if err != nil || !again.Equal(s) {
			t.Errorf("Parse(%q) does not round-trip: %s, %v", c.in, again, err)
		}
	}
}

func TestParseSaysWhereItIsWrong(t *testing.T) {
	cases := []struct {
		in     string
		at     int
		reason string
	}{
		{"a", 1, "after label a"},
		{"a = 'b'", 2, "after label a"},
		{"a == b", 5, "string in quotes"},
		{"a == 'b", 5, "no closing"},
		{`a == "b'`, 5, "no closing"},
		{"a in 'b'", 5, "expected {"},
		{"a in {'b'", 9, "expected , or }"},
		{"a in {'b' 'c'}", 10, "expected , or }"},
		{"a in {,}", 6, "string in quotes"},
		{"a in {'b',}", 10, "string in quotes"},
		{"a not {'b'}", 2, "after label a"},
		{"a starts 'b'", 2, "after label a"},
		{"a not xin {'b'}", 2, "after label a"},
		{"has()", 4, "a label in has()"},
		{"has(a", 5, "expected )"},
		{"has(a b)", 6, "expected )"},
		{"has (a)", 4, "after label has"},
		{"all(a)", 4, "expected )"},
		{"any()", 0, "no function any()"},
		{"(all()", 6, "expected )"},
		{"all())", 5, "expected && or ||"},
		{"all() all()", 6, "expected && or ||"},
		{"all() &&", 8, "expected a label"},
		{"&& all()", 0, "expected a label"},
		{"all() & all()", 6, "expected && or ||"},
		{"!", 1, "expected a label"},
		{"a == 'b' and c == 'd'", 9, "expected && or ||"},
		{"a$b == 'c'", 1, "after label a"},
		{"a\n== 'b'", 1, "after label a"},
		{strings.Repeat("(", 200), 128, "more than 128"},
		{strings.Repeat("a", 1025), 1024, "1025 bytes"},
	}
	for _, c := range cases {
		_, err := Parse(c.in)
		var wrong *Error
		if !errors.As(err, &wrong) {
			t.Errorf("Parse(%q) = %v, want an *Error", c.in, err)
			continue
		}
		if wrong.Position != c.at || !strings.Contains(wrong.Reason, c.reason) {
			t.Errorf("Parse(%q) fails at %d: %s; want at %d with %q", c.in, wrong.Position, wrong.Reason, c.at, c.reason)
		}
	}
}

// Every operator against every kind of value that a label can have, absent included.
func TestOperatorsOverAllLabels(t *testing.T) {
	states := []map[string]string{nil, {"a": ""}, {"a": "b"}, {"a": "xb"}, {"a": "bx"}, {"a": "xbx"}, {"a": "c"}, {"z": "b"}}
	cases := []struct {
		in   string
		want string // one digit a state
	}{
		{"all()", "11111111"},
		{"global()", "11111111"},
		{"!all()", "00000000"},
		{"has(a)", "01111110"},
		{"!has(a)", "10000001"},
		{"a == 'b'", "00100000"},
		{"a == ''", "01000000"},
		{"a != 'b'", "11011111"},
		{"!a == 'b'", "11011111"},
		{"!a != 'b'", "00100000"},
		{"a in {'b','c'}", "00100010"},
		{"a in {}", "00000000"},
		{"a not in {'b','c'}", "11011101"},
		{"a not in {}", "11111111"},
		{"a contains 'b'", "00111100"},
		{"a contains ''", "01111110"},
		{"a starts with 'b'", "00101000"},
		{"a ends with 'b'", "00110000"},
		{"a starts with 'b' && a ends with 'b'", "00100000"},
		{"a starts with 'b' || a ends with 'b'", "00111000"},
		{"has(a) && !a contains 'b' || has(z)", "01000011"},
		{"has(a) && !(a contains 'b' || has(z))", "01000010"},
		{"has(z) || has(a) && a == 'c'", "00000011"},
		{"(has(z) || has(a)) && a == 'c'", "00000010"},
		{"!(has(a) && has(z))", "11111111"},
	}
	for _, c := range cases {
		s, err := Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, labels := range states {
			if s.Matches(labels) {
				got.WriteByte('1')
			} else {
				got.WriteByte('0')
			}
		}
		if got.String() != c.want {
			t.Errorf("%s over the states is %s, want %s", c.in, &got, c.want)
		}
	}
}

func TestGlobalIsSeen(t *testing.T) {
	cases := []struct {
		in          string
		exact, uses bool
	}{
		{"global()", true, true}, {"", false, false}, {"all()", false, false}, {"!global()", false, true},
		{"has(a) && global()", false, true}, {"has(a) || (has(b) && !global())", false, true}, {"global == 'x'", false, false},
	}
	for _, c := range cases {
		s, err := Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if s.IsGlobal() != c.exact || s.UsesGlobal() != c.uses {
			t.Errorf("%q: IsGlobal %v, UsesGlobal %v; want %v, %v", c.in, s.IsGlobal(), s.UsesGlobal(), c.exact, c.uses)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "all()", "has(role/master) && plane == 'control'", "!(a in {'x', \"y\"}) || b not in {}", "a starts with 'b' && c ends with \"d\"",
		"projectcalico.org/orchestrator == 'k8s' || !has(projectcalico.org/namespace)", "((((", "a contains 'ü'", "a == '\"'", "global()",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Position < 0 || wrong.Position > len(text) {
				t.Fatalf("Parse(%q) fails with %#v", text, err)
			}
			return
		}
		printed := s.String()
		if len(printed) > MaxLength {
			return // the canonical spelling may be longer than what was typed
		}
		again, err := Parse(printed)
		if err != nil || again.String() != printed {
			t.Fatalf("%q prints %q, which parses to %q, %v", text, printed, again, err)
		}
		for _, labels := range []map[string]string{nil, {"a": "b"}, {"a": ""}, {"role/master": "", "plane": "control"}} {
			if s.Matches(labels) != again.Matches(labels) {
				t.Fatalf("%q and its printed form %q differ on %v", text, printed, labels)
			}
		}
	})
}
