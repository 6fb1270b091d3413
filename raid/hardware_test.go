package raid

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/step"
)

// server has a controller with two small disks of flash, six rotating ones, a failed one and a hot spare, and a second one with two disks that knows levels 0 and 1 only.
func server() Storage {
	a := Controller{ID: "RAID.1", Names: []string{"PERC H755"}, Levels: []string{Striped, Mirrored, Parity, DoubleParity, MirroredStripes, ParityStripes}}
	for n := range 2 {
		a.Drives = append(a.Drives, Drive{ID: fmt.Sprintf("ssd%d", n), Name: "flash", SerialNumber: fmt.Sprintf("S%d", n), SizeBytes: 200 * gib, Protocol: "SATA"})
	}
	for n := range 6 {
		a.Drives = append(a.Drives, Drive{ID: fmt.Sprintf("bay%d", n+8), Name: fmt.Sprintf("Disk %d", n+8), SerialNumber: fmt.Sprintf("H%d", n), SizeBytes: 1000 * gib, Rotational: true, Protocol: "SAS"})
	}
	a.Drives = append(a.Drives, Drive{ID: "bay98", SizeBytes: 1000 * gib, Rotational: true, Protocol: "SAS", Unusable: "it failed: its health is Critical"},
		Drive{ID: "bay99", SizeBytes: 1000 * gib, Rotational: true, Protocol: "SAS", Unusable: "it is a hot spare"})
	b := Controller{ID: "BOSS.1", Levels: []string{Striped, Mirrored}, Drives: []Drive{{ID: "m2-0", SizeBytes: 447 * gib, Protocol: "SATA"}, {ID: "m2-1", SizeBytes: 447 * gib, Protocol: "SATA"}}}
	return Storage{Controllers: []Controller{b, a}}
}

func yes(b bool) *bool { return &b }

func has(controller string, v Made) func(Storage) Storage {
	return func(s Storage) Storage {
		out, _ := s.With(controller, v)
		return out
	}
}

