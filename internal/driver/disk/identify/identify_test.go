package identify

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
)

// controller builds Identify Controller data.
func controller(oacs uint16, sanicap uint32, fna byte) []byte {
	b := make([]byte, NVMeBytes)
	copy(b[4:], "S4EMNX0R123456      ")
	copy(b[24:], "SAMSUNG MZQL21T9HCJR-00A07              ")
	copy(b[64:], "GDC5602Q")
	binary.LittleEndian.PutUint16(b[256:], oacs)
	binary.LittleEndian.PutUint32(b[328:], sanicap)
	binary.LittleEndian.PutUint32(b[516:], 32)
	b[524] = fna
	return b
}

func namespace(flbas, dps, fpi byte) []byte {
	b := make([]byte, NVMeBytes)
	binary.LittleEndian.PutUint64(b, 1<<20)
	b[26], b[29], b[32] = flbas, dps, fpi
	b[128+2], b[128+4+2] = 9, 12
	return b
}

// ata builds IDENTIFY DEVICE data with a right checksum.
func ata(word82, status, time89, time90 uint16) []byte {
	b := make([]byte, ATABytes)
	copy(b[20:], "1S32F4                    ")
	for n, w := range map[int]uint16{82: word82, 83: 1 << 14, 89: time89, 90: time90, 128: status} {
		binary.LittleEndian.PutUint16(b[2*n:], w)
	}
	b[510] = 0xa5
	var sum byte
	for _, x := range b {
		sum += x
	}
	b[511] = -sum
	return b
}

func TestController(t *testing.T) {
	c, err := ParseController(controller(1<<1|1<<3, 3, 2))
	want := Controller{
		Serial: "S4EMNX0R123456", Model: "SAMSUNG MZQL21T9HCJR-00A07", Firmware: "GDC5602Q", CanFormat: true, ManagesNamespaces: true,
		BlockErase: true, CryptoErase: true, ErasesAll: true, Namespaces: 32,
	}
	if err != nil || c != want {
		t.Errorf("%+v, %v; want %+v", c, err, want)
	}
	for name, parse := range map[string]func([]byte) error{
		"controller": func(b []byte) error { _, err := ParseController(b); return err },
		"namespace":  func(b []byte) error { _, err := ParseNamespace(b); return err },
		"list":       func(b []byte) error { _, err := ParseNamespaceList(b); return err },
		"sanitize":   func(b []byte) error { _, err := ParseSanitize(b); return err },
		"ata":        func(b []byte) error { _, err := ParseATA(b); return err },
	} {
		if err := parse([]byte{1, 2, 3}); !errors.Is(err, ErrShort) {
			t.Errorf("%s of 3 bytes: %v", name, err)
		}
	}
}

func TestFormatKeepsTheFormat(t *testing.T) {
	for name, c := range map[string]struct {
		flbas, dps, fpi byte
		sector          int64
		dword           uint32
		formatting      bool
		left            int
	}{
		"512":                     {0, 0, 0, 512, 1 << 9, false, 0},
		"4096":                    {1, 0, 0x80, 4096, 1<<9 | 1, false, 0},
		"protected, inline":       {0x11, 0x0b, 0, 4096, 1<<9 | 1 | 1<<4 | 3<<5 | 1<<8, false, 0},
		"the 17th format":         {1 << 5, 0, 0, 0, 1<<9 | 1<<12, false, 0},
		"under way":               {0, 0, 0x80 | 40, 512, 1 << 9, true, 40},
		"more left than there is": {0, 0, 0xff, 512, 1 << 9, true, 100},
	} {
		n, err := ParseNamespace(namespace(c.flbas, c.dps, c.fpi))
		if err != nil || n.Blocks != 1<<20 || n.SectorBytes != c.sector || n.FormatDword() != c.dword || n.Formatting != c.formatting || n.Left != c.left {
			t.Errorf("%s: %+v, dword %#x, %v", name, n, n.FormatDword(), err)
		}
	}
}

