package discovery

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Entry is one machine of a list.
type Entry struct {
	// Line is where it stands, from 1.
	Line int
	// Name is the object's, given or made of what the machine is known by.
	Name string
	Spec ingot.DiscoveredHostSpec
}

// Problem is what is wrong with a line.
type Problem struct {
	Line int
	// Field is the column or key; empty for the whole line.
	Field, Reason string
}

// String is "line 3: bmcAddress: ...".
func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Reason)
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, p.Field, p.Reason)
}

// List is a file that was read. Every machine in it is an entry or has a problem; where there are problems, nothing of it should be used.
type List struct {
	Entries  []Entry
	Problems []Problem
}

// CheckAddress says what is wrong with a BMC's address; nil for nothing.
type CheckAddress func(address string) error

// Bounds of a list: a site is thousands of machines, and a larger file is another one by mistake.
const (
	MaxListBytes   = 8 << 20
	maxListEntries = 20000
	maxListMACs    = 64
	// maxListProblems keeps a file of another kind from filling the screen.
	maxListProblems = 1000
)

// The columns of a list, as documented. Case, spaces, "-" and "_" don't matter.
const (
	columnName        = "name"
	columnAddress     = "bmcAddress"
	columnCredentials = "credentialsName"
	columnBootMAC     = "bootMACAddress"
	columnMACs        = "macAddresses"
	columnSerial      = "serialNumber"
	columnBootMode    = "bootMode"
)

// Columns are what a list may say of a machine.
func Columns() []string {
	return []string{columnName, columnAddress, columnCredentials, columnBootMAC, columnMACs, columnSerial, columnBootMode}
}

// column finds a column by what a file calls it.
func column(title string) (string, string) {
	plain := strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(title)))
	for _, c := range Columns() {
		if strings.ToLower(c) == plain {
			return c, ""
		}
	}
	switch plain {
	case "username", "user", "password", "bmcusername", "bmcpassword":
		return "", "a list holds no user and no password, since it is kept and passed on: put them into a Secret of the namespace, and name that in " + columnCredentials
	case "":
		return "", "a column has no title"
	}
	return "", fmt.Sprintf("there is no column %q: known are %s", title, strings.Join(Columns(), ", "))
}

