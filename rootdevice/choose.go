package rootdevice

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

const (
	// defaultDevice is what no hint means, as in Metal3.
	defaultDevice = "/dev/sda"
	// minDefaultBytes is the least that a disk without a hint must have, as in Ironic.
	minDefaultBytes = 4 << 30
	byPath          = "/dev/disk/by-path/"
)

// Verdict is what was found about one disk.
type Verdict struct {
	Disk step.Disk
	// Fits: the disk may be chosen. Why says why not, empty if it fits.
	Fits bool
	Why  string
}

// Choose finds the disk that the hints mean. minBytes is the size of the image where it is known, else 0.
//
// All given hints must hold together. Read-only disks, which includes the medium that the agent was booted from, are never chosen, and removable ones and those at the other end
// of a network only where owns says that such disks are the machine's own (step.Outside). A disk whose content its host keeps (step.Disk.Kept) is chosen only by its serial
// number or WWN. Where several disks fit, the
// first by path is taken (by the stable /dev/disk/by-path name where there is one, else by device name; numbers compare as numbers), so that the same
// machine gives the same answer at every boot.
//
// Without hints /dev/sda is meant. Where no disk of that name may be written, the smallest of at least 4 GiB is taken, as Ironic does.
func Choose(disks []step.Disk, h *Hints, minBytes int64, owns ...step.Outside) (step.Disk, *step.Failure) {
	verdicts := Explain(disks, h, minBytes, owns...)
	for _, v := range verdicts {
		if v.Fits {
			return v.Disk, nil
		}
	}
	return step.Disk{}, &step.Failure{Kind: step.Invalid, Message: refusal(verdicts, h),
		Fix: "correct spec.rootDeviceHints; the host's HardwareData lists its disks"}
}

// Explain judges every disk. The disk that Choose takes is the first that fits.
func Explain(disks []step.Disk, h *Hints, minBytes int64, owns ...step.Outside) []Verdict {
	if h == nil || *h == (Hints{}) {
		return explainDefault(disks, minBytes, owns)
	}
	out := make([]Verdict, 0, len(disks))
	for _, d := range sorted(disks) {
		out = append(out, verdict(d, append(unwritable(d, *h, owns), append(h.misses(d), tooSmall(d, minBytes)...)...)))
	}
	return out
}

// explainDefault judges without hints.
func explainDefault(disks []step.Disk, minBytes int64, owns []step.Outside) []Verdict {
	named := Hints{DeviceName: defaultDevice}
	for _, d := range disks {
		if len(named.misses(d)) == 0 && len(unwritable(d, named, owns)) == 0 {
			return Explain(disks, &named, minBytes, owns...)
		}
	}
	out := make([]Verdict, 0, len(disks))
	bySize := sorted(disks)
	slices.SortStableFunc(bySize, func(a, b step.Disk) int { return cmp.Compare(a.SizeBytes, b.SizeBytes) })
	for _, d := range bySize {
		out = append(out, verdict(d, append(unwritable(d, Hints{}, owns), tooSmall(d, max(minBytes, minDefaultBytes))...)))
	}
	return out
}

func verdict(d step.Disk, why []string) Verdict {
	return Verdict{Disk: d, Fits: len(why) == 0, Why: strings.Join(why, ", ")}
}

func unwritable(d step.Disk, h Hints, owns []step.Outside) []string {
	switch {
	case d.Kept && !h.number():
		return []string{"its host keeps what is on it, and the hints do not name its serial number or WWN"}
	case !d.Owned(owns) && d.Removable:
		return []string{"it is removable"}
	case !d.Owned(owns):
		return []string{fmt.Sprintf("it is reached over a network (%s) and may be another machine's", d.Outside())}
	case d.ReadOnly:
		return []string{"it is read-only"}
	case d.MemberOf != "":
		return []string{"it is a part of the software RAID array " + d.MemberOf}
	}
	return nil
}

func tooSmall(d step.Disk, minBytes int64) []string {
	if d.SizeBytes >= minBytes {
		return nil
	}
	return []string{fmt.Sprintf("it has %d bytes, %d are needed", d.SizeBytes, minBytes)}
}

