package discovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	pure "github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/netboot/sighting"
)

// site makes the partition, which wants unknown machines recorded in the test's namespace.
func (w *world) site() *ingot.Partition {
	w.t.Helper()
	p := &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	p.Spec.ProvisioningNetwork.DHCPMode = ingot.DHCPOff
	p.Spec.Discovery = &ingot.DiscoveryPolicy{Namespace: w.namespace}
	w.create(p)
	return p
}

// bootClient is a boot server's own.
func (w *world) bootClient() client.Client {
	w.t.Helper()
	c, err := client.New(controlplanetest.Shared(w.t).As(w.t, "boot", w.namespace), client.Options{Scheme: host.Scheme()})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func heard(mac string, requests int64, last time.Time) ingot.NetbootMachine {
	at := metav1.NewTime(last.Truncate(time.Second))
	arch := int32(7)
	return ingot.NetbootMachine{MACAddress: mac, NetbootRequests: ingot.NetbootRequests{FirstSeen: at, LastSeen: at, Requests: requests, VendorClass: "PXEClient:Arch:00007", Architecture: &arch}}
}

func (w *world) finds() []ingot.DiscoveredHost {
	w.t.Helper()
	var all ingot.DiscoveredHostList
	if err := w.admin.List(w.t.Context(), &all, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	return all.Items
}

// What asks to boot again and again is recorded, once, unless a host has that card; who is heard once is not. Accepted with a BMC's address it becomes a host.
func TestNetboot(t *testing.T) {
	w := newWorld(t)
	w.site()
	known := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "known"}}
	known.Spec.BootMACAddress = "52:54:00:05:00:03"
	w.create(known)
	w.start()
	boot := w.bootClient()
	record := &ingot.NetbootRecord{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: w.namespace}}
	record.Machines = []ingot.NetbootMachine{heard("52:54:00:05:00:01", 4, time.Now()), heard("52:54:00:05:00:02", 1, time.Now()), heard("52:54:00:05:00:03", 9, time.Now())}
	if err := boot.Create(t.Context(), record); err != nil {
		t.Fatalf("a boot server writes its record: %v", err)
	}
	const name = "mac-525400050001"
	w.until("the machine is recorded", func() bool {
		all := w.finds()
		return len(all) == 1 && all[0].Name == name && all[0].Status.Netboot != nil && all[0].Status.Phase == ingot.DiscoveryFound
	})
	if n := w.get(name).Status.Netboot; n.Requests != 4 || n.VendorClass != "PXEClient:Arch:00007" || *n.Architecture != 7 {
		t.Errorf("%+v", n)
	}
	record.Machines[0] = heard("52:54:00:05:00:01", 40, time.Now().Add(time.Hour))
	if err := boot.Update(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	w.until("it is heard again", func() bool { return w.get(name).Status.Netboot.Requests == 40 })
	if all := w.finds(); len(all) != 1 || len(w.hosts()) != 1 {
		t.Errorf("%d finds and %d hosts", len(all), len(w.hosts()))
	}
	w.accept(name, ingot.DiscoveryAcceptance{Name: "web5", CredentialsName: "bmc"})
	if o := w.reaches(name, ingot.DiscoveryRefused); !strings.Contains(o.Status.Message, "spec.accept.bmcAddress") {
		t.Errorf("%+v", o.Status)
	}
	w.accept(name, ingot.DiscoveryAcceptance{Name: "web5", CredentialsName: "bmc", BMCAddress: "redfish://10.5.0.1"})
	if o := w.reaches(name, ingot.DiscoveryAccepted); o.Status.Netboot == nil || len(w.hosts()) != 2 {
		t.Errorf("%+v, %d hosts", o.Status, len(w.hosts()))
	}
}

// A record may be full of made-up addresses, changed each time: the number of objects stays bounded.
func TestFloodIsBoundedInObjects(t *testing.T) {
	w := newWorld(t)
	w.site()
	w.start()
	boot := w.bootClient()
	record := &ingot.NetbootRecord{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: w.namespace}}
	for round := range 3 {
		record.Machines = nil
		for i := range sighting.Most {
			record.Machines = append(record.Machines, heard(fmt.Sprintf("52:54:06:%02x:00:%02x", round, i), 7, time.Now()))
		}
		var err error
		if round == 0 {
			err = boot.Create(t.Context(), record)
		} else {
			err = boot.Update(t.Context(), record)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.until("all that have room are recorded", func() bool { return len(w.finds()) >= pure.MostWaiting })
	}
	// An answer makes room for one more, which shows that the last record was looked at.
	if err := w.edit(w.finds()[0].Name, func(s *ingot.DiscoveredHostSpec) { s.Ignore = true }); err != nil {
		t.Fatal(err)
	}
	record.Annotations = map[string]string{"looked-at": "again"}
	if err := boot.Update(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	w.until("one more is recorded", func() bool { return len(w.finds()) == pure.MostWaiting+1 })
	record.Machines = append(record.Machines, heard("52:54:06:ff:00:00", 7, time.Now()))
	if err := boot.Update(t.Context(), record); err == nil {
		t.Error("a record with too many machines was taken")
	}
}

// A boot server writes its own partition's record, and nothing else of this.
func TestWhatABootServerMayWrite(t *testing.T) {
	w := newWorld(t)
	boot := w.bootClient()
	other := &ingot.NetbootRecord{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: "another-site"}}
	if err := boot.Create(t.Context(), other); err == nil || !strings.Contains(err.Error(), "its own partition only") {
		t.Errorf("another partition's record: %v", err)
	}
	o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a"}, Spec: ingot.DiscoveredHostSpec{Partition: w.namespace, Source: ingot.SourceNetboot, BootMACAddress: "52:54:00:00:00:01"}}
	if err := boot.Create(t.Context(), o.DeepCopy()); err == nil {
		t.Error("a boot server made a DiscoveredHost")
	}
	// The partition role makes them, of its own partition, without an accept.
	for what, change := range map[string]func(*ingot.DiscoveredHostSpec){
		"accepted":          func(s *ingot.DiscoveredHostSpec) { s.Accept = &ingot.DiscoveryAcceptance{} },
		"of a list":         func(s *ingot.DiscoveredHostSpec) { s.Source = ingot.SourceList },
		"another partition": func(s *ingot.DiscoveredHostSpec) { s.Partition = "another" },
	} {
		bad := o.DeepCopy()
		change(&bad.Spec)
		if err := w.role.Create(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "asked to boot at its own partition or answered there") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.role.Create(t.Context(), o); err != nil {
		t.Errorf("what it finds: %v", err)
	}
	o.Spec.Ignore = true
	if err := w.role.Update(t.Context(), o); err == nil {
		t.Error("the partition role answered in an operator's stead")
	}
}
