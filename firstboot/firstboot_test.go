package firstboot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/netip"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firstboot"
)

func TestMetadata(t *testing.T) {
	text, err := firstboot.Metadata("web-1", []string{"ssh-ed25519 AAAA a", "ssh-rsa BBBB"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"hostname":"web-1","local-hostname":"web-1","local_hostname":"web-1","name":"web-1","public_keys":{"key-00":"ssh-ed25519 AAAA a","key-01":"ssh-rsa BBBB"}}`
	if string(text) != want {
		t.Errorf("%s", text)
	}
	if text, _ := firstboot.Metadata("x", nil); strings.Contains(string(text), "public_keys") {
		t.Errorf("keys that nobody gave: %s", text)
	}
}

func TestWith(t *testing.T) {
	text, err := firstboot.With([]byte(`{"name":"edge","public_keys":{"key-00":"k"}}`), "ingot-firewall", "web/edge")
	if err != nil || string(text) != `{"ingot-firewall":"web/edge","name":"edge","public_keys":{"key-00":"k"}}` {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := firstboot.With([]byte("x"), "a", "b"); err == nil {
		t.Error("what is no JSON was taken")
	}
}

func address(prefix, gateway string) firstboot.Address {
	a := firstboot.Address{Prefix: netip.MustParsePrefix(prefix)}
	if gateway != "" {
		a.Gateway = netip.MustParseAddr(gateway)
	}
	return a
}

func TestNetworkData(t *testing.T) {
	const link = `{"links":[{"id":"nic0","type":"phy","ethernet_mac_address":"52:54:00:aa:bb:cc"}],"networks":[`
	for name, c := range map[string]struct {
		addresses []firstboot.Address
		dns       []string
		want      string
	}{
		"nothing is DHCP": {nil, []string{"9.9.9.9"}, `{"id":"network0","type":"ipv4_dhcp","link":"nic0"}],"services":[{"type":"dns","address":"9.9.9.9"}]}`},
		"one way out a family": {
			[]firstboot.Address{address("10.0.0.5/22", ""), address("10.1.0.5/24", "10.1.0.1"), address("10.2.0.5/24", "10.2.0.1"), address("2001:db8::5/64", "2001:db8::1")}, nil,
			`{"id":"network0","type":"ipv4","link":"nic0","ip_address":"10.0.0.5","netmask":"255.255.252.0"},` +
				`{"id":"network1","type":"ipv4","link":"nic0","ip_address":"10.1.0.5","netmask":"255.255.255.0","routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"10.1.0.1"}]},` +
				`{"id":"network2","type":"ipv4","link":"nic0","ip_address":"10.2.0.5","netmask":"255.255.255.0"},` +
				`{"id":"network3","type":"ipv6","link":"nic0","ip_address":"2001:db8::5","netmask":"ffff:ffff:ffff:ffff::","routes":[{"network":"::","netmask":"::","gateway":"2001:db8::1"}]}],"services":[]}`},
		"a gateway of the other family is none": {[]firstboot.Address{address("10.0.0.5/32", "fe80::1")}, nil,
			`{"id":"network0","type":"ipv4","link":"nic0","ip_address":"10.0.0.5","netmask":"255.255.255.255"}],"services":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			var dns []netip.Addr
			for _, d := range c.dns {
				dns = append(dns, netip.MustParseAddr(d))
			}
			text, err := firstboot.NetworkData("52:54:00:AA:BB:CC", c.addresses, dns)
			if err != nil || string(text) != link+c.want {
				t.Errorf("%v\n%s\n%s", err, text, link+c.want)
			}
			if !json.Valid(text) {
				t.Error("no JSON")
			}
		})
	}
}

// Each network on its own card, or its own VLAN of one: the cards that are named, and no other.
func TestNetworkDataOnSeveralCards(t *testing.T) {
	on := func(a firstboot.Address, mac string, vlan int) firstboot.Address { a.MAC, a.VLAN = mac, vlan; return a }
	text, err := firstboot.NetworkData("52:54:00:aa:bb:cc", []firstboot.Address{
		on(address("10.0.0.5/24", ""), "52:54:00:AA:BB:01", 0), on(address("2001:db8::5/64", ""), "52:54:00:aa:bb:01", 0),
		on(address("10.1.0.5/24", "10.1.0.1"), "52:54:00:aa:bb:02", 42), on(address("10.2.0.5/24", ""), "52:54:00:aa:bb:02", 43),
	}, nil)
	const want = `{"links":[{"id":"nic0","type":"phy","ethernet_mac_address":"52:54:00:aa:bb:01"},{"id":"nic1","type":"phy","ethernet_mac_address":"52:54:00:aa:bb:02"},` +
		`{"id":"nic1.42","type":"vlan","vlan_link":"nic1","vlan_id":42,"vlan_mac_address":"52:54:00:aa:bb:02"},{"id":"nic1.43","type":"vlan","vlan_link":"nic1","vlan_id":43,"vlan_mac_address":"52:54:00:aa:bb:02"}],` +
		`"networks":[{"id":"network0","type":"ipv4","link":"nic0","ip_address":"10.0.0.5","netmask":"255.255.255.0"},` +
		`{"id":"network1","type":"ipv6","link":"nic0","ip_address":"2001:db8::5","netmask":"ffff:ffff:ffff:ffff::"},` +
		`{"id":"network2","type":"ipv4","link":"nic1.42","ip_address":"10.1.0.5","netmask":"255.255.255.0","routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"10.1.0.1"}]},` +
		`{"id":"network3","type":"ipv4","link":"nic1.43","ip_address":"10.2.0.5","netmask":"255.255.255.0"}],"services":[]}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\n%s", err, text, want)
	}
}

func TestUserData(t *testing.T) {
	ntp := []string{"ntp.example.net", "10.0.0.1"}
	const servers = "#cloud-config\n" + `{"ntp":{"enabled":true,"servers":["ntp.example.net","10.0.0.1"]}}` + "\n"
	for name, c := range map[string]struct {
		user   string
		ntp    []string
		joined bool
		kind   string
		same   string
	}{
		"as it is":     {"#!/bin/sh\necho", nil, true, "", "#!/bin/sh\necho"},
		"servers only": {"", ntp, true, "", servers},
		"neither":      {"", nil, true, "", ""},
		"cloud-config": {"#cloud-config\nhostname: \u00e4\n", ntp, true, "text/cloud-config", ""},
		"script":       {"#!/bin/sh\n" + strings.Repeat("echo hello\n", 99), ntp, true, "text/x-shellscript", ""},
		"archive":      {"#cloud-config-archive\n[]", ntp, true, "text/cloud-config-archive", ""},
		"boothook":     {"#cloud-boothook\n", ntp, true, "text/cloud-boothook", ""},
		"Ignition":     {`{"ignition":{}}`, ntp, false, "", `{"ignition":{}}`},
		"MIME already": {"Content-Type: multipart/mixed", ntp, false, "", "Content-Type: multipart/mixed"},
	} {
		t.Run(name, func(t *testing.T) {
			text, joined, err := firstboot.UserData([]byte(c.user), c.ntp)
			if err != nil || joined != c.joined {
				t.Fatalf("%v, joined %v\n%s", err, joined, text)
			}
			if c.kind == "" {
				if string(text) != c.same {
					t.Errorf("%q, want %q", text, c.same)
				}
				return
			}
			parts := read(t, text)
			if len(parts) != 2 || parts[0] != c.kind+"\n"+c.user || parts[1] != "text/cloud-config\n"+servers {
				t.Errorf("%q", parts)
			}
			if again, _, _ := firstboot.UserData([]byte(c.user), c.ntp); !bytes.Equal(again, text) {
				t.Error("another time another text")
			}
		})
	}
}

// read takes a message apart by the standard library, as a mail program would.
func read(t *testing.T, text []byte) (parts []string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	kind, values, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" || m.Header.Get("MIME-Version") != "1.0" {
		t.Fatalf("%v %s %v", err, kind, m.Header)
	}
	for r := multipart.NewReader(m.Body, values["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, kind+"\n"+decode(t, raw))
	}
}

func decode(t *testing.T, raw []byte) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(raw), "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
