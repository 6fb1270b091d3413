package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func noGopher(address string) error {
	if strings.HasPrefix(address, "gopher:") {
		return errors.New("the scheme gopher is unknown")
	}
	return nil
}

const goodCSV = "\ufeff# rack 7\nName, BMC address ,credentials_name,Boot-MAC-Address,macaddresses,serial number,bootMode\n" +
	"web1,redfish://10.0.0.5,web1-bmc,52-54-00-AA-00-01,\"5254.00aa.0002 52:54:00:aa:00:03\",S1,legacy\n" +
	"\n,,,,,,\n" +
	",redfish://10.0.0.6:8000/redfish/v1/Systems/1,,,,,\n" +
	",,,525400aa0004,,,\n" +
	",,,,,AB 12/3,\n"

const goodYAML = `# rack 7
hosts:
- name: web1
  bmcAddress: redfish://10.0.0.5
  credentials_name: web1-bmc
  bootMACAddress: 52-54-00-AA-00-01
  macAddresses: [5254.00aa.0002, "52:54:00:aa:00:03"]
  serialNumber: S1
  bootMode: legacy
- bmcAddress: redfish://10.0.0.6:8000/redfish/v1/Systems/1
  serialNumber: ~
- bootMACAddress: 525400aa0004
- {serialNumber: AB 12/3}
`

func TestLists(t *testing.T) {
	for name, c := range map[string]struct {
		list  List
		lines []int
	}{
		"CSV":            {ReadCSV([]byte(goodCSV), noGopher), []int{3, 6, 7, 8}},
		"CSV semicolons": {ReadCSV([]byte(strings.ReplaceAll(goodCSV, ",", ";")), noGopher), []int{3, 6, 7, 8}},
		"YAML":           {ReadYAML([]byte(goodYAML), noGopher), []int{3, 10, 12, 13}},
	} {
		if len(c.list.Problems) > 0 || len(c.list.Entries) != 4 {
			t.Errorf("%s: %+v", name, c.list)
			continue
		}
		e := c.list.Entries
		for i, want := range []string{"web1", "bmc-10-0-0-6-port-8000-1", "mac-525400aa0004", "serial-ab-12-3"} {
			if e[i].Name != want || e[i].Line != c.lines[i] {
				t.Errorf("%s: machine %d is %s of line %d, want %s of line %d", name, i, e[i].Name, e[i].Line, want, c.lines[i])
			}
		}
		s := e[0].Spec
		if s.BMCAddress != "redfish://10.0.0.5" || s.CredentialsName != "web1-bmc" || s.BootMACAddress != "52:54:00:aa:00:01" || s.SerialNumber != "S1" || s.BootMode != "legacy" ||
			!slices.Equal(s.MACAddresses, []string{"52:54:00:aa:00:02", "52:54:00:aa:00:03"}) {
			t.Errorf("%s: %+v", name, s)
		}
		if len(e[0].Acceptable()) != 0 || len(e[1].Acceptable()) != 1 || len(e[2].Acceptable()) != 2 {
			t.Errorf("%s: acceptable %v %v %v", name, e[0].Acceptable(), e[1].Acceptable(), e[2].Acceptable())
		}
	}
}

