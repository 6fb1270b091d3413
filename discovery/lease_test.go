package discovery

import (
	"net/netip"
	"strings"
	"testing"
)

const (
	keaFile = `address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.0.0.5,52:54:00:0a:00:05,01:52:54:00:0a:00:05,4000,1782900000,1,0,0,idrac-abc,0,,0
10.0.0.6,52:54:00:0a:00:06,,4000,1782900000,1,0,0,,0,,0
10.0.0.5,52:54:00:0a:00:15,,4000,1782901000,1,0,0,idrac-new,0,"{ &#x22;ISC&#x22;: {} }",0
10.0.0.6,52:54:00:0a:00:06,,0,1782901000,1,0,0,,0,,0
10.0.0.7,52:54:00:0a:00:07,,4000,1782900000,1,0,0,,2,,0
192.168.1.9,52:54:00:0a:00:99,,4000,1782900000,1,0,0,laptop,0,,0
10.0.0.8,52:54:00:0a:00:08,,4000,1782900000,1,0,0,,0,,0
`
	dnsmasqFile = `1782900000 52:54:00:0b:00:05 10.0.0.15 bmc-15 01:52:54:00:0b:00:05
1782900000 52:54:00:0b:00:06 192.168.1.7 laptop *
1782900000 06-52:54:00:0b:00:07 10.0.0.17 * *
duid 00:01:00:01:2c:aa:bb:cc:52:54:00:00:00:01
1782900000 1234567 2001:db8::15 bmc-15 00:03:00:01:52:54:00:0b:00:05
`
	keaFile6 = `address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id
2001:db8::5,00:03:00:01:52:54:00:0c:00:05,4000,1782900000,1,3000,0,1,128,0,0,,52:54:00:0c:00:05,0,,1,2,0
2001:db8::6,00:02:00:00,4000,1782900000,1,3000,0,1,128,0,0,,,0,,,,0
`
)

// bmcs are the addresses of the BMC network in these tests.
func bmcs(a netip.Addr) bool {
	return netip.MustParsePrefix("10.0.0.0/24").Contains(a) || netip.MustParsePrefix("2001:db8::/120").Contains(a)
}

func TestReadLeases(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"Kea", keaFile, "bmc-mac-5254000a0015@10.0.0.5 bmc-mac-5254000a0008@10.0.0.8"},
		{"Kea, DHCPv6", keaFile6, "bmc-mac-5254000c0005@2001:db8::5 bmc-2001-db8--6@2001:db8::6"},
		{"dnsmasq", dnsmasqFile, "bmc-mac-5254000b0005@10.0.0.15 bmc-10-0-0-17@10.0.0.17 bmc-2001-db8--15@2001:db8::15"},
		{"a BMC that moved", "1 52:54:00:0b:00:05 10.0.0.6 a *\n1 52:54:00:0b:00:05 10.0.0.5 b *\n", "bmc-mac-5254000b0005@10.0.0.5"},
		{"nothing", "", ""},
	} {
		l := ReadLeases([]byte(c.text), bmcs)
		var got []string
		for _, e := range l.Entries {
			got = append(got, e.Name+"@"+e.Spec.BMCIPAddress)
		}
		if strings.Join(got, " ") != c.want || len(l.Problems) != 0 {
			t.Errorf("%s: %v\n%v", c.name, got, l.Problems)
		}
	}
}

func TestWrongLeases(t *testing.T) {
	for text, says := range map[string]string{
		"<html>":                                 "line 1: it is no lease of dnsmasq",
		"1782900000 52:54:00:0b:00:05 ten bmc *": `line 1: "ten" is no IP address`,
		"1782900000 52:54:00 10.0.0.5 bmc *":     `line 1: "52:54:00" is no MAC address`,
		"address,hwaddr,client_id\n10.0.0.5,52:54:00:0b:00:05,\n":                    "line 1: valid_lifetime",
		"address,hwaddr,valid_lifetime,state\n10.0.0.5,52:54:00:0b:00:05\n":          "line 2: it has 2 cells",
		"address,hwaddr,valid_lifetime,state\n10.0.0.5,52:54:00:0b:00:05,\"4000,0\n": "line 2",
	} {
		l := ReadLeases([]byte(text), bmcs)
		told := ""
		for _, p := range l.Problems {
			told += p.String() + "\n"
		}
		if !strings.Contains(told, says) {
			t.Errorf("%q: %q, want %q", text, told, says)
		}
	}
}

func FuzzReadLeases(f *testing.F) {
	for _, s := range []string{keaFile, keaFile6, dnsmasqFile, "duid x\n1 2 3 4", "address,\n,", "address,hwaddr,valid_lifetime,state\n10.0.0.1,,,"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range ReadLeases(b, bmcs).Entries {
			a, err := netip.ParseAddr(e.Spec.BMCIPAddress)
			if err != nil || !bmcs(a) || len(e.Name) > 63 || !labelPattern.MatchString(e.Name) {
				t.Errorf("%+v", e)
			}
		}
	})
}
