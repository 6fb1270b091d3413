package matrix

import "slices"

// ZoneMesh is the WireGuard mesh itself: who is in it has an address of it, whatever network it is on. Package matrix/mesh compiles the rows between its members.
const ZoneMesh Zone = "mesh"

// Roles of the mesh. Firewall is a tenant's firewall, as operators reach it; what enforces its rules there is Node.
const (
	Mesh     Role = "mesh"
	Relay    Role = "relay"
	Firewall Role = "firewall"
)

// Ends of the mesh's flows.
var (
	atMesh         = Endpoint{Mesh, ZoneControlPlane}
	atRelay        = Endpoint{Relay, ZoneControlPlane}
	operatorInMesh = Endpoint{Operator, ZoneMesh}
	firewallInMesh = Endpoint{Firewall, ZoneMesh}
)

// The mesh's ports, beside WireGuard's.
const (
	meshPort      = 8449
	meshKeyPort   = 8450
	relayPort     = 8451
	stunPort      = 3478
	wireGuardPort = 41641
)

// meshRows are what carries the mesh, over the networks below it, and what goes through it.
func meshRows() []Row {
	return slices.Concat(coordinationRows(), relayRows(), wireGuardRows(), throughMeshRows())
}

func featureMesh(rows ...Row) []Row {
	for i := range rows {
		rows[i].Feature = "mesh"
	}
	return rows
}

// joins is a member's way to the coordinator.
func joins(r Row) Row {
	r.To, r.Protocol, r.Ports, r.Application = atMesh, TCP, Port(meshPort), "HTTPS"
	r.Confidential, r.Integrity = yes("TLS 1.2 or later, and Noise within it"), yes("TLS 1.2 or later, and Noise within it")
	r.Authenticated = yes("the coordinator by its certificate and its Noise key; the member by its machine key, which a one-time key let in")
	r.Trusted, r.ServerIdentity = anyNetwork, servingIdentity(Mesh)
	return r
}

func coordinationRows() []Row {
	keys := func(r Row) Row {
		r.To, r.Protocol, r.Ports, r.Feature = atMesh, TCP, Port(meshKeyPort), "mesh"
		return mutual(r, anyNetwork)
	}
	return append(featureMesh(
		joins(Row{ID: "8.1", Name: NodeToMesh, From: atNode, Purpose: "a host joins the mesh, and hears of its peers and of the policy"}),
		joins(Row{ID: "8.2", Name: OperatorToMesh, From: atOperator, Purpose: "an operator's program joins the mesh, and hears of its peers and of the policy"}),
		mutual(Row{
			ID: "8.6", Name: MeshToAPIServer, From: atMesh, To: atAPIServer, Protocol: TCP, Ports: Port(6443), Identity: servingIdentity(Mesh), Rights: meshRights(),
			Purpose: "the mesh role reads which keys are asked for and who is expelled, and says who is in the mesh",
		}, anyNetwork),
		names(Row{ID: "8.7", Name: MeshToDNS, From: atMesh, Purpose: "resolve the name of the API server"}, "the name of the API server only"),
		names(Row{ID: "8.8", Name: RelayToDNS, From: atRelay, Purpose: "resolve the name of the coordinator"}, "the name of the coordinator only"),
	),
		keys(Row{
			ID: "8.3", Name: RelayToMesh, From: atRelay, Identity: servingIdentity(Relay),
			Purpose: "a relay asks whether who wants to use it is in the mesh",
		}),
		keys(Row{
			ID: "8.4", Name: ControllerToMeshKeys, From: atController, Identity: "ingot:controller",
			Purpose: "the controller role has the key of a MeshKey made, once, for a machine's first-boot data",
		}),
		orToken(keys(Row{
			ID: "8.5", Name: OperatorToMeshKeys, From: atOperator, Identity: "ingot:operator:<name>",
			Purpose: "an operator has the key of a MeshKey made, once, for a server or a laptop",
		})),
		health("8.9", HealthOfMesh, atMesh, 8452),
	)
}

