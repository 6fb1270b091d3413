// Package kubeconfig writes the files that kubectl, client-go and the roles find the API by.
//
// It owns two forms: a person's, with the identity inside, so that the file can be carried away; and a role's, which names the certificate files, so that a renewed
// certificate is taken up without a restart (client-go looks at them every few minutes). It refuses passwords, tokens and insecure TLS.
package kubeconfig

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/ingotmetal/ingot/internal/pki"
)

// Cluster is where the API is and what it is trusted by.
type Cluster struct {
	// Name is the context's name too.
	Name string
	// URL begins with https.
	URL string
	// CA is the PEM of the CA of its serving certificate.
	CA []byte
}

// Write writes a file with the identity inside.
func Write(file string, c Cluster, user pki.Identity) error {
	return write(file, c, &api.AuthInfo{ClientCertificateData: user.CertPEM, ClientKeyData: []byte(user.KeyPEM.Reveal())})
}

// WriteRole writes a file that names the identity's files.
func WriteRole(file string, c Cluster, identity pki.Files) error {
	return write(file, c, &api.AuthInfo{ClientCertificate: identity.Cert, ClientKey: identity.Key})
}

func write(file string, c Cluster, user *api.AuthInfo) error {
	cfg := api.NewConfig()
	cfg.Clusters[c.Name] = &api.Cluster{Server: c.URL, CertificateAuthorityData: c.CA}
	cfg.AuthInfos[c.Name] = user
	cfg.Contexts[c.Name] = &api.Context{Cluster: c.Name, AuthInfo: c.Name}
	cfg.CurrentContext = c.Name
	text, err := clientcmd.Write(*cfg)
	if err != nil {
		return fmt.Errorf("encode the kubeconfig %s: %w", file, err)
	}
	return pki.WriteFile(file, text, 0o600)
}
