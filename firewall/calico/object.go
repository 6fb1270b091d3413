package calico

import (
	"net/netip"
	"strconv"

	"github.com/ingotmetal/ingot/firewall/selector"
)

// APIVersion is the only one that is read.
const APIVersion = "projectcalico.org/v3"

// Objects is everything that a set of manifests declares, in the order in which it stands there.
type Objects struct {
	HostEndpoints []HostEndpoint
	// Policies holds all kinds of policy: Kind tells which.
	Policies []Policy
	// NetworkSets holds GlobalNetworkSets, and NetworkSets, which have a namespace.
	NetworkSets []NetworkSet
	Tiers       []Tier
	Profiles    []Profile
}

// Meta is the part of the metadata that means something.
type Meta struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
}

// HostEndpoint is an interface of a host, or all of them.
type HostEndpoint struct {
	Meta
	Node string
	// InterfaceName is at most 15 bytes, AllInterfaces, or empty: then the interface is the one that owns an expected IP.
	InterfaceName string
	// ExpectedIPs are the addresses by which selectors in rules find this endpoint: the interface's own and the virtual ones that may move to it.
	ExpectedIPs []netip.Addr
	Profiles    []string
	Ports       []NamedPort
}

// AllInterfaces as an interface name stands for every interface that has no endpoint of its own.
const AllInterfaces = "*"

// NamedPort gives a name to a port of an endpoint, for rules that name ports.
type NamedPort struct {
	Name     string
	Protocol Protocol
	Port     uint16
}

// Kind is a kind of policy.
type Kind string

// The kinds of policy. NetworkPolicies never apply to host endpoints, and staged ones are never enforced; both are read so that a site's files can
// be given as they are.
const (
	GlobalNetworkPolicy       Kind = "GlobalNetworkPolicy"
	NetworkPolicy             Kind = "NetworkPolicy"
	StagedGlobalNetworkPolicy Kind = "StagedGlobalNetworkPolicy"
	StagedNetworkPolicy       Kind = "StagedNetworkPolicy"
)

// Staged says whether the policy is a preview.
func (k Kind) Staged() bool { return k == StagedGlobalNetworkPolicy || k == StagedNetworkPolicy }

// Global says whether the policy can apply to host endpoints.
func (k Kind) Global() bool { return k == GlobalNetworkPolicy || k == StagedGlobalNetworkPolicy }

// Policy is a list of rules for each direction, and whom they apply to.
type Policy struct {
	Meta
	Kind Kind
	// Tier is DefaultTier where the manifest names none.
	Tier string
	// Order sorts policies within a tier, smallest first; nil is behind all others. Equal orders sort by Key.
	Order    *float64
	Selector selector.Selector
	// ForWorkloads is set where a namespace or service account selector restricts the policy to pods, which host endpoints are not.
	ForWorkloads bool
	// Types are the directions that the policy decides; filled by the default where the manifest has none.
	Types                               []Direction
	Ingress, Egress                     []Rule
	DoNotTrack, PreDNAT, ApplyOnForward bool
	// StagedDelete is set on a staged policy that previews a deletion.
	StagedDelete bool
}

// Key is what Calico sorts policies of equal order by.
func (p *Policy) Key() string { return p.Name + "/" + p.Namespace + "/" + string(p.Kind) }

// Direction is seen from the endpoint.
type Direction string

// The two directions.
const (
	Ingress Direction = "Ingress"
	Egress  Direction = "Egress"
)

// Action is what a rule does with a packet that matches it.
type Action string

// The actions. Log looks at the next rule, Pass at the next tier.
const (
	Allow Action = "Allow"
	Deny  Action = "Deny"
	Log   Action = "Log"
	Pass  Action = "Pass"
)

// Rule matches a packet where all of its criteria do.
type Rule struct {
	Action Action
	// IPVersion is 4, 6, or 0 for both.
	IPVersion             int
	Protocol, NotProtocol *Protocol
	ICMP, NotICMP         *ICMP
	Source, Destination   Peer
	// Annotations are the rule's metadata: FlowAnnotation names the row of the communication matrix.
	Annotations map[string]string
}

// FlowAnnotation on a rule is the ID of the row of the communication matrix that it came from.
const FlowAnnotation = "ingot.dev/flow"

// Peer is one side of a packet. Lists are alternatives; the zero Peer is anybody.
type Peer struct {
	Nets, NotNets         []netip.Prefix
	Selector, NotSelector *selector.Selector
	// GlobalOnly is namespaceSelector: global(): what belongs to no namespace.
	GlobalOnly      bool
	Ports, NotPorts []Port
}

// Protocol is an IP protocol by one of the six names of Calico, or by a number from 1 to 255.
type Protocol struct {
	// Name is empty for a protocol given as a number.
	Name   string
	Number uint8
}

func (p Protocol) String() string {
	if p.Name != "" {
		return p.Name
	}
	return strconv.Itoa(int(p.Number))
}

// Numbers of the protocols that have names or ports (IANA, Assigned Internet Protocol Numbers).
const (
	ProtocolICMP    = 1
	ProtocolTCP     = 6
	ProtocolUDP     = 17
	ProtocolICMPv6  = 58
	ProtocolSCTP    = 132
	ProtocolUDPLite = 136
)

// Port is a range, or the name of a port of endpoints.
type Port struct {
	Name     string
	Min, Max uint16
}

func (p Port) String() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Min == p.Max:
		return strconv.Itoa(int(p.Min))
	}
	return strconv.Itoa(int(p.Min)) + ":" + strconv.Itoa(int(p.Max))
}

// ICMP is a message type, 0 to 254, and perhaps a code, 0 to 255.
type ICMP struct {
	Type uint8
	Code *uint8
}

// NetworkSet is a labelled list of networks: it gives selectors a name for what is no endpoint.
type NetworkSet struct {
	Meta
	Nets []netip.Prefix
}

// Tier groups policies: a packet that no policy of a tier decides meets the tier's default action.
type Tier struct {
	Meta
	// Order sorts tiers, smallest first; nil is behind all others. Equal orders sort by name.
	Order *float64
	// DefaultAction is Deny or Pass. It counts only where a policy of the tier applies.
	DefaultAction Action
}

// DefaultTier holds policies that name no tier.
const DefaultTier = "default"

// Profile is a list of rules that an endpoint falls back to when no tier decides, and labels that it lends to the endpoint.
type Profile struct {
	Meta
	Ingress, Egress []Rule
	LabelsToApply   map[string]string
}

// DefaultAllow is the profile of automatic host endpoints: it allows everything. It exists without being declared.
const DefaultAllow = "projectcalico-default-allow"
