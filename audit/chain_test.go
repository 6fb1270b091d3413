package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/audit"
)

var (
	key   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func keys() audit.Keys {
	k := audit.Keys{}
	k.Add(key.Public().(ed25519.PublicKey))
	return k
}

// chain writes n records from a first number, with a checkpoint at every fifth; who names the writer, so that chains of two differ.
func chain(t interface{ Fatal(...any) }, who string, first uint64, prev audit.Hash, n int) (lines [][]byte, last audit.Hash) {
	for i := range n {
		r := audit.Record{Seq: first + uint64(i), Time: start.Add(time.Duration(i) * time.Second), Prev: prev.String()}
		if r.Seq%5 == 0 {
			r.Kind, r.Checkpoint = audit.KindCheckpoint, audit.NewCheckpoint(key, r.Seq, prev, r.Time)
		} else {
			r.Kind = audit.KindRequest
			r.Request = &audit.Request{ID: fmt.Sprint(i), Stage: audit.StageDone, User: who, Verb: "update", Object: &audit.Object{Resource: "hosts", Name: "héß<&>"}, Code: 200, Change: json.RawMessage(`{"a":[1,2.50,"x"]}`)}
		}
		line, h, err := audit.Seal(r)
		if err != nil {
			t.Fatal(err)
		}
		lines, prev = append(lines, line), h
	}
	return lines, prev
}

// file is the lines as they stand in one.
func file(lines [][]byte) []byte {
	var b []byte
	for _, l := range lines {
		b = append(append(b, l...), '\n')
	}
	return b
}

func verify(text []byte, heads ...audit.Head) audit.Report {
	v := audit.Verifier{Keys: keys(), Heads: heads}
	number := 0
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		number++
		if !whole {
			v.Torn("f", number, len(line))
			break
		}
		v.Add("f", number, line)
		text = rest
	}
	return v.End()
}

func TestWholeChain(t *testing.T) {
	lines, last := chain(t, "alice", 1, audit.Hash{}, 23)
	r := verify(file(lines), audit.NewHead(key, 23, last, start))
	if len(r.Findings) != 0 || r.First != 1 || r.Last != 23 || r.Records != 23 || r.Checkpoints != 4 {
		t.Errorf("report %+v", r)
	}
	if r.Head.String() != "23:"+last.String() || r.SignedThrough < 19 {
		t.Errorf("head %s, signed through %d", r.Head, r.SignedThrough)
	}
	again, err := audit.ParseHead(r.Head.String())
	if err != nil || len(verify(file(lines), again).Findings) != 0 {
		t.Errorf("the printed head %s does not fit: %v", r.Head, err)
	}
}

// TestEveryFaultIsNamed breaks a chain in each way and looks whether the finding says which, and where.
func TestEveryFaultIsNamed(t *testing.T) {
	lines, last := chain(t, "alice", 1, audit.Hash{}, 23)
	other, _ := chain(t, "mallory", 1, audit.Hash{}, 23)
	head := audit.NewHead(key, 23, last, start)
	at := func(i int) int { return i - 1 } // the index of record i
	for name, c := range map[string]struct {
		text  []byte
		fault audit.Fault
		seq   uint64
		line  int
		says  string
	}{
		"a byte of record 8":         {file(replaced(lines, at(8), bytes.Replace(lines[at(8)], []byte("alice"), []byte("Alice"), 1))), audit.Altered, 8, 8, "record 8"},
		"record 9 of another chain":  {file(replaced(lines, at(9), other[at(9)])), audit.Altered, 8, 9, "record 9 was written after another record 8"},
		"record 7 is gone":           {file(slices.Delete(slices.Clone(lines), at(7), at(8))), audit.Missing, 7, 7, "record 7 is missing"},
		"records 7 to 9 are gone":    {file(slices.Delete(slices.Clone(lines), at(7), at(10))), audit.Missing, 7, 7, "records 7 to 9 are missing"},
		"the first ones are gone":    {file(lines[3:]), audit.Missing, 1, 0, "begins with record 4"},
		"record 4 after 6":           {file(moved(lines, at(4), at(6))), audit.Reordered, 4, 6, "record 4 stands after record 6"},
		"record 6 twice":             {file(slices.Insert(slices.Clone(lines), at(7), lines[at(6)])), audit.Repeated, 6, 7, "a second time"},
		"another record 6 after it":  {file(slices.Insert(slices.Clone(lines), at(7), other[at(6)])), audit.TwoWriters, 6, 7, "two processes"},
		"the end is cut":             {file(lines[:20]), audit.Cut, 21, 0, "records 21 to 23 were cut off"},
		"everything is gone":         {nil, audit.Cut, 1, 0, "records 1 to 23 were cut off"},
		"the last line has no end":   {file(lines)[:len(file(lines))-5], audit.Torn, 23, 23, "no end"},
		"a chain of another one":     {file(other), audit.Altered, 23, 0, "another one than the head"},
		"a line that is no record":   {file(slices.Insert(slices.Clone(lines), at(3), []byte("{}"))), audit.Altered, 3, 3, "record 3"},
		"a checkpoint moved forward": {file(slices.Delete(slices.Clone(lines), at(10), at(11))), audit.Missing, 10, 10, "record 10 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			r := verify(c.text, head)
			if !slices.ContainsFunc(r.Findings, func(f audit.Finding) bool {
				return f.Fault == c.fault && f.Seq == c.seq && f.Line == c.line && strings.Contains(f.Message, c.says)
			}) {
				t.Errorf("want %s of %d at line %d (%s), found %v", c.fault, c.seq, c.line, c.says, r.Findings)
			}
		})
	}
}