// number says whether the hints name one disk by a number of its own, which no other disk takes over, as one can take over a device name.
func (h Hints) number() bool { return h.SerialNumber != "" || h.WWN != "" || h.WWNWithExtension != "" }

// misses lists the hints that a disk does not meet. As in Ironic model and vendor may be a part of the value, the rest are the whole; upper and lower case are the same but in
// device names, and the size counts in GiB.
func (h Hints) misses(d step.Disk) []string {
	var out []string
	miss := func(name, want, have string) {
		out = append(out, fmt.Sprintf("%s is %q, not %q", name, have, want))
	}
	if want := h.DeviceName; want != "" && want != d.Name && !slices.Contains(d.AlternateNames, want) {
		miss("deviceName", want, d.Name)
	}
	for _, e := range []struct{ name, want, have string }{
		{"hctl", h.HCTL, d.HCTL}, {"serialNumber", h.SerialNumber, d.SerialNumber}, {"wwn", h.WWN, d.WWN},
		{"wwnWithExtension", h.WWNWithExtension, d.WWNWithExtension}, {"wwnVendorExtension", h.WWNVendorExtension, d.WWNVendorExtension},
	} {
		if e.want != "" && !strings.EqualFold(e.want, e.have) {
			miss(e.name, e.want, e.have)
		}
	}
	for _, e := range []struct{ name, want, have string }{{"model", h.Model, d.Model}, {"vendor", h.Vendor, d.Vendor}} {
		if e.want != "" && !strings.Contains(strings.ToLower(e.have), strings.ToLower(e.want)) {
			out = append(out, fmt.Sprintf("%s %q does not contain %q", e.name, e.have, e.want))
		}
	}
	if h.MinSizeGigabytes > 0 && d.SizeBytes>>30 < int64(h.MinSizeGigabytes) {
		out = append(out, fmt.Sprintf("it has %d GiB, minSizeGigabytes is %d", d.SizeBytes>>30, h.MinSizeGigabytes))
	}
	if h.Rotational != nil && *h.Rotational != d.Rotational {
		miss("rotational", strconv.FormatBool(*h.Rotational), strconv.FormatBool(d.Rotational))
	}
	return out
}

func refusal(verdicts []Verdict, h *Hints) string {
	what := "the root device hints match no disk"
	if h == nil || *h == (Hints{}) {
		what = "without root device hints no disk can be used"
	}
	if len(verdicts) == 0 {
		return what + ": the machine has no disk"
	}
	var b strings.Builder
	for _, v := range verdicts {
		fmt.Fprintf(&b, "; %s (serial %q): %s", v.Disk.Name, v.Disk.SerialNumber, v.Why)
	}
	return what + b.String()
}

// sorted orders disks by their stable path.
func sorted(disks []step.Disk) []step.Disk {
	out := slices.Clone(disks)
	slices.SortStableFunc(out, func(a, b step.Disk) int { return compareNatural(path(a), path(b)) })
	return out
}

func path(d step.Disk) string {
	for _, n := range d.AlternateNames {
		if strings.HasPrefix(n, byPath) {
			return n
		}
	}
	return d.Name
}

// compareNatural compares texts with numbers in them: nvme2n1 comes before nvme10n1, sdb before sdaa.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := chunk(a), chunk(b)
		a, b = a[len(x):], b[len(y):]
		if x == y {
			continue
		}
		if digit(x[0]) && digit(y[0]) {
			tx, ty := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(tx), len(ty)), cmp.Compare(tx, ty)); c != 0 {
				return c
			}
			continue
		}
		if strings.HasPrefix(x, "/dev/sd") && strings.HasPrefix(y, "/dev/sd") {
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		}
		return cmp.Compare(x, y)
	}
	return cmp.Compare(len(a), len(b))
}

// chunk is the longest run of digits, or of other bytes, that a text begins with.
func chunk(s string) string {
	i := 1
	for i < len(s) && digit(s[i]) == digit(s[0]) {
		i++
	}
	return s[:i]
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
