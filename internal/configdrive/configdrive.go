// Package configdrive builds the config drive by which a provisioned system learns who it is: an ISO 9660 image with the volume label config-2 and OpenStack's layout, which
// cloud-init, Ignition's OpenStack platform and others read at first boot.
//
// It owns the layout, Metal3's default metadata and the vendor data that makes a system report its first boot. It refuses to know where the drive is put (package image does) and
// to interpret user data: that is bytes between a user and the system's own software.
//
// Layout (OpenStack's config drive, as cloud-init's helper for it reads it): openstack/latest/ and one dated folder with the same files: meta_data.json, user_data,
// network_data.json, vendor_data.json. Those with no content are left out.
//
// Invariants: the same input gives the same bytes; at most MaxBytes; file names keep their case by Rock Ridge.
package configdrive

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/ingotmetal/ingot/step"
)

// MaxBytes is the size that Ironic sets for config drives; images and their partitions count on it.
const MaxBytes = 64 << 20

// Label is the volume label that readers look for.
const Label = "config-2"

// version is the OpenStack release whose layout this is; cloud-init prefers the newest dated folder that it knows before "latest".
const version = "2018-08-27"

// Metadata is meta_data.json: values are strings, or whatever else JSON has.
type Metadata map[string]any

// Host is what Metal3 puts into the metadata of every host.
type Host struct {
	UID, Name, Namespace string
}

// DefaultMetadata is Metal3's: uuid, name, local-hostname, local_hostname, metal3-name and metal3-namespace, overlaid by what the user gave.
func DefaultMetadata(h Host, user Metadata) Metadata {
	m := Metadata{
		"uuid": h.UID, "name": h.Name, "local-hostname": h.Name, "local_hostname": h.Name,
		"metal3-name": h.Name, "metal3-namespace": h.Namespace,
	}
	maps.Copy(m, user)
	return m
}

// Drive is what goes onto a config drive. Empty parts are left out; metadata is always there, since readers need its uuid.
type Drive struct {
	Metadata    Metadata
	UserData    []byte
	NetworkData []byte
	// VendorData is a value for vendor_data.json, usually a VendorData.
	VendorData any
}

// Build makes the ISO image. Errors are *step.Failure of kind Invalid.
func Build(d Drive) ([]byte, error) {
	files := []file{}
	add := func(name string, content []byte) {
		if len(content) > 0 {
			files = append(files, file{name, content})
		}
	}
	meta := d.Metadata
	if meta == nil {
		meta = Metadata{}
	}
	metaJSON, err := json.Marshal(meta)
	if err != nil {
		return nil, invalid("its metadata cannot be written as JSON: %v", err)
	}
	add("meta_data.json", metaJSON)
	if len(d.NetworkData) > 0 && !json.Valid(d.NetworkData) {
		return nil, invalid("its network data is not JSON; readers of config drives know no other form")
	}
	add("network_data.json", d.NetworkData)
	add("user_data", d.UserData)
	if d.VendorData != nil {
		b, err := json.Marshal(d.VendorData)
		if err != nil {
			return nil, invalid("its vendor data cannot be written as JSON: %v", err)
		}
		add("vendor_data.json", b)
	}
	total := 0
	for _, f := range files {
		total += len(f.content) + sectorBytes
	}
	if total > MaxBytes-fixedSectors*sectorBytes {
		return nil, invalid("it would have %d bytes, and at most %d are possible", total, MaxBytes)
	}
	return iso(files), nil
}

func invalid(format string, args ...any) *step.Failure {
	return &step.Failure{
		Kind: step.Invalid, Message: "the config drive cannot be made: " + fmt.Sprintf(format, args...),
		Fix: "correct the secret that the host's userData, networkData or metaData names",
	}
}
