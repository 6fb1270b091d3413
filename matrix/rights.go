package matrix

import (
	"cmp"
	"slices"
)

// Namespaces that rights are bounded to. They are api/v1alpha1's BootNamespace and BMCNamespace, and internal/install's SystemNamespace; tests there hold them together.
const (
	bootNamespace   = "ingot-boot"
	systemNamespace = "ingot-system"
	bmcNamespace    = "ingot-bmc"
	// consoleNamespace is api/v1alpha1's ConsoleNamespace.
	consoleNamespace = "ingot-console"
)

const (
	coreGroup   = ""
	metal3Group = "metal3.io"

	metal3IPAMGroup  = "ipam.metal3.io"
	clusterIPAMGroup = "ipam.cluster.x-k8s.io"

	ingotGroup  = "ingot.dev"
	calicoGroup = "projectcalico.org"
	certsGroup  = "certificates.k8s.io"
	rbacGroup   = "rbac.authorization.k8s.io"
)

// hostBinding is the name of the ClusterRole with the partition role's rights in namespaces with hosts, and of the RoleBindings to it; package identity makes it of the role's group.
const hostBinding = "ingot:partition:host-namespaces"

// Verbs as RBAC writes them.
var (
	read     = []string{"get", "list", "watch"}
	change   = []string{"get", "list", "watch", "update", "patch"}
	own      = []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	set      = []string{"get", "update", "patch"}
	note     = []string{"get", "list", "watch", "patch"}
	leads    = []string{"get", "create", "update"}
	announce = []string{"create", "patch"}
)

// operatorRights is everything: finer ones (Admin, Edit, View) are for the accounts that an operator makes.
func operatorRights() []Right {
	return []Right{
		{Group: "*", Resources: []string{"*"}, Verbs: []string{"*"}},
		{Paths: []string{"*"}, Verbs: []string{"*"}},
	}
}

// partitionRights. The BMC Secrets of hosts stand in the hosts' namespaces, which are the operators' to choose: it reads those whose name a host gives, labels and holds them, there and in no other namespace; it can
// neither list, make nor delete any. An admission policy keeps it from making a host where it does not have that right yet, so that it cannot give the right to itself.
func partitionRights() []Right {
	return slices.Concat([]Right{
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "patch"}, Scope: HostNamespaces},
		// Where it has that.
		{Group: rbacGroup, Resources: []string{"rolebindings"}, Verbs: []string{"list", "watch"}, Names: []string{hostBinding}},
		{Group: ingotGroup, Resources: []string{"partitions"}, Verbs: read},
		{Group: ingotGroup, Resources: []string{"partitions/status"}, Verbs: []string{"patch"}},
		{Group: ingotGroup, Resources: []string{"filesystemlayouts"}, Verbs: read},
		// The first certificate of a Firewall's machine, which the controller role approves for the Firewall's own host.
		{Group: certsGroup, Resources: []string{"certificatesigningrequests"}, Verbs: []string{"get", "create"}},
		{Group: coreGroup, Resources: []string{"events"}, Verbs: announce},
		{Group: "events.k8s.io", Resources: []string{"events"}, Verbs: announce},
		// Who an operator is and what they may read is the API server's word.
		{Group: "authentication.k8s.io", Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{Group: "authorization.k8s.io", Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},

		{Group: ingotGroup, Resources: []string{"bootwindows"}, Verbs: []string{"get", "list", "watch", "create", "delete"}, Namespace: bootNamespace},
		{Group: ingotGroup, Resources: []string{"bootwindows/status"}, Verbs: []string{"patch"}, Namespace: bootNamespace},
		{Group: ingotGroup, Resources: []string{"bootwindows/finalizers"}, Verbs: []string{"update"}, Namespace: bootNamespace},
		{Group: ingotGroup, Resources: []string{"netbootrecords"}, Verbs: read, Namespace: bootNamespace},
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "delete"}, Namespace: bootNamespace},

		// The accounts that it makes at BMCs. It lists them to find those whose host is gone.
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "create", "update", "delete"}, Namespace: bmcNamespace},

		// The CA of its agents.
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "create"}, Namespace: systemNamespace},
		{Group: "coordination.k8s.io", Resources: []string{"leases"}, Verbs: leads, Namespace: systemNamespace},
	}, hostRights())
}

