package coldplug

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// recorder is a kernel that remembers what was loaded, and refuses what it is told to.
type recorder struct {
	loaded  []string
	refuses string
	// appears are devices that a module makes visible.
	appears map[string]string
	devices fstest.MapFS
}

func (r *recorder) Load(file string) error {
	if file == r.refuses {
		return errors.New("refused")
	}
	r.loaded = append(r.loaded, file)
	if modalias, ok := r.appears[file]; ok {
		r.devices["below/"+file+"/modalias"] = &fstest.MapFile{Data: []byte(modalias + "\n")}
	}
	return nil
}

func testIndex() Index {
	return Index{Kernel: "6.1", Always: []string{"af_packet"}, Modules: []Module{
		{Name: "af_packet", File: "af_packet.ko"},
		{Name: "e1000e", File: "e1000e.ko", Depends: []string{"ptp"}, Aliases: []string{"pci:v00008086d000010D3sv*sd*bc*sc*i*"}},
		{Name: "ptp", File: "ptp.ko", Depends: []string{"pps_core"}},
		{Name: "pps_core", File: "pps_core.ko"},
		{Name: "ahci", File: "ahci.ko", Depends: []string{"libahci", "scsi-mod"}, Aliases: []string{"pci:v*d*sv*sd*bc01sc06i01*"}},
		{Name: "libahci", File: "libahci.ko", Before: []string{"pps_core"}},
		{Name: "sd_mod", File: "sd_mod.ko", Aliases: []string{"scsi:t-0x00*", "scsi:t-0x07*"}},
		{Name: "usb_storage", File: "usb-storage.ko", Aliases: []string{"usb:v*p*d0[0-3]*dc*ic08isc06ip50in*"}},
	}}
}

func TestWalkLoadsDependenciesFirstAndDevicesThatAppearLater(t *testing.T) {
	devices := fstest.MapFS{
		"pci0000:00/0000:00:02.0/modalias": {Data: []byte("pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00\n")},
		"pci0000:00/0000:00:1f.2/modalias": {Data: []byte("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01\n")},
		"pci0000:00/0000:00:1f.3/modalias": {Data: []byte("pci:v00008086d00002930sv00001AF4sd00001100bc0Csc05i00\n")},
		"pci0000:00/0000:00:02.0/vendor":   {Data: []byte("0x8086\n")},
	}
	k := &recorder{devices: devices, appears: map[string]string{"ahci.ko": "scsi:t-0x00"}}
	p := New(testIndex(), k, slog.New(slog.DiscardHandler))
	p.LoadAlways()
	if err := p.Walk(devices); err != nil {
		t.Fatal(err)
	}
	want := []string{"af_packet.ko", "pps_core.ko", "ptp.ko", "e1000e.ko", "libahci.ko", "ahci.ko", "sd_mod.ko"}
	if !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %v, want %v", k.loaded, want)
	}
}

func TestNamedLoadsWithDependenciesOnce(t *testing.T) {
	k := &recorder{}
	p := New(testIndex(), k, slog.New(slog.DiscardHandler))
	for _, name := range []string{"usb-storage", "ptp", "built_in", "ptp"} {
		p.Named(name)
	}
	if want := []string{"usb-storage.ko", "pps_core.ko", "ptp.ko"}; !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %v, want %v", k.loaded, want)
	}
}

func TestAModuleThatCannotBeLoadedKeepsNoOtherBack(t *testing.T) {
	k := &recorder{refuses: "e1000e.ko"}
	p := New(testIndex(), k, slog.New(slog.DiscardHandler))
	p.Device("pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00")
	p.Device("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01")
	if !slices.Contains(k.loaded, "ahci.ko") {
		t.Errorf("loaded %v: ahci is missing", k.loaded)
	}
	if p.Device("pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00") {
		t.Error("a known device counts as new")
	}
}

func TestMatch(t *testing.T) {
	m := NewMatcher(testIndex())
	for modalias, want := range map[string]string{
		"usb:v0781p5581d0100dc00dsc00dp00ic08isc06ip50in00": "usb_storage",
		"usb:v0781p5581d0500dc00dsc00dp00ic08isc06ip50in00": "",
		"scsi:t-0x00":               "sd_mod",
		"scsi:t-0x05":               "",
		"pci:":                      "",
		"":                          "",
		"dmi:bvnSeaBIOS:bvr1.16/2:": "",
	} {
		if got := strings.Join(m.Match(modalias), " "); got != want {
			t.Errorf("Match(%q) = %q, want %q", modalias, got, want)
		}
	}
}

func TestParseEvent(t *testing.T) {
	action, modalias := parseEvent("add@/devices/pci0\x00ACTION=add\x00DEVPATH=/devices/pci0\x00MODALIAS=pci:v1\x00SEQNUM=1\x00")
	if action != "add" || modalias != "pci:v1" {
		t.Errorf("parsed %q %q", action, modalias)
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"kernel":"6.1","modules":[{"name":"a","file":"a.ko","aliases":["pci:v*"]}]}`))
	f.Add([]byte(`{"modules":[{"name":"a","file":"../a.ko"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := ParseIndex(data)
		if err != nil {
			return
		}
		NewMatcher(x).Match("pci:v00008086d000010D3")
		for _, m := range x.Modules {
			if strings.Contains(m.File, "..") && strings.HasPrefix(m.File, "..") {
				t.Errorf("file %q leaves the directory", m.File)
			}
		}
	})
}