// Every bad line is told with its number, and none hides another.
func TestProblems(t *testing.T) {
	const titles = "name,bmcAddress,credentialsName,bootMACAddress,macAddresses,serialNumber,bootMode\n"
	for _, c := range []struct{ text, want string }{
		{"", "line 1: no line of titles can be read: the file is empty"},
		{"name,password\n", "line 1: a list holds no user and no password"},
		{"name,colour\n", `line 1: there is no column "colour": known are name, bmcAddress`},
		{"name,Name\n", "line 1: name: there are two such columns"},
		{"name,\n", "line 1: a column has no title"},
		{titles + "a,10.0.0.1,,,,,\nb,gopher://x,,,,,\n", "line 3: bmcAddress: the scheme gopher is unknown"},
		{titles + "a,,,,,,\n", "line 2: nothing tells this machine from others"},
		{titles + "A_b,10.0.0.1,,,,,\n", `line 2: name: "A_b" is no name`},
		{titles + "11111111-2222-3333-4444-555555555555,10.0.0.1,,,,,\n", "line 2: name: a host's name must not be a UUID"},
		{titles + "a,10.0.0.1,,52:54,,,\n", `line 2: bootMACAddress: "52:54" is no MAC address`},
		{titles + "a,10.0.0.1,,,53:54:00:00:00:01,,\n", "line 2: macAddresses: \"53:54:00:00:00:01\" is a group's address"},
		{titles + "a,10.0.0.1,No Secret,,,,\n", "line 2: credentialsName: \"No Secret\""},
		{titles + "a,10.0.0.1,,,,,bios\n", "line 2: bootMode: \"bios\" is none of"},
		{titles + "a,10.0.0.1,,,,,,more\n", "line 2: it has 8 cells, and there are 7 columns"},
		{titles + "a,10.0.0.1,,,,,\n\nb,ipmi://10.0.0.1:623,,,,,\n", "line 4: line 2 is the same machine: both have the BMC 10.0.0.1"},
		{titles + "a,10.0.0.1,,,,,\na,10.0.0.2,,,,,\n", "line 3: name: line 2 has the name a too"},
		{titles + "a,10.0.0.1,,,,S1,\nb,10.0.0.2,,,,s1,\n", "line 3: line 2 is the same machine: both have the serial number S1"},
		{titles + "a,10.0.0.1,,,\"x\"y,,\n", "line 2: the line is no CSV"},
	} {
		list := ReadCSV([]byte(c.text), noGopher)
		if len(list.Problems) == 0 || !strings.HasPrefix(list.Problems[0].String(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, list.Problems, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the file is no YAML"},
		{"a: [", "line 1: the file is no YAML"},
		{"servers: []\n", "line 1: a list of machines is wanted, or the one key"},
		{"hosts: many\n", "line 1: a list of machines is wanted"},
		{"- web1\n", "line 1: a machine is a map"},
		{"- &a {name: x, serialNumber: S1}\n- *a\n", "line 2: a machine is a map"},
		{"- name: a\n  bmcAddress: [x]\n", "line 2: bmcAddress: a text is wanted"},
		{"- name: a\n  name: b\n", "line 2: name: it is given twice"},
		{"- name: a\n  colour: b\n", `line 2: there is no column "colour"`},
		{"- {name: a, serialNumber: S1}\n---\n- {name: b}\n", "a second document begins here"},
		{"- {macAddresses: [[x]]}\n", "line 1: macAddresses: a list of MAC addresses is wanted"},
	} {
		list := ReadYAML([]byte(c.text), noGopher)
		if len(list.Problems) == 0 || !strings.Contains(list.Problems[0].String(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, list.Problems, c.want)
		}
	}
	three := ReadCSV([]byte(titles+"A,10.0.0.1,,,,,\nb,gopher://x,,,,,\nc,10.0.0.3,,,,,\nd,,,,,,\n"), noGopher)
	if len(three.Problems) != 3 || len(three.Entries) != 1 {
		t.Errorf("three of four lines are bad: %v, %v", three.Problems, three.Entries)
	}
	same := ReadCSV([]byte(titles+"a,redfish://10.0.0.1/redfish/v1/Systems/1,,,,,\nb,redfish://10.0.0.1/redfish/v1/Systems/2,,,,,\n"), noGopher)
	if len(same.Problems) != 0 || len(same.Entries) != 2 {
		t.Errorf("two systems of one BMC: %+v", same)
	}
}

// every checks what holds for any list: what is used is well-formed and stands once, and no line is lost.
func every(t *testing.T, list List) {
	t.Helper()
	names := map[string]bool{}
	for _, e := range list.Entries {
		if e.Line < 1 || e.Name == "" || len(e.Name) > 63 || !labelPattern.MatchString(e.Name) || names[e.Name] {
			t.Errorf("entry %+v", e)
		}
		names[e.Name] = true
		for _, m := range append([]string{e.Spec.BootMACAddress}, e.Spec.MACAddresses...) {
			if m != "" && len(m) != 17 {
				t.Errorf("MAC address %q of %+v", m, e)
			}
		}
	}
	for _, p := range list.Problems {
		if p.Line < 1 || p.Reason == "" {
			t.Errorf("problem %+v", p)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	for _, text := range []string{goodCSV, strings.ReplaceAll(goodCSV, ",", ";"), "name\n\"a\nb\n", "name,serialNumber\r\na,S1\r\n", "serialNumber\n---\n", "serialNumber\nÄ\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { every(t, ReadCSV(text, noGopher)) })
}

func FuzzReadYAML(f *testing.F) {
	for _, text := range []string{goodYAML, `[{"name":"a","serialNumber":"S1"}]`, "- {name: a", "- &a [*a]\n", "hosts: {hosts: []}", "- serialNumber: '-'\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { every(t, ReadYAML(text, noGopher)) })
}

// A list of a whole site is read at once, and one beyond the bound is refused.
func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("bmcAddress\n")
	for i := range maxListEntries + 1 {
		fmt.Fprintf(&b, "10.%d.%d.%d\n", i>>16, i>>8&255, i&255)
	}
	list := ReadCSV([]byte(b.String()), noGopher)
	if len(list.Entries) != maxListEntries || len(list.Problems) != 1 {
		t.Errorf("%d entries, %v", len(list.Entries), list.Problems)
	}
	if list := ReadYAML(make([]byte, MaxListBytes+1), noGopher); len(list.Problems) != 1 || len(list.Entries) != 0 {
		t.Errorf("%+v", list)
	}
}
