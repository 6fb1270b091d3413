package sighting

import (
	"encoding/binary"
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
	b.Hear(r, noon)
	b.Hear(r, noon.Add(time.Second))
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
			b.Hear(asks(1), now)
		}
		for range 5000 {
			number++
			b.Hear(asks(number), now)
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
		b.Hear(r, noon)
		m := b.Take()[0]
		if len(m.VendorClass) > maxText || strings.ContainsFunc(m.VendorClass, func(c rune) bool { return c < ' ' || c > '~' }) || len(m.MachineID) != 0 && len(m.MachineID) != 36 ||
			*m.Architecture < 0 {
			t.Errorf("%+v", m)
		}
	})
}
