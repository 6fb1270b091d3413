package raid

import (
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// The levels of hardware RAID beside Striped, Mirrored and MirroredStripes, as Metal3 writes them. HammingCoded has no word in Redfish (DSP8010, Volume.RAIDType), so that no controller can be asked for it.
const (
	HammingCoded        = "2"
	Parity              = "5"
	DoubleParity        = "6"
	ParityStripes       = "5+0"
	DoubleParityStripes = "6+0"
)

// Storage is what a BMC shows of its machine's RAID controllers.
type Storage struct {
	// Controllers are those that can have volumes, by ID.
	Controllers []Controller
}

// Controller is a RAID controller with what is on it.
type Controller struct {
	// ID is its own in the machine, and what spec.raid calls it. Names are others that it goes by.
	ID    string
	Names []string
	// Levels are those that it supports; empty where it does not say.
	Levels []string
	Drives []Drive
	// Volumes are those that it has. What it shows as a volume and is a single disk that is passed through is none.
	Volumes []Made
}

// Drive is a physical disk at a controller.
type Drive struct {
	// ID is its own at its controller, and what spec.raid calls it. Name is another.
	ID, Name     string
	SerialNumber string
	SizeBytes    int64
	Rotational   bool
	// Protocol is SAS, SATA, NVMe or PCIe; empty where it is not known.
	Protocol string
	// Unusable says why no volume is made of it, empty where one may be: "it failed", "it is a hot spare".
	Unusable string
}

// Made is a volume that is there.
type Made struct {
	// ID is its own at its controller.
	ID, Name string
	// Level is in Metal3's words; another one in the BMC's.
	Level     string
	SizeBytes int64
	// Drives are the IDs of its drives; empty where the BMC does not say.
	Drives []string
	// WWN is by which the system knows the volume: "0x" and 16 or 32 hex digits; empty where the BMC does not tell it.
	WWN string
}

// Wish is one hardware volume as a host asks for it.
type Wish struct {
	Name  string `json:"name,omitempty"`
	Level string `json:"level"`
	// SizeBytes is a whole number of GiB; 0: all of its drives.
	SizeBytes int64 `json:"sizeBytes,omitempty"`
	// Drives is how many there are to be; 0: as few as the level needs. Named are which ones.
	Drives     int      `json:"drives,omitempty"`
	Named      []string `json:"named,omitempty"`
	Controller string   `json:"controller,omitempty"`
	// Rotational: only such drives, or only others; nil: whichever.
	Rotational *bool `json:"rotational,omitempty"`
}

// Count is how many drives a wished volume has.
func (w Wish) Count() int {
	switch {
	case len(w.Named) > 0:
		return len(w.Named)
	case w.Drives > 0:
		return w.Drives
	}
	return levels()[w.Level].fewest
}

// level is what a RAID level needs and gives.
type level struct {
	// fewest and most are how many drives; most is 0 for any number. even: an even number of them.
	fewest, most int
	even         bool
	// lost is how many drives' worth of room are used up by a level of n drives.
	lost func(n int) int
}

func levels() map[string]level {
	flat := func(k int) func(int) int { return func(int) int { return k } }
	return map[string]level{
		Striped:             {fewest: 1, lost: flat(0)},
		Mirrored:            {fewest: 2, most: 2, lost: flat(1)},
		Parity:              {fewest: 3, lost: flat(1)},
		DoubleParity:        {fewest: 4, lost: flat(2)},
		MirroredStripes:     {fewest: 4, even: true, lost: func(n int) int { return n / 2 }},
		ParityStripes:       {fewest: 6, even: true, lost: flat(2)},
		DoubleParityStripes: {fewest: 8, even: true, lost: flat(4)},
	}
}

// usable is the room that a level has on n drives of which the smallest has least bytes.
func usable(l string, n int, least int64) int64 {
	return int64(n-levels()[l].lost(n)) * least
}

// share is what one of n drives has to have for a volume of that size.
func share(l string, n int, size int64) int64 {
	left := int64(n - levels()[l].lost(n))
	return (size + left - 1) / left
}

// controller finds one by any of its names.
func (s Storage) controller(name string) (Controller, bool) {
	for _, c := range s.Controllers {
		if strings.EqualFold(c.ID, name) {
			return c, true
		}
	}
	var found []Controller
	for _, c := range s.Controllers {
		if slices.ContainsFunc(c.Names, func(n string) bool { return strings.EqualFold(n, name) }) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return Controller{}, false
	}
	return found[0], true
}

// drive finds one by its ID, or by its name where no other has it.
func (c Controller) drive(name string) (Drive, bool) {
	var named []Drive
	for _, d := range c.Drives {
		if strings.EqualFold(d.ID, name) {
			return d, true
		}
		if strings.EqualFold(d.Name, name) {
			named = append(named, d)
		}
	}
	if len(named) != 1 {
		return Drive{}, false
	}
	return named[0], true
}

func (c Controller) byID(id string) (Drive, bool) {
	i := slices.IndexFunc(c.Drives, func(d Drive) bool { return d.ID == id })
	if i < 0 {
		return Drive{}, false
	}
	return c.Drives[i], true
}

// supports: the controller says so, or does not say.
func (c Controller) supports(l string) bool {
	return len(c.Levels) == 0 || slices.Contains(c.Levels, l)
}

// kept says which disk of a volume its host keeps, by the volume's own number or by those of its drives; empty for none.
func (c Controller) kept(m Made, e step.Erasure) string {
	disk := step.Disk{WWN: m.WWN, SizeBytes: m.SizeBytes}
	if len(m.WWN) == wholeWWN {
		// udev calls the first 16 digits the WWN.
		disk.WWN, disk.WWNWithExtension = m.WWN[:shortWWN], m.WWN
	}
	if m.WWN != "" && (e.Keeps(disk) || e.Keeps(step.Disk{WWN: m.WWN})) {
		return m.WWN
	}
	for _, id := range m.Drives {
		if d, found := c.byID(id); found && d.SerialNumber != "" && e.Keeps(step.Disk{SerialNumber: d.SerialNumber}) {
			return d.SerialNumber
		}
	}
	return ""
}

// The lengths of a WWN with "0x": of 16 digits, and of 32 (NAA type 6).
const (
	shortWWN = 2 + 16
	wholeWWN = 2 + 32
)

// CleanWWN puts a durable name of Redfish (DSP8010, Resource.Identifier) into the form that the system has: "0x" and 16 or 32 lower-case hex digits; empty for what is none.
func CleanWWN(durable string) string {
	d := strings.ToLower(strings.TrimSpace(durable))
	for _, prefix := range []string{"naa.", "eui.", "wwn-", "0x"} {
		d = strings.TrimPrefix(d, prefix)
	}
	d = strings.NewReplacer(":", "", "-", "", " ", "", "_", "").Replace(d)
	if n := 2 + len(d); n != shortWWN && n != wholeWWN || strings.Trim(d, "0123456789abcdef") != "" || strings.Trim(d, "0") == "" {
		return ""
	}
	return "0x" + d
}
