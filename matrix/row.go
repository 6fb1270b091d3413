package matrix

// Role is a process or a party with an identity of its own.
type Role string

// The roles of Ingot and the outside parties it talks to.
const (
	APIServer  Role = "apiserver"
	Controller Role = "controller"
	Partition  Role = "partition"
	// Node is ingot-node, on each host whose firewall is enforced.
	Node       Role = "node"
	Boot       Role = "boot"
	Agent      Role = "agent"
	Machine    Role = "machine"
	BMC        Role = "bmc"
	Operator   Role = "operator"
	ImageStore Role = "image-store"
	NameServer Role = "name-server"
	// Auditor sends the audit trail to the archive, which is AuditArchive.
	Auditor      Role = "auditor"
	AuditArchive Role = "audit-archive"
	// TraceCollector takes the traces of what was done to hosts.
	TraceCollector Role = "trace-collector"
	// Console shows people the serial consoles of one site's machines.
	Console Role = "console"
	// Issuer says who people are, by OpenID Connect.
	Issuer Role = "issuer"
	// Switch is the switch that a machine is cabled to.
	Switch Role = "switch"

	// AnyRole stands for every role of a zone, and with AnyZone for anybody at all.
	AnyRole Role = "*"
)

// Zone is where a role stands.
type Zone string

// The zones.
const (
	ZoneControlPlane        Zone = "control-plane"
	ZonePartitionManagement Zone = "partition-management"
	ZoneProvisioning        Zone = "provisioning"
	ZoneBMC                 Zone = "bmc"
	ZoneOperator            Zone = "operator"
	ZoneOutside             Zone = "outside"

	// AnyZone stands for every zone, listed or not.
	AnyZone Zone = "*"
)

// Endpoint is one end of a flow.
type Endpoint struct {
	Role Role
	Zone Zone
}

// Anybody is the end that nothing is known of.
var Anybody = Endpoint{AnyRole, AnyZone}

func (e Endpoint) String() string { return string(e.Role) + "@" + string(e.Zone) }

// Scope says where a right that names no namespace holds.
type Scope string

const (
	// Everywhere is in all namespaces, and outside of them.
	Everywhere Scope = ""
	// HostNamespaces are the namespaces with BareMetalHosts. The right is bound in each of them, by a controller or an operator, and in no other.
	HostNamespaces Scope = "HostNamespaces"
)

// Right is what a caller may do at the API server over a flow. Empty Namespace: as Scope says.
type Right struct {
	Group     string
	Resources []string
	Verbs     []string
	Namespace string
	Scope     Scope
	// Names bound the right to objects of these names; empty: all. RBAC knows no name when an object is created.
	Names []string
	// Paths are of the API server itself ("/metrics"), for a right without Resources.
	Paths []string
}

// Row is one flow. The dialing side is From.
type Row struct {
	// ID is the row's number, like "7.1": stable, never used again.
	ID string
	// Name is what code calls the flow.
	Name FlowName
	From Endpoint
	To   Endpoint

	Protocol Protocol
	// Ports are the server's. Empty where the protocol has none, where the server's side chooses its own, and where all are meant.
	Ports Ports
	// ICMPTypes restrict icmp and icmpv6; empty is all.
	ICMPTypes []uint8
	// Application is what is spoken above Protocol; empty where there is nothing above it.
	Application Application

	Confidential, Integrity, Authenticated, Trusted Property
	// Identity is the certificate name that the dialing side shows, ServerIdentity the server's; empty where that side shows none.
	Identity       string
	ServerIdentity string
	Rights         []Right
	// Stages in which it may happen; empty: any.
	Stages  []string
	Purpose string
	Notes   string
	// Feature switches the flow on; empty: it is always there.
	Feature string
	// Section is the title of the table that the row is shown in; empty is the matrix's own.
	Section string
	// Reading names the one of several readings of a contradictory document that the row belongs to; empty: all of them.
	Reading string
	// Enforced says on which host the row opens something.
	Enforced Enforcement
	// Failsafe rows hold whatever other policies of a site say: they are looked at first. Each is written down; none is implied.
	Failsafe bool
	// Management marks the flows by which people or controllers reach a host to mend it. A host is never given rules that leave none.
	Management bool
}

// FlowName is a row's name in code.
type FlowName string

// Enforcement is the side on which a flow is let through. A matrix of our own hosts needs both: the server's ingress and the client's egress.
type Enforcement string

// The sides.
const (
	EnforcedBoth    Enforcement = ""
	EnforcedIngress Enforcement = "Ingress"
	EnforcedEgress  Enforcement = "Egress"
)

// Ingress says whether the server's host lets the flow in.
func (r Row) Ingress() bool { return r.Enforced != EnforcedEgress }

// Egress says whether the client's host lets the flow out.
func (r Row) Egress() bool { return r.Enforced != EnforcedIngress }
