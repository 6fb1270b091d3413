package boot

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/sighting"
)

// pxe is what UEFI firmware sends first.
func pxe(t *testing.T, mac netboot.MAC) []byte {
	t.Helper()
	p, err := dhcpv4.NewDiscovery(mac[:])
	if err != nil {
		t.Fatal(err)
	}
	p.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003016"))
	p.UpdateOption(dhcpv4.OptClientArch(iana.EFI_BC))
	p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, append([]byte{0}, "0123456789abcdef"...)))
	return p.ToBytes()
}

// An unknown machine that asks to boot is never answered. It is recorded in the API where the Partition wants that, by the role's own identity, and so is nothing else: not who has a window, not who
// asks for an address only. A flood of made-up addresses fits into the one object.
func TestUnknownMachinesAreRecorded(t *testing.T) {
	cp := controlplanetest.Start(t)
	admin := adminClient(t, cp.Admin)
	s := newFirmwareSite(t, artifactsDir(t), ingot.MethodPXE, overIPv4())
	stranger := s.host(t, 60, "172.22.0.60")
	eventually(t, "the servers are open", func() bool { return len(s.process.provisioning.Listeners()) >= 4 })
	broadcast := netip.MustParseAddrPort("255.255.255.255:67")
	mac := netboot.MAC{0x52, 0x54, 0, 0, 0x99, 1}
	if answered(t, stranger, 68, broadcast, pxe(t, mac)) {
		t.Fatal("an unknown machine is answered")
	}
	if heard, _ := s.process.unknown.take(); len(heard) != 0 {
		t.Errorf("recorded, though the Partition does not want it: %+v", heard)
	}
	site := objects(ingot.MethodPXE, overIPv4(), "", nil)[0].(*ingot.Partition) // the first object is the Partition
	site.Spec.Discovery = &ingot.DiscoveryPolicy{Namespace: "racks"}
	s.process.feed.OnUpdate(nil, site)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.process.recordUnknown(ctx, cp.As(t, "boot", "lab")) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if answered(t, stranger, 68, broadcast, pxe(t, mac)) {
			t.Fatal("an unknown machine is answered")
		}
	}
	known, err := netboot.ParseMAC(machineMAC)
	if err != nil {
		t.Fatal(err)
	}
	answered(t, stranger, 68, broadcast, pxe(t, known))
	scanner := netboot.MAC{0x52, 0x54, 0, 0, 0x99, 2}
	plain, err := dhcpv4.NewDiscovery(scanner[:])
	if err != nil {
		t.Fatal(err)
	}
	answered(t, stranger, 68, broadcast, plain.ToBytes())
	record := &ingot.NetbootRecord{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: "lab"}}
	read := func() bool { return admin.Get(t.Context(), client.ObjectKeyFromObject(record), record) == nil }
	eventually(t, "the record has the machine", func() bool { return read() && len(record.Machines) == 1 && record.Machines[0].Requests == 2 })
	m := record.Machines[0]
	if m.MACAddress != mac.String() || m.VendorClass != "PXEClient:Arch:00007:UNDI:003016" || *m.Architecture != int32(iana.EFI_BC) || m.MachineID != "30313233-3435-3637-3839-616263646566" {
		t.Errorf("recorded: %+v", m)
	}
	for i := range 3000 {
		s.process.unknown.hear(netboot.Request{Type: netboot.Discover, MAC: netboot.MAC{0x52, 0x55, 0, 0, byte(i >> 8), byte(i)}, VendorClass: "PXEClient", Architectures: []netboot.Architecture{0}})
	}
	eventually(t, "the flood is recorded", func() bool { return read() && len(record.Machines) == sighting.Most })
	if i := index(record, mac.String()); i < 0 {
		t.Error("made-up addresses pushed out the machine that repeats itself")
	}
}

func index(r *ingot.NetbootRecord, mac string) int {
	for i, m := range r.Machines {
		if m.MACAddress == mac {
			return i
		}
	}
	return -1
}

// Two boot servers of a partition write one record, and neither loses what the other heard.
func TestBootServersShareARecord(t *testing.T) {
	cp := controlplanetest.Start(t)
	now := time.Now().Truncate(time.Second)
	ended := make(chan error, 2)
	for server := range 2 {
		c, err := client.New(cp.As(t, "boot", "lab"), client.Options{Scheme: scheme()})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for i := range 10 {
				var b sighting.Book
				b.Hear(netboot.Request{MAC: netboot.MAC{0x52, 0, 0, 0, byte(server), byte(i)}}, false, now)
				b.Hear(netboot.Request{MAC: netboot.MAC{0x52, 0, 0, 0, 9, 9}}, false, now)
				heard := b.Take()
				// What met the other's write three times is part of the next one in the role; here it is tried on.
				for err = writeRecord(t.Context(), c, "lab", heard, now); err != nil && t.Context().Err() == nil; {
					err = writeRecord(t.Context(), c, "lab", heard, now)
				}
			}
			ended <- t.Context().Err()
		}()
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	record := &ingot.NetbootRecord{}
	if err := adminClient(t, cp.Admin).Get(t.Context(), client.ObjectKey{Namespace: ingot.BootNamespace, Name: "lab"}, record); err != nil {
		t.Fatal(err)
	}
	if i := index(record, "52:00:00:00:09:09"); len(record.Machines) != 21 || i < 0 || record.Machines[i].Requests != 20 {
		t.Error(fmt.Sprintf("%d machines", len(record.Machines)), record.Machines)
	}
}
