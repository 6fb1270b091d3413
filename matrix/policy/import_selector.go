package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/selector"
	"github.com/ingotmetal/ingot/matrix"
)

type termKind uint8

const (
	termAll termKind = iota
	termZone
	termPlane
	termRole
)

// term is a part of a selector that an end can say.
type term struct {
	kind termKind
	name string
}

// ends are the ends that a selector stands for; why says that there are none.
func (i *importer) ends(s selector.Selector) (ends []matrix.Endpoint, why string) {
	text := s.String()
	all, ok := alternatives(text)
	if !ok {
		return nil, fmt.Sprintf("selector %s asks for more than a zone, a plane or a role", text)
	}
	if text == "all()" && len(i.m.Zones) == 0 {
		return nil, "selector all() selects nothing: these objects have neither endpoints nor sets in a zone"
	}
	for _, conjunction := range all {
		found, ok := i.conjunction(conjunction)
		if !ok {
			return nil, fmt.Sprintf("selector %s asks for several roles or places at once, and an end has one", text)
		}
		for _, e := range found {
			if !slices.Contains(ends, e) {
				ends = append(ends, e)
			}
		}
	}
	return ends, ""
}

func (i *importer) conjunction(terms []term) ([]matrix.Endpoint, bool) {
	role, zones := matrix.AnyRole, []matrix.Zone(nil)
	narrow := func(to []matrix.Zone) {
		if zones == nil {
			zones = to
			return
		}
		zones = slices.DeleteFunc(slices.Clone(zones), func(z matrix.Zone) bool { return !slices.Contains(to, z) })
	}
	for _, t := range terms {
		switch t.kind {
		case termAll:
		case termZone:
			narrow([]matrix.Zone{matrix.Zone(t.name)})
		case termPlane:
			narrow(i.onPlane(matrix.Plane(t.name)))
		case termRole:
			if role != matrix.AnyRole && role != matrix.Role(t.name) {
				return nil, false
			}
			role = matrix.Role(t.name)
		}
	}
	if zones == nil && role != matrix.AnyRole {
		return []matrix.Endpoint{{Role: role, Zone: matrix.AnyZone}}, true
	}
	if zones == nil { // all(): every endpoint and set there is
		for _, z := range i.m.Zones {
			zones = append(zones, z.Name)
		}
	}
	var ends []matrix.Endpoint
	for _, z := range zones {
		ends = append(ends, matrix.Endpoint{Role: role, Zone: z})
	}
	return ends, len(ends) > 0
}

// alternatives reads a selector's canonical text as an "or" of "and"s of terms; false where it is anything else.
func alternatives(text string) ([][]term, bool) {
	all := [][]term{nil}
	for {
		t, rest, ok := oneTerm(text)
		if !ok {
			return nil, false
		}
		all[len(all)-1] = append(all[len(all)-1], t)
		switch {
		case rest == "":
			return all, true
		case strings.HasPrefix(rest, " && "):
		case strings.HasPrefix(rest, " || "):
			all = append(all, nil)
		default:
			return nil, false
		}
		text = rest[len(" && "):]
	}
}

func oneTerm(text string) (t term, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(text, "all()"); ok {
		return term{kind: termAll}, rest, true
	}
	if inside, ok := strings.CutPrefix(text, "has("+rolePrefix); ok {
		name, rest, ok := strings.Cut(inside, ")")
		return term{termRole, name}, rest, ok
	}
	for _, k := range []struct {
		prefix string
		kind   termKind
	}{{zoneLabel + ` == "`, termZone}, {planeLabel + ` == "`, termPlane}} {
		if inside, ok := strings.CutPrefix(text, k.prefix); ok {
			name, rest, ok := strings.Cut(inside, `"`)
			return term{k.kind, name}, rest, ok && name != ""
		}
	}
	return term{}, "", false
}
