// Package discovery decides what becomes of a machine that was found: whether a host is it already, whether an operator wants it, and what host is made of it.
//
// It owns the phases of a DiscoveredHost, how one machine is told from another (Keys), the host that an accepted one becomes, and the lists that machines are imported from
// (ReadCSV, ReadYAML). It refuses the looking: who finds a machine writes a DiscoveredHost, and nothing here or after here talks to a machine before it is a host.
//
// Invariants: without an operator's accept no host is made; of one object at most one host is made, whatever crashes in between; no host is made of a machine that is one already;
// the host is in the object's own namespace, so that who may write there and nowhere else can't reach another namespace's Secrets.
package discovery

import (
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Facts is all that a decision may look at.
type Facts struct {
	Object *ingot.DiscoveredHost
	// Same are the hosts of any namespace that share one of the object's keys.
	Same []*metal3.BareMetalHost
	// SameUUID are those whose BMC or agent told the UUID that the object's BMC tells.
	SameUUID []*metal3.BareMetalHost
	// Named is the host of the namespace that has the name that was accepted; nil for none.
	Named *metal3.BareMetalHost
}

// Decision is what to write and what to make.
type Decision struct {
	// Make is the host to be made, nil for none.
	Make *metal3.BareMetalHost
	// Status is what the object says from now on; where a host is to be made, what it says when that was done, without the host's UID.
	Status ingot.DiscoveredHostStatus
}

// Decide is one look at an object.
func Decide(f Facts) Decision {
	o := f.Object
	s := ingot.DiscoveredHostStatus{ObservedGeneration: o.Generation, Netboot: o.Status.Netboot, BMC: o.Status.BMC}
	if o.Status.Host != nil {
		return Decision{Status: made(s, *o.Status.Host)}
	}
	// A crash between making the host and writing that down.
	for _, h := range append([]*metal3.BareMetalHost{f.Named}, f.Same...) {
		if h != nil && h.Namespace == o.Namespace && h.Annotations[ingot.DiscoveredFromAnnotation] == string(o.UID) {
			return Decision{Status: made(s, Reference(h))}
		}
	}
	twin, by := twinOf(o, f.Same)
	if twin == nil && len(f.SameUUID) > 0 && o.Status.BMC != nil {
		twin, by = f.SameUUID[0], describe(uuidKey(o.Status.BMC.UUID))
	}
	if twin != nil {
		r := Reference(twin)
		s.DuplicateOf = &r
	}
	switch {
	case o.Spec.Ignore:
		s.Phase, s.Message = ingot.DiscoveryIgnored, "an operator ignores this machine; remove spec.ignore to have it offered again"
	case o.Spec.Accept == nil && twin != nil:
		s.Phase, s.Message = ingot.DiscoveryDuplicate, fmt.Sprintf("host %s/%s is this machine: both have %s", twin.Namespace, twin.Name, by)
	case o.Spec.Accept == nil:
		s.Phase, s.Message = ingot.DiscoveryFound, "waits for an operator: `ingot discover accept "+o.Name+"` makes a host of it, `ingot discover ignore "+o.Name+"` leaves it alone"
	case twin != nil:
		s.Phase = ingot.DiscoveryRefused
		s.Message = fmt.Sprintf("no host is made: host %s/%s is this machine: both have %s; delete this object, or correct what is wrong in it or in the host", twin.Namespace, twin.Name, by)
	case f.Named != nil:
		s.Phase = ingot.DiscoveryRefused
		s.Message = fmt.Sprintf("no host is made: another host is called %s in this namespace; choose another spec.accept.name", f.Named.Name)
	default:
		return accept(o, s)
	}
	return Decision{Status: s}
}

func accept(o *ingot.DiscoveredHost, s ingot.DiscoveredHostStatus) Decision {
	h := hostOf(o)
	missing := ""
	switch {
	case h.Spec.BMC.Address == "" && o.Status.BMC != nil && o.Status.BMC.Gone:
		missing = "another BMC answers at " + o.Status.BMC.IPAddress + " now, and this one was seen nowhere else: give spec.accept.bmcAddress"
	case h.Spec.BMC.Address == "" && len(o.Spec.BMCIPAddress) > 0:
		missing = "its BMC at " + o.Spec.BMCIPAddress + " did not say yet what it speaks: give spec.accept.bmcAddress, or declare a range with it in the Partition's spec.discovery.bmcScan"
	case h.Spec.BMC.Address == "":
		missing = "its BMC's address is not known: give spec.accept.bmcAddress"
	case h.Spec.BMC.CredentialsName == "":
		missing = "no Secret is named: give spec.accept.credentialsName, a Secret of this namespace with the BMC's username and password"
	}
	if a := o.Spec.Accept; missing == "" && a.BMCCertificate != "" && !showsCertificate(h.Spec.BMC.Address) {
		missing = "a BMC at " + h.Spec.BMC.Address + " shows no certificate: leave out spec.accept.bmcCertificate, or give an address with https in spec.accept.bmcAddress"
	}
	if missing != "" {
		s.Phase, s.Message = ingot.DiscoveryRefused, "no host is made: "+missing
		return Decision{Status: s}
	}
	return Decision{Make: h, Status: made(s, Reference(h))}
}

// Refused is the status after the API server did not take the host, with its words.
func Refused(o *ingot.DiscoveredHost, why string) ingot.DiscoveredHostStatus {
	return ingot.DiscoveredHostStatus{
		ObservedGeneration: o.Generation, Netboot: o.Status.Netboot, BMC: o.Status.BMC, Phase: ingot.DiscoveryRefused, Message: "no host is made: the API server refuses it: " + why,
	}
}

// Waits is the status while the API server does not take the host yet, and will: what it said before of an older generation stands, with these words.
func Waits(o *ingot.DiscoveredHost, why string) ingot.DiscoveredHostStatus {
	s := *o.Status.DeepCopy()
	if s.Phase == "" {
		s.Phase = ingot.DiscoveryFound
	}
	s.Message = "accepted, and no host is made yet: " + why
	return s
}

func made(s ingot.DiscoveredHostStatus, host ingot.HostReference) ingot.DiscoveredHostStatus {
	s.Phase, s.Message, s.Host = ingot.DiscoveryAccepted, fmt.Sprintf("host %s/%s was made of it", host.Namespace, host.Name), &host
	return s
}

// Reference names a host.
func Reference(h *metal3.BareMetalHost) ingot.HostReference {
	return ingot.HostReference{Namespace: h.Namespace, Name: h.Name, UID: string(h.UID)}
}

// HostName is what the host that an object becomes is called.
func HostName(o *ingot.DiscoveredHost) string {
	if a := o.Spec.Accept; a != nil && a.Name != "" {
		return a.Name
	}
	return o.Name
}

// hostOf is the host that an accepted object becomes. It has no image and no consumer: what is to run there is said of the host.
func hostOf(o *ingot.DiscoveredHost) *metal3.BareMetalHost {
	a := *o.Spec.Accept
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{
		Namespace: o.Namespace, Name: HostName(o), Labels: map[string]string{ingot.PartitionLabel: o.Spec.Partition},
		Annotations: map[string]string{ingot.DiscoveredFromAnnotation: string(o.UID)},
	}}
	h.Spec.BMC = metal3.BMCDetails{Address: first(a.BMCAddress, foundAt(o)), CredentialsName: first(a.CredentialsName, o.Spec.CredentialsName)}
	h.Spec.BootMACAddress = first(a.BootMACAddress, o.Spec.BootMACAddress)
	h.Spec.BootMode = metal3.BootMode(o.Spec.BootMode)
	h.Spec.BMC.DisableCertificateVerification = a.DisableCertificateVerification
	if a.BMCCertificate != "" {
		h.Annotations[ingot.BMCCertificateAnnotation] = a.BMCCertificate
	}
	h.Spec.Online = a.Online
	return h
}

// showsCertificate: what is spoken at an address goes over TLS. An address without a scheme is IPMI's, as Metal3 has it.
func showsCertificate(address string) bool {
	scheme, _, ok := strings.Cut(address, "://")
	redfish := slices.ContainsFunc([]string{"redfish", "idrac", "ilo"}, func(s string) bool { return strings.HasPrefix(scheme, s) })
	return ok && redfish && !strings.HasSuffix(scheme, "+http")
}

// foundAt is the BMC's address as a host has it, empty where nobody said it.
func foundAt(o *ingot.DiscoveredHost) string {
	b := o.Status.BMC
	switch {
	case b == nil || o.Spec.Source == ingot.SourceList && o.Spec.BMCAddress != "":
		return o.Spec.BMCAddress
	case b.Gone:
		return ""
	}
	return b.Address
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
