package v3

import "k8s.io/apimachinery/pkg/util/intstr"

// Action is what a rule does with a packet that matches it.
//
// +kubebuilder:validation:Enum=Allow;Deny;Log;Pass
type Action string

// Net is a network in CIDR notation, or one address. A pattern costs nothing of the API server's budget for expressions, which 2 × 1,024 rules of 4 × 256 networks would
// overdraw; what it lets through is seen by the decoder.
//
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:Pattern=`^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}(/(3[0-2]|[12]?[0-9]))?|[0-9a-fA-F]*:[0-9a-fA-F:.]*(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$`
type Net string

// NotNet is a Net that is not everything: a rule that excludes that could never match.
//
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:Pattern=`^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}(/(3[0-2]|[12][0-9]|[1-9]))?|[0-9a-fA-F]*:[0-9a-fA-F:.]*(/(12[0-8]|1[01][0-9]|[1-9][0-9]?))?)$`
type NotNet string

// Selector chooses endpoints and network sets by their labels.
//
// +kubebuilder:validation:MaxLength=1024
type Selector string

// Rule matches a packet where all of its criteria do. Criteria that a host firewall cannot have are in the schema to be refused.
//
// +kubebuilder:validation:XValidation:rule="!has(self.http)",fieldPath=".http",message="matches requests, which need an application proxy: a host firewall sees packets. Remove it"
// +kubebuilder:validation:XValidation:rule="!has(self.icmp) || (has(self.protocol) && (self.protocol == 'ICMP' || self.protocol == 'ICMPv6' || self.protocol == 1 || self.protocol == 58))",fieldPath=".icmp",message="needs protocol ICMP or ICMPv6 in the rule"
// +kubebuilder:validation:XValidation:rule="!has(self.notICMP) || (has(self.protocol) && (self.protocol == 'ICMP' || self.protocol == 'ICMPv6' || self.protocol == 1 || self.protocol == 58))",fieldPath=".notICMP",message="needs protocol ICMP or ICMPv6 in the rule"
// +kubebuilder:validation:XValidation:rule="!has(self.protocol) || !has(self.ipVersion) || !((self.protocol == 'ICMP' && self.ipVersion == 6) || (self.protocol == 'ICMPv6' && self.ipVersion == 4))",fieldPath=".ipVersion",message="ICMP is of IPv4, ICMPv6 of IPv6: want the other ipVersion, or the other protocol"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.source.ports) || (has(self.protocol) && (self.protocol == 'TCP' || self.protocol == 'UDP' || self.protocol == 'SCTP' || self.protocol == 6 || self.protocol == 17 || self.protocol == 132))",fieldPath=".source.ports",message="needs protocol TCP, UDP or SCTP in the rule: no other protocol has ports here"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.source.notPorts) || (has(self.protocol) && (self.protocol == 'TCP' || self.protocol == 'UDP' || self.protocol == 'SCTP' || self.protocol == 6 || self.protocol == 17 || self.protocol == 132))",fieldPath=".source.notPorts",message="needs protocol TCP, UDP or SCTP in the rule: no other protocol has ports here"
// +kubebuilder:validation:XValidation:rule="!has(self.destination) || !has(self.destination.ports) || (has(self.protocol) && (self.protocol == 'TCP' || self.protocol == 'UDP' || self.protocol == 'SCTP' || self.protocol == 6 || self.protocol == 17 || self.protocol == 132))",fieldPath=".destination.ports",message="needs protocol TCP, UDP or SCTP in the rule: no other protocol has ports here"
// +kubebuilder:validation:XValidation:rule="!has(self.destination) || !has(self.destination.notPorts) || (has(self.protocol) && (self.protocol == 'TCP' || self.protocol == 'UDP' || self.protocol == 'SCTP' || self.protocol == 6 || self.protocol == 17 || self.protocol == 132))",fieldPath=".destination.notPorts",message="needs protocol TCP, UDP or SCTP in the rule: no other protocol has ports here"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.source.nets) || size(self.source.nets) == 0 || !((has(self.ipVersion) && (self.ipVersion == 6) != self.source.nets[0].contains(':')) || (has(self.protocol) && ((self.protocol == 'ICMP' && self.source.nets[0].contains(':')) || (self.protocol == 'ICMPv6' && !self.source.nets[0].contains(':')))))",fieldPath=".source.nets",message="is of another family than ipVersion or protocol says: make two rules"
// +kubebuilder:validation:XValidation:rule="!has(self.destination) || !has(self.destination.nets) || size(self.destination.nets) == 0 || !((has(self.ipVersion) && (self.ipVersion == 6) != self.destination.nets[0].contains(':')) || (has(self.protocol) && ((self.protocol == 'ICMP' && self.destination.nets[0].contains(':')) || (self.protocol == 'ICMPv6' && !self.destination.nets[0].contains(':')))))",fieldPath=".destination.nets",message="is of another family than ipVersion or protocol says: make two rules"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.destination) || !has(self.source.nets) || size(self.source.nets) == 0 || ((!has(self.destination.nets) || size(self.destination.nets) == 0 || self.destination.nets[0].contains(':') == self.source.nets[0].contains(':')) && (!has(self.destination.notNets) || size(self.destination.notNets) == 0 || self.destination.notNets[0].contains(':') == self.source.nets[0].contains(':')))",fieldPath=".destination",message="has networks of another family than source.nets: make two rules"
type Rule struct {
	Action Action `json:"action"`
	// IPVersion restricts the rule to IPv4 or IPv6.
	// +kubebuilder:validation:Enum=4;6
	IPVersion *int32 `json:"ipVersion,omitempty"`
	// Protocol is TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite, or a number from 1 to 255.
	Protocol    *intstr.IntOrString `json:"protocol,omitempty"`
	NotProtocol *intstr.IntOrString `json:"notProtocol,omitempty"`
	ICMP        *ICMP               `json:"icmp,omitempty"`
	NotICMP     *ICMP               `json:"notICMP,omitempty"`
	Source      *EntityRule         `json:"source,omitempty"`
	Destination *EntityRule         `json:"destination,omitempty"`
	// HTTP is refused.
	HTTP     *Refused      `json:"http,omitempty"`
	Metadata *RuleMetadata `json:"metadata,omitempty"`
}

