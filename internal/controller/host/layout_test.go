package host_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// A host that is installed from an archive waits for its layout, hands it to the agent with the write, and is cleaned when another way of deploying is asked for.
func TestInstallFromAnArchive(t *testing.T) {
	w := newWorld(t)
	w.start()
	name := "layout-" + w.namespace
	m := w.addHost("a", func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{ingot.LayoutAnnotation: name}
		h.Spec.Image = &metal3.Image{URL: "https://images.test/root.tar.zst", Checksum: strings.Repeat("a", 64), ChecksumType: metal3.SHA256}
		h.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployTarball}
		h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "ROOT"}
	})
	w.until("a misses its layout", func() bool {
		return strings.Contains(w.host("a").Status.ErrorMessage, "there is no FilesystemLayout "+name)
	})
	w.create(&ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.FilesystemLayoutSpec{
		Partitions:  []ingot.LayoutPartition{{Name: "esp", Type: "efi-system", SizeMiB: 64}, {Name: "root", Type: "linux"}},
		Filesystems: []ingot.LayoutFilesystem{{Partition: "esp", Format: "vfat", Path: "/boot/efi"}, {Partition: "root", Format: "ext4", Path: "/"}},
	}})
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "again" })
	w.untilState("a", metal3.StateProvisioned)
	m.mu.Lock()
	asked := m.asked
	m.mu.Unlock()
	if asked.Layout == nil || len(asked.Layout.Partitions) != 2 || asked.Layout.Filesystems[0].Path != "/boot/efi" || !asked.UEFI || asked.Image.Format != protocol.FormatTarball || len(asked.Seed) < 16 {
		t.Errorf("the machine was told %+v", asked)
	}
	if c := w.host("a").Status.Provisioning.CustomDeploy; c == nil || c.Method != ingot.DeployTarball {
		t.Errorf("the status says %+v", c)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.CustomDeploy, h.Spec.Image = nil, nil })
	w.until("a is available again", func() bool {
		p := w.host("a").Status.Provisioning
		return p.State == metal3.StateAvailable && p.CustomDeploy == nil && p.Image.URL == ""
	})
	if _, wipes, _ := m.counts(); wipes != 2 {
		t.Errorf("%d wipes, want one before and one after", wipes)
	}
}

// A host with a partition image gets the standard layout, or the one that it names where that can hold an image.
func TestInstallFromAPartitionImage(t *testing.T) {
	w := newWorld(t)
	w.start()
	raw, name := "raw", "partition-"+w.namespace
	root := ingot.LayoutFilesystem{Partition: "root", Format: "xfs", Path: "/"}
	layout := &ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.FilesystemLayoutSpec{
		Partitions:  []ingot.LayoutPartition{{Name: "esp", Type: "efi-system", SizeMiB: 64}, {Name: "root", Type: "linux"}},
		Filesystems: []ingot.LayoutFilesystem{{Partition: "esp", Format: "vfat", Path: "/boot/efi"}, root},
	}}
	layout.Spec.Filesystems[1].Label = "system"
	w.create(layout)
	m := w.addHost("a", func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{ingot.LayoutAnnotation: name}
		h.Spec.Image = &metal3.Image{URL: "https://images.test/root.raw.zst", Checksum: strings.Repeat("a", 64), ChecksumType: metal3.SHA256, DiskFormat: &raw}
		h.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployPartitionImage}
		h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "ROOT"}
	})
	w.until("a is told what is wrong with its layout", func() bool {
		return strings.Contains(w.host("a").Status.ErrorMessage, "filesystems[1].label: the root keeps the label")
	})
	before := layout.DeepCopy()
	layout.Spec.Filesystems[1] = root
	if err := w.admin.Patch(t.Context(), layout, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "again" })
	w.untilState("a", metal3.StateProvisioned)
	told := func() protocol.WriteImage {
		m.mu.Lock()
		defer m.mu.Unlock()
		return *m.asked
	}
	if asked := told(); asked.Layout == nil || asked.Layout.Filesystems[1].Format != "xfs" || asked.Image.Format != protocol.FormatFilesystem+"+raw" || !asked.UEFI || len(asked.Seed) < 16 {
		t.Errorf("the machine was told %+v", asked)
	}
	// Another image without a name for a layout: the host is cleaned and gets the standard one, which the agent has.
	w.edit("a", func(h *metal3.BareMetalHost) {
		delete(h.Annotations, ingot.LayoutAnnotation)
		h.Spec.Image.URL, h.Spec.Image.DiskFormat = "https://images.test/other.qcow2", nil
	})
	w.until("a is provisioned with the other image", func() bool {
		p := w.host("a").Status.Provisioning
		return p.State == metal3.StateProvisioned && strings.HasSuffix(p.Image.URL, "other.qcow2")
	})
	if asked := told(); asked.Layout != nil || asked.Image.Format != protocol.FormatFilesystem || len(asked.Seed) < 16 {
		t.Errorf("the machine was told %+v", asked)
	}
	if _, wipes, _ := m.counts(); wipes != 2 {
		t.Errorf("%d wipes, want one before and one between the images", wipes)
	}
}

// A host that names no layout gets the one whose constraints fit, and what was chosen stands in its record with the disk.
func TestALayoutIsChosen(t *testing.T) {
	w := newWorld(t)
	w.start()
	// A number after a dash would be a version.
	os := "os-" + strings.ReplaceAll(w.namespace, "-", "x")
	m := w.addHost("a", func(h *metal3.BareMetalHost) {
		h.Spec.Image = &metal3.Image{URL: "https://images.test/" + os + "-12.4.tar.zst", Checksum: strings.Repeat("a", 64), ChecksumType: metal3.SHA256}
		h.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployTarball}
		h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "ROOT"}
	})
	layout := func(suffix, versions, path string) *ingot.FilesystemLayout {
		return &ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + suffix}, Spec: ingot.FilesystemLayoutSpec{
			Partitions:  []ingot.LayoutPartition{{Name: "esp", Type: "efi-system", SizeMiB: 64}, {Name: "root", Type: "linux"}},
			Filesystems: []ingot.LayoutFilesystem{{Partition: "esp", Format: "vfat", Path: path}, {Partition: "root", Format: "ext4", Path: "/"}},
			Constraints: &ingot.LayoutConstraints{Images: []ingot.LayoutImage{{Name: os, Versions: versions}}},
		}}
	}
	w.until("a has no layout", func() bool { return strings.Contains(w.host("a").Status.ErrorMessage, "none is chosen") })
	if err := w.admin.Create(t.Context(), layout("-bad", "~12", "/boot/efi")); err == nil {
		t.Error("versions that are none were taken")
	}
	w.create(layout("-old", ">=9, <12", "/efi"))
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "again" })
	w.until("a is told why not", func() bool {
		return strings.Contains(w.host("a").Status.ErrorMessage, w.namespace+"-old: the image is "+os+" 12.4, not >=9, <12")
	})
	w.create(layout("-new", ">=12", "/boot/efi"))
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "once-more" })
	w.untilState("a", metal3.StateProvisioned)
	m.mu.Lock()
	asked := m.asked
	m.mu.Unlock()
	if asked.Layout == nil || asked.Layout.Filesystems[0].Path != "/boot/efi" {
		t.Errorf("the machine was told %+v", asked.Layout)
	}
	record := &ingot.HostLifecycle{}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "a"}, record); err != nil || record.Status.Disk == nil || record.Status.Disk.Layout != w.namespace+"-new" {
		t.Errorf("%v, the record has %+v", err, record.Status.Disk)
	}
}
