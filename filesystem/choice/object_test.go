package choice_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/choice"
)

// Every field of the object has a field of the same name in package filesystem, and the other way round.
func TestTheObjectHasTheSameWords(t *testing.T) {
	spec := ingot.FilesystemLayoutSpec{
		Partitions: []ingot.LayoutPartition{{Name: "root", Type: "linux", SizeMiB: 7}},
		Filesystems: []ingot.LayoutFilesystem{{
			Partition: "root", Format: "ext4", Path: "/", Label: "l", MountOptions: []string{"m"}, CreateOptions: []string{"-m", "1"},
		}},
	}
	got, err := choice.Words(spec)
	want := filesystem.Layout{
		Partitions: []filesystem.Partition{{Name: "root", Type: "linux", SizeMiB: 7}},
		Filesystems: []filesystem.Filesystem{{
			Partition: "root", Format: "ext4", Path: "/", Label: "l", MountOptions: []string{"m"}, CreateOptions: []string{"-m", "1"},
		}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, v := range []any{got.Partitions[0], got.Filesystems[0], spec.Partitions[0], spec.Filesystems[0]} {
		for i := range reflect.TypeOf(v).NumField() {
			if reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("this test leaves %s of %T out", reflect.TypeOf(v).Field(i).Name, v)
			}
		}
	}
	a, err1 := json.Marshal(want)
	b, err2 := json.Marshal(spec)
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("%s is not %s", a, b)
	}
}

func TestTheExampleFitsADisk(t *testing.T) {
	text, err := os.ReadFile("../../examples/filesystem-layout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n---\n"))
	var object ingot.FilesystemLayout
	if err := yaml.UnmarshalStrict(first, &object); err != nil {
		t.Fatal(err)
	}
	l, err := choice.Words(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, uefi := range []bool{true, false} {
		if _, err := filesystem.Make(l, filesystem.Target{SizeBytes: 100 << 30, SectorBytes: 512, UEFI: uefi}); err != nil {
			t.Error(err)
		}
	}
}

// The constraints of an object have the same words too.
func TestTheConstraintsHaveTheSameWords(t *testing.T) {
	o := &ingot.FilesystemLayout{Spec: ingot.FilesystemLayoutSpec{Constraints: &ingot.LayoutConstraints{
		Images: []ingot.LayoutImage{{Name: "debian", Versions: ">=12"}}, HostLabels: map[string]string{"a": "b"}, MinDiskGigabytes: 1, MaxDiskGigabytes: 2,
	}}}
	l, err := choice.From(o)
	want := &choice.Constraints{Images: []choice.Image{{Name: "debian", Versions: ">=12"}}, HostLabels: map[string]string{"a": "b"}, MinDiskGigabytes: 1, MaxDiskGigabytes: 2}
	if err != nil || !reflect.DeepEqual(l.Constraints, want) {
		t.Errorf("%+v, %v", l.Constraints, err)
	}
	if a, b := reflect.TypeOf(*want).NumField(), reflect.TypeOf(*o.Spec.Constraints).NumField(); a != b {
		t.Errorf("%d fields here, %d in the object", a, b)
	}
}
