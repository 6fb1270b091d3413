package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Firewall is a machine between networks: a Machine with the role Firewall, which is the Firewall's and has its name until it is replaced, and the rules by which it forwards. It stands in its project's namespace. Writers: tenants (spec),
// the controller role (status but applied, lastSeen, names and drops), the machine's ingot-node (those).
//
// Nothing is forwarded but what a rule allows. Rules can be changed at any time and hold within seconds, without a lost or a leaked packet; a flow that goes on under an earlier rule ends when no rule allows it any
// more. The machine itself is replaced by another one, for another image or size, or a broken host: it is installed beside the earlier one, takes its addresses over when it is healthy, and then the earlier one is given back.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fw,categories=ingot
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Rules",type=integer,JSONPath=`.status.rules`
// +kubebuilder:printcolumn:name="Applied",type=string,JSONPath=`.status.conditions[?(@.type=="RulesApplied")].status`
// +kubebuilder:printcolumn:name="Seen",type=date,JSONPath=`.status.lastSeen`
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=`.status.networks[*].addresses[*]`
// +kubebuilder:printcolumn:name="Replacement",type=string,JSONPath=`.status.replacement.phase`
// +kubebuilder:printcolumn:name="Machine",type=string,priority=1,JSONPath=`.status.machine`
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.status.host.name`
// +kubebuilder:printcolumn:name="Cards",type=string,priority=1,JSONPath=`.status.networks[*].nic.macAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name: it becomes the machine's hostname: use at most 63 of a-z, 0-9 and -"
type Firewall struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   FirewallSpec   `json:"spec"`
	Status FirewallStatus `json:"status,omitempty"`
}

// FirewallList is a list of Firewall.
//
// +kubebuilder:object:root=true
type FirewallList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Firewall `json:"items"`
}

// FirewallSpec is what a tenant asks for.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ingress) || self.ingress.all(r, !has(r.toFQDNs))",message="ingress: toFQDNs is for destinations outside: write prefixes under to"
// +kubebuilder:validation:XValidation:rule="!has(self.machine.size) || self.networks.all(n, !has(n.nic) || !has(n.nic.macAddress))",message="networks: nic.macAddress: any host of the size may be chosen: name the card by its switch, or a VLAN, or name machine.host"
type FirewallSpec struct {
	// Machine is what the firewall runs on. What is changed here counts for the next machine: see updateStrategy.
	Machine FirewallMachine `json:"machine"`
	// UpdateStrategy says when a change of machine, or of a network's nic, has the machine replaced: OnRequest when replaceRequest changes, Replace at once.
	// +optional
	// +kubebuilder:default=OnRequest
	UpdateStrategy FirewallUpdateStrategy `json:"updateStrategy,omitempty"`
	// ReplaceRequest has the machine replaced by another one each time that its value changes: write when, and why.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ReplaceRequest string `json:"replaceRequest,omitempty"`
	// CancelReplacement is the name of a new machine (status.replacement.machine) that is not wanted any more: the earlier one serves on. It is too late once the new one serves.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CancelReplacement string `json:"cancelReplacement,omitempty"`
	// Networks are those between which it forwards. External networks are outside; Child and Shared ones are inside.
	// +listType=map
	// +listMapKey=name
	// +listMapKey=namespace
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Networks []FirewallNetwork `json:"networks"`
	// Egress are the rules for what comes from inside networks. What goes from one inside network to another needs a rule of egress and one of ingress.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Egress []FirewallRule `json:"egress,omitempty"`
	// Ingress are the rules for what goes to inside networks.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Ingress []FirewallRule `json:"ingress,omitempty"`
	// DNS is for rules with toFQDNs.
	// +optional
	DNS *FirewallDNS `json:"dns,omitempty"`
	// DropLog has dropped packets told to a netlink group of the firewall's kernel, where ulogd or tcpdump -i nflog:GROUP reads them. status.drops has the latest whether or not it is there.
	// +optional
	DropLog *FirewallDropLog `json:"dropLog,omitempty"`
}

