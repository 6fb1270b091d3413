package access

import "slices"

// Line is what each role may do with one resource.
type Line struct {
	// Group is empty for Kubernetes' core kinds. Resource is the plural, with a subresource after a slash.
	Group, Resource string
	// Cluster: its objects are in no namespace.
	Cluster bool
	// Status: it has one, which All may write.
	Status bool
	// Names are the only objects that it is about; empty: all.
	Names []string
	// ByKubernetes: Kubernetes gives it by roles of its own, and nothing is compiled of it.
	ByKubernetes bool
	// Provider is admin, editor, viewer; Tenant is owner, editor, viewer, guest.
	Provider [3]Access
	Tenant   [4]Access
	Anybody  Access
	// Why says who needs it, where that is no matter of course.
	Why string
}

const (
	core         = ""
	metal3       = "metal3.io"
	ingot        = "ingot.dev"
	metal3IPAM   = "ipam.metal3.io"
	clusterIPAM  = "ipam.cluster.x-k8s.io"
	calico       = "projectcalico.org"
	rbac         = "rbac.authorization.k8s.io"
	eventsGroup  = "events.k8s.io"
	certificates = "certificates.k8s.io"
	extensions   = "apiextensions.k8s.io"
	admission    = "admissionregistration.k8s.io"
)

// Rows of accesses that several kinds have.
var (
	// made is what the provider's people make, seen what components make, inquired what nobody of them changes.
	made     = [3]Access{All, Edit, Read}
	seen     = [3]Access{All, Read, Read}
	inquired = [3]Access{Read, Read, Read}
	// asked is what a project asks for.
	asked = [4]Access{Edit, Edit, Read, None}
)

// Lines is the table. A kind that is not in it is nobody's but the operator's, whose certificate may do everything.
func Lines() []Line {
	return slices.Concat(projectLines(), offerLines(), hostLines(), peopleLines(), firewallLines())
}

// projectLines are what stands in a project's namespace.
func projectLines() []Line {
	return []Line{
		{Group: ingot, Resource: "machines", Status: true, Provider: made, Tenant: [4]Access{Edit, Edit, Read, Read}},
		{Group: ingot, Resource: "firewalls", Status: true, Provider: made, Tenant: asked},
		{Group: ingot, Resource: "machines/console", Provider: [3]Access{Attach, Attach, None}, Tenant: [4]Access{Attach, Attach, None, None},
			Why: "get is to look, create is to type; screens show secrets, so that who may only look at objects does not see them"},
		{Group: ingot, Resource: "machines/shell", Provider: [3]Access{Make, Make, None},
			Why: "who may create it is given an SSH certificate that opens the machine as root, through the mesh, which is the provider's"},
		{Group: ingot, Resource: "networks", Status: true, Provider: made, Tenant: [4]Access{Edit, Edit, Read, Read},
			Why: "a project makes child networks; the provider's stand in namespaces of the provider, who gives guests there to see them"},
		{Group: ingot, Resource: "ips", Status: true, Provider: made, Tenant: asked},
		{Group: ingot, Resource: "quotas", Status: true, Provider: made, Tenant: [4]Access{Read, Read, Read, None},
			Why: "what bounds a project is the provider's to say"},
		{Group: metal3, Resource: "hostclaims", Status: true, Provider: made, Tenant: asked},
		{Group: metal3, Resource: "hostclaims/console", Provider: [3]Access{Attach, Attach, None}, Tenant: [4]Access{Attach, Attach, None, None}, Why: "as of machines"},
		{Group: metal3IPAM, Resource: "ipclaims", Status: true, Provider: made, Tenant: asked},
		{Group: metal3IPAM, Resource: "ippools", Status: true, Provider: made, Tenant: [4]Access{Read, Read, Read, None}},
		{Group: metal3IPAM, Resource: "ipaddresses", Provider: seen, Tenant: [4]Access{Read, Read, Read, None}, Why: "the allocator makes them"},
		{Group: clusterIPAM, Resource: "ipaddressclaims", Status: true, Provider: made, Tenant: asked},
		{Group: clusterIPAM, Resource: "ipaddresses", Provider: seen, Tenant: [4]Access{Read, Read, Read, None}, Why: "the allocator makes them"},
		{Group: ingot, Resource: "meshkeys", Status: true, Provider: made, Tenant: [4]Access{Read, Read, Read, None}, Why: "who may join the mesh is the provider's to say"},
		{Group: ingot, Resource: "meshnodes", Status: true, Provider: seen, Tenant: [4]Access{Read, Read, Read, None},
			Why: "the mesh role makes them; who deletes one expels a node"},
		{Resource: "secrets", Provider: [3]Access{Put, Make, None}, Tenant: [4]Access{Keep, Keep, None, None},
			Why: "who writes a project's user data may read it; the provider's people write the passwords of BMCs and read none. Readers are the components: the partition role those that its " +
				"hosts name, the controller role those that claims and machines name, the boot role its boot tokens, all by name"},
		{Group: core, Resource: "events", Provider: inquired, Tenant: [4]Access{Read, Read, Read, None}},
		{Group: eventsGroup, Resource: "events", Provider: inquired, Tenant: [4]Access{Read, Read, Read, None}},
		{Group: core, Resource: "serviceaccounts", Provider: inquired, Tenant: [4]Access{Issue, None, None, None}, Why: "a service's token is a ServiceAccount of its own"},
		{Group: core, Resource: "serviceaccounts/token", Tenant: [4]Access{Make, None, None, None},
			Why: "who may ask for a token gets the rights of its ServiceAccount: owners only, since no account of a project has more than they"},
		{Group: rbac, Resource: "rolebindings", Provider: [3]Access{Edit, Read, Read}, Tenant: [4]Access{Edit, None, None, None},
			Why: "Kubernetes lets nobody give what they have not: an owner gives owner and less, in the own project"},
	}
}

