package audit

// The groups of kinds, and of identities, that the default policy speaks of.
const (
	metal3Group = "metal3.io"
	ingotGroup  = "ingot.dev"
	calicoGroup = "projectcalico.org"
	rbacGroup   = "rbac.authorization.k8s.io"
	certsGroup  = "certificates.k8s.io"
)

// ownRoles are the groups of Ingot's own processes, whose steady work is no event.
var ownRoles = []string{"ingot:partition", "ingot:boot", "ingot:controller", "ingot:node"}

// DefaultPolicy keeps every change and every read of a Secret, and what was refused to anybody. It leaves out the steady work of the control plane and of Ingot's own roles: leases, events,
// status, reads. Changes of Secrets, of rights, and by people of what turns machines off or erases them are done only once an entry is on the disk; reads of Secrets once it is written.
func DefaultPolicy() Policy {
	reads := []string{"get", "list", "watch"}
	changes := []string{"create", "update", "patch", "delete", "deletecollection"}
	secrets := []Resources{{Group: "", Resources: []string{"secrets"}}}
	p := Policy{Rules: []Rule{
		{Name: "health, discovery and metrics", Paths: []string{"/livez*", "/readyz*", "/healthz*", "/openapi/*", "/version", "/version/", "/api", "/api/*", "/apis", "/apis/*", "/metrics"}, Keep: KeepFailures},
		// Not even failures: to look at one of them Kubernetes encodes every object that is written, and these are most of all writes.
		{Name: "leases and events", Resources: []Resources{{"coordination.k8s.io", []string{"leases"}}, {"", []string{"events"}}, {"events.k8s.io", nil}}, Keep: KeepNothing},
		// It is the server itself, which nobody outside can be; what it does before it is ready must not wait for the disk.
		{Name: "the server's reads of its own objects", Users: []string{"system:apiserver"}, Verbs: reads, Keep: KeepNothing},
		{Name: "the server's changes of its own objects", Users: []string{"system:apiserver"}, Keep: KeepEntry},
		{Name: "reads of Secrets", Verbs: reads, Resources: secrets, Keep: KeepEntry, Need: NeedWritten},
		{Name: "changes of Secrets", Verbs: changes, Resources: secrets, Keep: KeepEntry, Need: NeedDurable},
		{Name: "tokens", Resources: []Resources{{"", []string{"serviceaccounts/token"}}}, Keep: KeepEntry, Need: NeedDurable},
		{Name: "the trail itself", Paths: []string{"/audit/*"}, Keep: KeepEntry, Need: NeedWritten},
		{Name: "checks of tokens and rights", Resources: []Resources{{"authentication.k8s.io", nil}, {"authorization.k8s.io", nil}}, Keep: KeepFailures},
		{Name: "the control plane's controllers reading", Groups: []string{"system:serviceaccounts:kube-system"}, Verbs: reads, Keep: KeepFailures},
		{Name: "reads by Ingot's roles", Groups: ownRoles, Verbs: reads, Keep: KeepFailures},
		{
			Name: "status written by Ingot's roles", Groups: ownRoles, Keep: KeepFailures,
			Resources: []Resources{{"*", []string{"*/status"}}, {ingotGroup, []string{"bootwindows", "netbootrecords", "hostlifecycles"}}},
		},
		{Name: "changes by Ingot's roles", Groups: ownRoles, Keep: KeepEntry},
		{Name: "reads", Verbs: reads, Keep: KeepFailures},
		{Name: "rights", Verbs: changes, Resources: []Resources{{rbacGroup, nil}, {"admissionregistration.k8s.io", nil}, {certsGroup, nil}}, Keep: KeepChange, Need: NeedDurable},
		{Name: "the control plane's controllers", Groups: []string{"system:serviceaccounts:kube-system"}, Keep: KeepEntry},
		{Name: "hosts, machines, networks and firewalls", Verbs: changes, Resources: []Resources{{metal3Group, nil}, {ingotGroup, nil}, {calicoGroup, nil}, {"ipam.metal3.io", nil}, {"ipam.cluster.x-k8s.io", nil}}, Keep: KeepChange, Need: NeedDurable},
		{Name: "ConfigMaps", Resources: []Resources{{"", []string{"configmaps"}}}, Keep: KeepEntry},
		{Name: "everything else", Keep: KeepEntry},
	}}
	p.fill()
	return p
}
