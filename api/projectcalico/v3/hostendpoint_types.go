package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// RevisionAnnotation on an object that the controller made is the digest of all objects that it made from the same matrix. A node that has compiled a HostEndpoint's
// rules copies it into the endpoint's status.revision, so that it can be seen which hosts enforce what the matrix says now.
const RevisionAnnotation = "ingot.dev/revision"

// MatrixLabel on an object names the communication matrix that it was compiled from.
const MatrixLabel = "ingot.dev/matrix"

// HostEndpoint is an interface of a host, or all of them. Writers: the controller role or an operator (spec); the host's ingot-node (status, but for what is named as the
// controller's).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=hep;heps,categories=ingot
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.node`
// +kubebuilder:printcolumn:name="Interface",type=string,JSONPath=`.spec.interfaceName`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Generation",type=integer,JSONPath=`.status.generation`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.counters.refused`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type HostEndpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   HostEndpointSpec   `json:"spec"`
	Status HostEndpointStatus `json:"status,omitempty"`
}

// HostEndpointList is a list of HostEndpoint.
//
// +kubebuilder:object:root=true
type HostEndpointList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []HostEndpoint `json:"items"`
}

// HostEndpointSpec says which interface of which host.
//
// +kubebuilder:validation:XValidation:rule="has(self.interfaceName) || (has(self.expectedIPs) && size(self.expectedIPs) > 0)",message="needs interfaceName or expectedIPs: nothing says which interface is meant"
type HostEndpointSpec struct {
	// Node is the host's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node"`
	// InterfaceName is the kernel's name, or * for every interface that has no endpoint of its own.
	// +kubebuilder:validation:Pattern=`^(\*|[!#-)+-.0-9;-\[\]-~]{1,15})$`
	// +kubebuilder:validation:XValidation:rule="self != '.' && self != '..'",message="is no interface's name: want at most 15 bytes without space, slash, colon, quote and *"
	InterfaceName string `json:"interfaceName,omitempty"`
	// ExpectedIPs are the addresses by which selectors in rules find this endpoint: the interface's own, and virtual ones that may move to it.
	// +kubebuilder:validation:MaxItems=1024
	ExpectedIPs []Address `json:"expectedIPs,omitempty"`
	// Profiles decide where no tier does.
	// +kubebuilder:validation:MaxItems=1024
	Profiles []string `json:"profiles,omitempty"`
	// Ports gives names to ports, for rules that name ports.
	// +kubebuilder:validation:MaxItems=1024
	Ports []EndpointPort `json:"ports,omitempty"`
}

// Address is an IPv4 or IPv6 address.
//
// +kubebuilder:validation:MaxLength=45
// +kubebuilder:validation:XValidation:rule="isIP(self)",message="is no IP address, or has a zone, or is an IPv4 address in IPv6: write the plain address"
type Address string

