package v1alpha1

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Limits of one CommunicationMatrix. The API server stores objects of at most 1.5 MiB (etcd's limit on a request). A flow with all its words takes about 250
// bytes, hence MatrixMaxFlows; whoever has more splits the matrix into parts (see CommunicationMatrixSpec.Extends), of which a site may have any number.
const (
	MatrixMaxFlows = 5000
	MatrixMaxRoles = 1000
	MatrixMaxZones = 256
	MatrixMaxHosts = 1000
	// MatrixMaxFindings bounds status.findings; status.counts.findings says how many there are.
	MatrixMaxFindings = 100
)

// CommunicationMatrix is a system's flows, each once: who talks to whom, over which protocol and port, how it is protected and what for. Policies, host firewalls,
// identities and rights are compiled from it. Package matrix of Ingot says what each field means; the file that the CLI reads has this same form.
//
// Writers: people (spec), the controller role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=matrix,categories=ingot
// +kubebuilder:printcolumn:name="Title",type=string,JSONPath=`.spec.title`
// +kubebuilder:printcolumn:name="Flows",type=integer,JSONPath=`.status.counts.flows`
// +kubebuilder:printcolumn:name="Roles",type=integer,JSONPath=`.status.counts.roles`
// +kubebuilder:printcolumn:name="Findings",type=integer,JSONPath=`.status.counts.findings`
// +kubebuilder:printcolumn:name="Hosts",type=integer,JSONPath=`.status.counts.hosts`
// +kubebuilder:printcolumn:name="Enforced",type=integer,JSONPath=`.status.hostsEnforced`
// +kubebuilder:printcolumn:name="Extends",type=string,priority=1,JSONPath=`.spec.extends`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="the name becomes a label: at most 63 of a-z, 0-9 and -"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.extends) || self.spec.extends != self.metadata.name",message="a part extends another matrix, not itself"
type CommunicationMatrix struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   CommunicationMatrixSpec   `json:"spec"`
	Status CommunicationMatrixStatus `json:"status,omitempty"`
}

// CommunicationMatrixList is a list of CommunicationMatrix.
//
// +kubebuilder:object:root=true
type CommunicationMatrixList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []CommunicationMatrix `json:"items"`
}

// MatrixName names a zone, a plane, a role, a host, or a flow: RFC 1123's label, since it becomes labels, chains and object names.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
type MatrixName string

// MatrixEnd is one end of a flow, "role@zone". "*@zone" is every role of a zone, "role@*" a role in any zone, and "*@*" anybody.
// +kubebuilder:validation:MaxLength=127
// +kubebuilder:validation:Pattern=`^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)@(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$`
type MatrixEnd string

// MatrixNetwork is an IPv4 or IPv6 prefix like 10.0.0.0/8.
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:Pattern=`^[0-9a-fA-F:.]+/[0-9]{1,3}$`
type MatrixNetwork string

// MatrixAddress is an IPv4 or IPv6 address.
// +kubebuilder:validation:MaxLength=45
// +kubebuilder:validation:Pattern=`^[0-9a-fA-F:.]+$`
type MatrixAddress string

// MatrixText is a label in a person's words: a title, a purpose, a reason.
// +kubebuilder:validation:MaxLength=1024
type MatrixText string

// MatrixProtocol is what a flow speaks on the wire: a name, or the number of an IP protocol that has none here ("112" is VRRP).
// +kubebuilder:validation:MaxLength=8
// +kubebuilder:validation:Pattern=`^(tcp|udp|sctp|udplite|icmp|icmpv6|lldp|arp|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$`
type MatrixProtocol string

// MatrixApplication is what a flow speaks above its protocol.
// +kubebuilder:validation:Enum=HTTP;HTTPS;TLS;TCP;UDP;SSH;gRPC;Redfish;IPMI;DHCP;DHCPv6;PXE;TFTP;DNS;NTP;Syslog;BGP;VRRP;WireGuard;STUN;VXLAN;LLDP;ARP;NDP;Ping;Postgres;Redis;RethinkDB;etcd;Salt
type MatrixApplication string

