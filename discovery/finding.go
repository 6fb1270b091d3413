package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Finding is what answered at one address, without a login.
type Finding struct {
	Address netip.Addr
	Redfish *RedfishRoot
	IPMI    *IPMIAnswer
}

// RedfishRoot is a Redfish service root (DSP0268). Texts are printable ASCII, bounded, and the service's word.
type RedfishRoot struct {
	Port                           uint16
	UUID, Vendor, Product, Version string
	// CertificateSHA256 is the digest of the certificate that was shown, lower-case hex; it was not verified.
	CertificateSHA256 string
}

// IPMIAnswer is what a BMC says of IPMI over LAN.
type IPMIAnswer struct {
	Port uint16
	// Version is 1.5 or 2.0.
	Version string
}

// The ports where nothing else is said.
const (
	portRedfish = 443
	portIPMI    = 623
)

// Found says whether a BMC answered.
func (f Finding) Found() bool { return f.Redfish != nil || f.IPMI != nil }

// BMCAddress is the address as a BareMetalHost has it. Of Redfish it is the one by which a machine boots from virtual media, since that needs no network card's address, which nobody knows yet.
func (f Finding) BMCAddress() string {
	switch {
	case f.Redfish != nil:
		return onPort("redfish-virtualmedia", f.Address, f.Redfish.Port, portRedfish)
	case f.IPMI != nil:
		return onPort("ipmi", f.Address, f.IPMI.Port, portIPMI)
	}
	return ""
}

func onPort(scheme string, a netip.Addr, port, usual uint16) string {
	if port != usual && port != 0 {
		return scheme + "://" + netip.AddrPortFrom(a, port).String()
	}
	if a.Is6() {
		return scheme + "://[" + a.String() + "]"
	}
	return scheme + "://" + a.String()
}

// Keys are what the machine may be known by: its BMC's place, with and without the port, and its UUID.
func (f Finding) Keys() []Key {
	all := keys([]string{f.BMCAddress(), onPort("redfish", f.Address, 0, 0)}, nil, "")
	if f.Redfish != nil && tellsUUID(f.Redfish.UUID) {
		all = append(all, uuidKey(f.Redfish.UUID))
	}
	return all
}

func (f Finding) uuid() string {
	if f.Redfish == nil || !tellsUUID(f.Redfish.UUID) {
		return ""
	}
	return strings.ToLower(f.Redfish.UUID)
}

// status is the finding on an object that says so much already.
func (f Finding) status(old *ingot.DiscoveredBMC, now time.Time) *ingot.DiscoveredBMC {
	at := metav1.NewTime(now.UTC().Truncate(time.Second))
	if f.Redfish == nil && old != nil && !old.Gone && old.IPAddress == f.Address.String() && slices.Contains(old.Protocols, "redfish") {
		// A BMC that starts answers by IPMI first, and one that is busy by IPMI only.
		s := old.DeepCopy()
		s.LastSeen = at
		return s
	}
	s := &ingot.DiscoveredBMC{Address: f.BMCAddress(), IPAddress: f.Address.String(), FirstSeen: at, LastSeen: at}
	if old != nil {
		s.FirstSeen, s.UUIDShared = old.FirstSeen, old.UUIDShared && f.Redfish != nil && strings.EqualFold(old.UUID, f.Redfish.UUID)
	}
	if r := f.Redfish; r != nil {
		s.Protocols = append(s.Protocols, "redfish")
		s.UUID, s.Vendor, s.Product, s.RedfishVersion, s.CertificateSHA256 = strings.ToLower(r.UUID), r.Vendor, r.Product, r.Version, r.CertificateSHA256
	}
	if i := f.IPMI; i != nil {
		s.Protocols = append(s.Protocols, "ipmi")
		s.IPMIVersion = i.Version
	}
	return s
}

// seenEvery is how old the time on an object of a BMC that says what it said before may become.
const seenEvery = time.Hour

// WorthBMC says whether what a BMC says is worth a write on an object that says so much.
func WorthBMC(old, heard *ingot.DiscoveredBMC) bool {
	if old == nil || heard.LastSeen.Sub(old.LastSeen.Time) >= seenEvery {
		return true
	}
	a, b := *old, *heard
	a.LastSeen, b.LastSeen, a.FirstSeen, b.FirstSeen = metav1.Time{}, metav1.Time{}, metav1.Time{}, metav1.Time{}
	return fmt.Sprint(a) != fmt.Sprint(b)
}

// MostScanned is how many machines of one partition that a scan found wait for an operator at once.
const MostScanned = 8192

// ScanFacts is all that is known beside one finding.
type ScanFacts struct {
	Namespace, Partition string
	Finding              Finding
	Now                  time.Time
	// Objects are the partition's finds that share a key with the finding, Hosts the hosts of any namespace that do, SameUUID the hosts whose record has its UUID.
	Objects         []*ingot.DiscoveredHost
	Hosts, SameUUID []*metal3.BareMetalHost
	// Waiting is how many that a scan found wait for an operator.
	Waiting int
	// Answered tells which UUID answered at an address in this pass.
	Answered func(netip.Addr) string
	// Over says that every address was asked, so that what did not answer at its old place is not there.
	Over bool
}

