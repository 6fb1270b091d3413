package medium_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/netboot/medium"
)

var example = medium.Config{
	BootID: "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b", Token: "one-time", Endpoint: "https://10.0.0.1:8443",
	CAPEM: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", MACAddress: "52:54:00:12:34:56",
	NetworkData: `{"links":[{"id":"a\u2028<b>"}]}`, IssuedAt: time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC),
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 500, 2000)
		c := medium.Config{BootID: text.Draw(t, "boot"), Token: text.Draw(t, "token"), Endpoint: text.Draw(t, "endpoint"),
			CAPEM: text.Draw(t, "ca"), MACAddress: text.Draw(t, "mac"), NetworkData: text.Draw(t, "network"), IssuedAt: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "issued"), 0).UTC()}
		first, err := medium.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := medium.Encode(c)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatal("two encodings differ")
		}
		if len(first) != medium.Size {
			t.Fatalf("archive has %d bytes, want %d", len(first), medium.Size)
		}
		got, err := medium.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// A foreign reader of the format must find the same file, or the kernel will not either.
func TestForeignReaderAgrees(t *testing.T) {
	archive, err := medium.Encode(example)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	r := cpio.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == medium.Path && h.Mode.Perm() != 0o400 {
			t.Errorf("%s has mode %o, want 0400: it holds the token", h.Name, h.Mode.Perm())
		}
	}
	if diff := cmp.Diff([]string{"ingot", medium.Path}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestGNUcpioAgrees(t *testing.T) {
	archive, err := medium.Encode(example)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "cpio", "--list", "--quiet")
	cmd.Stdin = bytes.NewReader(archive)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "ingot\n"+medium.Path+"\n" {
		t.Fatalf("cpio --list (package cpio): %v, %q", err, out)
	}
}

func TestTooLarge(t *testing.T) {
	c := example
	c.NetworkData = strings.Repeat("x", medium.Size)
	if _, err := medium.Encode(c); !errors.Is(err, medium.ErrTooLarge) {
		t.Fatalf("Encode: %v, want ErrTooLarge", err)
	}
}

// The largest that fits, and one byte more.
func TestBoundIsExact(t *testing.T) {
	fits := func(n int) bool {
		_, err := medium.Encode(medium.Config{NetworkData: strings.Repeat("x", n)})
		return err == nil
	}
	low, high := 0, medium.Size
	for low+1 < high {
		if mid := (low + high) / 2; fits(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	if room := medium.Size - low; room > 1024 {
		t.Errorf("%d bytes are lost to the format, want at most 1024", room)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := medium.Encode(example)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(at int, with string) []byte {
		b := bytes.Clone(good)
		copy(b[at:], with)
		return b
	}
	tests := map[string][]byte{
		"nothing":            nil,
		"cut in a header":    good[:50],
		"cut in the file":    good[:300],
		"another format":     edit(0, "070707"),
		"not hex":            edit(6+11*8, "zzzzzzzz"),
		"name without end":   edit(6+11*8, "00000000"),
		"name of 4 GiB":      edit(6+11*8, "ffffffff"),
		"file of 4 GiB":      edit(6+6*8, "ffffffff"),
		"longer than a disk": append(bytes.Clone(good), 0),
	}
	for name, b := range tests {
		if c, err := medium.Decode(b); err == nil {
			t.Errorf("%s: decoded %+v", name, c)
		}
	}
	if _, err := medium.Decode(medium.Blank()); !errors.Is(err, medium.ErrNoConfig) {
		t.Errorf("blank medium: %v, want ErrNoConfig", err)
	}
	if len(medium.Blank()) != medium.Size {
		t.Errorf("blank medium has %d bytes", len(medium.Blank()))
	}
}

func FuzzDecode(f *testing.F) {
	good, err := medium.Encode(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:400])
	f.Add(medium.Blank())
	f.Add([]byte("070701"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := medium.Decode(b)
		if err != nil {
			return
		}
		again, err := medium.Encode(c)
		if err != nil {
			return // larger after escaping than it was
		}
		got, err := medium.Decode(again)
		if err != nil || !cmp.Equal(got, c) {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
	})
}
