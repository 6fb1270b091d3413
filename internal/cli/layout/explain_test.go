package layout

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestAnswer(t *testing.T) {
	layout := func(name string, constraints *ingot.LayoutConstraints) ingot.FilesystemLayout {
		return ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.FilesystemLayoutSpec{
			Partitions:  []ingot.LayoutPartition{{Name: "efi", Type: "efi-system", SizeMiB: 512}, {Name: "root", Type: "linux", SizeMiB: 20 << 10}},
			Filesystems: []ingot.LayoutFilesystem{{Partition: "efi", Format: "vfat", Path: "/boot/efi"}, {Partition: "root", Format: "ext4", Path: "/"}}, Constraints: constraints,
		}}
	}
	all := []ingot.FilesystemLayout{layout("plain", &ingot.LayoutConstraints{Images: []ingot.LayoutImage{{Name: "debian"}}}), layout("named", nil)}
	host := func(name string, gib int64, change func(*metal3.BareMetalHost)) metal3.BareMetalHost {
		h := metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}}
		h.Spec.Image = &metal3.Image{URL: "https://images.example.net/debian-12.tar.zst"}
		if gib > 0 {
			h.Status.HardwareDetails = &metal3.HardwareDetails{Storage: []metal3.Storage{{Name: "/dev/sda", SizeBytes: metal3.Capacity(gib << 30)}}}
		}
		if change != nil {
			change(&h)
		}
		return h
	}
	hosts := []metal3.BareMetalHost{
		host("fits", 40, nil), host("small", 4, nil), host("unknown", 0, nil),
		host("other", 40, func(h *metal3.BareMetalHost) { h.Spec.Image.URL = "https://images.example.net/rocky-9.tar.zst" }),
		host("bare", 40, func(h *metal3.BareMetalHost) { h.Spec.Image = nil }),
		host("namer", 40, func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{ingot.LayoutAnnotation: "named"} }),
		host("partition", 40, func(h *metal3.BareMetalHost) {
			h.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployPartitionImage}
		}),
	}
	for name, want := range map[string]map[string]string{
		"plain": {
			"n/fits": "+gets it, and it fits", "n/small": "-it would not fit: ", "n/unknown": "+gets it; its disks are not known yet", "n/other": "-the image", "n/bare": "-it has no image",
			"n/namer": "-the host names the layout named itself", "n/partition": "-the host gets a partition image",
		},
		"named": {"n/namer": "+gets it, and it fits", "n/fits": "-it has no constraints, and is chosen by its name only", "n/partition": "-the host gets a partition image"},
	} {
		for i := range all {
			if all[i].Name != name {
				continue
			}
			said := map[string]string{}
			for _, v := range answer(&all[i], all, hosts).Verdicts {
				for _, h := range v.Of {
					said[h] = map[bool]string{true: "+", false: "-"}[v.Fits] + v.Why
				}
			}
			for h, text := range want {
				if !strings.HasPrefix(said[h], text) {
					t.Errorf("%s for %s: %q, want %q", name, h, said[h], text)
				}
			}
		}
	}
	wrong := layout("wrong", nil)
	wrong.Spec.Filesystems = nil
	if a := answer(&wrong, all, hosts); !strings.HasPrefix(a.State, "it is wrong: ") || len(a.WhatHelps) == 0 {
		t.Errorf("a layout without a meaning: %+v", a)
	}
}
