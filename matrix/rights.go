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
)

const (
	coreGroup   = ""
	metal3Group = "metal3.io"
	ingotGroup  = "ingot.dev"
	calicoGroup = "projectcalico.org"
	certsGroup  = "certificates.k8s.io"
)

// Verbs as RBAC writes them.
var (
	read     = []string{"get", "list", "watch"}
	change   = []string{"get", "list", "watch", "update", "patch"}
	own      = []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	set      = []string{"get", "update", "patch"}
	announce = []string{"create", "update", "patch"}
)

// operatorRights is everything: finer ones (Admin, Edit, View) are for the accounts that an operator makes.
func operatorRights() []Right {
	return []Right{
		{Group: "*", Resources: []string{"*"}, Verbs: []string{"*"}},
		{Paths: []string{"*"}, Verbs: []string{"*"}},
	}
}

// partitionRights. The BMC Secrets of hosts stand in the hosts' namespaces, which are the operators' to choose, hence Secrets everywhere; it can read those whose name a
// host gives, label and adopt them, but neither list, make nor delete any there.
func partitionRights() []Right {
	return []Right{
		// An admission policy keeps what it makes to hosts of accepted DiscoveredHosts, on which nothing runs.
		{Group: metal3Group, Resources: []string{"baremetalhosts"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch"}},
		// It makes those of machines that asked to boot; an admission policy keeps it from accepting one.
		{Group: ingotGroup, Resources: []string{"discoveredhosts"}, Verbs: []string{"get", "list", "watch", "create"}},
		{Group: ingotGroup, Resources: []string{"discoveredhosts/status"}, Verbs: set},
		{Group: metal3Group, Resources: []string{"baremetalhosts/status", "baremetalhosts/finalizers"}, Verbs: set},
		{Group: metal3Group, Resources: []string{"dataimages"}, Verbs: change},
		{Group: metal3Group, Resources: []string{"dataimages/status"}, Verbs: set},
		{Group: metal3Group, Resources: []string{"bmceventsubscriptions"}, Verbs: change},
		{Group: metal3Group, Resources: []string{"bmceventsubscriptions/status"}, Verbs: set},
		{Group: metal3Group, Resources: []string{"hardwaredata"}, Verbs: own},
		{Group: metal3Group, Resources: []string{"hardwaredata/finalizers"}, Verbs: set},
		// What the firmware should be set to is the operators' word: this role makes the objects, adopts them, and writes what it read.
		{Group: metal3Group, Resources: []string{"hostfirmwaresettings"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Group: metal3Group, Resources: []string{"hostfirmwaresettings/status"}, Verbs: []string{"patch"}},
		{Group: metal3Group, Resources: []string{"hostfirmwarecomponents"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Group: metal3Group, Resources: []string{"hostfirmwarecomponents/status"}, Verbs: []string{"patch"}},
		{Group: metal3Group, Resources: []string{"hostupdatepolicies"}, Verbs: read},
		{Group: metal3Group, Resources: []string{"firmwareschemas"}, Verbs: []string{"get", "list", "watch", "create", "delete"}},
		{Group: ingotGroup, Resources: []string{"hostlifecycles"}, Verbs: own},
		{Group: ingotGroup, Resources: []string{"hostlifecycles/status", "hostlifecycles/finalizers"}, Verbs: set},
		{Group: ingotGroup, Resources: []string{"partitions"}, Verbs: read},
		{Group: ingotGroup, Resources: []string{"partitions/status"}, Verbs: set},
		{Group: ingotGroup, Resources: []string{"filesystemlayouts"}, Verbs: read},
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: set},
		{Group: coreGroup, Resources: []string{"events"}, Verbs: announce},
		{Group: "events.k8s.io", Resources: []string{"events"}, Verbs: announce},
		// Who an operator is and what they may read is the API server's word.
		{Group: "authentication.k8s.io", Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{Group: "authorization.k8s.io", Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},

		{Group: ingotGroup, Resources: []string{"bootwindows"}, Verbs: own, Namespace: bootNamespace},
		{Group: ingotGroup, Resources: []string{"bootwindows/status", "bootwindows/finalizers"}, Verbs: set, Namespace: bootNamespace},
		{Group: ingotGroup, Resources: []string{"netbootrecords"}, Verbs: read, Namespace: bootNamespace},
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"create", "delete"}, Namespace: bootNamespace},

		// The accounts that it makes at BMCs. It lists them to find those whose host is gone.
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"list", "create", "delete"}, Namespace: bmcNamespace},

		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"create"}, Namespace: systemNamespace},
		{Group: "coordination.k8s.io", Resources: []string{"leases"}, Verbs: own, Namespace: systemNamespace},
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
		{Group: metal3Group, Resources: []string{"hostclaims"}, Verbs: change},
		{Group: metal3Group, Resources: []string{"hostclaims/status"}, Verbs: set},
		{Group: coreGroup, Resources: []string{"namespaces"}, Verbs: read},
		// It reads the Secrets that claims name. Those that it makes, changes and deletes have a type of their own, to which an admission policy keeps it.
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "update", "delete"}},
		{Group: ingotGroup, Resources: []string{"partitions", "hostlifecycles"}, Verbs: read},
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

// Permission is what the processes of one role may do in one namespace, or everywhere when Namespace is empty.
type Permission struct {
	Role      Role
	Namespace string
	Rights    []Right
}

// Permissions gathers the rights of a matrix by role and namespace, sorted.
func Permissions(rows []Row) []Permission {
	type key struct {
		role      Role
		namespace string
	}
	byKey := map[key]*Permission{}
	var all []*Permission
	for _, row := range rows {
		for _, right := range row.Rights {
			k := key{row.From.Role, right.Namespace}
			p := byKey[k]
			if p == nil {
				p = &Permission{Role: k.role, Namespace: k.namespace}
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
		return cmp.Or(cmp.Compare(x.Role, y.Role), cmp.Compare(x.Namespace, y.Namespace))
	})
	return sorted
}
