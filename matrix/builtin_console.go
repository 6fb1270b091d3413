package matrix

// consoleRows are how people see serial consoles. The role that they talk to holds no password of a BMC: it asks the partition role for a machine's bytes. It listens on loopback only: what
// reaches it from elsewhere was let in by the mesh.
func consoleRows() []Row {
	inMesh := Endpoint{Console, ZoneMesh}
	trusted := yes("the mesh: the role listens on loopback only, and what comes from elsewhere came through the mesh")
	return []Row{
		orToken(mutual(Row{
			ID: "10.1", Name: OperatorToConsole, From: operatorInMesh, To: inMesh, Protocol: TCP, Ports: Port(8452),
			Identity: "ingot:operator:<name>", Feature: "console",
			Purpose: "a person watches and types at a machine's serial console by WebSocket, reads recordings, and gets a certificate for SSH",
		}, trusted)),
		{
			ID: "10.2", Name: OperatorToConsoleSSH, From: operatorInMesh, To: inMesh, Protocol: TCP, Ports: Port(8453), Application: "SSH", Feature: "console",
			ServerIdentity: servingIdentity(Console),
			Confidential:   yes("SSH"), Integrity: yes("SSH"),
			Authenticated: yes("the server by a certificate of the site's SSH authority; the person by one that it signed for their token, and that lives for ten minutes"),
			Trusted:       trusted,
			Purpose:       "a person watches and types at a machine's serial console by their own ssh",
		},
		orToken(mutual(Row{
			ID: "10.7", Name: ControllerToConsole, From: Endpoint{Controller, ZoneMesh}, To: inMesh, Protocol: TCP, Ports: Port(8452),
			Identity: "ingot:operator:<name>", Feature: "console",
			Purpose: "a person watches and types at a machine's serial console in the web page: their browser's bytes, carried with that person's own certificate or token and no right of the controller's",
		}, trusted)),
		mutual(Row{
			ID: "10.3", Name: ConsoleToAPIServer, From: atConsole, To: atAPIServer, Protocol: TCP, Ports: Port(6443),
			Identity: "ingot:console:<partition>", Rights: consoleRights(), Feature: "console",
			Purpose: "the console role watches who has which machine, and asks who may see what",
		}, anyNetwork),
		mutual(Row{
			ID: "10.4", Name: ConsoleToPartition, From: atConsole, To: atPartition, Protocol: TCP, Ports: Port(8444),
			Identity: "ingot:console:<partition>", Feature: "console",
			Purpose: "the bytes of a machine's serial console, from the role that holds the BMCs' passwords",
		}, yes("both are in the partition's management zone")),
		health("10.5", HealthOfConsole, atConsole, 8454),
		names(Row{ID: "10.6", Name: ConsoleToDNS, From: atConsole, Purpose: "resolve the names of the API server and of the partition role", Feature: "console"}, "the names of the API server and of the partition role only"),
	}
}

// consoleRights: it watches that objects change, reads who has what, and asks the API server for everything else. The one Secret that it reads is the key of the site's SSH authority, in a namespace of its own.
func consoleRights() []Right {
	return []Right{
		{Group: ingotGroup, Resources: []string{"machines", "partitions"}, Verbs: read},
		{Group: metal3Group, Resources: []string{"hostclaims", "baremetalhosts"}, Verbs: read},
		// A recording is its project's, and a project that was made anew under an old name is another one.
		{Group: coreGroup, Resources: []string{"namespaces"}, Verbs: []string{"get"}},
		{Group: "authentication.k8s.io", Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{Group: "authorization.k8s.io", Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
		// The partition role asks for this right before it gives a console's bytes.
		{Group: metal3Group, Resources: []string{"baremetalhosts/serial"}, Verbs: []string{"create"}},
		{Group: coreGroup, Resources: []string{"secrets"}, Verbs: []string{"get", "create"}, Namespace: consoleNamespace},
	}
}