var (
	labelPattern  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	objectPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	uuidPattern   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// reader gathers what one file says.
type reader struct {
	check CheckAddress
	list  List
	// names and known are the lines of what was read so far.
	names map[string]int
	known map[Key][]Entry
}

func newReader(check CheckAddress) *reader {
	return &reader{check: check, names: map[string]int{}, known: map[Key][]Entry{}}
}

func (r *reader) problem(line int, field, format string, args ...any) {
	if len(r.list.Problems) < maxListProblems {
		r.list.Problems = append(r.list.Problems, Problem{line, field, fmt.Sprintf(format, args...)})
	}
}

// add takes one machine, by column; a value of several parts has them in order.
func (r *reader) add(line int, values map[string][]string) {
	if len(r.list.Entries) >= maxListEntries {
		r.problem(line, "", "a list has at most %d machines: split it", maxListEntries)
		return
	}
	one := func(c string) string { return strings.TrimSpace(strings.Join(values[c], " ")) }
	e := Entry{Line: line, Name: one(columnName)}
	e.Spec = ingot.DiscoveredHostSpec{Source: ingot.SourceList, BMCAddress: one(columnAddress), CredentialsName: one(columnCredentials), SerialNumber: one(columnSerial), BootMode: one(columnBootMode)}
	before := len(r.list.Problems)
	if text := one(columnBootMAC); text != "" {
		e.Spec.BootMACAddress = r.mac(line, columnBootMAC, text)
	}
	for _, text := range values[columnMACs] {
		for _, part := range strings.Fields(text) {
			if m := r.mac(line, columnMACs, part); m != "" && m != e.Spec.BootMACAddress && !slices.Contains(e.Spec.MACAddresses, m) {
				e.Spec.MACAddresses = append(e.Spec.MACAddresses, m)
			}
		}
	}
	r.judge(e)
	if e.Name == "" {
		e.Name = nameOf(e.Spec)
	}
	if len(r.list.Problems) == before {
		r.unique(e)
	}
	if len(r.list.Problems) == before {
		r.list.Entries = append(r.list.Entries, e)
	}
}

// judge finds what the API server would refuse, and what would never become a host.
func (r *reader) judge(e Entry) {
	s := e.Spec
	if s.BMCAddress == "" && s.BootMACAddress == "" && len(s.MACAddresses) == 0 && s.SerialNumber == "" {
		r.problem(e.Line, "", "nothing tells this machine from others: give %s, %s, %s or %s", columnAddress, columnBootMAC, columnMACs, columnSerial)
	}
	if e.Name != "" && (len(e.Name) > 63 || !labelPattern.MatchString(e.Name)) {
		r.problem(e.Line, columnName, "%q is no name: use at most 63 lower-case letters, digits and dashes", e.Name)
	} else if uuidPattern.MatchString(e.Name) {
		r.problem(e.Line, columnName, "a host's name must not be a UUID, which could be mistaken for another host's")
	}
	if s.BMCAddress != "" {
		if err := r.check(s.BMCAddress); err != nil {
			r.problem(e.Line, columnAddress, "%v", err)
		}
	}
	if s.CredentialsName != "" && (len(s.CredentialsName) > 253 || !objectPattern.MatchString(s.CredentialsName)) {
		r.problem(e.Line, columnCredentials, "%q is no name of a Secret", s.CredentialsName)
	}
	if len(s.MACAddresses) > maxListMACs {
		r.problem(e.Line, columnMACs, "there are %d, at most %d are kept", len(s.MACAddresses), maxListMACs)
	}
	if len(s.SerialNumber) > 128 {
		r.problem(e.Line, columnSerial, "it has %d characters, at most 128 are kept", len(s.SerialNumber))
	}
	if !slices.Contains([]string{"", "UEFI", "UEFISecureBoot", "legacy"}, s.BootMode) {
		r.problem(e.Line, columnBootMode, "%q is none of UEFI, UEFISecureBoot, legacy", s.BootMode)
	}
}

// unique finds a machine, or a name, that stands in the list twice.
func (r *reader) unique(e Entry) {
	if line, ok := r.names[e.Name]; ok {
		r.problem(e.Line, columnName, "line %d has the name %s too", line, e.Name)
		return
	}
	r.names[e.Name] = e.Line
	for _, k := range Keys(&ingot.DiscoveredHost{Spec: e.Spec}) {
		for _, other := range r.known[k] {
			a, _ := parse(e.Spec.BMCAddress)
			b, _ := parse(other.Spec.BMCAddress)
			if strings.HasPrefix(string(k), "bmc ") && a.path != "" && b.path != "" && a.path != b.path {
				continue
			}
			r.problem(e.Line, "", "line %d is the same machine: both have %s", other.Line, describe(k))
			return
		}
		r.known[k] = append(r.known[k], e)
	}
}

// mac reads the usual ways to write a MAC address: with colons, dashes, as Cisco does, or without anything between.
func (r *reader) mac(line int, field, text string) string {
	hex := strings.ToLower(strings.NewReplacer(":", "", "-", "", ".", "").Replace(text))
	if len(hex) != 12 || strings.Trim(hex, "0123456789abcdef") != "" {
		r.problem(line, field, "%q is no MAC address: write six pairs of hex digits, like 52:54:00:12:34:56", text)
		return ""
	}
	if strings.ContainsRune("13579bdf", rune(hex[1])) || hex == "000000000000" {
		r.problem(line, field, "%q is a group's address or zero: give a network card's", text)
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(hex); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(hex[i : i+2])
	}
	return b.String()
}

// nameOf makes a name of what a machine is known by: the same machine has the same name in the next list.
func nameOf(s ingot.DiscoveredHostSpec) string {
	text := "serial-" + s.SerialNumber
	e, known := parse(s.BMCAddress)
	switch {
	case known:
		text = "bmc-" + e.host
		if e.path != "" {
			text += e.path[strings.LastIndex(e.path, "/"):]
		}
	case s.BootMACAddress != "":
		text = "mac-" + strings.ReplaceAll(s.BootMACAddress, ":", "")
	case len(s.MACAddresses) > 0:
		text = "mac-" + strings.ReplaceAll(s.MACAddresses[0], ":", "")
	}
	return plain(text)
}

// plain is a text with what names of objects can't have as dashes, and no longer than those.
func plain(text string) string {
	s := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(text))
	const longest = 63
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.Trim(s, "-")
}

// Object is an entry as it is written to the API server, without an accept.
func (e Entry) Object(namespace, partition string) *ingot.DiscoveredHost {
	o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: e.Name}, Spec: *e.Spec.DeepCopy()}
	o.Spec.Partition = partition
	return o
}

// Acceptable says what an entry lacks to become a host as it stands.
func (e Entry) Acceptable() []Problem {
	var all []Problem
	if e.Spec.BMCAddress == "" {
		all = append(all, Problem{e.Line, columnAddress, "it is missing, and a host needs it"})
	}
	if e.Spec.CredentialsName == "" {
		all = append(all, Problem{e.Line, columnCredentials, "it is missing, and a host needs it"})
	}
	return all
}
