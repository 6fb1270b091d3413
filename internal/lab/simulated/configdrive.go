package simulated

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/bootmedia"
)

// configDrive is what a provisioned system finds beside its own partitions (OpenStack's config drive, as cloud-init's DataSourceConfigDrive reads it).
type configDrive struct {
	meta   metaData
	vendor []byte
	user   []byte
}

type metaData struct {
	UUID          string `json:"uuid"`
	Name          string `json:"name"`
	Hostname      string `json:"hostname"`
	LocalHostname string `json:"local-hostname"`
}

func (m metaData) hostname() string {
	for _, h := range []string{m.LocalHostname, m.Hostname, m.Name} {
		if h != "" {
			return h
		}
	}
	return "N/A"
}

// phoneHome is the part of a cloud-config that makes a system report.
type phoneHome struct {
	URL   string
	Post  []string
	Tries int
	// trusted are CA certificates in PEM.
	trusted []string
}

var errNoConfigDrive = errors.New("no partition labelled config-2")

const (
	configLabel = "config-2"
	sectorBytes = 512
	// volumeLabelAt is where ISO 9660's primary volume descriptor holds the volume identifier (ECMA-119 §8.4.7), 32 bytes.
	volumeLabelAt = 16*2048 + 40
	maxFile       = 4 << 20
	maxEntries    = 1024
)

// findConfigDrive looks through the GPT for the partition with the config drive.
func findConfigDrive(disk io.ReaderAt) (configDrive, error) {
	header := make([]byte, 92)
	if _, err := disk.ReadAt(header, sectorBytes); err != nil {
		return configDrive{}, fmt.Errorf("read partition table: %w", err)
	}
	if string(header[:8]) != "EFI PART" {
		return configDrive{}, fmt.Errorf("no GPT: %w", errNoConfigDrive)
	}
	// UEFI 2.10 table 5-5: entries' LBA at 72, their number at 80, their size at 84.
	at, count, size := binary.LittleEndian.Uint64(header[72:]), binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
	if at > 1<<40 || count > maxEntries || size < 128 || size > 4096 {
		return configDrive{}, errors.New("the GPT's header is broken")
	}
	entry := make([]byte, size)
	for i := range int64(count) {
		if _, err := disk.ReadAt(entry, int64(at)*sectorBytes+i*int64(size)); err != nil {
			return configDrive{}, fmt.Errorf("read partition entry %d: %w", i, err)
		}
		first, last := binary.LittleEndian.Uint64(entry[32:]), binary.LittleEndian.Uint64(entry[40:])
		if bytes.Equal(entry[:16], make([]byte, 16)) || first > last || last > 1<<40 {
			continue
		}
		part := io.NewSectionReader(disk, int64(first)*sectorBytes, int64(last-first+1)*sectorBytes)
		if label(part) == configLabel {
			return readConfigDrive(part)
		}
	}
	return configDrive{}, errNoConfigDrive
}

func label(part io.ReaderAt) string {
	var b [32]byte
	if _, err := part.ReadAt(b[:], volumeLabelAt); err != nil {
		return ""
	}
	return strings.TrimRight(string(b[:]), " \x00")
}

func readConfigDrive(iso io.ReaderAt) (configDrive, error) {
	var d configDrive
	raw, err := readFile(iso, "/openstack/latest/meta_data.json")
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(raw, &d.meta); err != nil {
		return d, fmt.Errorf("meta_data.json: %w", err)
	}
	for path, to := range map[string]*[]byte{"/openstack/latest/vendor_data.json": &d.vendor, "/openstack/latest/user_data": &d.user} {
		if *to, err = readFile(iso, path); err != nil && !errors.Is(err, bootmedia.ErrNotFound) {
			return d, err
		}
	}
	return d, nil
}

func readFile(iso io.ReaderAt, path string) ([]byte, error) {
	at, err := bootmedia.Find(iso, path)
	if err != nil {
		return nil, err
	}
	if at.Bytes > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", path, at.Bytes, maxFile)
	}
	b := make([]byte, at.Bytes)
	if n, err := iso.ReadAt(b, at.Offset); n < len(b) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// phoneHome reads the vendor data's cloud-config. cloud-init takes vendor_data.json as a text, or as an object with one under the key "cloud-init"
// (cloudinit/sources/helpers/openstack.py, convert_vendordata).
func (d configDrive) phoneHome() (phoneHome, error) {
	if len(d.vendor) == 0 {
		return phoneHome{}, errors.New("no vendor data")
	}
	var text string
	if json.Unmarshal(d.vendor, &text) != nil {
		var object struct {
			CloudInit string `json:"cloud-init"`
		}
		if err := json.Unmarshal(d.vendor, &object); err != nil {
			return phoneHome{}, fmt.Errorf("vendor_data.json: %w", err)
		}
		text = object.CloudInit
	}
	if !strings.HasPrefix(text, "#cloud-config") {
		return phoneHome{}, errors.New("the vendor data is no cloud-config")
	}
	var config struct {
		PhoneHome struct {
			URL   string `json:"url"`
			Post  any    `json:"post"`
			Tries int    `json:"tries"`
		} `json:"phone_home"`
		CACerts    trusted `json:"ca_certs"`
		OldCACerts trusted `json:"ca-certs"`
	}
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return phoneHome{}, fmt.Errorf("vendor data: %w", err)
	}
	home := phoneHome{URL: config.PhoneHome.URL, Tries: config.PhoneHome.Tries, trusted: append(config.CACerts.Trusted, config.OldCACerts.Trusted...)}
	switch post := config.PhoneHome.Post.(type) {
	case string:
		home.Post = []string{post}
	case []any:
		for _, name := range post {
			home.Post = append(home.Post, fmt.Sprint(name))
		}
	}
	return home, nil
}

type trusted struct {
	Trusted []string `json:"trusted"`
}