// hostRights are those at hosts and what hangs on them, wherever they stand. A finalizer's right is to name its object as an owner that waits.
func hostRights() []Right {
	held := []string{"update"}
	return []Right{
		// An admission policy keeps what it makes to hosts of accepted DiscoveredHosts, on which nothing runs.
		{Group: metal3Group, Resources: []string{"baremetalhosts"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Group: metal3Group, Resources: []string{"baremetalhosts/status"}, Verbs: []string{"update", "patch"}},
		{Group: metal3Group, Resources: []string{"baremetalhosts/finalizers", "hardwaredata/finalizers"}, Verbs: held},
		// It makes those of machines that asked to boot; an admission policy keeps it from accepting one.
		{Group: ingotGroup, Resources: []string{"discoveredhosts"}, Verbs: []string{"get", "list", "watch", "create"}},
		{Group: ingotGroup, Resources: []string{"discoveredhosts/status"}, Verbs: []string{"patch"}},
		{Group: metal3Group, Resources: []string{"dataimages", "bmceventsubscriptions"}, Verbs: note},
		{Group: metal3Group, Resources: []string{"dataimages/status", "bmceventsubscriptions/status"}, Verbs: []string{"patch"}},
		{Group: metal3Group, Resources: []string{"hardwaredata"}, Verbs: own},
		// What the firmware should be set to is the operators' word: this role makes the objects, adopts them, and writes what it read.
		{Group: metal3Group, Resources: []string{"hostfirmwaresettings", "hostfirmwarecomponents"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Group: metal3Group, Resources: []string{"hostfirmwaresettings/status", "hostfirmwarecomponents/status"}, Verbs: []string{"patch"}},
		{Group: metal3Group, Resources: []string{"hostupdatepolicies"}, Verbs: read},
		{Group: metal3Group, Resources: []string{"firmwareschemas"}, Verbs: []string{"get", "list", "watch", "create", "delete"}},
		{Group: ingotGroup, Resources: []string{"hostlifecycles"}, Verbs: []string{"get", "list", "watch", "create", "patch", "delete"}},
		{Group: ingotGroup, Resources: []string{"hostlifecycles/status", "hostlifecycles/finalizers"}, Verbs: held},
	}
}

// bootRights hold no Secret but the boot tokens, which are the only ones in that namespace. All that this role writes is what it heard from unknown machines.
func bootRights() []Right {
	return []Right{
		{Group: ingotGroup, Resources: []string{"partitions"}, Verbs: read},
		{Group: ingotGroup, Resources: []string{"bootwindows"}, Verbs: read, Namespace: bootNamespace},
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: read, Namespace: bootNamespace},
		// An admission policy keeps it to its own partition's.
		{Group: ingotGroup, Resources: []string{"netbootrecords"}, Verbs: []string{"get", "create", "update"}, Namespace: bootNamespace},
	}
}

func controllerRights() []Right {
	return []Right{
		// An admission policy keeps it to what claims carry to their hosts.
		{Group: metal3Group, Resources: []string{"baremetalhosts"}, Verbs: change},
		{Group: metal3Group, Resources: []string{"hardwaredata", "hostdeploypolicies"}, Verbs: read},
		// It makes those of Machines.
		{Group: metal3Group, Resources: []string{"hostclaims"}, Verbs: own},
		{Group: metal3Group, Resources: []string{"hostclaims/status"}, Verbs: set},
		{Group: coreGroup, Resources: []string{"namespaces"}, Verbs: read},
		// Addresses: what asks for them is read, its status and the finalizers of what gives them are written, and records and address objects are its own. A static IP is taken from its owner.
		{Group: ingotGroup, Resources: []string{"networks"}, Verbs: change},
		// It makes and deletes those of Machines.
		{Group: ingotGroup, Resources: []string{"ips"}, Verbs: own},
		{Group: ingotGroup, Resources: []string{"networks/status", "networks/finalizers", "ips/status"}, Verbs: set},
		{Group: ingotGroup, Resources: []string{"addressrecords"}, Verbs: own},
		{Group: metal3IPAMGroup, Resources: []string{"ippools"}, Verbs: change},
		{Group: metal3IPAMGroup, Resources: []string{"ipclaims"}, Verbs: change},
		{Group: metal3IPAMGroup, Resources: []string{"ippools/status", "ippools/finalizers", "ipclaims/status", "ipclaims/finalizers"}, Verbs: set},
		{Group: metal3IPAMGroup, Resources: []string{"ipaddresses"}, Verbs: own},
		{Group: clusterIPAMGroup, Resources: []string{"ipaddressclaims"}, Verbs: change},
		{Group: clusterIPAMGroup, Resources: []string{"ipaddressclaims/status", "ipaddressclaims/finalizers"}, Verbs: set},
		{Group: clusterIPAMGroup, Resources: []string{"ipaddresses"}, Verbs: own},
		// Whether a cluster is paused.
		{Group: "cluster.x-k8s.io", Resources: []string{"clusters"}, Verbs: []string{"get"}},
		// It reads the Secrets that claims name. Those that it makes, changes and deletes have a type of their own, to which an admission policy keeps it.
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "update", "delete"}},
		{Group: ingotGroup, Resources: []string{"partitions", "hostlifecycles", "discoveredhosts"}, Verbs: read},
		// It makes and deletes those of Firewalls.
		{Group: ingotGroup, Resources: []string{"machines"}, Verbs: own},
		{Group: ingotGroup, Resources: []string{"firewalls"}, Verbs: change},
		{Group: ingotGroup, Resources: []string{"firewalls/status"}, Verbs: set},
		// It asks for the keys by which firewalls join the mesh, and expels those of an earlier installation. A key's text is in no object of these.
		{Group: ingotGroup, Resources: []string{"meshkeys"}, Verbs: []string{"get", "list", "create", "delete"}},
		{Group: ingotGroup, Resources: []string{"meshnodes"}, Verbs: []string{"get", "list", "delete"}},
		// It lets the node of each Firewall read that one: admission policies keep what it makes to that. The API server keeps it to rights that it has itself.
		{Group: rbacGroup, Resources: []string{"roles"}, Verbs: []string{"get", "create"}},
		{Group: rbacGroup, Resources: []string{"rolebindings"}, Verbs: []string{"get"}},
		{Group: ingotGroup, Resources: []string{"machines/status", "quotas/status", "sizereservations/status"}, Verbs: set},
		{Group: ingotGroup, Resources: []string{"quotas", "sizereservations"}, Verbs: read},
		// What a site offers is the operators' word; this role says how it is. An admission policy keeps the label that it writes on hosts to their size.
		{Group: ingotGroup, Resources: []string{"sizes", "images", "imagetrusts", "filesystemlayouts"}, Verbs: read},
		{Group: ingotGroup, Resources: []string{"sizes/status", "images/status", "imagetrusts/status", "filesystemlayouts/status"}, Verbs: set},
		// It lets the partition role read Secrets in the namespaces with hosts, by one binding in each: an admission policy keeps it to that. RBAC knows no name when an object is made.
		{Group: rbacGroup, Resources: []string{"rolebindings"}, Verbs: []string{"get", "list", "watch", "patch", "delete"}, Names: []string{hostBinding}},
		{Group: rbacGroup, Resources: []string{"rolebindings"}, Verbs: []string{"create"}},
		{Group: rbacGroup, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}, Names: []string{hostBinding}},
		{Group: ingotGroup, Resources: []string{"communicationmatrices"}, Verbs: read},
		{Group: ingotGroup, Resources: []string{"communicationmatrices/status"}, Verbs: set},
		{Group: calicoGroup, Resources: []string{"globalnetworkpolicies", "globalnetworksets", "hostendpoints"}, Verbs: own},
		// A tier is shared by matrices, and without policies it means nothing: it goes with the last matrix that owns it.
		{Group: calicoGroup, Resources: []string{"tiers"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch"}},
		{Group: calicoGroup, Resources: otherPolicies, Verbs: read},
		// An admission policy keeps it to what the controller says of a host: which generation it has reached the host through.
		{Group: calicoGroup, Resources: []string{"hostendpoints/status"}, Verbs: set},
		// An admission policy keeps it to requests that nodes make for their own next certificate.
		{Group: certsGroup, Resources: []string{"certificatesigningrequests"}, Verbs: read},
		{Group: certsGroup, Resources: []string{"certificatesigningrequests/approval"}, Verbs: []string{"update", "patch"}},
		{Group: certsGroup, Resources: []string{"signers"}, Verbs: []string{"approve"}},
		{Group: coreGroup, Resources: []string{"events"}, Verbs: announce},
		{Group: "events.k8s.io", Resources: []string{"events"}, Verbs: announce},
		{Group: "coordination.k8s.io", Resources: []string{"leases"}, Verbs: own, Namespace: systemNamespace},
	}
}

