package claim

// State is whether a host can be had.
type State string

// The states.
const (
	// Offered: clean, to spec, and nobody's.
	Offered State = "Offered"
	// Held by a request, until its wipe was proved.
	Held State = "Held"
	// NotReady: on its way, broken, or leaving. Host.Why says which.
	NotReady State = "NotReady"
)

// Role is what a machine is for.
type Role string

// The roles.
const (
	Machine  Role = "machine"
	Firewall Role = "firewall"
)

// Host is a host as far as the choice needs it.
type Host struct {
	// Name is unique: "namespace/name".
	Name string
	// Namespace is the one that policies open; only where requests have Within or Open.
	Namespace string
	Partition string
	Size      string
	// Rack is what hosts are spread over; hosts without one share the rack "".
	Rack string
	// Labels are what selectors look at.
	Labels map[string]string
	Taints []Taint
	// Cordoned is why the host takes nobody new; empty: it does.
	Cordoned string
	State    State
	// Why says why a host is not ready.
	Why string
	// Holder is the request that has the host; only where State is Held.
	Holder Holder
}

// owner is a project or a tenant: what counts are kept of.
type owner struct {
	tenant bool
	name   string
}

// owners are the project and, where there is one, its tenant.
func owners(project, tenant string) []owner {
	if tenant == "" {
		return []owner{{name: project}}
	}
	return []owner{{name: project}, {tenant: true, name: tenant}}
}

func (o owner) String() string {
	if o.tenant {
		return "tenant " + o.name
	}
	return "project " + o.name
}

// Holder is who has a host.
type Holder struct {
	// Request is the request's ID.
	Request string
	Project string
	// Tenant is whose project it is; empty: nobody's.
	Tenant string
	Role   Role
	// Placement are the request's placement tags.
	Placement []string
}

// Taint keeps requests away that do not tolerate it.
type Taint struct{ Key, Value string }

// Toleration lets a request have tainted hosts. An empty Value tolerates every value of the key.
type Toleration struct{ Key, Value string }

func (t Toleration) covers(x Taint) bool {
	return t.Key == x.Key && (t.Value == "" || t.Value == x.Value)
}

// Request asks for one host.
type Request struct {
	// ID is unique, and stays the same when the request is asked again.
	ID      string
	Project string
	// Tenant is whose project it is; empty: nobody's.
	Tenant    string
	Role      Role
	Partition string
	Size      string
	// Host asks for this one; Partition and Size may then be empty.
	Host string
	// Labels that the host must have, with these values.
	Labels map[string]string
	// Where are further demands on the host's labels.
	Where []Requirement
	// Prefer are labels that the host should rather have than not; only where neither size nor partition is asked for.
	Prefer map[string]string
	// Within is the one namespace in which the host may be; empty: any.
	Within string
	// Open says of hosts' namespaces why the request may not have their hosts, an empty text where it may; a namespace that is missing is closed. It is what Open made of policies;
	// nil: the request is under none, and names size and partition, or a host.
	Open map[string]string
	// Placement tags spread the project's machines that share them over racks, before the project's others.
	Placement   []string
	Tolerations []Toleration
}

// Reservation holds hosts of a size back for a project, or for all projects of a tenant.
type Reservation struct {
	Name string
	// Project may be empty: it is then for any of the Tenant's. With a Project, Tenant is whose that is: what the project holds on it fills no reservation of the tenant beside it.
	Project, Tenant string
	Size            string
	// Partitions in which the hosts may be; at least one.
	Partitions []string
	// Amount is how many they may count on, those that they hold included.
	Amount int
}

// Quota bounds what a project or a tenant holds. A negative number is no bound.
type Quota struct{ Machines, Firewalls int }

// Unbounded is the quota of a project that has none.
var Unbounded = Quota{-1, -1}

// Within is the smaller bound of each of two quotas that both hold.
func (q Quota) Within(o Quota) Quota {
	return Quota{stricter(q.Machines, o.Machines), stricter(q.Firewalls, o.Firewalls)}
}

func stricter(a, b int) int {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}

// Of is the bound for a role; negative: none.
func (q Quota) Of(r Role) int {
	if r == Firewall {
		return q.Firewalls
	}
	return q.Machines
}
