package lab

import (
	"bytes"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"golang.org/x/crypto/ssh"
	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// manifest is the hosts' objects in the form that kubectl takes: a Secret and a BareMetalHost for each machine.
func manifest(o Options, s State, key ssh.Signer) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# The machines of the lab in %s, written at its start.\n# kubectl apply -f %s\n", o.DataDir, s.HostsManifest)
	for _, m := range s.Machines {
		for _, object := range objects(o, s, m, key) {
			text, err := yaml.Marshal(object)
			if err != nil {
				return nil, fmt.Errorf("write manifest of machine %s: %w", m.Name, err)
			}
			out.WriteString("---\n")
			out.Write(text)
		}
	}
	return out.Bytes(), nil
}

// objects are one machine's. They are written as maps, since the types of Kubernetes print empty fields of status and metadata.
func objects(o Options, s State, m Machine, key ssh.Signer) []map[string]any {
	credentials := m.Name + "-bmc"
	mode := metal3.UEFI
	if o.Firmware == bmc.ModeLegacy {
		mode = metal3.Legacy
	}
	metadata := map[string]any{"name": m.Name, "namespace": m.Namespace}
	if o.Partition != "" {
		metadata["labels"] = map[string]string{ingot.PartitionLabel: o.Partition}
	}
	if key != nil && o.Protocol != bmc.IPMI {
		metadata["annotations"] = map[string]string{ingot.BMCSSHHostKeyAnnotation: ssh.FingerprintSHA256(key.PublicKey())}
	}
	return []map[string]any{
		{
			"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
			"metadata":   map[string]any{"name": credentials, "namespace": m.Namespace},
			"stringData": map[string]string{"username": s.Username, "password": s.Password},
		},
		{
			"apiVersion": metal3.GroupVersion.String(), "kind": "BareMetalHost", "metadata": metadata,
			"spec": map[string]any{
				"online":         false,
				"bootMode":       mode,
				"bootMACAddress": m.MACAddress,
				"bmc":            map[string]any{"address": m.BMCAddress, "credentialsName": credentials},
				// The first disk; the others are there to be left alone.
				"rootDeviceHints": map[string]any{"serialNumber": m.Disks[0].SerialNumber},
			},
		},
	}
}
