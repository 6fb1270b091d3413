package issuer

import (
	"fmt"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Known is an issuer as an AuthenticationConfiguration names it.
type Known struct {
	URL string
	// ClientID is the first audience: whom the issuer's tokens must be for.
	ClientID string
	// CA is PEM; empty: the system's roots.
	CA string
}

// Path is where the API server's configuration is written, in the folder of the site's keys and certificates.
func Path(pki string) string { return filepath.Join(pki, "authentication.yaml") }

// Read gives the issuers of an AuthenticationConfiguration, in its order. What else is in it is the API server's to judge.
func Read(text []byte) ([]Known, error) {
	var c struct {
		JWT []struct {
			Issuer struct {
				URL                  string   `json:"url"`
				CertificateAuthority string   `json:"certificateAuthority"`
				Audiences            []string `json:"audiences"`
			} `json:"issuer"`
		} `json:"jwt"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("read the authentication configuration: %w", err)
	}
	var all []Known
	for i, j := range c.JWT {
		if j.Issuer.URL == "" || len(j.Issuer.Audiences) == 0 {
			return nil, fmt.Errorf("the authentication configuration's jwt[%d].issuer has no url or no audiences: both are needed to log in there", i)
		}
		all = append(all, Known{j.Issuer.URL, j.Issuer.Audiences[0], j.Issuer.CertificateAuthority})
	}
	return all, nil
}
