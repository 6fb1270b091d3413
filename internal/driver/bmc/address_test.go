package bmc_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

func TestParseAddress(t *testing.T) {
	media := bmc.Address{Scheme: "redfish-virtualmedia", Protocol: bmc.Redfish, BootWay: bmc.ByVirtualMedia, Host: "10.0.0.5", SystemPath: "/redfish/v1/Systems/1"}
	with := func(a bmc.Address, change func(*bmc.Address)) bmc.Address { change(&a); return a }
	tests := []struct {
		in       string
		want     bmc.Address
		base     string
		hostPort string
	}{
		{"redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", media, "https://10.0.0.5", "10.0.0.5:443"},
		{"redfish-virtualmedia+https://10.0.0.5:8000/redfish/v1/Systems/1/", with(media, func(a *bmc.Address) { a.Port = 8000 }), "https://10.0.0.5:8000", "10.0.0.5:8000"},
		{"redfish-virtualmedia+http://10.0.0.5/redfish/v1/Systems/1", with(media, func(a *bmc.Address) { a.Insecure = true }), "http://10.0.0.5", "10.0.0.5:80"},
		{"redfish://BMC-1.example.org", bmc.Address{Scheme: "redfish", Protocol: bmc.Redfish, BootWay: bmc.ByNetwork, Host: "bmc-1.example.org"}, "https://bmc-1.example.org", "bmc-1.example.org:443"},
		{"redfish://h/redfish/v1/", bmc.Address{Scheme: "redfish", Protocol: bmc.Redfish, BootWay: bmc.ByNetwork, Host: "h"}, "https://h", "h:443"},
		{"redfish-uefihttp://[2001:db8::5]:8443/redfish/v1/Systems/a", bmc.Address{Scheme: "redfish-uefihttp", Protocol: bmc.Redfish, BootWay: bmc.ByUEFIHTTP, Host: "2001:db8::5", Port: 8443, SystemPath: "/redfish/v1/Systems/a"}, "https://[2001:db8::5]:8443", "[2001:db8::5]:8443"},
		{"idrac-redfish://[2001:db8::5]", bmc.Address{Scheme: "idrac-redfish", Protocol: bmc.Redfish, BootWay: bmc.ByNetwork, Host: "2001:db8::5"}, "https://[2001:db8::5]", "[2001:db8::5]:443"},
		{"idrac-virtualmedia://h/redfish/v1/Systems/System.Embedded.1", bmc.Address{Scheme: "idrac-virtualmedia", Protocol: bmc.Redfish, BootWay: bmc.ByVirtualMedia, Host: "h", SystemPath: "/redfish/v1/Systems/System.Embedded.1"}, "https://h", "h:443"},
		{"ilo5-redfish://h", bmc.Address{Scheme: "ilo5-redfish", Protocol: bmc.Redfish, BootWay: bmc.ByNetwork, Host: "h"}, "https://h", "h:443"},
		{"ilo5-virtualmedia+http://h", bmc.Address{Scheme: "ilo5-virtualmedia", Protocol: bmc.Redfish, BootWay: bmc.ByVirtualMedia, Insecure: true, Host: "h"}, "http://h", "h:80"},
		{"ipmi://192.168.1.2:6230", bmc.Address{Scheme: "ipmi", Protocol: bmc.IPMI, BootWay: bmc.ByNetwork, Host: "192.168.1.2", Port: 6230}, "https://192.168.1.2:6230", "192.168.1.2:6230"},
		{"libvirt://h", bmc.Address{Scheme: "libvirt", Protocol: bmc.IPMI, BootWay: bmc.ByNetwork, Host: "h"}, "https://h", "h:623"},
		{"192.168.1.2", bmc.Address{Scheme: "ipmi", Protocol: bmc.IPMI, BootWay: bmc.ByNetwork, Host: "192.168.1.2", Bare: true}, "https://192.168.1.2", "192.168.1.2:623"},
		{"[fe80::1]:623", bmc.Address{Scheme: "ipmi", Protocol: bmc.IPMI, BootWay: bmc.ByNetwork, Host: "fe80::1", Port: 623}, "https://[fe80::1]:623", "[fe80::1]:623"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := bmc.ParseAddress(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("address (-want +got):\n%s", diff)
			}
			if got.BaseURL() != tt.base {
				t.Errorf("base URL %q, want %q", got.BaseURL(), tt.base)
			}
			if got.HostPort() != tt.hostPort {
				t.Errorf("host and port %q, want %q", got.HostPort(), tt.hostPort)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                         "is empty",
		"   ":                                      "is empty",
		"redfish://admin:hunter2@10.0.0.5/":        "must not hold credentials",
		"admin:hunter2@10.0.0.5":                   "must not hold credentials",
		"irmc://10.0.0.5":                          "given up and Ingot does not have: use redfish or redfish-virtualmedia",
		"idrac://10.0.0.5":                         "use idrac-redfish or idrac-virtualmedia",
		"idrac+https://10.0.0.5":                   "use idrac-redfish or idrac-virtualmedia",
		"ilo4://10.0.0.5":                          "iLO 4 speaks Redfish from firmware 2.30 on",
		"ilo4-virtualmedia://10.0.0.5":             "without virtual media",
		"ilo5://10.0.0.5":                          "use ilo5-redfish or ilo5-virtualmedia",
		"https://10.0.0.5/redfish/v1":              "unknown scheme",
		"redfish+ftp://10.0.0.5":                   "only Redfish schemes take a transport",
		"redfish+://10.0.0.5":                      "only Redfish schemes take a transport",
		"ipmi+https://10.0.0.5":                    "only Redfish schemes take a transport",
		"redfish:///redfish/v1/Systems/1":          "neither a host name nor an IP address",
		"redfish://bad host/":                      "is no URL",
		"redfish://-bad/":                          "neither a host name nor an IP address",
		"redfish://[10.0.0.5]/":                    "invalid IP-literal",
		"redfish://h:0/":                           "not between 1 and 65535",
		"redfish://h:70000/":                       "not between 1 and 65535",
		"redfish://h:/":                            "colon without a port",
		"redfish://h/redfish/v1/Systems/1?a":       "only scheme, host, port and path",
		"redfish://h/redfish/v1/Systems/1#x":       "only scheme, host, port and path",
		"redfish://h/redfish/../etc":               "plain path of a system",
		"redfish://h/redfish/%2e%2e/etc":           "plain path of a system",
		"redfish://h/redfish//v1":                  "plain path of a system",
		"redfish://h/redfish/%0a":                  "plain path of a system",
		"ipmi://h/redfish/v1/Systems/1":            "has no path",
		"redfish://" + strings.Repeat("a", 64):     "neither a host name nor an IP address",
		"redfish://h/" + strings.Repeat("a", 3000): "at most 2048",
	} {
		_, err := bmc.ParseAddress(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAddress(%q): error %v, want one with %q", in, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseAddress(%q): the error repeats the password: %v", in, err)
		}
	}
}

// FuzzParseAddress: what is accepted has a host, a canonical form that parses to the same, and no credentials.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"redfish-virtualmedia+https://10.0.0.5:8000/redfish/v1/Systems/1", "[fe80::1%25eth0]:623", "ipmi://h", "redfish://h/%41/b", "idrac-virtualmedia+http://[::1]/x",
		"redfish://a@b", "192.168.1.1:623", "192.168.1.1", "redfish+https://h:1/redfish/v1/Systems/a%20b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := bmc.ParseAddress(s)
		if err != nil {
			return
		}
		if a.Host == "" || strings.Contains(a.String(), "@") {
			t.Fatalf("%q was accepted as %+v", s, a)
		}
		a.Bare = false // the canonical form has a scheme
		again, err := bmc.ParseAddress(a.String())
		if err != nil {
			t.Fatalf("%q: the canonical form %q does not parse: %v", s, a, err)
		}
		if diff := cmp.Diff(a, again); diff != "" {
			t.Fatalf("%q: the canonical form %q parses differently:\n%s", s, a, diff)
		}
	})
}