// TestAnotherKey makes a whole new chain, every hash right, signed by another key: what whoever can write the file, and not read the key, can do.
func TestAnotherKey(t *testing.T) {
	lines, _ := chain(t, "mallory", 1, audit.Hash{}, 12)
	v := audit.Verifier{Keys: audit.Keys{}}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.Keys.Add(public)
	for i, l := range lines {
		v.Add("f", i+1, l)
	}
	r := v.End()
	if len(r.Findings) != 2 || r.Findings[0].Fault != audit.Unsigned || r.SignedThrough != 0 {
		t.Errorf("findings %v", r.Findings)
	}
}

func TestRemovedByRetentionIsNoFault(t *testing.T) {
	lines, last := chain(t, "alice", 1, audit.Hash{}, 23)
	notice, _, err := audit.Seal(audit.Record{Seq: 24, Time: start, Kind: audit.KindRemoved, Notice: &audit.Notice{Message: "removed", Through: 10}, Prev: last.String()})
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(file(append(slices.Clone(lines[10:]), notice))); len(r.Findings) != 0 || r.RemovedThrough != 10 {
		t.Errorf("records that retention removed: %v", r.Findings)
	}
	if r := verify(file(append(slices.Clone(lines[11:]), notice))); len(r.Findings) != 1 || r.Findings[0].Fault != audit.Missing || r.Findings[0].Seq != 11 {
		t.Errorf("one more than retention removed: %v", r.Findings)
	}
}

// TestAnyAlterationIsFound: whatever is done to the bytes of a trail, verification has a finding, and none without.
func TestAnyAlterationIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 24).Draw(t, "records")
		lines, last := chain(t, "alice", 1, audit.Hash{}, n)
		whole := file(lines)
		head := audit.NewHead(key, uint64(n), last, start)
		if r := verify(whole, head); len(r.Findings) != 0 {
			t.Fatalf("a whole trail: %v", r.Findings)
		}
		i := rapid.IntRange(0, n-1).Draw(t, "line")
		var broken []byte
		switch rapid.SampledFrom([]string{"byte", "insert", "remove", "line", "swap", "twice", "cut", "graft"}).Draw(t, "how") {
		case "byte":
			broken = bytes.Clone(whole)
			broken[rapid.IntRange(0, len(whole)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		case "insert":
			broken = slices.Insert(bytes.Clone(whole), rapid.IntRange(0, len(whole)).Draw(t, "at"), rapid.Byte().Draw(t, "what"))
		case "remove":
			at := rapid.IntRange(0, len(whole)-1).Draw(t, "at")
			broken = slices.Delete(bytes.Clone(whole), at, at+1)
		case "line":
			broken = file(slices.Delete(slices.Clone(lines), i, i+1))
		case "swap":
			j := (i + rapid.IntRange(1, n-1).Draw(t, "with")) % n
			swapped := slices.Clone(lines)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			broken = file(swapped)
		case "twice":
			broken = file(slices.Insert(slices.Clone(lines), rapid.IntRange(0, n).Draw(t, "to"), lines[i]))
		case "cut":
			broken = whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "at")]
		case "graft":
			prev := audit.Hash{}
			if i > 0 {
				_, prev, _ = audit.Parse(lines[i-1])
			}
			other, _ := chain(t, "mallory", uint64(i+1), prev, n-i)
			broken = file(append(slices.Clone(lines[:i]), other...))
			if n-i == 1 && n%5 == 0 {
				return // a lone checkpoint is the same whoever writes it
			}
		}
		if r := verify(broken, head); len(r.Findings) == 0 {
			t.Fatalf("nothing was found in\n%s", broken)
		}
	})
}

func replaced(lines [][]byte, i int, with []byte) [][]byte {
	out := slices.Clone(lines)
	out[i] = with
	return out
}

func moved(lines [][]byte, from, to int) [][]byte {
	out := slices.Delete(slices.Clone(lines), from, from+1)
	return slices.Insert(out, to, lines[from])
}

func TestKeysAndHeads(t *testing.T) {
	public := key.Public().(ed25519.PublicKey)
	got, err := audit.ParseKey(audit.EncodeKey(public))
	if err != nil || !got.Equal(public) {
		t.Errorf("the key came back as %x: %v", got, err)
	}
	for _, bad := range []string{"", "x", string(audit.EncodeKey(public[:31])), string(audit.EncodeKey(public)) + "x"} {
		if _, err := audit.ParseKey([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
	for _, bad := range []string{"", "1", "0:" + audit.Hash{}.String(), "1:abc", "01:" + audit.Hash{}.String(), "1:" + strings.Repeat("A", 64)} {
		if _, err := audit.ParseHead(bad); err == nil {
			t.Errorf("%q is taken for a head", bad)
		}
	}
	head := audit.NewHead(key, 3, audit.Hash{1}, start)
	head.Seq = 2
	if keys().Verify(head) == nil {
		t.Error("a head with another number has a good signature")
	}
}

// FuzzParse: no line makes the reader panic, and what is taken is written again as it stood.
func FuzzParse(f *testing.F) {
	lines, _ := chain(f, "alice", 1, audit.Hash{}, 6)
	for _, l := range lines {
		f.Add(l)
	}
	f.Add([]byte(`{"seq":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		v := audit.Verifier{Keys: keys()}
		v.Add("f", 1, line)
		r := v.End()
		record, _, err := audit.Parse(line)
		if err != nil {
			if len(r.Findings) == 0 {
				t.Errorf("%q is refused (%v), and verification found nothing", line, err)
			}
			return
		}
		if record.Seq == 0 || record.Prev == "" {
			t.Errorf("%q was taken without a number or what is before it", line)
		}
	})
}
