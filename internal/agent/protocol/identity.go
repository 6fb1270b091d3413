package protocol

// IdentityRequest trades the first-boot token of a Firewall's machine for its identity at the API server.
type IdentityRequest struct {
	// CSR is a DER certificate request with a P-256 key, for the Firewall's name and group.
	CSR []byte `json:"csr"`
}

// IdentityResponse is who the machine is, and where.
type IdentityResponse struct {
	CertificatePEM []byte `json:"certificatePEM"`
	// Server is the URL of the API server, CAPEM what its certificate is checked against.
	Server string `json:"server"`
	CAPEM  []byte `json:"caPEM"`
}