func TestSanitizeStatus(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  Sanitize
		wrong bool
	}{
		"never":       {[]byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}, Sanitize{SanitizeNever, 1, 0}, false},
		"a half":      {[]byte{0, 0x80, 2, 0, 2, 0, 0, 0}, Sanitize{SanitizeRunning, 0.5, BlockErase}, false},
		"done":        {[]byte{0xff, 0xff, 1, 1, 2, 0, 0, 0}, Sanitize{SanitizeDone, 1, BlockErase}, false},
		"failed":      {[]byte{0xff, 0xff, 3, 0, 4, 0, 0, 0}, Sanitize{SanitizeFailed, 1, 4}, false},
		"not a state": {[]byte{0, 0, 7, 0, 0, 0, 0, 0}, Sanitize{}, true},
	} {
		s, err := ParseSanitize(c.bytes)
		if s != c.want || (err != nil) != c.wrong {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestATASecurity(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want ATA
	}{
		"none":       {ata(0, 0, 0, 0), ATA{}},
		"not frozen": {ata(2, 0x21, 94, 0x8002), ATA{Security: true, Enhanced: true, EraseTime: 188 * time.Minute, EnhancedTime: 4 * time.Minute}},
		"frozen":     {ata(2, 0x09, 0x8101, 0), ATA{Security: true, Frozen: true, EraseTime: 514 * time.Minute}},
		"locked":     {ata(2, 0x17, 0, 0), ATA{Security: true, Enabled: true, Locked: true, CountExpired: true}},
	} {
		d, err := ParseATA(c.data)
		c.want.Serial = "S1234F"
		if err != nil || d != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, d, err, c.want)
		}
	}
	broken := ata(2, 1, 0, 0)
	broken[256]++
	if _, err := ParseATA(broken); err == nil {
		t.Error("data with a wrong checksum were taken")
	}
}

// What would take another namespace along is never done.
func TestWhatMayBeErased(t *testing.T) {
	both := Controller{CanFormat: true, BlockErase: true}
	all := both
	all.ErasesAll = true
	sanitize, format := disk.NVMeSanitize, disk.NVMeFormat
	for name, c := range map[string]struct {
		controller Controller
		siblings   int
		want       []disk.Means
	}{
		"one namespace":                {both, 1, []disk.Means{sanitize, format}},
		"two":                          {both, 2, []disk.Means{format}},
		"two that are erased together": {all, 2, nil},
		"one that is erased with all":  {all, 1, []disk.Means{sanitize, format}},
		"nobody knows how many":        {all, 0, nil},
		"crypto erase only":            {Controller{CryptoErase: true}, 1, nil},
		"nothing":                      {Controller{}, 1, nil},
	} {
		a := NVMeAbility(c.controller, Sanitize{}, c.siblings)
		if !slices.Equal(a.Means, c.want) || (len(c.want) < 2) != (a.Why != "") || a.Running != "" {
			t.Errorf("%s: %+v, want %v", name, a, c.want)
		}
	}
	if a := NVMeAbility(both, Sanitize{State: SanitizeRunning}, 1); a.Running != sanitize {
		t.Errorf("%+v", a)
	}
	for name, c := range map[string]struct {
		d    ATA
		want []disk.Means
	}{
		"none":     {ATA{}, nil},
		"normal":   {ATA{Security: true}, []disk.Means{disk.ATASecure}},
		"enhanced": {ATA{Security: true, Enhanced: true, Frozen: true}, []disk.Means{disk.ATAEnhanced, disk.ATASecure}},
		"expired":  {ATA{Security: true, CountExpired: true}, nil},
	} {
		if a := ATAAbility(c.d); !slices.Equal(a.Means, c.want) || (len(c.want) == 0) != (a.Why != "") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func FuzzNVMe(f *testing.F) {
	f.Add(controller(1<<1, 2, 7))
	f.Add(namespace(0x31, 9, 0x85))
	f.Add([]byte{0, 0x80, 2, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseController(b)
		if (err == nil) != (len(b) >= NVMeBytes) {
			t.Fatal(err)
		}
		n, err := ParseNamespace(b)
		if err == nil && (n.Format > 63 || n.SectorBytes < 0 || n.Left > 100 || n.FormatDword()>>9&7 != 1) {
			t.Fatalf("%+v", n)
		}
		if list, err := ParseNamespaceList(b); err == nil && slices.Contains(list, 0) {
			t.Fatal(list)
		}
		s, err := ParseSanitize(b)
		if err == nil && (s.Share < 0 || s.Share > 1) {
			t.Fatalf("%+v", s)
		}
		if a := NVMeAbility(c, s, 2); slices.Contains(a.Means, disk.NVMeSanitize) {
			t.Fatalf("%+v", a)
		}
	})
}

func FuzzATA(f *testing.F) {
	f.Add(ata(2, 0x21, 94, 0x8002))
	f.Add(ata(0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseATA(b)
		if err == nil && (!d.Security && (d.Locked || d.Frozen || d.Enhanced) || d.EraseTime < 0) {
			t.Fatalf("%+v", d)
		}
		for _, c := range d.Serial + d.Model {
			if c < ' ' || c > '~' {
				t.Fatalf("%+v", d)
			}
		}
	})
}