// otherPolicies are the kinds that a host firewall reads and no matrix is compiled to.
var otherPolicies = []string{"networkpolicies", "networksets", "profiles", "stagedglobalnetworkpolicies", "stagednetworkpolicies"}

// nodeRights: a node reads all policies, since any of them may be about it, and writes its own endpoints' status, which an admission policy holds it to. It asks for its next
// certificate; what is signed is its own name, or nothing.
func nodeRights() []Right {
	return []Right{
		// The matrix says which rows are for mending the host, and gives a refused packet its row.
		{Group: ingotGroup, Resources: []string{"communicationmatrices"}, Verbs: read},
		{Group: calicoGroup, Resources: []string{"globalnetworkpolicies", "globalnetworksets", "hostendpoints", "tiers"}, Verbs: read},
		{Group: calicoGroup, Resources: otherPolicies, Verbs: read},
		{Group: calicoGroup, Resources: []string{"hostendpoints/status"}, Verbs: set},
		{Group: certsGroup, Resources: []string{"certificatesigningrequests"}, Verbs: []string{"create", "get"}},
		// Events about objects that are in no namespace stand in this one.
		{Group: coreGroup, Resources: []string{"events"}, Verbs: announce, Namespace: "default"},
		{Group: "events.k8s.io", Resources: []string{"events"}, Verbs: announce, Namespace: "default"},
	}
}