// MatrixState is what a security cell says. A cell that is not there is blank: nobody answered.
// +kubebuilder:validation:Enum=Holds;Excepted;Unknown
type MatrixState string

// MatrixEnforcement is the side on which a flow is let through: Ingress is the server's, Egress the client's, absent is both.
// +kubebuilder:validation:Enum=Ingress;Egress
type MatrixEnforcement string

// CommunicationMatrixSpec is a matrix, or a part of one.
//
// +kubebuilder:validation:XValidation:rule="!has(self.extends) || (!has(self.title) && !has(self.text))",message="a part has no title and no text: the matrix that it extends has them"
type CommunicationMatrixSpec struct {
	// Extends makes this object a part of the matrix with that name: its zones, roles, hosts and flows are added to it. Empty: a matrix of its own.
	Extends MatrixName `json:"extends,omitempty"`
	// Title is the matrix's name for people.
	Title MatrixText `json:"title,omitempty"`
	// Text says where the matrix comes from and what it leaves out.
	// +kubebuilder:validation:MaxLength=8192
	Text string `json:"text,omitempty"`
	// Zones are the places that the flows speak of.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=name
	Zones []MatrixZone `json:"zones,omitempty"`
	// Roles are the processes and outside parties that the flows speak of.
	// +kubebuilder:validation:MaxItems=1000
	// +listType=map
	// +listMapKey=name
	Roles []MatrixRole `json:"roles,omitempty"`
	// Hosts are the machines that have the roles, where they are known.
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	Hosts []MatrixHost `json:"hosts,omitempty"`
	// Flows are the rows. The list is replaced as a whole: the API server's record of who wrote which field would double the object otherwise.
	// +kubebuilder:validation:MaxItems=5000
	// +listType=atomic
	Flows []MatrixFlow `json:"flows,omitempty"`
}

// MatrixZone is a place.
type MatrixZone struct {
	Name  MatrixName `json:"name"`
	Title MatrixText `json:"title,omitempty"`
	// Plane is the network that joins zones; empty: one of the zone's own, with its name.
	Plane MatrixName `json:"plane,omitempty"`
	// Networks are the zone's addresses, where they are known.
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	Networks []MatrixNetwork `json:"networks,omitempty"`
	// Outside zones hold no hosts of ours: nothing is enforced there.
	Outside bool `json:"outside,omitempty"`
	// Unlisted zones stand for a gap: the document says "unknown" or "various" there.
	Unlisted bool `json:"unlisted,omitempty"`
}

// MatrixRole is a process, or a party with an identity of its own.
type MatrixRole struct {
	Name    MatrixName `json:"name"`
	Title   MatrixText `json:"title,omitempty"`
	Purpose MatrixText `json:"purpose,omitempty"`
	// Networks are an outside party's addresses, where they are known.
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	Networks []MatrixNetwork `json:"networks,omitempty"`
	// Outside parties are not ours: nothing is enforced there, and no certificate is issued to them.
	Outside bool `json:"outside,omitempty"`
}

// MatrixHost is a machine.
type MatrixHost struct {
	Name MatrixName `json:"name"`
	// Interfaces are its places in zones.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Interfaces []MatrixInterface `json:"interfaces,omitempty"`
}

// MatrixInterface is a host's place in a zone.
type MatrixInterface struct {
	// Name is the kernel's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	Name string     `json:"name"`
	Zone MatrixName `json:"zone"`
	// Roles are those that the host has here.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Roles []MatrixName `json:"roles,omitempty"`
	// Addresses are the interface's own.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Addresses []MatrixAddress `json:"addresses,omitempty"`
	// Virtual are addresses that may move to it (VRRP).
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Virtual []MatrixAddress `json:"virtual,omitempty"`
}

