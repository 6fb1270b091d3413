package matrix

// Own is Ingot's own matrix, whole. Each call makes a new one, so that nobody can change the next one's.
func Own() Matrix {
	return Matrix{
		Name:  "ingot",
		Title: "Ingot",
		Text:  "The flows between Ingot's own roles, the machines they serve, and the outside parties they need.",
		Zones: []ZoneDefinition{
			{Name: ZoneControlPlane, Title: "Control plane"},
			{Name: ZonePartitionManagement, Title: "Partition management"},
			{Name: ZoneProvisioning, Title: "Provisioning network"},
			{Name: ZoneBMC, Title: "BMC network", Outside: true},
			{Name: ZoneOperator, Title: "Operators", Outside: true},
			{Name: ZoneMesh, Title: "Mesh", Plane: "mesh", Outside: true},
			{Name: ZoneOutside, Title: "Outside", Outside: true},
		},
		Roles: []RoleDefinition{
			{Name: APIServer, Title: "API server", Purpose: "the Kubernetes API on embedded etcd"},
			{Name: Controller, Title: "Controller", Purpose: "compiles the matrix into policies"},
			{Name: Partition, Title: "Partition", Purpose: "decides and acts for one site's hosts"},
			{Name: Boot, Title: "Boot", Purpose: "answers booting machines"},
			{Name: Node, Title: "Node", Purpose: "enforces the host firewall on a host"},
			{Name: Console, Title: "Console", Purpose: "shows people the serial consoles of one site's machines"},
			{Name: Auditor, Title: "Auditor", Purpose: "sends the audit trail to where it is kept apart"},
			{Name: Mesh, Title: "Mesh", Purpose: "coordinates the mesh: who is in it, and who reaches whom"},
			{Name: Relay, Title: "Relay", Purpose: "carries the mesh's packets between members that do not reach each other"},
			{Name: Firewall, Title: "Firewall", Purpose: "a tenant's firewall, as operators reach it through the mesh", Outside: true},
			{Name: Agent, Title: "Agent", Purpose: "inspects, cleans and writes, in a machine's memory"},
			{Name: Machine, Title: "Machine", Purpose: "a server's firmware, and the system it runs", Outside: true},
			{Name: BMC, Title: "BMC", Purpose: "a server's baseboard management controller", Outside: true},
			{Name: Operator, Title: "Operator", Purpose: "a person, and the programs that act for one", Outside: true},
			{Name: ImageStore, Title: "Image store", Purpose: "serves the images that hosts name", Outside: true},
			{Name: NameServer, Title: "Name server", Purpose: "the site's DNS resolver", Outside: true},
			{Name: AuditArchive, Title: "Audit archive", Purpose: "keeps the audit trail apart: a database, or what takes it by HTTPS", Outside: true},
			{Name: TraceCollector, Title: "Trace collector", Purpose: "takes traces of what was done to hosts, by OpenTelemetry's protocol", Outside: true},
			{Name: Issuer, Title: "Issuer", Purpose: "says who people are, by OpenID Connect", Outside: true},
			{Name: Switch, Title: "Switch", Purpose: "the switch that a machine is cabled to", Outside: true},
		},
		Rows: Builtin(),
	}
}