// offerLines are what a site offers.
func offerLines() []Line {
	offer := func(resource string, status bool) Line {
		return Line{Group: ingot, Resource: resource, Cluster: true, Status: status, Provider: made, Anybody: Read}
	}
	return []Line{
		offer("sizes", true), offer("images", true), offer("filesystemlayouts", true), offer("partitions", true),
		{Group: ingot, Resource: "imagetrusts", Cluster: true, Status: true, Provider: [3]Access{All, Read, Read}, Anybody: Read,
			Why: "who publishes images is not who says whose signatures count; public keys are no secrets"},
		{Group: ingot, Resource: "sizereservations", Cluster: true, Status: true, Provider: made, Why: "what is kept for whom is the provider's to say, and no other tenant's to see"},
		{Group: ingot, Resource: "imagetrusts", Cluster: true, Status: true, Provider: seen, Why: "whose signature an image needs is an admin's to say"},
		{Group: ingot, Resource: "addressrecords", Cluster: true, Status: true, Provider: seen, Why: "the allocator's book of all projects' addresses"},
		{Group: core, Resource: "namespaces", Cluster: true, Provider: [3]Access{Edit, Grow, Read}, Tenant: [4]Access{Get, Get, Get, Get},
			Why: "a project is a labelled namespace: who may change one could make it another tenant's"},
	}
}

// hostLines are what the provider's people work with.
func hostLines() []Line {
	host := func(group, resource string, status bool, p [3]Access) Line {
		return Line{Group: group, Resource: resource, Status: status, Provider: p}
	}
	return []Line{
		host(metal3, "baremetalhosts", true, made),
		{Group: metal3, Resource: "baremetalhosts/console", Provider: [3]Access{Attach, Attach, None},
			Why: "get is to look at a host's console and its log, create is to type; screens show secrets, so that who may only look at objects does not see them"},
		host(metal3, "hardwaredata", false, seen),
		host(metal3, "hostdeploypolicies", false, made),
		host(metal3, "dataimages", true, made),
		host(metal3, "bmceventsubscriptions", true, made),
		host(metal3, "hostfirmwaresettings", true, [3]Access{All, Change, Read}),
		host(metal3, "hostfirmwarecomponents", true, [3]Access{All, Change, Read}),
		host(metal3, "hostupdatepolicies", false, made),
		host(metal3, "firmwareschemas", false, seen),
		host(metal3, "preprovisioningimages", true, inquired),
		host(ingot, "hostlifecycles", true, seen),
		host(ingot, "discoveredhosts", true, made),
		host(ingot, "bootwindows", true, seen),
		host(ingot, "netbootrecords", false, seen),
	}
}

// peopleLines are who may what, and what Kubernetes gives everybody.
func peopleLines() []Line {
	cluster := func(group, resource string, p [3]Access, why string) Line {
		return Line{Group: group, Resource: resource, Cluster: true, Provider: p, Why: why}
	}
	var tenants []string
	for _, r := range Roles() {
		if r.Scope == Tenant {
			tenants = append(tenants, r.Object())
		}
	}
	all := []Line{
		cluster(rbac, "clusterrolebindings", [3]Access{Edit, Read, Read}, "an admin gives admin and less"),
		cluster(rbac, "clusterroles", inquired, ""),
		{Group: rbac, Resource: "clusterroles", Cluster: true, Names: tenants, Provider: [3]Access{Bind, None, None},
			Why: "an admin names a project's owners without being one; an admission policy keeps these roles to projects' namespaces"},
		{Group: rbac, Resource: "roles", Provider: inquired},
		cluster(certificates, "certificatesigningrequests", inquired, ""),
		cluster(extensions, "customresourcedefinitions", inquired, ""),
		cluster(admission, "validatingadmissionpolicies", inquired, ""),
		cluster(admission, "validatingadmissionpolicybindings", inquired, ""),
	}
	for _, self := range [][2]string{
		{"authorization.k8s.io", "selfsubjectaccessreviews"}, {"authorization.k8s.io", "selfsubjectrulesreviews"}, {"authentication.k8s.io", "selfsubjectreviews"},
	} {
		all = append(all, Line{Group: self[0], Resource: self[1], Cluster: true, ByKubernetes: true, Anybody: Make, Why: "to ask who one is and what one may"})
	}
	return all
}

// firewallLines are the communication matrix and what it compiles to.
func firewallLines() []Line {
	all := []Line{{Group: ingot, Resource: "communicationmatrices", Cluster: true, Status: true, Provider: made}}
	for _, resource := range []string{"globalnetworkpolicies", "globalnetworksets", "tiers", "hostendpoints"} {
		l := Line{Group: calico, Resource: resource, Cluster: true, Status: resource == "hostendpoints", Provider: seen}
		if resource == "globalnetworkpolicies" {
			l.Why = "the controller makes those of matrices, and puts back what is edited"
		}
		all = append(all, l)
	}
	for _, resource := range []string{"profiles", "stagedglobalnetworkpolicies"} {
		all = append(all, Line{Group: calico, Resource: resource, Cluster: true, Provider: made})
	}
	for _, resource := range []string{"networkpolicies", "networksets", "stagednetworkpolicies"} {
		all = append(all, Line{Group: calico, Resource: resource, Provider: made, Why: "about hosts, whatever namespace they stand in: not a tenant's"})
	}
	return all
}
