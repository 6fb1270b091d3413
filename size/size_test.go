package size_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/size"
)

const gib, gb = int64(1) << 30, int64(1e9)

func server(change func(*size.Hardware)) size.Hardware {
	h := size.Hardware{Processor: "AMD EPYC 7302P", Cores: 32, MemoryBytes: 128 * gib, Disks: []size.Disk{{"Samsung PM883", "SSD", 480 * gb}, {"Samsung PM883", "SSD", 480 * gb}}}
	if change != nil {
		change(&h)
	}
	return h
}

func class(name string, more ...size.Constraint) size.Size {
	return size.Size{Name: name, Constraints: append([]size.Constraint{
		{Type: size.Cores, Amount: size.Bounds{Min: 16, Max: 32}, Count: size.Any()}, {Type: size.Memory, Amount: size.Bounds{Min: 120 * gib, Max: 128 * gib}, Count: size.Any()},
	}, more...)}
}

func disks(medium string, count, amount size.Bounds) size.Constraint {
	return size.Constraint{Type: size.Disks, Medium: medium, Amount: amount, Count: count}
}

func gpus(identifier string, least, most int64) size.Constraint {
	return size.Constraint{Type: size.GPUs, Identifier: identifier, Amount: size.Bounds{Min: least, Max: most}, Count: size.Any()}
}

