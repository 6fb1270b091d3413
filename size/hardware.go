package size

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// Hardware is what is looked at of a machine.
type Hardware struct {
	// Processor is the model of its processors, Cores how many logical ones they have together.
	Processor   string
	Cores       int64
	MemoryBytes int64
	Disks       []Disk
	// GPUs are the models, one each.
	GPUs []string
}

// Disk is one of its disks.
type Disk struct {
	Model string
	// Medium is HDD, SSD or NVME; empty where nobody says.
	Medium    string
	SizeBytes int64
}

// part is disks or GPUs that are alike.
type part struct {
	model, medium string
	count, bytes  int64
}

func (p part) words() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s of %s", p.model, p.medium, bytes(p.bytes)))
}

func (h Hardware) disks() []part {
	out := make([]part, len(h.Disks))
	for i, d := range h.Disks {
		out[i] = part{d.Model, d.Medium, 1, d.SizeBytes}
	}
	return out
}

func (h Hardware) gpus() []part {
	out := make([]part, len(h.GPUs))
	for i, g := range h.GPUs {
		out[i] = part{model: g, count: 1}
	}
	return out
}

// Of is a machine as inspection found it: the HardwareData's details, and the GPUs of its HostLifecycle. Drives that only its BMC has listed count where an agent listed none: they are what is known of a machine
// that was inspected by its BMC alone, and of others they are behind a RAID controller, whose volumes count. The second result is false where nothing is known yet.
func Of(d *metal3.HardwareDetails, l *ingot.HardwareStatus) (Hardware, bool) {
	if d == nil || d.CPU.Count <= 0 || d.RAMMebibytes <= 0 {
		return Hardware{}, false
	}
	h := Hardware{Processor: strings.TrimSpace(d.CPU.Model), Cores: int64(d.CPU.Count), MemoryBytes: int64(d.RAMMebibytes) << 20}
	disks := journey.InBandDisks(d)
	if len(disks) == 0 {
		disks = d.Storage
	}
	for _, s := range disks {
		h.Disks = append(h.Disks, Disk{Model: strings.TrimSpace(s.Model), Medium: medium(s), SizeBytes: int64(s.SizeBytes)})
	}
	if l != nil {
		for _, g := range l.GPUs {
			h.GPUs = append(h.GPUs, strings.TrimSpace(g.Model))
		}
	}
	return h, true
}

func medium(s metal3.Storage) string {
	if s.Type == "" && s.Rotational {
		return string(metal3.HDD)
	}
	return string(s.Type)
}

// Words is a machine in a line.
func (h Hardware) Words() string {
	out := []string{strings.TrimSpace(fmt.Sprintf("%d cores %s", h.Cores, h.Processor)), bytes(h.MemoryBytes) + " of memory"}
	for _, p := range merge(h.disks()) {
		out = append(out, fmt.Sprintf("%d × %s", p.count, strings.TrimSpace(fmt.Sprintf("%s disk %s, %s together", p.medium, p.model, bytes(p.bytes)))))
	}
	for _, p := range merge(h.gpus()) {
		out = append(out, fmt.Sprintf("%d × GPU %s", p.count, p.model))
	}
	return strings.Join(out, ", ")
}

// merge puts parts that are alike together, in a fixed order.
func merge(parts []part) []part {
	var out []part
	for _, p := range parts {
		if i := slices.IndexFunc(out, func(o part) bool { return o.model == p.model && o.medium == p.medium }); i >= 0 {
			out[i].count += p.count
			out[i].bytes = add(out[i].bytes, p.bytes)
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b part) int { return cmp.Or(cmp.Compare(a.medium, b.medium), cmp.Compare(a.model, b.model)) })
	return out
}

// bytes is an amount with the unit in which it is a short number: makers of disks count in thousands, those of memory in 1,024.
func bytes(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 40, "TiB"}, {1e12, "TB"}, {1 << 30, "GiB"}, {1e9, "GB"}, {1 << 20, "MiB"}, {1e6, "MB"}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d bytes", n)
}
