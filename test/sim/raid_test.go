package sim_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// TestProvisionsOnSoftwareRAID: a host with two volumes gets its image on the mirror of both disks, boots from it, is wiped of both when it is released, and has them again before it is offered.
func TestProvisionsOnSoftwareRAID(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 1}})
	m := s.Lab.State().Machines[0]
	one := 1
	volumes := &metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{{Level: "1", SizeGibibytes: &one}, {Level: "0"}}}
	if err := s.Enrol(ctx, m, func(h *metal3.BareMetalHost) { h.Spec.RAID, h.Spec.RootDeviceHints = volumes, nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Await(ctx, "default", site.Provisioned(1)); err != nil {
		t.Fatal(err)
	}
	host, record := both(ctx, t, s, m)
	if record.RAID == nil || len(record.RAID.Arrays) != 2 || record.Disk == nil || record.Disk.SerialNumber != record.RAID.Arrays[0].UUID || len(record.RAID.Arrays[0].Disks) != 2 {
		t.Errorf("the record has RAID %+v and disk %+v", record.RAID, record.Disk)
	}
	if r := host.Status.Provisioning.RAID; r == nil || len(r.SoftwareRAIDVolumes) != 2 || r.HardwareRAIDVolumes != nil {
		t.Errorf("status.provisioning.raid is %+v", r)
	}
	for _, d := range m.Disks {
		checkMember(t, s, d.Path)
	}
	made := record.RAID.Arrays[0].MadeAt

	base := host.DeepCopy()
	host.Spec.Image = nil
	if err := s.Client.Patch(ctx, host, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	err := s.Await(ctx, "default", func(hosts []metal3.BareMetalHost) bool {
		if len(hosts) != 1 || hosts[0].Status.Provisioning.State != metal3.StateAvailable {
			return false
		}
		_, r := both(ctx, t, s, m)
		return r.RAID != nil && len(r.RAID.Arrays) == 2 && made.Before(&r.RAID.Arrays[0].MadeAt)
	})
	if err != nil {
		t.Fatal(err)
	}
	host, record = both(ctx, t, s, m)
	if !journey.ArraysMade(host, record) || record.CleanedAt == nil {
		t.Errorf("the host is offered with RAID %+v, clean since %v", record.RAID, record.CleanedAt)
	}
	checkLogs(t, s)
}

func both(ctx context.Context, t *testing.T, s *site.Site, m lab.Machine) (*metal3.BareMetalHost, *ingot.HostLifecycleStatus) {
	t.Helper()
	host, record, key := &metal3.BareMetalHost{}, &ingot.HostLifecycle{}, client.ObjectKey{Namespace: m.Namespace, Name: m.Name}
	if err := s.Client.Get(ctx, key, host); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Get(ctx, key, record); err != nil {
		t.Fatal(err)
	}
	return host, &record.Status
}

// checkMember: a disk of the mirror has the image's EFI system partition, and its root.
func checkMember(t *testing.T, s *site.Site, path string) {
	t.Helper()
	const mib = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	esp, root := make([]byte, mib), make([]byte, len(s.ImageRaw)-3*mib)
	if _, err := f.ReadAt(esp, mib); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(root, mib+raid.BootBytes+raid.HeadBytes+2*mib); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(esp, s.ImageRaw[mib:2*mib]) || !bytes.Equal(root, s.ImageRaw[2*mib:len(s.ImageRaw)-mib]) {
		t.Errorf("%s does not hold the image as a member of the mirror", path)
	}
}
