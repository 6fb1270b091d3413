package discovery

import (
	"net/netip"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The bounds of what is made of requests that anybody on the provisioning network can send.
const (
	// leastRequests: firmware asks four times before it gives up (PXE 2.1 §2.2.4), and made-up addresses are heard once.
	leastRequests = 2
	// MostWaiting is how many machines of one partition that asked to boot wait for an operator at once. Whoever comes later is recorded when one of them was answered or deleted.
	MostWaiting = 256
	// noteEvery is how old the times and the count on an object may become.
	noteEvery = 5 * time.Minute
)

// NetbootKey is the key of a machine that was heard: by the card that boots, or by its BMC's.
func NetbootKey(m ingot.NetbootMachine) Key {
	if m.BMC {
		return bmcMACKey(m.MACAddress)
	}
	return macKey(m.MACAddress)
}

// BMCAt is the key of the BMC at an address.
func BMCAt(address string) (Key, bool) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", false
	}
	e, ok := parse(onPort("redfish", a, 0, 0))
	return bmcKey(e), ok
}

// Worth says whether an object is made of a machine that asked to boot, beside so many that wait.
func Worth(r ingot.NetbootRequests, waiting int) bool {
	return r.Requests >= leastRequests && waiting < MostWaiting
}

// Newer says whether what was heard is worth a write on an object that says so much. Where a BMC is matters at once.
func Newer(old *ingot.NetbootRequests, heard ingot.NetbootRequests) bool {
	return old == nil || old.Address != heard.Address && heard.Address != "" || heard.LastSeen.Sub(old.LastSeen.Time) >= noteEvery
}

// FromNetboot is the object of a machine that asked to boot.
func FromNetboot(namespace, partition string, m ingot.NetbootMachine) *ingot.DiscoveredHost {
	o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "mac-" + strings.ReplaceAll(m.MACAddress, ":", "")}}
	o.Spec = ingot.DiscoveredHostSpec{Partition: partition, Source: ingot.SourceNetboot, BootMACAddress: m.MACAddress}
	if m.BMC {
		o.Name = "bmc-mac-" + strings.ReplaceAll(m.MACAddress, ":", "")
		o.Spec = ingot.DiscoveredHostSpec{Partition: partition, Source: ingot.SourceDHCP, BMCMACAddress: m.MACAddress, BMCIPAddress: m.Address}
	}
	return o
}
