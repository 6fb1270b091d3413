package agentimage

import (
	"slices"
	"testing"
)

func TestCarried(t *testing.T) {
	for path, want := range map[string]bool{
		"drivers/net/ethernet/intel/e1000e/e1000e.ko":        true,
		"drivers/net/ethernet/mellanox/mlx5/core/mlx5.ko.xz": true,
		"drivers/net/virtio_net.ko":                          true,
		"drivers/net/virtio_net.ko.zst":                      true,
		"drivers/net/virtio_net_other.ko":                    false,
		"drivers/net/ethernet/8390/ne2k-pci.ko":              false,
		"drivers/scsi/sr_mod.ko":                             false,
		"drivers/scsi/sd_mod.ko":                             true,
		"drivers/gpu/drm/drm.ko":                             false,
	} {
		if got := carried(path); got != want {
			t.Errorf("carried(%s) = %v", path, got)
		}
	}
}

func TestBefore(t *testing.T) {
	for text, want := range map[string][]string{
		"pre: crypto-sha1 b post: c": {"crypto_sha1", "b"}, "post: c": nil, "": nil, "a": nil, "pre:": nil,
	} {
		if got := before(text); !slices.Equal(got, want) {
			t.Errorf("before(%q) = %v, want %v", text, got, want)
		}
	}
}

func FuzzParsePackage(f *testing.F) {
	f.Add([]byte("Package: linux-image-amd64\nVersion: 6.1.192-2\nDepends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)\nSHA256: 0123456789012345678901234567890123456789012345678901234567890123\nDescription: x\n y: z\n\nPackage: other\n"))
	f.Add([]byte("Package:\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePackage(text)
		if err == nil && (p.Name == "" || p.Version == "" || p.dirName() == "") {
			t.Errorf("%+v", p)
		}
	})
}

// A module's file comes from a package that apt verified; parsing one must not panic all the same.
func FuzzParseModule(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, content []byte) {
		if m, err := parseModule("m", content); err == nil && m.Name != "m" {
			t.Errorf("%+v", m)
		}
	})
}