// EndpointPort names a port.
//
// +kubebuilder:validation:XValidation:rule="self.protocol == 'TCP' || self.protocol == 'UDP' || self.protocol == 'SCTP' || self.protocol == 6 || self.protocol == 17 || self.protocol == 132",fieldPath=".protocol",message="has no ports: want TCP, UDP or SCTP"
type EndpointPort struct {
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]{0,127}[a-zA-Z_][a-zA-Z0-9_-]{0,127}$`
	Name string `json:"name"`
	// Protocol is TCP, UDP or SCTP, or their number.
	Protocol intstr.IntOrString `json:"protocol"`
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// HostEndpointPhase is where a host stands with the rules of an endpoint.
//
// +kubebuilder:validation:Enum=None;Trial;Confirmed;Reverted;Failed
type HostEndpointPhase string

// The phases.
const (
	// PhaseNone: there is no ruleset yet; everything passes.
	PhaseNone HostEndpointPhase = "None"
	// PhaseTrial: the new generation rules, and expires at the trial's deadline unless the controller reached the host through it.
	PhaseTrial HostEndpointPhase = "Trial"
	// PhaseConfirmed: the generation rules until another is tried.
	PhaseConfirmed HostEndpointPhase = "Confirmed"
	// PhaseReverted: a trial expired, and the generation before it rules again.
	PhaseReverted HostEndpointPhase = "Reverted"
	// PhaseFailed: the rules could not be compiled or applied; what ruled before still does.
	PhaseFailed HostEndpointPhase = "Failed"
)

// HostEndpointStatus is what the host says, but for Confirmed, which is the controller's.
type HostEndpointStatus struct {
	// Generation is the number of the ruleset that rules on the host now.
	// +kubebuilder:validation:Minimum=0
	Generation int64             `json:"generation,omitempty"`
	Phase      HostEndpointPhase `json:"phase,omitempty"`
	// Revision is the endpoint's annotation ingot.dev/revision at the time when Generation was compiled.
	// +kubebuilder:validation:MaxLength=128
	Revision string `json:"revision,omitempty"`
	// Trial is there while a generation is tried.
	Trial *Trial `json:"trial,omitempty"`
	// Confirmed is the generation on trial through which the controller has opened a new connection to the host. Only the controller sets it; a node takes it away when it
	// begins a trial, so that a number from an earlier life cannot confirm a later one.
	// +kubebuilder:validation:Minimum=0
	Confirmed int64 `json:"confirmed,omitempty"`
	// Drift is what is not as compiled: the kernel's rules, a listener, a flow, another manager of the firewall.
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	Drift    []Drift   `json:"drift,omitempty"`
	Counters *Counters `json:"counters,omitempty"`
	// Drops are the latest who were refused at this endpoint, the latest first. The host has all of them (`ingot node drops` there).
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Drops []Drop `json:"drops,omitempty"`
	// Rows are those rows of communication matrices that the host has rules for now, with what they have met. Like counters they are written with what is written anyway, and alone now and
	// then only.
	// +kubebuilder:validation:MaxItems=512
	// +listType=atomic
	Rows []RowTraffic `json:"rows,omitempty"`
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Trial is a generation that has to be confirmed.
type Trial struct {
	// +kubebuilder:validation:Minimum=1
	Generation int64 `json:"generation"`
	// Deadline is when the kernel takes the generation away by itself, by the host's clock.
	Deadline metav1.MicroTime `json:"deadline"`
}

// Drift is one difference between what was compiled and what is.
type Drift struct {
	// Kind is a word of the node's: Kernel, Listener, Flow, Manager, Unused.
	// +kubebuilder:validation:MaxLength=64
	Kind string `json:"kind"`
	// What is for people.
	// +kubebuilder:validation:MaxLength=1024
	What string `json:"what"`
	// Row is the row of the matrix that it is about, where there is one.
	// +kubebuilder:validation:MaxLength=253
	Row string `json:"row,omitempty"`
}

// Counters count the endpoint's new connections and packets since the host booted.
type Counters struct {
	Refused  int64 `json:"refused"`
	Accepted int64 `json:"accepted"`
}

// RowTraffic says whether a row of a communication matrix has met packets on the host. Times are by the host's clock, to the minute.
type RowTraffic struct {
	// Matrix is the name of the CommunicationMatrix, where the policies say so (label ingot.dev/matrix).
	// +kubebuilder:validation:MaxLength=253
	Matrix string `json:"matrix,omitempty"`
	// Row is the row's number.
	// +kubebuilder:validation:MaxLength=253
	Row string `json:"row"`
	// Since is when the host first had rules for it.
	Since metav1.Time `json:"since"`
	// Last is when a new connection met it last; not there: none did.
	Last *metav1.Time `json:"last,omitempty"`
}

// Drop is who was refused, by what, and what would let it pass. It is one for all packets from one address to one address and port.
type Drop struct {
	// From and To are addresses.
	// +kubebuilder:validation:MaxLength=64
	From string `json:"from"`
	// +kubebuilder:validation:MaxLength=64
	To string `json:"to"`
	// Who is behind From, as far as policies name it: an endpoint or a set.
	// +kubebuilder:validation:MaxLength=512
	Who string `json:"who,omitempty"`
	// Protocol is tcp, udp, icmp and so on, or the protocol's number.
	// +kubebuilder:validation:MaxLength=64
	Protocol string `json:"protocol"`
	// Port is the destination's; 0 where the protocol has none.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// Hook is where the packet was refused: input, output or forward.
	// +kubebuilder:validation:MaxLength=64
	Hook string `json:"hook,omitempty"`
	// Interface is the one that it came in by, or was to go out by.
	// +kubebuilder:validation:MaxLength=64
	Interface string `json:"interface,omitempty"`
	// By is the rule, or the tier's end, that refuses it.
	// +kubebuilder:validation:MaxLength=1024
	By string `json:"by"`
	// Policies are those behind By: the one whose rule it is, or all of the tier that apply there.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	Policies []string `json:"policies,omitempty"`
	// Row is the row of the matrix that the rule is of, where there is one.
	// +kubebuilder:validation:MaxLength=253
	Row string `json:"row,omitempty"`
	// +kubebuilder:validation:Minimum=0
	Packets int64 `json:"packets"`
	// Last is when the latest packet was refused, by the host's clock.
	Last metav1.Time `json:"last"`
	// Fix says which row would allow it, or what to add.
	// +kubebuilder:validation:MaxLength=1024
	Fix string `json:"fix"`
}
