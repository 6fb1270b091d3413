package firmware

import (
	"strings"
	"testing"
)

func TestCheckUpdates(t *testing.T) {
	shown := []Component{{"bios", "1"}, {"bmc", "2"}, {"nic:NIC1", "3"}}
	const good = "https://files.example.org/fw/bios-2.bin"
	for name, c := range map[string]struct {
		read   bool
		wanted []Update
		says   string
	}{
		"nothing":                  {true, nil, ""},
		"all three":                {true, []Update{{"bios", good}, {"bmc", good}, {"nic:NIC1", good}}, ""},
		"not read yet":             {false, []Update{{"nic:other", good}}, ""},
		"no such component":        {true, []Update{{"nic:other", good}}, "nic:other is not a component that this machine's BMC shows; it shows bios, bmc, nic:NIC1"},
		"a name that cannot be":    {false, []Update{{"disk", good}}, "disk is no component"},
		"a network card unnamed":   {false, []Update{{"nic:", good}}, "is no component"},
		"named twice":              {true, []Update{{"bios", good}, {"bios", good}}, "bios is named twice"},
		"no URL":                   {true, []Update{{"bios", "bios.bin"}}, "bios has no URL"},
		"no file":                  {true, []Update{{"bios", "https://files.example.org/"}}, "has no URL of an image"},
		"another protocol":         {true, []Update{{"bios", "ftp://files.example.org/a"}}, `"ftp"`},
		"a file of the BMC itself": {true, []Update{{"bios", "file:///etc/passwd"}}, "has no URL"},
		"a password":               {true, []Update{{"bios", "https://me:secret@files.example.org/a"}}, "with a user in it"},
		"too long":                 {true, []Update{{"bios", good + strings.Repeat("a", 3000)}}, "at most 2048"},
		"too many":                 {true, make([]Update, 17), "at most 16"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Listed(CheckUpdates(shown, c.read, c.wanted))
			if c.says == "" && got != "" || !strings.Contains(got, c.says) {
				t.Errorf("%q, want %q in it", got, c.says)
			}
			if strings.Contains(got, "secret") {
				t.Errorf("a password is repeated: %s", got)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		file, version string
		want          bool
	}{
		{"BIOS_C4FT0_WN64_2.19.1.EXE", "2.19.1", true}, {"BIOS_C4FT0_WN64_2.19.1.EXE", "9.1", false}, {"BIOS_C4FT0_WN64_2.19.1.EXE", "2.19", false}, {"BIOS_2.19.10.EXE", "2.19.1", false},
		{"ilo5_278.bin", "278", true}, {"U46_v2.78.signed.flash", "2.78", true}, {"fw-12.19.1.bin", "2.19.1", false}, {"bios.bin", "1.0", false}, {"bios-1.0", "", false}, {"bios-1.0-and-2.0", "2.0", true},
		{"bios-11.0-1.0", "1.0", true},
	} {
		if got := (Update{URL: "https://h/a/" + c.file + "?x=1.2.3"}).Names(c.version); got != c.want {
			t.Errorf("%s names %q: %v", c.file, c.version, got)
		}
	}
}

// FuzzUpdate: whatever stands in a spec is judged in one line.
func FuzzUpdate(f *testing.F) {
	f.Add("bios", "https://h/bios-1.2.3.exe", "1.2.3")
	f.Add("nic:a", "http://[::1]:80/x%zz", "..")
	f.Fuzz(func(t *testing.T, name, url, version string) {
		u := Update{name, url}
		_ = u.Names(version)
		for _, p := range CheckUpdates([]Component{{name, version}}, true, []Update{u}) {
			if p.Message == "" || strings.ContainsAny(p.Message, "\n\r") {
				t.Errorf("%q", p.Message)
			}
		}
	})
}