// ScanDecision is what a finding comes to.
type ScanDecision struct {
	// Create is a new object, with the status that it is to have; nil for none.
	Create *ingot.DiscoveredHost
	// Notes are statuses of objects that are there already.
	Notes []BMCNote
	// Later says that it is decided when the pass is over: a BMC with this UUID was elsewhere before, and may still be.
	Later bool
	// Dropped says that an object would have been made, had not so many been waiting already.
	Dropped bool
}

// BMCNote is what an object's status.bmc is to say.
type BMCNote struct {
	Object *ingot.DiscoveredHost
	BMC    *ingot.DiscoveredBMC
}

// Fold decides what becomes of a finding.
func Fold(f ScanFacts) ScanDecision {
	var d ScanDecision
	here, elsewhere, replaced := f.sort()
	moved, shared := f.elsewhere(elsewhere)
	if len(here) == 0 && (len(elsewhere) > 0 || len(f.SameUUID) > 0 && len(f.Hosts) == 0) && !f.Over {
		return ScanDecision{Later: true}
	}
	for _, o := range replaced {
		d.note(o, gone(o.Status.BMC))
	}
	mine := append(here, moved...)
	for _, o := range mine {
		s := f.Finding.status(o.Status.BMC, f.Now)
		s.UUIDShared = s.UUIDShared || shared
		d.note(o, s)
	}
	if shared {
		for _, o := range elsewhere {
			b := o.Status.BMC.DeepCopy()
			b.UUIDShared = true
			d.note(o, b)
		}
	}
	switch {
	case len(mine) > 0 || len(f.Hosts) > 0:
	case !shared && len(f.SameUUID) > 0:
	case f.Waiting >= MostScanned:
		d.Dropped = true
	default:
		d.Create = f.object(shared, len(replaced) > 0)
	}
	return d
}

func (d *ScanDecision) note(o *ingot.DiscoveredHost, b *ingot.DiscoveredBMC) {
	if WorthBMC(o.Status.BMC, b) {
		d.Notes = append(d.Notes, BMCNote{o, b})
	}
}

func gone(b *ingot.DiscoveredBMC) *ingot.DiscoveredBMC {
	b = b.DeepCopy()
	b.Gone = true
	return b
}

// sort tells the objects of this place from those of this UUID at another place, and from those whose BMC was here before.
func (f ScanFacts) sort() (here, elsewhere, replaced []*ingot.DiscoveredHost) {
	uuid := f.Finding.uuid()
	for _, o := range f.Objects {
		b := o.Status.BMC
		same := b != nil && uuid != "" && b.UUID == uuid
		switch {
		case b == nil:
			here = append(here, o)
		case b.IPAddress == f.Finding.Address.String() && !b.Gone:
			if uuid != "" && tellsUUID(b.UUID) && !same && o.Spec.Source != ingot.SourceList {
				replaced = append(replaced, o)
			} else {
				here = append(here, o)
			}
		case same:
			elsewhere = append(elsewhere, o)
		case uuid == "" || !tellsUUID(b.UUID):
			// A list or a DHCP request says that its BMC is here now, and nothing speaks against it.
			here = append(here, o)
		}
	}
	return here, elsewhere, replaced
}

// elsewhere says which objects' BMCs are here now, or that both answered in one pass and the UUID tells nothing.
func (f ScanFacts) elsewhere(objects []*ingot.DiscoveredHost) (moved []*ingot.DiscoveredHost, shared bool) {
	places := func(add func(netip.Addr)) {
		for _, o := range objects {
			if a, err := netip.ParseAddr(o.Status.BMC.IPAddress); err == nil {
				add(a)
			}
		}
		for _, h := range f.SameUUID {
			if e, ok := parse(h.Spec.BMC.Address); ok {
				if a, err := netip.ParseAddr(strings.Fields(e.host)[0]); err == nil {
					add(a)
				}
			}
		}
	}
	places(func(a netip.Addr) {
		if a != f.Finding.Address && f.Answered != nil && f.Answered(a) == f.Finding.uuid() {
			shared = true
		}
	})
	if shared {
		return nil, true
	}
	return objects, false
}

// object is a new find. One that is at an address that another had before has its UUID in its name.
func (f ScanFacts) object(shared, again bool) *ingot.DiscoveredHost {
	o := &ingot.DiscoveredHost{}
	o.Namespace = f.Namespace
	o.Spec = ingot.DiscoveredHostSpec{Partition: f.Partition, Source: ingot.SourceScan, BMCAddress: f.Finding.BMCAddress()}
	o.Name = nameOf(o.Spec)
	o.Status.BMC = f.Finding.status(nil, f.Now)
	o.Status.BMC.UUIDShared = shared
	if other := Renamed(o); again && other != nil {
		return other
	}
	return o
}

// Renamed is a new find under a name that has its UUID, for a place that another machine's find is called by; nil where the BMC told none.
func Renamed(o *ingot.DiscoveredHost) *ingot.DiscoveredHost {
	b := o.Status.BMC
	if b == nil || !tellsUUID(b.UUID) {
		return nil
	}
	other := o.DeepCopy()
	suffix := "-" + b.UUID[:8]
	const longest = 63
	other.Name = o.Name[:min(len(o.Name), longest-len(suffix))] + suffix
	return other
}