// FirewallUpdateStrategy says when a machine is replaced.
// +kubebuilder:validation:Enum=OnRequest;Replace
type FirewallUpdateStrategy string

// The strategies.
const (
	UpdateOnRequest FirewallUpdateStrategy = "OnRequest"
	UpdateByReplace FirewallUpdateStrategy = "Replace"
)

// FirewallMachine is what becomes the spec of the firewall's Machine; see MachineSpec.
//
// +kubebuilder:validation:XValidation:rule="has(self.size) != has(self.host)",message="size: name a size or a host, and not both"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || has(self.partition)",message="partition: name the partition in which a host of the size is looked for"
type FirewallMachine struct {
	// Size is the name of a Size: any host of it may be chosen.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Size string `json:"size,omitempty"`
	// Host is the one to have.
	// +optional
	Host *MachineHost `json:"host,omitempty"`
	// Partition is the site.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Partition string `json:"partition,omitempty"`
	// PlacementTags spread those machines of the project that share one over racks: a pair of firewalls, for example.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	PlacementTags []string `json:"placementTags,omitempty"`
	// Image is the name of an Image with the feature firewall, or a shorthand.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Image string `json:"image"`
	// SSHPublicKeys are lines as in authorized_keys, without options.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:Pattern=`^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com) [A-Za-z0-9+/]+=*( [^\n\r]*)?$`
	SSHPublicKeys []string `json:"sshPublicKeys,omitempty"`
	// UserData is the name of a Secret of the same namespace, whose key userData or value is given to the installed system as it is.
	// +optional
	UserData *MachineSecret `json:"userData,omitempty"`
	// DNSServers of the installed system; empty: the partition's, or else the networks'.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="write an IP address"
	DNSServers []string `json:"dnsServers,omitempty"`
	// NTPServers of the installed system, addresses or names; empty: the partition's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) || self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$')",message="write an IP address or a host name"
	NTPServers []string `json:"ntpServers,omitempty"`
}

// FirewallNetwork is a network that the firewall is in.
//
// +kubebuilder:validation:XValidation:rule="has(self.addresses) == has(oldSelf.addresses) && (!has(self.addresses) || self.addresses == oldSelf.addresses)",message="addresses: an installed firewall gets no other addresses: make another Firewall with them, and delete this one when that one is Ready; masquerade, oneToOne and newConnectionsPerSecond can be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.oneToOne) || self.oneToOne.all(p, has(self.addresses) && self.addresses.exists(a, a == p.ip) && self.addresses[0] != p.ip)",message="oneToOne: each ip is one of this network's addresses, and not the first, which is the firewall's own: name it there behind another"
type FirewallNetwork struct {
	// Name is the Network's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// Namespace is the Network's; empty: the firewall's own.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$`
	Namespace string `json:"namespace"`
	// Addresses are the names of IPs of the firewall's namespace; empty: one is made for each family that the network has, which goes with the firewall.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Addresses []string `json:"addresses,omitempty"`
	// NIC is by which of the machine's network cards the network comes. Each network of a firewall has a card of its own, or a VLAN of one. A change counts for the next machine.
	// +optional
	NIC *MachineNIC `json:"nic,omitempty"`
	// Masquerade are the families in which what goes from inside to this External network gets the firewall's own address in it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	Masquerade []IPFamily `json:"masquerade,omitempty"`
	// OneToOne has addresses of this External network stand for addresses inside, in both directions. A rule sees the address inside.
	// +optional
	// +listType=map
	// +listMapKey=ip
	// +kubebuilder:validation:MaxItems=16
	OneToOne []FirewallPair `json:"oneToOne,omitempty"`
	// NewConnectionsPerSecond is how many new connections may come from the network; empty: any number. A second's worth may come at once.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	NewConnectionsPerSecond int32 `json:"newConnectionsPerSecond,omitempty"`
}

// FirewallPair is an address outside and what it stands for.
type FirewallPair struct {
	// IP is the name of one of the network's addresses.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	IP string `json:"ip"`
	// To is an address in one of the inside networks.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="write an address like 10.0.0.5 or 2001:db8::5"
	To string `json:"to"`
}