// TestBring: what is done for wishes on a server, in words.
func TestBring(t *testing.T) {
	mirror := Made{Level: Mirrored, Drives: []string{"ssd0", "ssd1"}}
	five := Made{Level: Parity, SizeBytes: 500 * gib, Drives: []string{"bay8", "bay9", "bay10"}}
	for name, c := range map[string]struct {
		there  []func(Storage) Storage
		wishes []Wish
		policy step.Erasure
		// want are the changes, or what the refusal says.
		want, refused string
	}{
		"nothing on an empty server":     {},
		"all goes":                       {there: []func(Storage) Storage{has("RAID.1", mirror), has("RAID.1", five)}, want: "delete Volume.0, delete Volume.1"},
		"the smallest":                   {wishes: []Wish{{Level: Mirrored}}, want: "make 1 at RAID.1 of ssd0 ssd1"},
		"the smallest that has room":     {wishes: []Wish{{Level: Mirrored, SizeBytes: 300 * gib}}, want: "make 1 at BOSS.1 of m2-0 m2-1"},
		"rotating ones":                  {wishes: []Wish{{Level: Mirrored, Rotational: yes(true)}}, want: "make 1 at RAID.1 of bay8 bay9"},
		"numbers count as numbers":       {wishes: []Wish{{Level: Parity, Rotational: yes(true)}}, want: "make 5 at RAID.1 of bay8 bay9 bay10"},
		"as many as asked for":           {wishes: []Wish{{Level: DoubleParity, Drives: 6}}, want: "make 6 at RAID.1 of bay8 bay9 bay10 bay11 bay12 bay13"},
		"of a controller by its name":    {wishes: []Wish{{Level: Striped, Controller: "perc h755"}}, want: "make 0 at RAID.1 of ssd0"},
		"named ones":                     {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"Disk 13", "bay8"}}}, want: "make 1 at RAID.1 of bay13 bay8"},
		"named ones are kept for it":     {wishes: []Wish{{Level: Mirrored}, {Level: Mirrored, Controller: "RAID.1", Named: []string{"ssd0", "ssd1"}}}, want: "make 1 at BOSS.1 of m2-0 m2-1, make 1 at RAID.1 of ssd0 ssd1"},
		"whole ones take what is left":   {wishes: []Wish{{Level: Mirrored}, {Level: Mirrored, SizeBytes: 150 * gib}}, want: "make 1 at BOSS.1 of m2-0 m2-1, make 1 at RAID.1 of ssd0 ssd1"},
		"what is there stays":            {there: []func(Storage) Storage{has("RAID.1", mirror), has("RAID.1", five)}, wishes: []Wish{{Level: Mirrored}, {Level: Parity, SizeBytes: 500 * gib}}},
		"in whatever order":              {there: []func(Storage) Storage{has("RAID.1", five), has("RAID.1", mirror)}, wishes: []Wish{{Level: Mirrored}, {Level: Parity, SizeBytes: 500 * gib}}},
		"rounded":                        {there: []func(Storage) Storage{has("RAID.1", Made{Level: Mirrored, SizeBytes: 199 * gib, Drives: mirror.Drives})}, wishes: []Wish{{Level: Mirrored}}},
		"too small":                      {there: []func(Storage) Storage{has("RAID.1", Made{Level: Mirrored, SizeBytes: 100 * gib, Drives: mirror.Drives})}, wishes: []Wish{{Level: Mirrored}}, want: "delete Volume.0, make 1 at RAID.1 of ssd0 ssd1"},
		"another level":                  {there: []func(Storage) Storage{has("RAID.1", mirror)}, wishes: []Wish{{Level: Striped, Drives: 2}}, want: "delete Volume.0, make 0 at RAID.1 of ssd0 ssd1"},
		"another name":                   {there: []func(Storage) Storage{has("RAID.1", mirror)}, wishes: []Wish{{Name: "root", Level: Mirrored}}, want: "delete Volume.0, make 1 at RAID.1 of ssd0 ssd1"},
		"a name that was not taken":      {there: []func(Storage) Storage{has("RAID.1", Made{ID: "renamed", Name: "Virtual Disk 0", Level: Mirrored, Drives: mirror.Drives})}, wishes: []Wish{{Name: "root", Level: Mirrored}}},
		"a level that nobody has":        {there: []func(Storage) Storage{has("RAID.1", Made{Level: "RAID1E", Drives: mirror.Drives})}, wishes: []Wish{{Level: Mirrored}}, want: "delete Volume.0, make 1 at RAID.1 of ssd0 ssd1"},
		"other drives":                   {there: []func(Storage) Storage{has("RAID.1", mirror)}, wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"bay8", "bay9"}}}, want: "delete Volume.0, make 1 at RAID.1 of bay8 bay9"},
		"one stays, one goes, one comes": {there: []func(Storage) Storage{has("RAID.1", mirror), has("RAID.1", five)}, wishes: []Wish{{Level: Mirrored}, {Level: DoubleParity}}, want: "delete Volume.1, make 6 at RAID.1 of bay8 bay9 bay10 bay11"},
		"one that is kept stays":         {there: []func(Storage) Storage{has("RAID.1", mirror)}, policy: keeps("S1"), refused: "its host keeps what is on it (S1)"},
		"kept and asked for":             {there: []func(Storage) Storage{has("RAID.1", mirror)}, policy: keeps("S1"), wishes: []Wish{{Level: Mirrored}}},
		"a kept drive is not taken":      {wishes: []Wish{{Level: Mirrored}}, policy: keeps("S1"), want: "make 1 at BOSS.1 of m2-0 m2-1"},
		"nor where it is named":          {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"ssd0", "ssd1"}}}, policy: keeps("S1"), refused: "kept as it is"},
		"too few":                        {wishes: []Wish{{Level: DoubleParity, Drives: 7}}, refused: "needs 7 free physical disks of one kind and size: controller RAID.1 has 8 free and 0 in use (bay98: it failed"},
		"not supported":                  {wishes: []Wish{{Level: Parity, Controller: "BOSS.1"}}, refused: "level 5 is not supported: controller BOSS.1 has 0, 1"},
		"not supported by any":           {wishes: []Wish{{Level: DoubleParityStripes}}, refused: "level 6+0 is not supported"},
		"no such controller":             {wishes: []Wish{{Level: Mirrored, Controller: "X"}}, refused: "the BMC shows BOSS.1, RAID.1"},
		"no such drive":                  {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"ssd0", "x"}}}, refused: "has no physical disk x"},
		"a name of several":              {wishes: []Wish{{Level: Striped, Controller: "RAID.1", Named: []string{"flash"}}}, refused: "has no physical disk flash"},
		"failed":                         {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"bay8", "bay98"}}}, refused: "it failed"},
		"hot spare":                      {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"bay8", "bay99"}}}, refused: "hot spare"},
		"of the other medium":            {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"bay8", "bay9"}, Rotational: yes(false)}}, refused: "rotational true"},
		"named and too small":            {wishes: []Wish{{Level: Mirrored, Controller: "RAID.1", Named: []string{"ssd0", "ssd1"}, SizeBytes: 300 * gib}}, refused: "needs 300 of each"},
		"larger than any":                {wishes: []Wish{{Level: Mirrored, SizeBytes: 2000 * gib}}, refused: "of at least 2000 GiB each"},
	} {
		t.Run(name, func(t *testing.T) {
			s := server()
			for _, f := range c.there {
				s = f(s)
			}
			got, f := Bring(c.wishes, s, c.policy, func(_, id string) string { return map[string]string{"renamed": "root"}[id] })
			if c.refused != "" {
				if f == nil || !strings.Contains(f.Message, c.refused) || f.Fix == "" {
					t.Fatalf("%+v, want a refusal with %q", f, c.refused)
				}
				return
			}
			if f != nil {
				t.Fatal(f.Message)
			}
			if diff := cmp.Diff(c.want, words(got)); diff != "" {
				t.Fatalf("changes (-want +got):\n%s", diff)
			}
			// Once they are done, nothing is left to do.
			for _, d := range got.Delete {
				s = s.Without(d.Controller, d.Volume.ID)
			}
			for _, m := range got.Make {
				s, _ = s.With(m.Controller, m.Volume)
			}
			if again, f := Bring(c.wishes, s, c.policy, func(_, id string) string { return map[string]string{"renamed": "root"}[id] }); f != nil || words(again) != "" {
				t.Errorf("after it: %q, %+v", words(again), f)
			}
		})
	}
}

