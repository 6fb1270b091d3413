package machine_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// A firewall's networks are on cards of their own: where nothing says on which, it is not installed and the words say what to choose among; chosen by switch and VLAN, its system is told so and its status names the cards.
func TestAFirewallsNetworksAreOnCardsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.site()
	w.host("h", nil)
	w.create(&metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "h"}, Spec: metal3.HardwareDataSpec{HardwareDetails: &metal3.HardwareDetails{NIC: []metal3.NIC{
		{Name: "eth0", MAC: "52:54:00:00:00:01", PXE: true, SpeedGbps: 10, LLDP: &metal3.LLDP{SwitchID: "c1", PortID: "p1", SwitchSystemName: "leaf1"}},
		{Name: "eth1", MAC: "52:54:00:00:00:02", SpeedGbps: 10, LLDP: &metal3.LLDP{SwitchID: "c2", PortID: "p7", SwitchSystemName: "leaf2"}},
	}}}})
	w.start()
	w.network(w.racks, "internet", "10.7.0.0/24")
	w.network(w.a, "mine", "10.8.0.0/24")
	w.network(w.a, "storage", "10.9.0.0/24")
	firewall := func(name string, nics ...*ingot.MachineNIC) {
		w.machine(w.a, name, func(m *ingot.Machine) {
			m.Spec.Role = ingot.RoleFirewall
			m.Spec.Networks = []ingot.MachineNetwork{{Name: "internet", Namespace: w.racks, NIC: nics[0]}, {Name: "mine", NIC: nics[1]}, {Name: "storage", NIC: nics[2]}}
		})
	}
	firewall("guess", nil, nil, &ingot.MachineNIC{VLAN: 42})
	w.says(w.a, "guess", ingot.MachineInstalledCondition, "CannotBeTold", "networks "+w.racks+"/internet and "+w.a+"/mine", "eth1 52:54:00:00:00:02 (switch leaf2, port p7)", "nic")
	w.until("it goes", func() error { return w.admin.Delete(t.Context(), w.machineNow(w.a, "guess")) })
	w.gone(w.a, "guess")

	firewall("edge", nil, &ingot.MachineNIC{Switch: "leaf2"}, &ingot.MachineNIC{Switch: "leaf2", Port: "p7", VLAN: 42})
	m := w.phase(w.a, "edge", ingot.MachineReady)
	want := []ingot.MachineNICStatus{
		{Network: w.racks + "/internet", MACAddress: "52:54:00:00:00:01", Name: "eth0", Switch: "leaf1", Port: "p1"},
		{Network: w.a + "/mine", MACAddress: "52:54:00:00:00:02", Name: "eth1", Switch: "leaf2", Port: "p7"},
		{Network: w.a + "/storage", MACAddress: "52:54:00:00:00:02", VLAN: 42, Name: "eth1", Switch: "leaf2", Port: "p7"},
	}
	if len(m.Status.NICs) != 3 || m.Status.NICs[0] != want[0] || m.Status.NICs[1] != want[1] || m.Status.NICs[2] != want[2] {
		t.Errorf("%+v\nwant %+v", m.Status.NICs, want)
	}
	told := w.copies(w.racks)["network"]
	for i, link := range []string{"nic0", "nic1", "nic1.42"} {
		if text := `"link":"` + link + `","ip_address":"` + m.Status.Addresses[i].Address + `"`; !strings.Contains(told, text) {
			t.Errorf("%s is not in %s", text, told)
		}
	}
}