// FirewallProtocol is what a rule is for.
// +kubebuilder:validation:Enum=Any;TCP;UDP;SCTP;ICMP
type FirewallProtocol string

// The protocols.
const (
	AnyProtocol  FirewallProtocol = "Any"
	TCPProtocol  FirewallProtocol = "TCP"
	UDPProtocol  FirewallProtocol = "UDP"
	SCTPProtocol FirewallProtocol = "SCTP"
	// ICMPProtocol is ICMP over IPv4 and ICMPv6 over IPv6.
	ICMPProtocol FirewallProtocol = "ICMP"
)

// FirewallRule allows what it matches. The order of rules means nothing.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.protocol in ['TCP', 'UDP', 'SCTP']",message="ports: only TCP, UDP and SCTP have ports: name one of them as protocol, or remove the ports"
// +kubebuilder:validation:XValidation:rule="!has(self.toFQDNs) || !has(self.to)",message="toFQDNs: the rule has destinations under to, too: make two rules of it"
// +kubebuilder:validation:XValidation:rule="!has(self.family) || ((!has(self.from) || self.from.exists(c, c.contains(':') == (self.family == 'IPv6'))) && (!has(self.to) || self.to.exists(c, c.contains(':') == (self.family == 'IPv6'))))",message="family: none of from, or none of to, is of it, and nothing would match: remove it, or write networks of the family"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.to) || (self.from.exists(c, c.contains(':')) && self.to.exists(c, c.contains(':'))) || (self.from.exists(c, !c.contains(':')) && self.to.exists(c, !c.contains(':')))",message="to: no network of from is of the same family as one of to, and nothing would match"
type FirewallRule struct {
	// Name is the rule's own in its list; it stands in counters, in what explain says and in status.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// Comment is for people.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Comment string `json:"comment,omitempty"`
	// Protocol is TCP, UDP, SCTP, ICMP or Any.
	Protocol FirewallProtocol `json:"protocol"`
	// Ports are destination ports, single ones or ranges like 8000-8100; empty: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=11
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[0-9]{1,5}(-[0-9]{1,5})?$') && self.split('-').all(p, int(p) >= 1 && int(p) <= 65535) && int(self.split('-')[0]) <= int(self.split('-')[self.split('-').size() - 1])",message="write a port from 1 to 65535, or a range like 8000-8100"
	Ports []string `json:"ports,omitempty"`
	// From are sources; empty: any. In an egress rule they are inside, in an ingress rule they are where packets come from.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="write a prefix like 10.0.0.0/16 or 2001:db8::/48, with no bits after its length"
	From []string `json:"from,omitempty"`
	// To are destinations; empty: any. Where an address stands for one inside (oneToOne), write the one inside.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="write a prefix like 10.0.0.0/16 or 2001:db8::/48, with no bits after its length"
	To []string `json:"to,omitempty"`
	// ToFQDNs are destinations by name, for egress: api.example.org, or *.example.org for all names below, and not for example.org. The firewall answers the DNS of its inside networks then: addresses that it
	// has told a client for the name may be connected to for as long as the answer holds, from one minute to an hour, and private and inside ones never.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^([*][.])?([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?[.])+[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$`
	ToFQDNs []string `json:"toFQDNs,omitempty"`
	// Family is the only one that the rule is for; empty: those of from and to, or both.
	// +optional
	Family IPFamily `json:"family,omitempty"`
	// NewConnectionsPerSecond is how many new connections the rule lets pass; empty: any number. A second's worth may come at once.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	NewConnectionsPerSecond int32 `json:"newConnectionsPerSecond,omitempty"`
}

// FirewallDNS says whom the firewall asks for clients inside, where rules have toFQDNs. Names that rules have it answers everybody inside; others only clients that a rule without names lets reach the server, port 53.
type FirewallDNS struct {
	// Servers are asked in their order; empty: the machine's dnsServers, or else the partition's, or else the networks'.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="write an IP address"
	Servers []string `json:"servers,omitempty"`
}