// ICMP is a message type, and perhaps a code.
type ICMP struct {
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=254
	Type *int32 `json:"type"`
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=255
	Code *int32 `json:"code,omitempty"`
}

// EntityRule is one side of a packet.
//
// +kubebuilder:validation:XValidation:rule="!has(self.services)",fieldPath=".services",message="names a Kubernetes Service, whose addresses only a cluster's data plane knows: name the endpoints by selector or nets"
// +kubebuilder:validation:XValidation:rule="!has(self.serviceAccounts)",fieldPath=".serviceAccounts",message="names Kubernetes service accounts, which only pods have: name the endpoints by selector or nets"
// +kubebuilder:validation:XValidation:rule="!has(self.domains)",fieldPath=".domains",message="names hosts by DNS, which a packet does not carry: name the endpoints by selector or nets"
// +kubebuilder:validation:XValidation:rule="!has(self.nets) || size(self.nets) == 0 || self.nets[0].contains(':') == self.nets[size(self.nets) - 1].contains(':')",fieldPath=".nets",message="has networks of both families: make two rules"
// +kubebuilder:validation:XValidation:rule="!has(self.notNets) || size(self.notNets) == 0 || self.notNets[0].contains(':') == self.notNets[size(self.notNets) - 1].contains(':')",fieldPath=".notNets",message="has networks of both families: make two rules"
type EntityRule struct {
	// +kubebuilder:validation:MaxItems=256
	Nets []Net `json:"nets,omitempty"`
	// +kubebuilder:validation:MaxItems=256
	NotNets     []NotNet `json:"notNets,omitempty"`
	Selector    Selector `json:"selector,omitempty"`
	NotSelector Selector `json:"notSelector,omitempty"`
	// NamespaceSelector is empty or global(): a host firewall knows no pods.
	// +kubebuilder:validation:Pattern=`^[ \t]*(global\([ \t]*\))?[ \t]*$`
	// +kubebuilder:validation:MaxLength=1024
	NamespaceSelector string `json:"namespaceSelector,omitempty"`
	// Ports are numbers from 0 to 65535, ranges like "80:90", and names of ports of endpoints.
	// +kubebuilder:validation:MaxItems=50
	Ports []intstr.IntOrString `json:"ports,omitempty"`
	// +kubebuilder:validation:MaxItems=50
	NotPorts []intstr.IntOrString `json:"notPorts,omitempty"`
	// Services is refused.
	Services *Refused `json:"services,omitempty"`
	// ServiceAccounts is refused.
	ServiceAccounts *Refused `json:"serviceAccounts,omitempty"`
	// Domains is refused.
	// +kubebuilder:validation:MaxItems=1024
	Domains []string `json:"domains,omitempty"`
}

// Refused is a field of Calico's that a host firewall can give no meaning to. It is in the schema so that it is refused with the reason, rather than dropped.
//
// +kubebuilder:pruning:PreserveUnknownFields
type Refused struct{}

// RuleMetadata is what is said about a rule. The annotation ingot.dev/flow is the row of the communication matrix that the rule came from.
type RuleMetadata struct {
	Annotations map[string]string `json:"annotations,omitempty"`
}