// firewallRights: no policy of the site is a firewall's business. What it reads and writes is its own Firewall, by a Role for that one object. It asks for its next certificate.
func firewallRights() []Right {
	return []Right{{Group: certsGroup, Resources: []string{"certificatesigningrequests"}, Verbs: []string{"create", "get"}}}
}

// Permission is what the processes of one role may do in one namespace, or where Scope says when Namespace is empty.
type Permission struct {
	Role      Role
	Namespace string
	Scope     Scope
	Rights    []Right
}

// Permissions gathers the rights of a matrix by role, namespace and scope, sorted.
func Permissions(rows []Row) []Permission {
	type key struct {
		role      Role
		namespace string
		scope     Scope
	}
	byKey := map[key]*Permission{}
	var all []*Permission
	for _, row := range rows {
		for _, right := range row.Rights {
			k := key{row.From.Role, right.Namespace, right.Scope}
			p := byKey[k]
			if p == nil {
				p = &Permission{Role: k.role, Namespace: k.namespace, Scope: k.scope}
				byKey[k] = p
				all = append(all, p)
			}
			p.Rights = append(p.Rights, right)
		}
	}
	sorted := make([]Permission, 0, len(all))
	for _, p := range all {
		sorted = append(sorted, *p)
	}
	slices.SortFunc(sorted, func(x, y Permission) int {
		return cmp.Or(cmp.Compare(x.Role, y.Role), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Scope, y.Scope))
	})
	return sorted
}
