package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// raidController is one with a pair of fast disks and four rotating ones.
func raidController() bmcsim.RAIDController {
	out := bmcsim.RAIDController{ID: "RAID.Slot.6-1", Name: "PERC H755", Types: []string{"RAID0", "RAID1", "RAID5", "RAID10"}}
	for n := range 6 {
		d := bmcsim.Disk{Name: fmt.Sprintf("bay %d", n), Model: "Disk", SerialNumber: fmt.Sprintf("R%d", n), SizeBytes: 6 << 30, Protocol: "SATA"}
		if n > 1 {
			d.SizeBytes, d.Protocol, d.Rotational = 9<<30, "SAS", true
		}
		out.Drives = append(out.Drives, bmcsim.RAIDDrive{Disk: d})
	}
	return out
}

// TestProvisionsOnHardwareRAID: over real Redfish, a controller with a volume of somebody else gets the two that are asked for; the first, without any root device hint, gets the image, and the machine boots from
// it. Released, its volumes are wiped and stay. A second machine, whose BMC changes volumes with the next start only and fails at first, says why, and gets there once its controller works.
func TestProvisionsOnHardwareRAID(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 2, BMC: func(i int, c *bmcsim.Config) {
		c.RAID = []bmcsim.RAIDController{raidController()}
		if i == 1 {
			c.Personality = bmcsim.Personality{VolumesOnReset: true, ControllersApart: true}
			c.Faults.VolumeFailure = "the controller's battery is empty (simulated fault)"
		}
	}}})
	machines := s.Lab.State().Machines
	good, slow := machines[0], machines[1]
	if err := s.Lab.BMC(good.Name).MakeVolume("RAID.Slot.6-1", raid.Made{Level: raid.Striped, Drives: []string{"Disk.Bay.0:RAID.Slot.6-1"}}); err != nil {
		t.Fatal(err)
	}
	rotational := true
	volumes := &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{{Name: "system", Level: "1"}, {Level: "5", Rotational: &rotational}}}
	for _, m := range machines {
		if err := s.Enrol(ctx, m, func(h *metal3.BareMetalHost) { h.Spec.RAID, h.Spec.RootDeviceHints = volumes, nil }); err != nil {
			t.Fatal(err)
		}
	}
	await(t, ctx, s, "the failed volume is an error of its host", func(hosts map[string]*metal3.BareMetalHost) bool {
		h := hosts[slow.Name]
		return h.Status.ErrorType == metal3.PreparationError && strings.Contains(h.Status.ErrorMessage, "battery is empty") && strings.Contains(h.Status.ErrorMessage, "RAID.Slot.6-1")
	})
	s.Lab.BMC(slow.Name).SetFaults(bmcsim.Faults{})
	changed := &metal3.BareMetalHost{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: slow.Namespace, Name: slow.Name}, changed); err != nil {
		t.Fatal(err)
	}
	before := changed.DeepCopy()
	// A change of the spec is tried at once.
	changed.Spec.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: volumes.HardwareRAIDVolumes[:1]}
	if err := s.Client.Patch(ctx, changed, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if err := s.Await(ctx, "default", site.Provisioned(2)); err != nil {
		t.Fatal(err)
	}
	checkVolumes(t, s, good, 2)
	checkVolumes(t, s, slow, 1)
	asked := s.Lab.BMC(good.Name).VolumesAsked()
	if want := "delete Volume.0; make 1 of Disk.Bay.0:RAID.Slot.6-1 Disk.Bay.1:RAID.Slot.6-1; " +
		"make 5 of Disk.Bay.2:RAID.Slot.6-1 Disk.Bay.3:RAID.Slot.6-1 Disk.Bay.4:RAID.Slot.6-1"; strings.Join(asked, "; ") != want {
		t.Errorf("the BMC was asked for %q, want %q", strings.Join(asked, "; "), want)
	}

	host, _ := both(ctx, t, s, good)
	base := host.DeepCopy()
	host.Spec.Image = nil
	if err := s.Client.Patch(ctx, host, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, s, "the host is released", func(hosts map[string]*metal3.BareMetalHost) bool {
		_, r := both(ctx, t, s, good)
		return hosts[good.Name].Status.Provisioning.State == metal3.StateAvailable && r.CleanedAt != nil
	})
	host, record := both(ctx, t, s, good)
	if again := s.Lab.BMC(good.Name).VolumesAsked(); len(again) != len(asked) || !journey.VolumesMade(host, record) {
		t.Errorf("the release changed the volumes: %v, %+v", again, record.RAID)
	}
	wiped := map[string]bool{}
	for _, w := range record.Wipes {
		wiped[w.SerialNumber] = w.Result == "clean"
	}
	for _, v := range record.RAID.Volumes {
		if !wiped[strings.TrimPrefix(v.WWN, "0x")] {
			t.Errorf("the volume %s was not wiped: %+v", v.WWN, record.Wipes)
		}
	}
	checkLogs(t, s)
}

// checkVolumes: the volumes are as asked for, they are disks of the machine, and the image is on the first.
func checkVolumes(t *testing.T, s *site.Site, m lab.Machine, n int) {
	t.Helper()
	host, record := both(t.Context(), t, s, m)
	if !journey.VolumesMade(host, record) || len(record.RAID.Volumes) != n || len(s.Lab.BMC(m.Name).RAIDStorage().Controllers[0].Volumes) != n {
		t.Fatalf("%s has RAID %+v", m.Name, record.RAID)
	}
	root := record.RAID.Volumes[0]
	if record.Disk == nil || record.Disk.SerialNumber != strings.TrimPrefix(root.WWN, "0x") {
		t.Errorf("the image of %s is on %+v, and the first volume is %+v", m.Name, record.Disk, root)
	}
	if len(host.Status.HardwareDetails.Storage) != len(m.Disks)+n {
		t.Errorf("%s was inspected with %d disks and %d volumes: %+v", m.Name, len(m.Disks), n, host.Status.HardwareDetails.Storage)
	}
	if r := host.Status.Provisioning.RAID; r == nil || len(r.HardwareRAIDVolumes) != n {
		t.Errorf("status.provisioning.raid is %+v", r)
	}
	var begins [512]byte
	f, err := os.Open(filepath.Join(filepath.Dir(m.Disks[0].Path), "volume-"+root.WWN+".raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(begins[:], 0); err != nil {
		t.Fatal(err)
	}
	if string(begins[510:]) != "\x55\xaa" {
		t.Errorf("the first volume of %s has no image on it", m.Name)
	}
}
