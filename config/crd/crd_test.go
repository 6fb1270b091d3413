package crd_test

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/config/crd"
)

// TestSchemasHaveEveryField finds definitions that are older than their types: the API server would drop the missing fields without a word.
func TestSchemasHaveEveryField(t *testing.T) {
	kinds := map[string]any{
		"ingot.dev_hostlifecycles.yaml": ingot.HostLifecycle{},
		"ingot.dev_bootwindows.yaml":    ingot.BootWindow{},
		"ingot.dev_partitions.yaml":     ingot.Partition{},

		"ingot.dev_filesystemlayouts.yaml": ingot.FilesystemLayout{},
		"ingot.dev_discoveredhosts.yaml":   ingot.DiscoveredHost{},
		"ingot.dev_netbootrecords.yaml":    ingot.NetbootRecord{},
		"ingot.dev_machines.yaml":          ingot.Machine{},
		"ingot.dev_quotas.yaml":            ingot.Quota{},
		"ingot.dev_sizereservations.yaml":  ingot.SizeReservation{},
		"ingot.dev_sizes.yaml":             ingot.Size{},
		"ingot.dev_images.yaml":            ingot.Image{},
		"ingot.dev_imagetrusts.yaml":       ingot.ImageTrust{},

		"ingot.dev_networks.yaml":       ingot.Network{},
		"ingot.dev_ips.yaml":            ingot.IP{},
		"ingot.dev_addressrecords.yaml": ingot.AddressRecord{},
		"ingot.dev_meshkeys.yaml":       ingot.MeshKey{},
		"ingot.dev_meshnodes.yaml":      ingot.MeshNode{},

		"ipam.metal3.io_ippools.yaml":     metal3ipam.IPPool{},
		"ipam.metal3.io_ipclaims.yaml":    metal3ipam.IPClaim{},
		"ipam.metal3.io_ipaddresses.yaml": metal3ipam.IPAddress{},

		"projectcalico.org_hostendpoints.yaml":               calico.HostEndpoint{},
		"projectcalico.org_globalnetworkpolicies.yaml":       calico.GlobalNetworkPolicy{},
		"projectcalico.org_networkpolicies.yaml":             calico.NetworkPolicy{},
		"projectcalico.org_stagedglobalnetworkpolicies.yaml": calico.StagedGlobalNetworkPolicy{},
		"projectcalico.org_stagednetworkpolicies.yaml":       calico.StagedNetworkPolicy{},
		"projectcalico.org_globalnetworksets.yaml":           calico.GlobalNetworkSet{},
		"projectcalico.org_networksets.yaml":                 calico.NetworkSet{},
		"projectcalico.org_tiers.yaml":                       calico.Tier{},
		"projectcalico.org_profiles.yaml":                    calico.Profile{},

		"metal3.io_baremetalhosts.yaml":  metal3.BareMetalHost{},
		"metal3.io_hardwaredata.yaml":    metal3.HardwareData{},
		"metal3.io_hostclaims.yaml":      metal3.HostClaim{},
		"metal3.io_dataimages.yaml":      metal3.DataImage{},
		"metal3.io_firmwareschemas.yaml": metal3.FirmwareSchema{},

		"metal3.io_hostfirmwarecomponents.yaml": metal3.HostFirmwareComponents{},
		"metal3.io_hostupdatepolicies.yaml":     metal3.HostUpdatePolicy{},
	}
	for file, kind := range kinds {
		schema := schemaOf(t, file)
		compare(t, file, schema, reflect.TypeOf(kind))
	}
}

func schemaOf(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := crd.Files.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var def struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &def); err != nil {
		t.Fatal(err)
	}
	return def.Spec.Versions[0].Schema.OpenAPIV3Schema
}

func compare(t *testing.T, at string, schema map[string]any, typ reflect.Type) {
	switch typ.Kind() {
	case reflect.Pointer:
		compare(t, at, schema, typ.Elem())
		return
	case reflect.Slice:
		if items, ok := schema["items"].(map[string]any); ok {
			compare(t, at+"[]", items, typ.Elem())
		}
		return
	case reflect.Struct:
	default:
		return
	}
	switch typ {
	case reflect.TypeFor[metav1.ObjectMeta](), reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime](), reflect.TypeFor[intstr.IntOrString](), reflect.TypeFor[resource.Quantity]():
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	if properties == nil {
		return
	}
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if options == "inline" {
			compare(t, at, schema, field.Type)
			continue
		}
		property, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("%s: field %q is not in the schema: run make generate", at, name)
			continue
		}
		compare(t, at+"."+name, property, field.Type)
	}
}

func TestEveryFileIsOneDefinition(t *testing.T) {
	files, err := fs.Glob(crd.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 24 {
		t.Errorf("only %d definitions: %v", len(files), files)
	}
	for _, file := range files {
		if schemaOf(t, file) == nil {
			t.Errorf("%s has no schema", file)
		}
	}
}

// The two values that upstream's types have and its enums lack, or lacked: an object with them must be storable.
func TestStatusEnums(t *testing.T) {
	status := schemaOf(t, "metal3.io_baremetalhosts.yaml")["properties"].(map[string]any)["status"].(map[string]any)["properties"].(map[string]any)
	for field, want := range map[string]string{"errorType": string(metal3.DetachError), "operationalStatus": string(metal3.OperationalStatusServicing)} {
		enum := status[field].(map[string]any)["enum"].([]any)
		found := false
		for _, value := range enum {
			found = found || value == want
		}
		if !found {
			t.Errorf("status.%s: %q is not in %v", field, want, enum)
		}
	}
}
