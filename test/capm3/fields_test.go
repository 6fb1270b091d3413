package capm3_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// field is one of a BareMetalHost's that CAPM3 1.13 reads or writes: its path in the definition's schema ("[]" is an array's items), its type, and the values that CAPM3 uses, where they are
// listed.
type field struct {
	path, kind string
	values     []string
}

// fields are all that CAPM3 uses of a host beside its metadata.
func fields() []field {
	reference := func(path string) []field {
		return []field{{path: path + ".name", kind: "string"}, {path: path + ".namespace", kind: "string"}}
	}
	return slices.Concat([]field{
		{path: "spec.online", kind: "boolean"},
		{path: "spec.image.url", kind: "string"},
		{path: "spec.image.checksum", kind: "string"},
		{path: "spec.image.checksumType", kind: "string", values: []string{"md5", "sha256", "sha512", "auto"}},
		{path: "spec.image.format", kind: "string", values: []string{"raw", "qcow2", "vdi", "vmdk", "live-iso"}},
		{path: "spec.customDeploy.method", kind: "string"},
		{path: "spec.automatedCleaningMode", kind: "string", values: []string{"metadata", "disabled"}},
		{path: "spec.bootMACAddress", kind: "string"},
		{path: "spec.bmc.credentialsName", kind: "string"},
		{path: "spec.disablePowerOff", kind: "boolean"},
		{path: "spec.consumerRef.apiVersion", kind: "string"},
		{path: "spec.consumerRef.kind", kind: "string"},
		{path: "status.provisioning.state", kind: "string"},
		{path: "status.poweredOn", kind: "boolean"},
		{path: "status.errorMessage", kind: "string"},
		{path: "status.hardware.hostname", kind: "string"},
		{path: "status.hardware.nics.[].name", kind: "string"},
		{path: "status.hardware.nics.[].mac", kind: "string"},
		{path: "status.hardware.nics.[].ip", kind: "string"},
	}, reference("spec.userData"), reference("spec.metaData"), reference("spec.networkData"), reference("spec.consumerRef"))
}

// schema is the part of an OpenAPI schema that matters here.
type schema struct {
	Type       string             `json:"type"`
	Enum       []string           `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

func (s *schema) at(path string) *schema {
	for name := range strings.SplitSeq(path, ".") {
		switch {
		case s == nil:
			return nil
		case name == "[]":
			s = s.Items
		default:
			s = s.Properties[name]
		}
	}
	return s
}

type definition struct {
	Metadata struct {
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Versions []struct {
			Name         string `json:"name"`
			Served       bool   `json:"served"`
			Storage      bool   `json:"storage"`
			Subresources struct {
				Status *struct{} `json:"status"`
			} `json:"subresources"`
			Schema struct {
				OpenAPIV3Schema *schema `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

func definitionOf(t *testing.T, plural string) definition {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/metal3.io_" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d definition
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The definitions that Ingot installs have every field that CAPM3 uses, with the type and the values that it uses, and the labels by which clusterctl finds hosts and what belongs to them.
func TestDefinitionsHaveWhatCAPM3Uses(t *testing.T) {
	d := definitionOf(t, "baremetalhosts")
	if n := len(d.Spec.Versions); n != 1 {
		t.Fatalf("%d versions of BareMetalHost, want v1alpha1 only", n)
	}
	v := d.Spec.Versions[0]
	if v.Name != "v1alpha1" || !v.Served || !v.Storage || v.Subresources.Status == nil {
		t.Errorf("version %s: served %v, stored %v, status apart %v", v.Name, v.Served, v.Storage, v.Subresources.Status != nil)
	}
	for _, f := range fields() {
		s := v.Schema.OpenAPIV3Schema.at(f.path)
		if s == nil || s.Type != f.kind {
			t.Errorf("%s is %+v, want a %s", f.path, s, f.kind)
			continue
		}
		for _, value := range f.values {
			if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
				t.Errorf("%s refuses %q: only %q", f.path, value, s.Enum)
			}
		}
	}
	const moved, movedAlone = "clusterctl.cluster.x-k8s.io", "clusterctl.cluster.x-k8s.io/move"
	if _, ok := d.Metadata.Labels[moved]; !ok {
		t.Errorf("BareMetalHost lacks the label %s: clusterctl would leave hosts behind", moved)
	}
	hardware := definitionOf(t, "hardwaredata").Metadata.Labels
	for _, label := range []string{moved, movedAlone} {
		if _, ok := hardware[label]; !ok {
			t.Errorf("HardwareData lacks the label %s: CAPM3 leaves the hardware out of the status that it sends along", label)
		}
	}
}
