package checksum_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/image/checksum"
)

var (
	sum256  = strings.Repeat("ab", 32)
	other   = strings.Repeat("cd", 32)
	sum512  = strings.Repeat("12", 64)
	sumMD5  = strings.Repeat("0f", 16)
	sumSHA1 = strings.Repeat("77", 20)
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		value string
		typ   string
		want  string // empty: an error
	}{
		{sum256, "", "sha256:" + sum256},
		{" " + strings.ToUpper(sum256) + "\n", "auto", "sha256:" + sum256},
		{sum512, "auto", "sha512:" + sum512},
		{sumMD5, "md5", "md5:" + sumMD5},
		{"sha256:" + sum256, "sha256", "sha256:" + sum256},
		{"sha256:" + sum256, "", "sha256:" + sum256},
		{"sha256:" + sum256, "sha512", ""},
		{"crc32:" + sum256, "", ""},
		{sum256, "sha512", ""},
		{sumSHA1, "auto", ""},
		{"", "auto", ""},
		{"xyz", "auto", ""},
		{sum256[:63], "auto", ""},
		{sum256, "sha1", ""},
	} {
		typ, err := checksum.ParseAlgorithm(c.typ)
		var d checksum.Digest
		if err == nil {
			d, err = checksum.Parse(c.value, typ)
		}
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q as %q: accepted", c.value, c.typ)
		case c.want != "" && (err != nil || d.String() != c.want):
			t.Errorf("%q as %q: %v, %v; want %s", c.value, c.typ, d, err, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	const name = "disk.raw.zst"
	for label, c := range map[string]struct {
		sums string
		want string
	}{
		"bare":                     {sum256 + "\n", sum256},
		"bare without newline":     {sum256, sum256},
		"bare beside a named one":  {sum256 + "\n" + other + "  x\n", ""},
		"two bare":                 {sum256 + "\n" + other + "\n", ""},
		"GNU text":                 {other + "  other\n" + sum256 + "  disk.raw.zst\n", sum256},
		"GNU binary":               {sum256 + " *disk.raw.zst\r\n", sum256},
		"one space":                {sum256 + " disk.raw.zst", sum256},
		"tab":                      {sum256 + "\tdisk.raw.zst", sum256},
		"with a folder":            {sum256 + "  ./images/disk.raw.zst", sum256},
		"BSD":                      {"SHA256 (disk.raw.zst) = " + sum256, sum256},
		"OpenSSL":                  {"SHA2-256(disk.raw.zst)= " + sum256, sum256},
		"BSD with the wrong type":  {"MD5 (disk.raw.zst) = " + sum256, ""},
		"several algorithms":       {sumMD5 + "  disk.raw.zst\n" + sum512 + "  disk.raw.zst\n" + sum256 + "  disk.raw.zst\n", sum512},
		"sha1 beside it":           {sumSHA1 + "  disk.raw.zst\n" + sum256 + "  disk.raw.zst\n", sum256},
		"signed":                   {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + sum256 + "  disk.raw.zst\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n", sum256},
		"comment":                  {"# disk.raw.zst: 5 bytes\n" + sum256 + "  disk.raw.zst\n", sum256},
		"the same twice":           {sum256 + "  disk.raw.zst\n" + sum256 + "  ./disk.raw.zst\n", sum256},
		"two different":            {sum256 + "  disk.raw.zst\n" + other + "  disk.raw.zst\n", ""},
		"none for this file":       {sum256 + "  disk.raw\n", ""},
		"empty":                    {"", ""},
		"a web page":               {"<html><body>404</body></html>", ""},
		"name that ends the same":  {sum256 + "  big-disk.raw.zst\n", ""},
		"escaped name of another":  {`\` + sum256 + `  disk.raw\\.zst`, ""},
		"parentheses in a name":    {"SHA256 (a (1)) = " + other + "\nSHA256 (disk.raw.zst) = " + sum256, sum256},
		"digest with a colon form": {"sha256:" + sum256 + "  disk.raw.zst", ""},
	} {
		t.Run(label, func(t *testing.T) {
			d, err := checksum.Find([]byte(c.sums), name, checksum.Auto)
			if c.want == "" {
				if err == nil {
					t.Fatalf("found %v; want an error", d)
				}
				return
			}
			want, parseErr := checksum.Parse(c.want, checksum.Auto)
			if parseErr != nil {
				t.Fatal(parseErr)
			}
			if err != nil || d != want {
				t.Fatalf("found %v, %v; want %v", d, err, want)
			}
		})
	}
}

func TestFindKeepsToTheAskedType(t *testing.T) {
	sums := sum512 + "  a\n" + sum256 + "  a\n"
	d, err := checksum.Find([]byte(sums), "a", checksum.SHA256)
	if err != nil || d.String() != "sha256:"+sum256 {
		t.Errorf("%v, %v", d, err)
	}
}

// FuzzFind holds that a digest that is found stands in the file, next to a name that is the asked one or none.
func FuzzFind(f *testing.F) {
	f.Add([]byte(sum256+"  disk\n"), "disk")
	f.Add([]byte("SHA512 (disk) = "+sum512+"\n"+sumMD5+" *disk\r\n"), "disk")
	f.Add([]byte(`\`+sum256+`  a\nb`), "a\nb")
	f.Fuzz(func(t *testing.T, sums []byte, name string) {
		d, err := checksum.Find(sums, name, checksum.Auto)
		if err != nil {
			return
		}
		digits := strings.TrimPrefix(d.String(), string(d.Algorithm)+":")
		if !strings.Contains(strings.ToLower(string(sums)), digits) {
			t.Errorf("found %v, which is not in the file", d)
		}
		if again, err := checksum.Parse(d.String(), d.Algorithm); err != nil || again != d {
			t.Errorf("%v does not survive its own text: %v, %v", d, again, err)
		}
	})
}