// FirewallDropLog says how dropped packets are told.
type FirewallDropLog struct {
	// Group is the netlink group (NFLOG) that they are told to.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Group int32 `json:"group"`
	// PacketsPerSecond is how many are told at most.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	PacketsPerSecond int32 `json:"packetsPerSecond,omitempty"`
}

// The conditions of a Firewall, beside Ready, which sums them up.
const (
	// FirewallMachineCondition is what the Machine's Ready says.
	FirewallMachineCondition = "MachineReady"
	// FirewallResolvedCondition says whether the networks may be used and the rules fit together; then status.networks has them.
	FirewallResolvedCondition = "Resolved"
	// FirewallAppliedCondition says whether the machine enforces the rules of this generation, and was seen lately.
	FirewallAppliedCondition = "RulesApplied"
	// FirewallReplacedCondition says how the replacement of the machine stands that is under way (False), or how the last one ended.
	FirewallReplacedCondition = "Replaced"
	// FirewallSpoofingCondition says whether no network can take addresses of another one: not where two share a network card.
	FirewallSpoofingCondition = "SourcesChecked"
)

// FirewallStatus is what became of it.
type FirewallStatus struct {
	// Host is the BareMetalHost of the Machine.
	Host *MachineHost `json:"host,omitempty"`
	// Machine is the name of the Firewall's Machine; empty: the Firewall's own.
	Machine string `json:"machine,omitempty"`
	// Term is the number of the right to answer for the Firewall's addresses, which grows each time that it changes hands; 0: it never did, and the Machine of the Firewall's name has it.
	Term int64 `json:"term,omitempty"`
	// Holder is the name of the Machine that has it; empty: between two machines nobody has.
	Holder string `json:"holder,omitempty"`
	// ReplaceRequest is the spec's that was fulfilled last.
	ReplaceRequest string `json:"replaceRequest,omitempty"`
	// Replacement is the one that is under way.
	Replacement *FirewallReplacement `json:"replacement,omitempty"`
	// Members is what each of the Firewall's machines says of itself, by the name of the Machine.
	// +optional
	Members map[string]FirewallMember `json:"members,omitempty"`
	// ResolvedGeneration is the generation of the spec that networks is of.
	ResolvedGeneration int64 `json:"resolvedGeneration,omitempty"`
	// Networks are those of the spec, with all that the machine has to know of them.
	// +optional
	// +listType=atomic
	Networks []FirewallNetworkStatus `json:"networks,omitempty"`
	// DNSServers are those that are asked for clients inside.
	// +optional
	// +listType=atomic
	DNSServers []string `json:"dnsServers,omitempty"`
	// Rules is how many rules there are.
	Rules int32 `json:"rules,omitempty"`
	// Applied is what the machine enforces; it says it itself.
	Applied *FirewallApplied `json:"applied,omitempty"`
	// LastSeen is when the machine reported last.
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
	// Drops are the latest that were refused.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Drops []FirewallDrop `json:"drops,omitempty"`
	// Names are those of toFQDNs that were asked for lately; the machine says it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Names []FirewallName `json:"names,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FirewallNetworkStatus is a network as the machine needs it.
type FirewallNetworkStatus struct {
	// Network is "namespace/name".
	Network string `json:"network"`
	// Inside says that it is one of those that the firewall protects.
	Inside bool `json:"inside,omitempty"`
	// Prefixes are what is reached through it: its own, and its destinationPrefixes.
	Prefixes []string `json:"prefixes"`
	// Addresses are the firewall's in it.
	Addresses []string `json:"addresses,omitempty"`
	// NIC is the card by which the machine has it; the machine finds it by its MAC address, and its VLAN. Empty for a machine that was not installed by Ingot: there the card is the one with the addresses.
	// +optional
	NIC *MachineNICStatus `json:"nic,omitempty"`
	// IPs are the names of the addresses' IPs.
	// +optional
	// +listType=atomic
	IPs []string `json:"ips,omitempty"`
	// MachineAddresses are the Machine's own in it, which stay with it; empty for the first machine of a Firewall, which was installed with the Firewall's.
	// +optional
	// +listType=atomic
	MachineAddresses []string `json:"machineAddresses,omitempty"`
	// Masquerade are the addresses that sources from inside get.
	Masquerade []string `json:"masquerade,omitempty"`
	// OneToOne are addresses that stand for others.
	OneToOne []FirewallPairStatus `json:"oneToOne,omitempty"`
}

// FirewallReplacement is another machine that is about to become the Firewall's.
type FirewallReplacement struct {
	// Machine is its name.
	Machine string `json:"machine"`
	// Host is its BareMetalHost.
	Host *MachineHost `json:"host,omitempty"`
	// Phase is Preparing (it is installed and looked at), Fencing (the earlier machine stops answering), TakingOver, Releasing (the earlier one is wiped), Returning (the new one stops answering) or Abandoning (the new one is wiped).
	Phase string `json:"phase"`
	// Since is when the phase began, Began when the replacement did.
	Since metav1.Time `json:"since"`
	Began metav1.Time `json:"began"`
	// Why is what asked for it: the replaceRequest, or what differs from the spec.
	Why string `json:"why,omitempty"`
	// Request is the spec's replaceRequest when it began.
	Request string `json:"request,omitempty"`
	// Earlier is the name of the machine that it replaces.
	Earlier string `json:"earlier,omitempty"`
	// Networks are where it has its networks.
	// +optional
	// +listType=atomic
	Networks []FirewallPlace `json:"networks,omitempty"`
}

// FirewallPlace is by which card a machine has a network, and its own addresses there.
type FirewallPlace struct {
	// Network is "namespace/name".
	Network   string            `json:"network"`
	NIC       *MachineNICStatus `json:"nic,omitempty"`
	Addresses []string          `json:"addresses,omitempty"`
}

// FirewallMember is what one of the Firewall's machines says.
type FirewallMember struct {
	// Term is the latest of status.term that it acted on, and Holds whether it answers for the addresses since.
	Term  int64 `json:"term"`
	Holds bool  `json:"holds"`
	// Generation is that of the Firewall whose rules its kernel has, and Problem why it has no later ones.
	Generation int64       `json:"generation"`
	Problem    string      `json:"problem,omitempty"`
	LastSeen   metav1.Time `json:"lastSeen"`
}

// FirewallPairStatus is an address outside and one inside.
type FirewallPairStatus struct {
	Outside string `json:"outside"`
	Inside  string `json:"inside"`
}

// FirewallApplied is what a machine enforces.
type FirewallApplied struct {
	// Generation is that of the Firewall whose rules are enforced.
	Generation int64 `json:"generation"`
	// Digest is SHA-256 of the ruleset, in hexadecimal digits.
	Digest string `json:"digest"`
	// Interfaces are the network cards by network, as "namespace/name=eth0".
	Interfaces []string `json:"interfaces,omitempty"`
	// SharedInterfaces are the networks whose card another one has, too.
	SharedInterfaces []string `json:"sharedInterfaces,omitempty"`
	// Problem is why a later generation is not enforced; the last good one stays.
	Problem string `json:"problem,omitempty"`
}

// FirewallName is a name that a rule has, and what it was told to be.
type FirewallName struct {
	Name string `json:"name"`
	// Addresses are some of those that may be connected to now.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Addresses []string `json:"addresses,omitempty"`
	// Until is when the last of them goes, if nobody asks again.
	Until *metav1.Time `json:"until,omitempty"`
	// Answers is how many were given since the machine's ingot-node began.
	Answers int64 `json:"answers,omitempty"`
	// Refused is how many were not: they had private or inside addresses, or there was no room. Problem says of the latest why.
	Refused int64  `json:"refused,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// FirewallDrop is somebody who was refused.
type FirewallDrop struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Protocol string `json:"protocol"`
	Port     int32  `json:"port,omitempty"`
	Packets  int64  `json:"packets"`
	// By is what refuses it under the rules of now.
	By   string      `json:"by"`
	Last metav1.Time `json:"last"`
}
