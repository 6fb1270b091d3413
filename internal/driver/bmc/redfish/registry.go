package redfish

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/step"
)

// registryFile is MessageRegistryFile.
type registryFile struct {
	Own       text `json:"Id"`
	Registry  text
	Locations list[registryLocation] `json:"Location"`
}

type registryLocation struct {
	Language text
	At       link `json:"Uri"`
}

// location is the English text, or the first there is.
func (f registryFile) location() link {
	var first link
	for _, l := range f.Locations {
		if l.At != "" && strings.HasPrefix(strings.ToLower(string(l.Language)), "en") {
			return l.At
		}
		if first == "" {
			first = l.At
		}
	}
	return first
}

// attributeRegistry is AttributeRegistry.
type attributeRegistry struct {
	Entries object[struct{ Attributes list[registryAttribute] }] `json:"RegistryEntries"`
}

// registryAttribute is one of AttributeRegistry.Attributes.
type registryAttribute struct {
	Name       text `json:"AttributeName"`
	Type       text
	Values     list[struct{ ValueName text }] `json:"Value"`
	LowerBound whole
	UpperBound whole
	MinLength  whole
	MaxLength  whole
	ReadOnly   flag
	Immutable  flag
	Unique     flag `json:"IsSystemUniqueProperty"`
}

// whole is a whole number, nil where there is none or it is something else.
type whole struct{ n *int64 }

// UnmarshalJSON never fails.
func (w *whole) UnmarshalJSON(b []byte) error {
	w.n = nil
	s := strings.Trim(string(b), `" `)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		w.n = &n
		return nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f == float64(int64(f)) && f <= 1<<53 && f >= -1<<53 {
		n := int64(f)
		w.n = &n
	}
	return nil
}

// length is a bound of a text's length; nil where it is none that a text could have.
func (w whole) length() *int {
	if w.n == nil || *w.n < 0 || *w.n > maxSettingText {
		return nil
	}
	n := int(*w.n)
	return &n
}

// maxValues bounds what one enumeration may be.
const maxValues = 1024

// Registry implements bmc.BIOS.
func (o *bios) Registry(ctx context.Context, name string) (firmware.Registry, error) {
	r, err := o.registry(ctx, name)
	return r, o.s.wrap("read BIOS registry", err)
}

func (o *bios) registry(ctx context.Context, name string) (firmware.Registry, error) {
	if name == "" || o.registries == "" {
		return firmware.Registry{}, faultf(step.Unsupported, "the BMC does not describe its BIOS settings")
	}
	file, err := o.findRegistry(ctx, name)
	if err != nil {
		return firmware.Registry{}, err
	}
	at := file.location()
	if at == "" {
		return firmware.Registry{}, faultf(step.Unsupported, "the BMC names the registry %s and not where it is", clip(name, maxSaid))
	}
	a, err := o.s.c.do(ctx, request{method: http.MethodGet, path: at})
	if err != nil {
		return firmware.Registry{}, err
	}
	return parseRegistry(a.body, a.where, name)
}

// findRegistry asks for the registry by its name, which most BMCs use as its Id, and looks through all of them only where that is not so: the collection of a large server has
// dozens of files.
func (o *bios) findRegistry(ctx context.Context, name string) (registryFile, error) {
	var file registryFile
	byName := link(strings.TrimRight(string(o.registries), "/") + "/" + url.PathEscape(name))
	_, err := o.s.c.get(ctx, byName, "MessageRegistryFile", &file)
	if err == nil || !absent(err) {
		return file, err
	}
	members, err := o.s.c.members(ctx, o.registries, "MessageRegistryFileCollection")
	if err != nil {
		return registryFile{}, err
	}
	for _, m := range members {
		if !sameRegistry(lastPart(m.path), name) {
			continue
		}
		file = registryFile{}
		if err := o.s.c.read(ctx, m, "MessageRegistryFile", &file); err != nil {
			return registryFile{}, err
		}
		return file, nil
	}
	return registryFile{}, faultf(step.Unsupported, "GET %s: the BMC has no registry %s", o.registries, clip(name, maxSaid))
}

// sameRegistry compares a file's Id with a registry's name. A name has a version at its end ("BiosAttributeRegistry.v1_0_0"), which some BMCs leave out of the Id.
func sameRegistry(id, name string) bool {
	unescaped, err := url.PathUnescape(id)
	if err == nil {
		id = unescaped
	}
	family, _, _ := strings.Cut(name, ".")
	return strings.EqualFold(id, name) || strings.EqualFold(id, family)
}

// parseRegistry reads an AttributeRegistry. Attributes without a sound name are left out; a type that DMTF does not have reads as Unknown.
func parseRegistry(body []byte, where, name string) (firmware.Registry, error) {
	var view attributeRegistry
	if err := decode(body, where, "AttributeRegistry", &view); err != nil {
		return firmware.Registry{}, err
	}
	out := firmware.Registry{Name: name, Settings: map[string]firmware.Setting{}}
	for _, a := range view.Entries.V.Attributes {
		if len(out.Settings) == maxSettings {
			break
		}
		if soundName(string(a.Name)) {
			out.Settings[string(a.Name)] = a.setting()
		}
	}
	return out, nil
}

func (a registryAttribute) setting() firmware.Setting {
	s := firmware.Setting{ReadOnly: bool(a.ReadOnly || a.Immutable), Unique: bool(a.Unique)}
	switch k := firmware.Kind(a.Type); k {
	case firmware.Enumeration:
		s.Kind = k
		for _, v := range a.Values[:min(len(a.Values), maxValues)] {
			if len(v.ValueName) <= maxSettingText {
				s.Values = append(s.Values, strings.ToValidUTF8(string(v.ValueName), "\uFFFD"))
			}
		}
	case firmware.Integer:
		s.Kind, s.Lowest, s.Highest = k, a.LowerBound.n, a.UpperBound.n
	case firmware.String:
		s.Kind, s.MinLength, s.MaxLength = k, a.MinLength.length(), a.MaxLength.length()
	case firmware.Boolean, firmware.Password:
		s.Kind = k
	case firmware.Unknown:
	}
	return s
}
