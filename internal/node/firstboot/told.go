// Package firstboot is how a Firewall's machine gets its identity when it boots for the first time: by the one-time token on its config drive.
//
// It owns the reading of the config drive and the trade: a key is made here and never leaves, the partition role has a certificate made for it, and the files are those that `ingot-node enroll` writes. It refuses to
// read anything of cloud-init's: that runs once the network is up, a person's user data may replace parts of ours, and what it keeps can be read by everybody on the machine.
//
// Invariants: the token goes to the server whose certificate the drive's CA vouches for, and nowhere else; a token that was traded is worth nothing to whoever finds the drive; the same machine may ask again with the
// same key, since an answer may be lost.
package firstboot

import (
	"cmp"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingotmetal/ingot/internal/configdrive"
)

// maxFile is far above any file that is read here.
const maxFile = 4 << 20

// Told is what a config drive says to a Firewall's machine.
type Told struct {
	// Namespace and Name are the Firewall's.
	Namespace, Name string
	// Machine is the name of this Machine: it has the Firewall's until it replaces another one.
	Machine string
	configdrive.FirstBoot
}

// ErrNoFirewall says that the machine is none.
var ErrNoFirewall = errors.New("the config drive is no Firewall's")

// Read reads a config drive that is mounted at dir.
func Read(dir string) (Told, error) {
	var texts [2][]byte
	for i, name := range []string{"meta_data.json", "vendor_data.json"} {
		text, err := limited(filepath.Join(dir, "openstack", "latest", name))
		if err != nil {
			return Told{}, fmt.Errorf("read the config drive: %w", err)
		}
		texts[i] = text
	}
	return Parse(texts[0], texts[1])
}

func limited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, and at most %d are read", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// Parse reads metadata and vendor data. ErrNoFirewall where the metadata names none.
func Parse(metadata, vendor []byte) (Told, error) {
	var m map[string]any
	if err := json.Unmarshal(metadata, &m); err != nil {
		return Told{}, fmt.Errorf("read meta_data.json of the config drive: %w", err)
	}
	name, _ := m[configdrive.FirewallKey].(string)
	if name == "" {
		return Told{}, ErrNoFirewall
	}
	var t Told
	var ok bool
	t.Namespace, t.Name, ok = strings.Cut(name, "/")
	if !ok || t.Namespace == "" || t.Name == "" || strings.ContainsAny(t.Namespace, "/.:") || strings.ContainsAny(t.Name, "/:") {
		return Told{}, fmt.Errorf("meta_data.json of the config drive: %s is %q, and not NAMESPACE/NAME", configdrive.FirewallKey, name)
	}
	t.Machine, _ = m[configdrive.MachineKey].(string)
	if t.Machine = cmp.Or(t.Machine, t.Name); strings.ContainsAny(t.Machine, "/:\n ") {
		return Told{}, fmt.Errorf("meta_data.json of the config drive: %s is %q, and no name", configdrive.MachineKey, t.Machine)
	}
	var v configdrive.VendorData
	if err := json.Unmarshal(vendor, &v); err != nil {
		return Told{}, fmt.Errorf("read vendor_data.json of the config drive: %w", err)
	}
	if v.FirstBoot == nil {
		return Told{}, errors.New("vendor_data.json of the config drive has no part for a Firewall's first boot: it was made by another version of Ingot; have the machine installed anew")
	}
	t.FirstBoot = *v.FirstBoot
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return Told{}, errors.New("vendor_data.json of the config drive: the URL is not https")
	}
	if block, _ := pem.Decode([]byte(t.CA)); block == nil {
		return Told{}, errors.New("vendor_data.json of the config drive: there is no CA to check the server by")
	}
	return t, nil
}
