package matrix

// webRows are how people see the page that the controller role serves. It listens on loopback only: what reaches it from elsewhere was let in by the mesh. What it asks of the API server for a
// person it asks with that person's token or certificate, over the controller's row to the API server; the controller's own rights are never used for it.
func webRows() []Row {
	r := mutual(Row{
		ID: "11.1", Name: OperatorToWeb, From: operatorInMesh, To: Endpoint{Controller, ZoneMesh}, Protocol: TCP, Ports: Port(8455),
		Identity: "ingot:operator:<name>", Feature: "web",
		Purpose: "a person's browser shows the site: hosts, machines, networks, the matrix",
	}, yes("the mesh: the role listens on loopback only, and what comes from elsewhere came through the mesh"))
	r.ServerIdentity = "ingot:controller"
	r.Authenticated = yes("the server by its certificate; people by the site's issuer, by a token of the API server's, or by a link that is good once and for a quarter of an hour; then by a cookie that scripts cannot read and other sites cannot send")
	return []Row{r}
}
