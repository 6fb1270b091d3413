package step

import (
	"strings"
	"testing"
)

func TestBurnInPlansAreRead(t *testing.T) {
	for text, want := range map[string]struct {
		plan  BurnInPlan
		canon string
	}{
		"":                                      {},
		" ":                                     {},
		"cpu=10m,memory=1pass,disk=sample":      {BurnInPlan{CPUSeconds: 600, MemoryPasses: 1, Disk: DiskSample}, "cpu=10m0s,memory=1pass,disk=sample"},
		"disk=write, memory=3 , CPU=1h30m":      {BurnInPlan{CPUSeconds: 5400, MemoryPasses: 3, Disk: DiskWrite}, "cpu=1h30m0s,memory=3pass,disk=write"},
		"memory=2passes":                        {BurnInPlan{MemoryPasses: 2}, "memory=2pass"},
		"network=10s@900Mbps,lldp=required":     {BurnInPlan{NetworkSeconds: 10, MinMbps: 900, LLDP: true}, "network=10s@900Mbps,lldp=required"},
		"network=10m":                           {BurnInPlan{NetworkSeconds: 600}, "network=10m0s"},
		"cpu=168h0m0s,memory=100pass,disk=read": {BurnInPlan{CPUSeconds: 604800, MemoryPasses: 100, Disk: DiskRead}, "cpu=168h0m0s,memory=100pass,disk=read"},
	} {
		got, err := ParseBurnIn(text)
		if err != nil || got != want.plan || got.String() != want.canon || got.Empty() != (want.canon == "") || got.Writes() != strings.Contains(text, "write") {
			t.Errorf("%q: %+v (%q), %v", text, got, got, err)
		}
		if again, err := ParseBurnIn(got.String()); err != nil || again != got {
			t.Errorf("%q: its canonical form %q is %+v, %v", text, got, again, err)
		}
	}
}

func TestBurnInPlansThatAreRefused(t *testing.T) {
	for text, why := range map[string]string{
		"cpu":                    "whole seconds",
		"cpu=":                   "whole seconds",
		"cpu=10":                 "whole seconds",
		"cpu=500ms":              "whole seconds",
		"cpu=1500ms":             "whole seconds",
		"cpu=169h":               "whole seconds",
		"cpu=-5m":                "whole seconds",
		"memory=0":               "passes",
		"memory=101pass":         "passes",
		"memory=all":             "passes",
		"disk=erase":             "[sample read write]",
		"disk=":                  "[sample read write]",
		"network=11m":            "10m0s",
		"network=10s@":           "megabits",
		"network=10s@0Mbps":      "megabits",
		"network=10s@1Gbps":      "megabits",
		"network=10s@900":        "megabits",
		"lldp=yes":               "lldp=required",
		"gpu=1h":                 "no such test",
		"cpu=1m,":                "no such test",
		"cpu=1m,cpu=2m":          "twice",
		"memory=1pass,memory=2p": "twice",
	} {
		if p, err := ParseBurnIn(text); err == nil || !strings.Contains(err.Error(), why) || !p.Empty() {
			t.Errorf("%q: %+v, %v; want an error with %q", text, p, err, why)
		}
	}
}

// FuzzParseBurnIn: whatever is read has a canonical form that reads the same.
func FuzzParseBurnIn(f *testing.F) {
	for _, text := range []string{"", "cpu=10m,memory=1pass,disk=sample", "network=10s@900Mbps,lldp=required", "disk=write,,", "memory=2passes", "cpu=9223372036854775807ns"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseBurnIn(text)
		if err != nil {
			return
		}
		if again, err := ParseBurnIn(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, and its canonical form %q is %+v, %v", text, p, p, again, err)
		}
	})
}