// relayRows: what a relay carries is WireGuard's, which it cannot read.
func relayRows() []Row {
	relayed := func(r Row) Row {
		r.To, r.Protocol, r.Ports, r.Application = atRelay, TCP, Port(relayPort), "HTTPS"
		r.Confidential, r.Integrity = yes("TLS 1.2 or later; what is carried is WireGuard, which the relay cannot read"), yes("TLS 1.2 or later, and WireGuard within it")
		r.Authenticated = yes("the relay by its certificate; the member by its node key, which the relay asks the coordinator about")
		r.Trusted, r.ServerIdentity = anyNetwork, servingIdentity(Relay)
		r.Purpose = "carry WireGuard between members that do not reach each other"
		return r
	}
	stun := func(r Row) Row {
		r.To, r.Protocol, r.Ports, r.Application = atRelay, UDP, Port(stunPort), "STUN"
		r.Confidential = no("STUN (RFC 8489)", "the answer is the asker's own address")
		r.Integrity = no("STUN (RFC 8489)", "a wrong answer costs the direct path; the relay is used then")
		r.Authenticated = no("STUN (RFC 8489)", "a wrong answer costs the direct path; the relay is used then")
		r.Trusted = anyNetwork
		r.Trusted.Bound = "an answer is no longer than what asked for it by more than a few bytes"
		r.Purpose = "a member hears which address it is seen by"
		return r
	}
	return featureMesh(
		relayed(Row{ID: "8.10", Name: NodeToRelay, From: atNode}), relayed(Row{ID: "8.11", Name: OperatorToRelay, From: atOperator}),
		stun(Row{ID: "8.12", Name: NodeToRelaySTUN, From: atNode}), stun(Row{ID: "8.13", Name: OperatorToRelaySTUN, From: atOperator}),
	)
}

func wireGuardRows() []Row {
	direct := func(r Row) Row {
		r.To, r.Protocol, r.Ports, r.Application = atNode, UDP, Port(wireGuardPort), "WireGuard"
		r.Confidential, r.Integrity, r.Authenticated = yes("WireGuard"), yes("WireGuard"), yes("both by their node keys, which the coordinator tells")
		r.Trusted = no("members stand in any zone", "who has no node key that the coordinator told gets no answer")
		r.Purpose = "the mesh's packets, straight from member to member"
		return r
	}
	const loopback = "plain HTTP on loopback"
	proxy := Row{
		ID: "8.16", Name: ProgramToMeshProxy, From: atOperator, To: atOperator, Protocol: TCP, Ports: Port(1080), Application: "HTTP",
		Confidential: no(loopback, "it never leaves the person's machine"), Integrity: no(loopback, "it never leaves the person's machine"),
		Authenticated: no(loopback, "programs of the person's own machine; what they reach is what the person's tag reaches"), Trusted: yes("loopback"),
		Purpose: "a person's browser reaches into the mesh through `ingot-mesh proxy`",
		Notes:   "open while the program runs; on loopback any port will do",
	}
	return featureMesh(proxy, direct(Row{ID: "8.14", Name: NodeToNodeWireGuard, From: atNode}), direct(Row{ID: "8.15", Name: OperatorToNodeWireGuard, From: atOperator}))
}

// throughMeshRows are the policy of the mesh: nothing else goes through it.
func throughMeshRows() []Row {
	const within = "SSH, within WireGuard"
	return featureMesh(Row{
		ID: "9.1", Name: OperatorToFirewallSSH, From: operatorInMesh, To: firewallInMesh, Protocol: TCP, Ports: Port(22), Application: "SSH", Management: true,
		Confidential: yes(within), Integrity: yes(within), Authenticated: yes("both by their node keys in the mesh, and again by SSH"), Trusted: yes("the mesh: who has joined it as operator"),
		Purpose: "an operator logs in on a firewall, which answers SSH nowhere else",
	})
}

// meshRights: an admission policy is not needed to keep it to status, since the spec of a MeshKey can't be changed.
func meshRights() []Right {
	return []Right{
		{Group: ingotGroup, Resources: []string{"meshkeys"}, Verbs: append(slices.Clone(read), "delete")},
		{Group: ingotGroup, Resources: []string{"meshkeys/status", "meshnodes/status"}, Verbs: set},
		{Group: ingotGroup, Resources: []string{"meshnodes"}, Verbs: own},
		// Who asks for a key by a token, and whether they may.
		{Group: "authentication.k8s.io", Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{Group: "authorization.k8s.io", Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
	}
}