func keeps(serial string) step.Erasure {
	return step.Erasure{Disks: []step.DiskRule{{SerialNumber: serial, Keep: true}}}
}

func words(c Changes) string {
	var out []string
	for _, d := range c.Delete {
		out = append(out, "delete "+d.Volume.ID)
	}
	for _, m := range c.Make {
		out = append(out, fmt.Sprintf("make %s at %s of %s", m.Volume.Level, m.Controller, strings.Join(m.Volume.Drives, " ")))
	}
	return strings.Join(out, ", ")
}

func TestCheckWishes(t *testing.T) {
	for name, c := range map[string]struct {
		wishes  []Wish
		refused string
	}{
		"fine":                {[]Wish{{Level: Mirrored}, {Level: Parity, Drives: 4}}, ""},
		"level 2":             {[]Wish{{Level: HammingCoded}}, "no word for"},
		"unknown level":       {[]Wish{{Level: "7"}}, `level "7"`},
		"three for a mirror":  {[]Wish{{Level: Mirrored, Drives: 3}}, "can have 2"},
		"one for a mirror":    {[]Wish{{Level: Mirrored, Drives: 1}}, "needs 2"},
		"two for parity":      {[]Wish{{Level: Parity, Drives: 2}}, "needs 3"},
		"three for two":       {[]Wish{{Level: DoubleParity, Drives: 3}}, "needs 4"},
		"odd":                 {[]Wish{{Level: MirroredStripes, Drives: 5}}, "even"},
		"few for 5+0":         {[]Wish{{Level: ParityStripes, Drives: 4}}, "needs 6"},
		"few for 6+0":         {[]Wish{{Level: DoubleParityStripes, Drives: 6}}, "needs 8"},
		"drives, no place":    {[]Wish{{Level: Mirrored, Named: []string{"a", "b"}}}, "no controller"},
		"another number":      {[]Wish{{Level: Mirrored, Controller: "c", Named: []string{"a", "b"}, Drives: 3}}, "asks for 3"},
		"one drive twice":     {[]Wish{{Level: Mirrored, Controller: "c", Named: []string{"a", "A"}}}, "named twice"},
		"twice over volumes":  {[]Wish{{Level: Striped, Controller: "c", Named: []string{"a"}}, {Level: Striped, Controller: "C", Named: []string{"a"}}}, "volume 1 and volume 2"},
		"one name twice":      {[]Wish{{Name: "n", Level: Striped}, {Name: "n", Level: Striped}}, `both named "n"`},
		"a negative size":     {[]Wish{{Level: Striped, SizeBytes: -1}}, "bytes"},
		"more than there are": {make([]Wish, 65), "at most 64"},
	} {
		f := CheckWishes(c.wishes)
		if (f == nil) != (c.refused == "") || f != nil && (!strings.Contains(f.Message, c.refused) || f.Fix == "") {
			t.Errorf("%s: %+v, want %q", name, f, c.refused)
		}
	}
}

// TestOrderDoesNotMatter: the same controllers, drives and volumes in whatever order get the same changes.
func TestOrderDoesNotMatter(t *testing.T) {
	wishes := []Wish{{Level: Mirrored}, {Level: Parity, Rotational: yes(true)}, {Level: Striped, SizeBytes: 100 * gib}}
	s, _ := server().With("RAID.1", Made{Level: Striped, Drives: []string{"bay9"}})
	want, f := Bring(wishes, s, step.Erasure{}, nil)
	if f != nil {
		t.Fatal(f)
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		mixed := s.clone()
		r.Shuffle(len(mixed.Controllers), func(i, j int) {
			mixed.Controllers[i], mixed.Controllers[j] = mixed.Controllers[j], mixed.Controllers[i]
		})
		for i := range mixed.Controllers {
			d := slices.Clone(mixed.Controllers[i].Drives)
			r.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
			mixed.Controllers[i].Drives = d
		}
		if got, f := Bring(wishes, mixed, step.Erasure{}, nil); f != nil || words(got) != words(want) {
			t.Fatalf("seed %d: %q, want %q (%v)", seed, words(got), words(want), f)
		}
	}
}

func TestCleanWWN(t *testing.T) {
	for in, want := range map[string]string{
		"600508b1001c4d414e2aef08d0f0e9c0": "0x600508b1001c4d414e2aef08d0f0e9c0", "naa.5000C500A1B2C3D4": "0x5000c500a1b2c3d4",
		"60:05:08:b1:00:1c:4d:41:4e:2a:ef:08:d0:f0:e9:c0": "0x600508b1001c4d414e2aef08d0f0e9c0", "0x5000c500a1b2c3d4": "0x5000c500a1b2c3d4",
		"": "", "none": "", "0000000000000000": "", "5000c500a1b2c3d": "",
	} {
		if got := CleanWWN(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
