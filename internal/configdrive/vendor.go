package configdrive

import (
	"encoding/json"
	"strings"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// VendorData is vendor_data.json: under the key cloud-init, a cloud-config that the system applies before the user's own.
type VendorData struct {
	CloudInit string `json:"cloud-init"`
	// FirstBoot is for a Firewall's machine, whose ingot-node reads it here; nil for all others.
	FirstBoot *FirstBoot `json:"ingot,omitempty"`
}

// FirewallKey is the key of the metadata under which a Firewall's machine is told whose it is, as "namespace/name".
const FirewallKey = "ingot-firewall"

// MachineKey is the key under which it is told the name of its Machine, which its identity has.
const MachineKey = "ingot-machine"

// FirstBoot is what a Firewall's machine gets its identity by. It is not cloud-init's to read, which leaves world-readable copies of what it is told.
type FirstBoot struct {
	// URL without the token, ending in a slash.
	URL string `json:"url"`
	// Token is the one-time credential, that of the report.
	Token string `json:"token"`
	// CA is the PEM of the server's authority.
	CA string `json:"ca"`
}

// Report is where and how a system reports its first boot.
type Report struct {
	// URL without the token, ending in a slash: the token becomes its last element.
	URL string
	// Token is the one-time credential.
	Token secret.String
	// CAPEM is the authority of the server's certificate; the system trusts it from then on. Empty: it is trusted already.
	CAPEM []byte
	// NTPServers are the site's, for a system whose user data names none.
	NTPServers []string
	// Tries is how often cloud-init tries; 0: 10, with growing waits.
	Tries int
}

// cloudConfig is JSON, which is YAML too, so that no value can break out of its place.
type cloudConfig struct {
	CACerts   *caCerts  `json:"ca_certs,omitempty"`
	NTP       *ntp      `json:"ntp,omitempty"`
	PhoneHome phoneHome `json:"phone_home"`
}

type ntp struct {
	Enabled bool     `json:"enabled"`
	Servers []string `json:"servers"`
}

type caCerts struct {
	Trusted []string `json:"trusted"`
}

type phoneHome struct {
	URL   string `json:"url"`
	Post  string `json:"post"`
	Tries int    `json:"tries"`
}

// FirstBootReport is the vendor data by which cloud-init posts to the URL once the system is up (its modules ca_certs and phone_home). A user's own phone_home takes its place, as
// cloud-init merges vendor data below user data.
func FirstBootReport(r Report) (VendorData, error) {
	if !strings.HasPrefix(r.URL, "https://") && !strings.HasPrefix(r.URL, "http://") || !strings.HasSuffix(r.URL, "/") || r.Token.IsZero() {
		return VendorData{}, &step.Failure{Kind: step.Internal, Message: "a first-boot report needs an http(s) URL that ends in a slash, and a token"}
	}
	c := cloudConfig{PhoneHome: phoneHome{URL: r.URL + r.Token.Reveal(), Post: "all", Tries: r.Tries}}
	if c.PhoneHome.Tries == 0 {
		c.PhoneHome.Tries = 10
	}
	if len(r.CAPEM) > 0 {
		c.CACerts = &caCerts{Trusted: []string{string(r.CAPEM)}}
	}
	if len(r.NTPServers) > 0 {
		c.NTP = &ntp{Enabled: true, Servers: r.NTPServers}
	}
	b, err := json.Marshal(c)
	if err != nil {
		return VendorData{}, err
	}
	return VendorData{CloudInit: "#cloud-config\n" + string(b) + "\n"}, nil
}
