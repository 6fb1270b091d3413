package firmware

import (
	"strings"
	"testing"
)

func TestImageOf(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for raw, want := range map[string]Image{
		"https://a/b.exe":                                     {URL: "https://a/b.exe"},
		"https://a/b.exe?x=1#sha256=" + sum:                   {URL: "https://a/b.exe?x=1", SHA256: sum},
		"https://a/b.exe#push&sha256=" + strings.ToUpper(sum): {URL: "https://a/b.exe", SHA256: sum, Push: true},
	} {
		if got, wrong := ImageOf(raw); got != want || wrong != "" {
			t.Errorf("%s: %+v, %s", raw, got, wrong)
		}
		if problems := CheckUpdates([]Component{{Name: BIOS}}, true, []Update{{BIOS, raw}}); len(problems) != 0 {
			t.Errorf("%s: %v", raw, problems)
		}
	}
	for raw, want := range map[string]string{
		"https://a/b.exe#": `has "" in its URL`, "https://a/b.exe#push": "has no digest", "https://a/b.exe#sha256=12": "64 hexadecimal digits", "https://a/b.exe#md5=1": `has "md5=1"`,
		"https://a/b.exe#sha256=" + sum + "&sha256=" + sum: "or two", "https://a/b.exe#push&push&sha256=" + sum: `has "push"`,
	} {
		problems := CheckUpdates([]Component{{Name: BIOS}}, true, []Update{{BIOS, raw}})
		if len(problems) != 1 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%s: %v", raw, problems)
		}
	}
}

func TestTheFileOfAnImage(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a/x/BIOS 2.19.exe?q=1": "BIOS_2.19.exe", "https://a/": "image", "https://a/%22%0d%0a.bin": "___.bin", "https://a/..": "image", "https://a/" + strings.Repeat("x", 300): strings.Repeat("x", 100), ":": "image",
	} {
		if got := (Image{URL: raw}).File(); got != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
}

func FuzzImageOf(f *testing.F) {
	for _, s := range []string{"https://a/b#sha256=" + strings.Repeat("ab", 32), "https://a/b#push", "#", "https://a/%2f\"b#sha256=&push"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		i, wrong := ImageOf(raw)
		if wrong == "" && (i.Push && i.SHA256 == "" || i.SHA256 != "" && len(i.SHA256) != 64 || strings.Contains(i.URL, "#")) {
			t.Errorf("%+v", i)
		}
		if name := i.File(); name == "" || len(name) > 100 || strings.ContainsAny(name, "\"\r\n\\/;") {
			t.Errorf("file %q", name)
		}
	})
}
