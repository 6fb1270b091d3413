package document

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
)

// partBytes is how large the JSON of one part may become: two thirds of etcd's 1.5 MiB, which leaves room for the status and for what the API server adds.
const partBytes = 1 << 20

// Object is a matrix as one object. A matrix that is too large for one is what Objects splits.
func Object(m matrix.Matrix) *v1alpha1.CommunicationMatrix {
	object := empty(m.Name)
	object.Spec.Title, object.Spec.Text = v1alpha1.MatrixText(m.Title), m.Text
	for _, z := range m.Zones {
		object.Spec.Zones = append(object.Spec.Zones, v1alpha1.MatrixZone{
			Name: v1alpha1.MatrixName(z.Name), Title: v1alpha1.MatrixText(z.Title), Plane: v1alpha1.MatrixName(z.Plane),
			Networks: networks(z.Networks), Outside: z.Outside, Unlisted: z.Unlisted,
		})
	}
	for _, r := range m.Roles {
		object.Spec.Roles = append(object.Spec.Roles, v1alpha1.MatrixRole{
			Name: v1alpha1.MatrixName(r.Name), Title: v1alpha1.MatrixText(r.Title), Purpose: v1alpha1.MatrixText(r.Purpose),
			Networks: networks(r.Networks), Outside: r.Outside,
		})
	}
	for _, h := range m.Hosts {
		object.Spec.Hosts = append(object.Spec.Hosts, host(h))
	}
	for _, r := range m.Rows {
		object.Spec.Flows = append(object.Spec.Flows, flow(r))
	}
	return object
}

func empty(name string) *v1alpha1.CommunicationMatrix {
	return &v1alpha1.CommunicationMatrix{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	}
}

// Objects is a matrix as as few objects as hold it: the first has its name, the others are its parts, called name-2, name-3 and so on. Join gives it back.
func Objects(m matrix.Matrix) []*v1alpha1.CommunicationMatrix {
	whole := Object(m)
	first := empty(m.Name)
	first.Spec.Title, first.Spec.Text = whole.Spec.Title, whole.Spec.Text
	s := splitter{name: m.Name, parts: []*v1alpha1.CommunicationMatrix{first}, bytes: len(whole.Spec.Text)}
	for _, z := range whole.Spec.Zones {
		zones := &s.room(z, func(p v1alpha1.CommunicationMatrixSpec) bool { return len(p.Zones) < v1alpha1.MatrixMaxZones }).Zones
		*zones = append(*zones, z)
	}
	for _, r := range whole.Spec.Roles {
		roles := &s.room(r, func(p v1alpha1.CommunicationMatrixSpec) bool { return len(p.Roles) < v1alpha1.MatrixMaxRoles }).Roles
		*roles = append(*roles, r)
	}
	for _, h := range whole.Spec.Hosts {
		hosts := &s.room(h, func(p v1alpha1.CommunicationMatrixSpec) bool { return len(p.Hosts) < v1alpha1.MatrixMaxHosts }).Hosts
		*hosts = append(*hosts, h)
	}
	for _, f := range whole.Spec.Flows {
		flows := &s.room(f, func(p v1alpha1.CommunicationMatrixSpec) bool { return len(p.Flows) < v1alpha1.MatrixMaxFlows }).Flows
		*flows = append(*flows, f)
	}
	return s.parts
}

type splitter struct {
	name  string
	parts []*v1alpha1.CommunicationMatrix
	bytes int
}

// room is the part that takes the next item: the last one, or a new one where that is full.
func (s *splitter) room(item any, fits func(v1alpha1.CommunicationMatrixSpec) bool) *v1alpha1.CommunicationMatrixSpec {
	text, err := json.Marshal(item)
	if err != nil {
		panic(fmt.Sprintf("document: an API type without JSON: %v", err)) // the types have strings, numbers, lists and objects only
	}
	last := s.parts[len(s.parts)-1]
	if s.bytes+len(text) > partBytes && s.bytes > 0 || !fits(last.Spec) {
		suffix := "-" + strconv.Itoa(len(s.parts)+1)
		last = empty(s.name[:min(len(s.name), 63-len(suffix))] + suffix)
		last.Spec.Extends = v1alpha1.MatrixName(s.name)
		s.parts, s.bytes = append(s.parts, last), 0
	}
	s.bytes += len(text) + 1
	return &last.Spec
}

func host(h matrix.Host) v1alpha1.MatrixHost {
	out := v1alpha1.MatrixHost{Name: v1alpha1.MatrixName(h.Name)}
	for _, i := range h.Interfaces {
		out.Interfaces = append(out.Interfaces, v1alpha1.MatrixInterface{
			Name: i.Name, Zone: v1alpha1.MatrixName(i.Zone), Roles: texts[v1alpha1.MatrixName](i.Roles),
			Addresses: addresses(i.Addresses), Virtual: addresses(i.Virtual),
		})
	}
	return out
}

func flow(r matrix.Row) v1alpha1.MatrixFlow {
	f := v1alpha1.MatrixFlow{
		ID: r.ID, Name: v1alpha1.MatrixName(r.Name), From: v1alpha1.MatrixEnd(r.From.String()), To: v1alpha1.MatrixEnd(r.To.String()),
		Protocol: v1alpha1.MatrixProtocol(r.Protocol), Application: v1alpha1.MatrixApplication(r.Application),
		Confidential: cell(r.Confidential), Integrity: cell(r.Integrity), Authenticated: cell(r.Authenticated), Trusted: cell(r.Trusted),
		Identity: r.Identity, ServerIdentity: r.ServerIdentity, Stages: texts[v1alpha1.MatrixName](r.Stages),
		Purpose: v1alpha1.MatrixText(r.Purpose), Notes: v1alpha1.MatrixText(r.Notes), Feature: v1alpha1.MatrixText(r.Feature),
		Section: v1alpha1.MatrixText(r.Section), Reading: v1alpha1.MatrixName(r.Reading),
		Enforced: v1alpha1.MatrixEnforcement(r.Enforced), Failsafe: r.Failsafe, Management: r.Management,
	}
	for _, p := range r.Ports {
		f.Ports = append(f.Ports, v1alpha1.ParseMatrixPort(p.String()))
	}
	for _, t := range r.ICMPTypes {
		f.ICMPTypes = append(f.ICMPTypes, v1alpha1.MatrixICMPType(t))
	}
	for _, right := range r.Rights {
		f.Rights = append(f.Rights, v1alpha1.MatrixRight{
			Group: right.Group, Resources: right.Resources, Verbs: right.Verbs, Namespace: v1alpha1.MatrixName(right.Namespace), Scope: v1alpha1.MatrixScope(right.Scope), Names: right.Names, Paths: right.Paths,
		})
	}
	return f
}

// cell is nil for a blank one.
func cell(p matrix.Property) *v1alpha1.MatrixProperty {
	if p == (matrix.Property{}) {
		return nil
	}
	return &v1alpha1.MatrixProperty{State: v1alpha1.MatrixState(p.State), How: v1alpha1.MatrixText(p.How), Bound: v1alpha1.MatrixText(p.Bound)}
}

func networks(all []netip.Prefix) []v1alpha1.MatrixNetwork {
	var out []v1alpha1.MatrixNetwork
	for _, p := range all {
		out = append(out, v1alpha1.MatrixNetwork(p.String()))
	}
	return out
}

func addresses(all []netip.Addr) []v1alpha1.MatrixAddress {
	var out []v1alpha1.MatrixAddress
	for _, a := range all {
		out = append(out, v1alpha1.MatrixAddress(a.String()))
	}
	return out
}
