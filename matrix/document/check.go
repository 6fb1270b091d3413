package document

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
)

var (
	flowType = reflect.TypeFor[v1alpha1.MatrixFlow]()

	label    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	end      = regexp.MustCompile(`^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)@(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$`)
	flowID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`)
	portText = regexp.MustCompile(`^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$`)
)

// bound is how long a text, or how many items a list, may be.
type bound struct{ least, most int }

// bounds by field, as the markers in api/v1alpha1 have them; a test holds them to the schema.
var bounds = map[string]bound{
	"CommunicationMatrixSpec.text": {0, 8192}, "CommunicationMatrixSpec.zones": {0, v1alpha1.MatrixMaxZones}, "CommunicationMatrixSpec.roles": {0, v1alpha1.MatrixMaxRoles},
	"CommunicationMatrixSpec.hosts": {0, v1alpha1.MatrixMaxHosts}, "CommunicationMatrixSpec.flows": {0, v1alpha1.MatrixMaxFlows},
	"MatrixZone.networks": {0, 256}, "MatrixRole.networks": {0, 256}, "MatrixHost.interfaces": {0, 64},
	"MatrixInterface.name": {1, 15}, "MatrixInterface.roles": {0, 64}, "MatrixInterface.addresses": {0, 64}, "MatrixInterface.virtual": {0, 64},
	"MatrixFlow.id": {0, 128}, "MatrixFlow.ports": {1, 50}, "MatrixFlow.icmpTypes": {1, 50}, "MatrixFlow.rights": {0, 64}, "MatrixFlow.stages": {0, 16},
	"MatrixFlow.identity": {0, 253}, "MatrixFlow.serverIdentity": {0, 253},
	"MatrixRight.group": {0, 253}, "MatrixRight.resources": {1, 32}, "MatrixRight.verbs": {1, 16}, "MatrixRight.paths": {1, 32}, "MatrixRight.names": {1, 16},
	"MatrixRight.resources[]": {0, 128}, "MatrixRight.verbs[]": {0, 32}, "MatrixRight.paths[]": {0, 256}, "MatrixRight.names[]": {0, 253},
}

// words says what is wrong with a text of a type; empty where nothing is.
var words = map[reflect.Type]func(string) string{
	reflect.TypeFor[v1alpha1.MatrixName]():        checkName,
	reflect.TypeFor[v1alpha1.MatrixEnd]():         checkEnd,
	reflect.TypeFor[v1alpha1.MatrixText]():        checkText,
	reflect.TypeFor[v1alpha1.MatrixProtocol]():    checkProtocol,
	reflect.TypeFor[v1alpha1.MatrixApplication](): checkApplication,
	reflect.TypeFor[v1alpha1.MatrixState]():       oneOf("Holds", "Excepted", "Unknown"),
	reflect.TypeFor[v1alpha1.MatrixEnforcement](): oneOf("Ingress", "Egress"),
	reflect.TypeFor[v1alpha1.MatrixScope]():       oneOf("HostNamespaces"),
	reflect.TypeFor[v1alpha1.MatrixNetwork]():     func(s string) string { _, reason := prefixOf(s); return reason },
	reflect.TypeFor[v1alpha1.MatrixAddress]():     func(s string) string { _, reason := addressOf(s); return reason },
}

// check finds what the API server would refuse, and what would not become a matrix.
func check(object *v1alpha1.CommunicationMatrix) Problems {
	c := checker{}
	if reason := checkName(object.Name); reason != "" {
		c.problems.add("metadata.name", "", "%s", reason)
	}
	if object.Spec.Extends != "" && (object.Spec.Title != "" || object.Spec.Text != "") {
		c.problems.add("spec.extends", "", "a part has no title and no text: leave them to %s", object.Spec.Extends)
	}
	if string(object.Spec.Extends) == object.Name && object.Name != "" {
		c.problems.add("spec.extends", "", "a part extends another matrix, not itself: give it a name of its own")
	}
	c.object("spec", reflect.ValueOf(object.Spec))
	return c.problems
}

type checker struct {
	row      string
	problems Problems
}

func (c *checker) object(path string, v reflect.Value) {
	if v.Type() == flowType {
		c.row = v.FieldByName("ID").String()
		defer func() { c.row = "" }()
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := nameOf(field)
		c.field(path+"."+name, v.Type().Name()+"."+name, v.Field(i), !strings.HasSuffix(field.Tag.Get("json"), ",omitempty"))
	}
	switch one := v.Interface().(type) {
	case v1alpha1.MatrixFlow:
		c.flow(path, one)
	case v1alpha1.MatrixProperty:
		c.property(path, one)
	}
}

func (c *checker) field(path, name string, v reflect.Value, required bool) {
	if p, ok := v.Interface().(v1alpha1.MatrixPort); ok {
		if _, reason := portOf(p.String()); reason != "" {
			c.problems.add(path, c.row, "%s", reason)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.object(path, v.Elem())
		}
	case reflect.Struct:
		c.object(path, v)
	case reflect.Slice:
		c.list(path, name, v, required)
	case reflect.String:
		c.text(path, name, v, required)
	case reflect.Int32:
		if v.Int() < 0 || v.Int() > 255 {
			c.problems.add(path, c.row, "%d is no ICMP type: 0 to 255", v.Int())
		}
	default: // booleans have no bounds
	}
}

func (c *checker) list(path, name string, v reflect.Value, required bool) {
	b := bounds[name]
	switch {
	case v.IsNil() && required:
		c.problems.add(path, c.row, "is missing: give a list")
		return
	case !v.IsNil() && v.Len() < b.least:
		c.problems.add(path, c.row, "is an empty list: leave the field out, or give it items")
	case v.Len() > b.most && v.Type().Elem() == flowType:
		c.problems.add(path, c.row, "has %d flows, and one object holds %d: split the matrix, each further part with spec.extends", v.Len(), b.most)
	case v.Len() > b.most:
		c.problems.add(path, c.row, "has %d items: at most %d", v.Len(), b.most)
	}
	for i := range v.Len() {
		c.field(path+"["+strconv.Itoa(i)+"]", name+"[]", v.Index(i), v.Index(i).Kind() == reflect.String)
	}
}

func (c *checker) text(path, name string, v reflect.Value, required bool) {
	text := v.String()
	if text == "" {
		if required {
			c.problems.add(path, c.row, "is missing: give it a value")
		}
		return
	}
	if b, limited := bounds[name]; limited && utf8.RuneCountInString(text) > b.most {
		c.problems.add(path, c.row, "has %d characters: at most %d", utf8.RuneCountInString(text), b.most)
		return
	}
	if name == "MatrixFlow.id" && !flowID.MatchString(text) {
		c.problems.add(path, c.row, "%q is no ID: letters, digits and . _ : / -, and a letter or digit first", text)
	}
	if fault := words[v.Type()]; fault != nil {
		if reason := fault(text); reason != "" {
			c.problems.add(path, c.row, "%s", reason)
		}
	}
}

func (c *checker) flow(path string, f v1alpha1.MatrixFlow) {
	protocol := matrix.Protocol(f.Protocol)
	if len(f.Ports) > 0 && !protocol.HasPorts() && checkProtocol(string(protocol)) == "" {
		c.problems.add(path+".ports", c.row, "%s has no ports: leave them out, or make the protocol tcp, udp, sctp or udplite", protocol)
	}
	if len(f.ICMPTypes) > 0 && protocol != matrix.ICMP && protocol != matrix.ICMPv6 {
		c.problems.add(path+".icmpTypes", c.row, "%s has no ICMP types: leave them out, or make the protocol icmp or icmpv6", protocol)
	}
}

func (c *checker) property(path string, p v1alpha1.MatrixProperty) {
	if p.Bound != "" && p.State != "Excepted" {
		c.problems.add(path+".bound", c.row, "bounds are for exceptions: make the state Excepted, or leave the bound out")
	}
	if p.How != "" && p.State == "Unknown" {
		c.problems.add(path+".how", c.row, "what is unknown has no how: make the state Holds or Excepted")
	}
}

func checkName(s string) string {
	if len(s) > 63 || !label.MatchString(s) {
		return fmt.Sprintf("%q is no name: a-z, 0-9 and - between them, at most 63", s)
	}
	return ""
}

func checkEnd(s string) string {
	role, zone, _ := strings.Cut(s, "@")
	if !end.MatchString(s) || len(role) > 63 || len(zone) > 63 {
		return fmt.Sprintf("%q is no end of a flow: role@zone, *@zone for all of a zone, role@* for a role in any, or *@* for anybody", s)
	}
	return ""
}

func checkText(s string) string {
	if n := utf8.RuneCountInString(s); n > 1024 {
		return fmt.Sprintf("has %d characters: at most 1024", n)
	}
	return ""
}

func checkProtocol(s string) string {
	p := matrix.Protocol(s)
	if p.Valid() {
		return ""
	}
	if n, ok := p.Number(); ok {
		return fmt.Sprintf("protocol %s is called %s: write the name", s, matrix.ProtocolOf(n))
	}
	lower := matrix.Protocol(strings.ToLower(s))
	if lower.Valid() {
		return fmt.Sprintf("%q is no protocol: write %s", s, lower)
	}
	for _, nature := range matrix.Applications() {
		if strings.EqualFold(string(nature.Application), s) {
			return fmt.Sprintf("%q is no protocol: write protocol: %q and application: %s", s, nature.Transports[0], nature.Application)
		}
	}
	return fmt.Sprintf(`%q is no protocol: tcp, udp, sctp, udplite, icmp, icmpv6, lldp, arp, or the number of another like "112"`, s)
}

func checkApplication(s string) string {
	if _, ok := matrix.NatureOf(matrix.Application(s)); ok {
		return ""
	}
	var all []string
	for _, nature := range matrix.Applications() {
		if strings.EqualFold(string(nature.Application), s) {
			return fmt.Sprintf("%q is no application: write %s", s, nature.Application)
		}
		all = append(all, string(nature.Application))
	}
	return fmt.Sprintf("%q is no application: one of %s; leave it out if none fits", s, strings.Join(all, ", "))
}

func oneOf(all ...string) func(string) string {
	return func(s string) string {
		if slices.Contains(all, s) {
			return ""
		}
		return fmt.Sprintf("%q is none of %s", s, strings.Join(all, ", "))
	}
}
