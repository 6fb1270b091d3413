package sighting

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/netboot"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func asks(n uint32) netboot.Request {
	r := netboot.Request{Type: netboot.Discover, VendorClass: "PXEClient:Arch:00007:UNDI:003016", Architectures: []netboot.Architecture{netboot.ArchUEFIx64}}
	r.MAC[0] = 0x52
	binary.BigEndian.PutUint32(r.MAC[2:], n)
	return r
}

func TestWhoNetboots(t *testing.T) {
	r := asks(1)
	if !Netboots(r) {
		t.Error("firmware that boots by PXE")
	}
	r.Type = netboot.Release
	if Netboots(r) {
		t.Error("a release")
	}
	r.Type, r.VendorClass, r.Architectures = netboot.Discover, "MSFT 5.0", nil
	if Netboots(r) {
		t.Error("an operating system")
	}
}

func TestHear(t *testing.T) {
	var b Book
	r := asks(1)
	r.MachineID = append([]byte{0}, "0123456789abcdef"...)
	r.VendorClass = "PXEClient\x00\n" + strings.Repeat("x", 200)
	b.Hear(r, false, noon)
	b.Hear(r, false, noon.Add(time.Second))
	all := b.Take()
	if len(all) != 1 || all[0].MACAddress != "52:00:00:00:00:01" || all[0].Requests != 2 || !all[0].FirstSeen.Time.Equal(noon) || !all[0].LastSeen.Time.Equal(noon.Add(time.Second)) {
		t.Fatalf("%+v", all)
	}
	m := all[0]
	if m.MachineID != "30313233-3435-3637-3839-616263646566" || *m.Architecture != 7 || len(m.VendorClass) != maxText || !strings.HasPrefix(m.VendorClass, "PXEClient..x") {
		t.Errorf("%+v", m)
	}
	if len(b.Take()) != 0 {
		t.Error("the book is not empty after it was taken")
	}
}

// A flood of made-up addresses fills neither memory nor the record, and does not push out who repeats itself.
func TestFlood(t *testing.T) {
	var record []ingot.NetbootMachine
	number := uint32(1000)
	for round := range 40 {
		now := noon.Add(time.Duration(round) * 5 * time.Second)
		var b Book
		for range 2 {
			b.Hear(asks(1), false, now)
		}
		for range 5000 {
			number++
			b.Hear(asks(number), false, now)
		}
		if len(b.machines) > Most || b.Dropped != 5001-Most {
			t.Fatalf("the book has %d machines and dropped %d requests", len(b.machines), b.Dropped)
		}
		if record = Merge(record, b.Take(), now); len(record) > Most {
			t.Fatalf("the record has %d machines", len(record))
		}
	}
	if record[0].MACAddress != "52:00:00:00:00:01" || record[0].Requests != 80 || !record[0].FirstSeen.Time.Equal(noon) {
		t.Errorf("the machine that is there: %+v", record[0])
	}
	if left := Merge(record, nil, noon.Add(2*Forget)); len(left) != 0 {
		t.Errorf("%d machines are never forgotten", len(left))
	}
}

func FuzzHear(f *testing.F) {
	f.Add("PXEClient:Arch:00007:UNDI:003016", []byte("\x000123456789abcdef"), uint16(7))
	f.Add("HTTPClient", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(16))
	f.Add("\xff\x00é", []byte{}, uint16(65535))
	f.Fuzz(func(t *testing.T, class string, id []byte, arch uint16) {
		var b Book
		r := asks(1)
		r.VendorClass, r.MachineID, r.Architectures = class, id, []netboot.Architecture{netboot.Architecture(arch)}
		b.Hear(r, false, noon)
		m := b.Take()[0]
		if len(m.VendorClass) > maxText || strings.ContainsFunc(m.VendorClass, func(c rune) bool { return c < ' ' || c > '~' }) || len(m.MachineID) != 0 && len(m.MachineID) != 36 ||
			*m.Architecture < 0 {
			t.Errorf("%+v", m)
		}
	})
}

// A BMC that wants an address is told by its vendor class, and where it is by what it asks for.
func TestHearBMC(t *testing.T) {
	r := netboot.Request{Type: netboot.Discover, VendorClass: "iDRAC", MAC: netboot.MAC{0x52, 0, 0, 0, 0, 7}}
	for _, c := range []struct {
		class string
		kind  netboot.MessageType
		want  bool
	}{{"iDRAC", netboot.Discover, true}, {"CPQRIB3 (HP iLO)", netboot.Ask, true}, {"udhcp 1.23.1", netboot.Discover, false}, {"RackBMC-2", netboot.Ask, true}, {"iDRAC", netboot.Release, false}, {"", netboot.Ask, false}} {
		q := r
		q.VendorClass, q.Type = c.class, c.kind
		if got := BMC(q, []string{"RackBMC"}); got != c.want {
			t.Errorf("%q %v: %v", c.class, c.kind, got)
		}
	}
	var b Book
	b.Hear(r, true, noon)
	r.Type, r.Requested = netboot.Ask, netip.MustParseAddr("10.0.0.5")
	b.Hear(r, true, noon)
	r.Type, r.Requested = netboot.Discover, netip.Addr{}
	b.Hear(r, true, noon)
	first := b.Take()
	if len(first) != 1 || !first[0].BMC || first[0].Address != "10.0.0.5" || first[0].Requests != 3 {
		t.Fatalf("%+v", first)
	}
	b.Hear(r, true, noon.Add(time.Minute))
	if all := Merge(first, b.Take(), noon.Add(time.Minute)); len(all) != 1 || all[0].Address != "10.0.0.5" || all[0].Requests != 4 {
		t.Errorf("%+v", all)
	}
	// A flood of made-up BMCs has the same bounds as any.
	var record []ingot.NetbootMachine
	dropped := int64(0)
	for n := range 5000 {
		q := asks(uint32(n))
		q.VendorClass, q.Architectures = "iDRAC", nil
		b.Hear(q, BMC(q, nil), noon)
		if n%700 == 0 {
			dropped += b.Dropped
			record = Merge(record, b.Take(), noon)
		}
	}
	if dropped == 0 || len(Merge(record, b.Take(), noon)) != Most {
		t.Errorf("%d dropped, %d recorded", dropped, len(record))
	}
}