func TestJudge(t *testing.T) {
	two := disks("SSD", size.Bounds{Min: 2, Max: 2}, size.Any())
	for _, c := range []struct {
		name string
		size size.Size
		host size.Hardware
		says string
	}{
		{"matches", class("a", two), server(nil), ""},
		{"too few cores", class("a", two), server(func(h *size.Hardware) { h.Cores = 15 }), "it has 15 cores, at least 16 cores"},
		{"too many cores", class("a", two), server(func(h *size.Hardware) { h.Cores = 33 }), "at most 32 cores"},
		{"too little memory", class("a", two), server(func(h *size.Hardware) { h.MemoryBytes = 64 * gib }), "it has 64 GiB of memory, at least 120 GiB"},
		{"another processor", size.Size{Name: "a", Constraints: []size.Constraint{{Type: size.Cores, Identifier: "Intel*", Amount: size.Any()}, class("a").Constraints[1], two}}, server(nil), `its processor is "AMD EPYC 7302P", not "Intel*"`},
		{"a disk more", class("a", two), server(func(h *size.Hardware) { h.Disks = append(h.Disks, h.Disks[0]) }), "it has 3 disks (SSD), at most 2"},
		{"a disk of another medium", class("a", two), server(func(h *size.Hardware) {
			h.Disks = append(h.Disks, size.Disk{Model: "P4510", Medium: "NVME", SizeBytes: gb})
		}), "no constraint covers its disk P4510 NVME"},
		{"no disks allowed", class("a"), server(nil), "no constraint covers its disk"},
		{"diskless", class("a"), server(func(h *size.Hardware) { h.Disks = nil }), ""},
		{"disks too small", class("a", disks("", size.Any(), size.Bounds{Min: 1000 * gb, Max: size.Unbounded})), server(nil), "it has 960 GB on disks, at least 1 TB"},
		{"a GPU that nobody covers", class("a", two), server(func(h *size.Hardware) { h.GPUs = []string{"NVIDIA 10de:20b0"} }), "no constraint covers its GPU NVIDIA 10de:20b0"},
		{"a GPU of another model", class("a", two, gpus("NVIDIA*", 1, 1)), server(func(h *size.Hardware) { h.GPUs = []string{"AMD 1002:740f"} }), `it has 0 GPUs "NVIDIA*", at least 1`},
		{"the GPU", class("a", two, gpus("nvidia 10de:20b?", 1, 1)), server(func(h *size.Hardware) { h.GPUs = []string{"NVIDIA 10de:20b0"} }), ""},
		{"nothing of memory", size.Size{Name: "a", Constraints: class("a").Constraints[:1]}, server(func(h *size.Hardware) { h.Disks = nil }), "no constraint covers its memory"},
		{"nothing at all", size.Size{Name: "a"}, server(nil), "no constraint covers its processors"},
	} {
		why := strings.Join(c.size.Judge(c.host), "; ")
		if c.says == "" && why != "" || !strings.Contains(why, c.says) {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestMatch(t *testing.T) {
	any := disks("", size.Any(), size.Any())
	r := size.Match([]size.Size{class("b", disks("HDD", size.Any(), size.Any())), class("a", any)}, server(nil))
	if r.Name != "a" || r.Problem != "" || len(r.Verdicts) != 2 || r.Verdicts[1].Name != "b" || len(r.Verdicts[1].Reasons) == 0 {
		t.Errorf("%+v", r)
	}
	r = size.Match([]size.Size{class("b", any), class("a", any)}, server(nil))
	if r.Name != "" || !strings.Contains(r.Problem, "sizes a, b all match") || !slices.Equal(r.Matching, []string{"a", "b"}) {
		t.Errorf("%+v", r)
	}
	if r = size.Match(nil, server(nil)); !strings.Contains(r.Problem, "there are no sizes") {
		t.Errorf("%+v", r)
	}
	var many []size.Size
	for i := range 8 {
		many = append(many, class(fmt.Sprintf("s%d", i)))
	}
	if r = size.Match(many, server(nil)); !strings.Contains(r.Problem, "s0: no constraint covers its disk") || !strings.Contains(r.Problem, "and 3 more") {
		t.Errorf("%+v", r)
	}
}

// The generators make sizes and machines out of few values, so that they meet.
func drawBounds(t *rapid.T, label string, most int64) size.Bounds {
	low := rapid.Int64Range(0, most).Draw(t, label+" min")
	if rapid.Bool().Draw(t, label+" open") {
		return size.Bounds{Min: low, Max: size.Unbounded}
	}
	return size.Bounds{Min: low, Max: rapid.Int64Range(low, most).Draw(t, label+" max")}
}

func drawSize(t *rapid.T, name string, classes int) size.Size {
	pattern := rapid.SampledFrom([]string{"", "a*", "*b", "ab", "?"})
	s := size.Size{Name: name, Constraints: []size.Constraint{
		{Type: size.Cores, Identifier: pattern.Draw(t, "processor"), Amount: drawBounds(t, "cores", 4), Count: size.Any()},
		{Type: size.Memory, Amount: drawBounds(t, "memory", 4), Count: size.Any()},
	}}
	for range rapid.IntRange(0, classes).Draw(t, "disk classes") {
		s.Constraints = append(s.Constraints, size.Constraint{Type: size.Disks, Identifier: pattern.Draw(t, "disk"), Medium: rapid.SampledFrom([]string{"", "SSD", "HDD"}).Draw(t, "medium"),
			Amount: drawBounds(t, "bytes", 12), Count: drawBounds(t, "count", 3)})
	}
	for range rapid.IntRange(0, classes).Draw(t, "GPU classes") {
		s.Constraints = append(s.Constraints, size.Constraint{Type: size.GPUs, Identifier: pattern.Draw(t, "GPU"), Amount: drawBounds(t, "GPUs", 3), Count: size.Any()})
	}
	return s
}

func drawHardware(t *rapid.T) size.Hardware {
	model := rapid.SampledFrom([]string{"ab", "a", "b", "axb", ""})
	h := size.Hardware{Processor: model.Draw(t, "processor"), Cores: rapid.Int64Range(0, 5).Draw(t, "cores"), MemoryBytes: rapid.Int64Range(0, 5).Draw(t, "memory")}
	for range rapid.IntRange(0, 3).Draw(t, "disks") {
		h.Disks = append(h.Disks, size.Disk{Model: model.Draw(t, "model"), Medium: rapid.SampledFrom([]string{"SSD", "HDD", ""}).Draw(t, "medium"), SizeBytes: rapid.Int64Range(1, 6).Draw(t, "bytes")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "GPUs") {
		h.GPUs = append(h.GPUs, model.Draw(t, "GPU"))
	}
	return h
}

// A machine has exactly one size, or a reason why not: never two, whatever the order; and each size that does not match says why.
func TestMatchGivesOneOrSaysWhy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sizes []size.Size
		for i := range rapid.IntRange(0, 5).Draw(t, "sizes") {
			sizes = append(sizes, drawSize(t, fmt.Sprintf("s%d", i), 2))
		}
		h := drawHardware(t)
		r := size.Match(sizes, h)
		if (r.Name == "") == (r.Problem == "") || len(r.Verdicts) != len(sizes) || (len(r.Matching) == 1) != (r.Name != "") {
			t.Fatalf("%+v", r)
		}
		for _, v := range r.Verdicts {
			if (len(v.Reasons) == 0) != slices.Contains(r.Matching, v.Name) {
				t.Fatalf("%s: %v", v.Name, v.Reasons)
			}
		}
		slices.Reverse(sizes)
		if again := size.Match(sizes, h); again.Name != r.Name || again.Problem != r.Problem {
			t.Fatalf("%q after %q: %q after %q", again.Name, r.Name, again.Problem, r.Problem)
		}
	})
}

// What two sizes both match is found before a machine shows it; and nothing is found that is not so.
func TestOverlapsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, h := drawSize(t, "a", 1), drawSize(t, "b", 1), drawHardware(t)
		found := size.Overlaps([]size.Size{b, a})
		if len(found) == 0 && len(a.Judge(h)) == 0 && len(b.Judge(h)) == 0 {
			t.Fatalf("both match %s:\n%+v\n%+v", h.Words(), a, b)
		}
		checkExamples(t, found, a, b)
	})
}

func TestExamplesOfOverlapsMatchBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSize(t, "a", 3), drawSize(t, "b", 3)
		checkExamples(t, size.Overlaps([]size.Size{a, b}), a, b)
	})
}

func checkExamples(t *rapid.T, found []size.Overlap, a, b size.Size) {
	for _, o := range found {
		if o.A != "a" || o.B != "b" || len(a.Judge(o.Example)) > 0 || len(b.Judge(o.Example)) > 0 {
			t.Fatalf("%+v is no example of %+v and %+v", o, a, b)
		}
	}
}

func TestOverlapsOfSeveralClasses(t *testing.T) {
	boot, data := disks("SSD", size.Bounds{Min: 2, Max: 2}, size.Any()), disks("NVME", size.Bounds{Min: 4, Max: 8}, size.Bounds{Min: 8000 * gb, Max: size.Unbounded})
	a, b := class("a", boot, data, gpus("NVIDIA*", 4, 8)), class("b", disks("", size.Bounds{Min: 6, Max: 6}, size.Any()), gpus("*20b?", 4, 4))
	found := size.Overlaps([]size.Size{a, b, class("c"), class("d", gpus("AMD*", 1, 1))})
	if len(found) != 1 || found[0].A != "a" || found[0].B != "b" || !strings.Contains(found[0].Example.Words(), "4 × NVME disk") {
		t.Errorf("%+v", found)
	}
}

func TestSuggestMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHardware(t)
		h.Processor += rapid.StringN(0, 200, -1).Draw(t, "processor's name")
		s := size.Suggest("new", h)
		if why := s.Judge(h); len(why) > 0 {
			t.Fatalf("%+v does not match its machine %s: %v", s, h.Words(), why)
		}
		again, err := size.From(s.Object())
		if err != nil || len(again.Judge(h)) > 0 {
			t.Fatalf("%+v as an object: %v, %v", s, err, again.Judge(h))
		}
	})
}

func TestSuggest(t *testing.T) {
	s := size.Suggest("m1", server(func(h *size.Hardware) {
		h.MemoryBytes -= 300 << 20
		h.Disks = append(h.Disks, size.Disk{Model: "P4510", Medium: "NVME", SizeBytes: 1_920_383_410_176})
		h.GPUs = []string{"NVIDIA 10de:20b0", "NVIDIA 10de:20b0"}
	})).Object()
	var lines []string
	for _, c := range s.Spec.Constraints {
		lines = append(lines, fmt.Sprintf("%s %s%s %s..%s", c.Type, c.Medium, c.Identifier, c.Min, c.Max))
	}
	want := []string{"cores AMD EPYC 7302P 32..32", "memory  127Gi..128Gi", "disks NVME 1920G..1921G", "disks SSD 960G..960G", "gpus NVIDIA 10de:20b0 2..2"}
	if !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
}

func TestOf(t *testing.T) {
	d := &metal3.HardwareDetails{RAMMebibytes: 1024, CPU: metal3.CPU{Count: 4, Model: " x "}, Storage: []metal3.Storage{{Name: "/dev/sda", SizeBytes: 5, Type: metal3.SSD}, {SerialNumber: "BEHIND-RAID", SizeBytes: 9}}}
	h, known := size.Of(d, &ingot.HardwareStatus{GPUs: []ingot.GPU{{Model: "g"}}})
	if !known || h.Processor != "x" || h.MemoryBytes != gib || len(h.Disks) != 1 || h.Disks[0].SizeBytes != 5 || !slices.Equal(h.GPUs, []string{"g"}) {
		t.Errorf("%+v", h)
	}
	d.Storage = d.Storage[1:]
	if h, _ = size.Of(d, nil); len(h.Disks) != 1 {
		t.Errorf("drives that only the BMC has listed: %+v", h)
	}
	for _, d := range []*metal3.HardwareDetails{nil, {}, {CPU: metal3.CPU{Count: 1}}} {
		if _, known := size.Of(d, nil); known {
			t.Errorf("%+v is known", d)
		}
	}
}