// MatrixFlow is one row; its From opens the connection.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.protocol in ['tcp', 'udp', 'sctp', 'udplite']",message="only tcp, udp, sctp and udplite have ports"
// +kubebuilder:validation:XValidation:rule="!has(self.icmpTypes) || self.protocol in ['icmp', 'icmpv6']",message="only icmp and icmpv6 have ICMP types"
type MatrixFlow struct {
	// ID is the row's number, like "7.1": stable, never used again.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`
	ID string `json:"id"`
	// Name is what code and other objects call the flow.
	Name MatrixName `json:"name"`
	From MatrixEnd  `json:"from"`
	To   MatrixEnd  `json:"to"`

	Protocol MatrixProtocol `json:"protocol"`
	// Ports are the server's: numbers, and ranges like "30000-32767". Absent: none, or all.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	Ports []MatrixPort `json:"ports,omitempty"`
	// ICMPTypes restrict icmp and icmpv6. Absent: all.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	ICMPTypes []MatrixICMPType `json:"icmpTypes,omitempty"`
	// Application is what is spoken above the protocol.
	Application MatrixApplication `json:"application,omitempty"`

	// Confidential: encrypted.
	Confidential *MatrixProperty `json:"confidential,omitempty"`
	// Integrity: protected against change.
	Integrity *MatrixProperty `json:"integrity,omitempty"`
	// Authenticated: each side knows who the other is.
	Authenticated *MatrixProperty `json:"authenticated,omitempty"`
	// Trusted: crosses trusted networks only.
	Trusted *MatrixProperty `json:"trusted,omitempty"`

	// Identity is the certificate name that the dialing side shows, ServerIdentity the server's.
	// +kubebuilder:validation:MaxLength=253
	Identity string `json:"identity,omitempty"`
	// +kubebuilder:validation:MaxLength=253
	ServerIdentity string `json:"serverIdentity,omitempty"`
	// Rights are what the caller may do at the API server over this flow.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Rights []MatrixRight `json:"rights,omitempty"`
	// Stages of a machine's life in which it may happen. Absent: any.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Stages []MatrixName `json:"stages,omitempty"`

	Purpose MatrixText `json:"purpose,omitempty"`
	Notes   MatrixText `json:"notes,omitempty"`
	// Feature switches the flow on. Absent: it is always there.
	Feature MatrixText `json:"feature,omitempty"`
	// Section is the title of the table that the row is shown in.
	Section MatrixText `json:"section,omitempty"`
	// Reading names the one of several readings of a contradictory document that the row belongs to. Absent: all of them.
	Reading MatrixName `json:"reading,omitempty"`
	// Enforced says on which host the row opens something. Absent: on both.
	Enforced MatrixEnforcement `json:"enforced,omitempty"`
	// Failsafe rows hold whatever other policies say.
	Failsafe bool `json:"failsafe,omitempty"`
	// Management marks the flows by which people or controllers reach a host to mend it.
	Management bool `json:"management,omitempty"`
}

// MatrixPort is a port (443) or a range of them ("30000-32767"): a number or a string in JSON.
//
// +kubebuilder:validation:XIntOrString
// +kubebuilder:validation:MaxLength=11
// +kubebuilder:validation:Pattern=`^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$`
// +kubebuilder:validation:XValidation:rule="type(self) == string || (self >= 1 && self <= 65535)",message="a port is 1 to 65535"
type MatrixPort intstr.IntOrString

// ParseMatrixPort makes a number of a text that is one as people write it, and keeps every other text. Whether it is a port is the reader's to check.
func ParseMatrixPort(text string) MatrixPort {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && strconv.FormatInt(n, 10) == text {
		return MatrixPort(intstr.FromInt32(int32(n)))
	}
	return MatrixPort(intstr.FromString(text))
}

// String is "443" or "30000-32767".
func (p MatrixPort) String() string { return (*intstr.IntOrString)(&p).String() }

