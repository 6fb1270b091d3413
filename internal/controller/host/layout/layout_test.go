package layout_test

import (
	"encoding/json"
	"reflect"
	"testing"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/controller/host/layout"
)

// Every field of the object has a field of the same name in package filesystem, and the other way round.
func TestTheObjectHasTheSameWords(t *testing.T) {
	spec := ingot.FilesystemLayoutSpec{
		Partitions: []ingot.LayoutPartition{{Name: "root", Type: "linux", SizeMiB: 7}},
		Filesystems: []ingot.LayoutFilesystem{{
			Partition: "root", Format: "ext4", Path: "/", Label: "l", MountOptions: []string{"m"}, CreateOptions: []string{"-m", "1"},
		}},
	}
	got, err := layout.Words(spec)
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
