package matrix

// loginRows are how people log in where a site has an issuer.
func loginRows() []Row {
	issued := func(r Row, how string) Row {
		r.To, r.Protocol, r.Ports, r.Application, r.Feature = atIssuer, TCP, Port(443), "HTTPS", "login"
		r.Confidential, r.Integrity = yes("TLS 1.2 or later"), yes("TLS 1.2 or later")
		r.Authenticated = yes(how)
		r.Trusted = no("an issuer may be anywhere", "its certificate is verified; what it signs is believed for its own people only, whose names get a prefix")
		return r
	}
	const loopback = "plain HTTP on loopback (RFC 8252 §7.3)"
	return []Row{
		issued(Row{ID: "7.1", Name: OperatorToIssuer, From: atOperator, Purpose: "a person logs in: `ingot login` gets tokens and renews them, the web page sends the browser there"},
			"the issuer by its certificate, the person as the issuer asks; a code is worth nothing without the verifier of the program that asked for it (RFC 7636)"),
		issued(Row{ID: "7.2", Name: APIServerToIssuer, From: atAPIServer, Purpose: "the API server reads the issuer's public keys"}, "the issuer by its certificate; what is read is public"),
		names(Row{ID: "7.3", Name: APIServerToDNS, From: atAPIServer, Purpose: "resolve the name of the issuer", Feature: "login"}, "the name of the issuer only"),
		{
			ID: "7.4", Name: BrowserToLogin, From: atOperator, To: atOperator, Protocol: TCP, Application: "HTTP", Feature: "login",
			Confidential:  no(loopback, "it never leaves the person's machine; the code is worth nothing without the verifier"),
			Integrity:     no(loopback, "who changes the code or the state ends the login"),
			Authenticated: no(loopback, "an answer with another state than the asked one is refused"),
			Trusted:       yes("loopback"),
			Purpose:       "the browser brings the code of a login back to `ingot login`, once",
			Notes:         "the port is the system's choice, and open for the time of one login",
		},
		issued(Row{ID: "7.5", Name: ControllerToIssuer, From: atController, Purpose: "the web page trades the code that a person's browser brought for a token"},
			"the issuer by its certificate; a code is worth nothing without the verifier, which never leaves the controller role (RFC 7636)"),
	}
}