// MarshalJSON writes a number or a string.
func (p MatrixPort) MarshalJSON() ([]byte, error) { return intstr.IntOrString(p).MarshalJSON() }

// UnmarshalJSON reads a number or a string.
func (p *MatrixPort) UnmarshalJSON(text []byte) error {
	return (*intstr.IntOrString)(p).UnmarshalJSON(text)
}

// MatrixICMPType is a type of ICMP or ICMPv6.
// +kubebuilder:validation:Minimum=0
// +kubebuilder:validation:Maximum=255
type MatrixICMPType int32

// MatrixProperty is a security cell: it holds, and how; or it is an exception, and why and within which bound; or nobody knows.
//
// +kubebuilder:validation:XValidation:rule="!has(self.bound) || self.state == 'Excepted'",message="bounds are for exceptions"
// +kubebuilder:validation:XValidation:rule="!has(self.how) || self.state != 'Unknown'",message="what is unknown has no how: say Holds or Excepted"
type MatrixProperty struct {
	State MatrixState `json:"state"`
	// How it holds ("mutual TLS"), or why it does not.
	How MatrixText `json:"how,omitempty"`
	// Bound is what limits an exception.
	Bound MatrixText `json:"bound,omitempty"`
}

// MatrixRight is what a caller may do at the API server: verbs on resources of a group, or on paths.
//
// +kubebuilder:validation:XValidation:rule="has(self.resources) != has(self.paths)",message="a right is to resources or to paths, one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.paths) || !has(self.__namespace__)",message="paths have no namespace"
type MatrixRight struct {
	// Group is the API group; empty is the core group.
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=atomic
	Resources []string `json:"resources,omitempty"`
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=32
	// +listType=atomic
	Verbs []string `json:"verbs"`
	// Namespace bounds the right; empty: as scope says.
	Namespace MatrixName `json:"namespace,omitempty"`
	// Scope bounds a right without a namespace: HostNamespaces are those with BareMetalHosts, in each of which the right is bound by itself. Empty: all namespaces.
	Scope MatrixScope `json:"scope,omitempty"`
	// Names bound the right to objects of these names; empty: all. They cannot bound the verb create.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	Names []string `json:"names,omitempty"`
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=atomic
	Paths []string `json:"paths,omitempty"`
}

// MatrixScope says where a right without a namespace holds.
// +kubebuilder:validation:Enum=HostNamespaces
type MatrixScope string

// CommunicationMatrixStatus is what the controller found.
type CommunicationMatrixStatus struct {
	// ObservedGeneration is the generation of the spec that the rest speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: "Accepted" (the matrix, its parts included, has a meaning), "Compiled" (its policies are in the API), "Enforced" (every host has confirmed the rules that
	// follow from it).
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Counts are those of the whole matrix, its parts included.
	Counts MatrixCounts `json:"counts,omitempty"`
	// HostsEnforced is how many of counts.hosts have confirmed the rules that follow from the matrix now.
	HostsEnforced int32 `json:"hostsEnforced,omitempty"`
	// Findings are the first that lint names, the worst first.
	// +kubebuilder:validation:MaxItems=100
	// +listType=atomic
	Findings []MatrixFinding `json:"findings,omitempty"`
}

// MatrixCounts says how much there is.
type MatrixCounts struct {
	Zones    int32 `json:"zones"`
	Roles    int32 `json:"roles"`
	Hosts    int32 `json:"hosts"`
	Flows    int32 `json:"flows"`
	Findings int32 `json:"findings"`
}

// MatrixFinding is one thing that somebody should look at.
type MatrixFinding struct {
	// Code is lint's, for programs.
	Code string `json:"code"`
	// Severity is lint's.
	Severity string `json:"severity"`
	// Flows are the IDs of the rows that it speaks of, the first 16.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Flows []string `json:"flows,omitempty"`
	// What was found, Why it matters, and what can be done (Fix).
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Fix  string `json:"fix,omitempty"`
}
