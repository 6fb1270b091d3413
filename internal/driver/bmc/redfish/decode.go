package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/step"
)

// The property types below take whatever a BMC writes there: a wrong type reads as the zero value, because one property that a BMC got wrong must not hide the others.
// What cannot be done without is checked where it is used.

// text is a string; numbers and booleans are taken by their spelling.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null":
		*t = ""
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	default:
		*t = text(b)
	}
	return nil
}

// number is a number, also one in a string.
type number float64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	if err != nil || f != f || f < 0 || f > 1<<62 {
		f = 0
	}
	*n = number(f)
	return nil
}

// flag is a boolean, also one in a string.
type flag bool

// UnmarshalJSON never fails.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(strings.EqualFold(strings.Trim(string(b), `"`), "true"))
	return nil
}

// link is the path of another resource; empty where there is none. Only path and query of what a BMC writes are kept: a link cannot lead to another host.
type link string

// UnmarshalJSON never fails.
func (l *link) UnmarshalJSON(b []byte) error {
	var object struct {
		ID text `json:"@odata.id"`
	}
	var s string
	*l = ""
	if json.Unmarshal(b, &object) == nil {
		*l = linkOf(string(object.ID))
	} else if json.Unmarshal(b, &s) == nil {
		*l = linkOf(s)
	}
	return nil
}

// linkOf keeps the path and query of a link; empty for what is no absolute path.
func linkOf(s string) link {
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return ""
	}
	out := u.EscapedPath()
	if u.RawQuery != "" {
		out += "?" + u.RawQuery
	}
	return link(out)
}

// list is an array; a single value reads as a list of one, null as an empty one.
type list[T any] []T

// UnmarshalJSON fails only where T's does for all elements.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	if string(b) == "null" {
		return nil
	}
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		raw = []json.RawMessage{b}
	}
	for _, r := range raw {
		var v T
		if json.Unmarshal(r, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// object is a sub-object; another type in its place reads as the zero value.
type object[T any] struct{ V T }

// UnmarshalJSON never fails.
func (o *object[T]) UnmarshalJSON(b []byte) error {
	var v T
	if len(b) > 0 && b[0] == '{' && json.Unmarshal(b, &v) == nil {
		o.V = v
	}
	return nil
}

// decode reads a resource of the given schema name ("ComputerSystem") into a view.
func decode(body []byte, where, schema string, into any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	unexpected := func(what string) error {
		return faultf(step.Internal, "%s: expected a Redfish %s, got %s", where, schema, what)
	}
	switch {
	case len(body) == 0:
		return unexpected("an empty answer")
	case body[0] == '<':
		return unexpected("an HTML or XML page")
	case !json.Valid(body):
		return unexpected("broken JSON: " + clip(string(body), 80))
	case body[0] != '{':
		return unexpected("JSON that is no object: " + clip(string(body), 80))
	}
	var head struct {
		Type text `json:"@odata.type"`
		ID   text `json:"@odata.id"`
		Own  text `json:"Id"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return unexpected("JSON that cannot be read: " + err.Error())
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(string(head.Type), "#"), ".")
	switch {
	case kind != "" && !strings.EqualFold(kind, schema):
		return unexpected("a " + clip(string(head.Type), 60))
	case kind == "" && head.ID == "" && head.Own == "":
		return unexpected("an object without @odata.type, @odata.id and Id")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return unexpected("values that cannot be read: " + err.Error())
	}
	return nil
}

// Bounds of what a collection may be: a BMC cannot make us read without end.
const (
	maxMembers = 512
	maxPages   = 64
)

// member is an element of a collection: a link, and the resource itself where the BMC expanded it.
type member struct {
	path link
	raw  json.RawMessage
}

// expanded: more came than the link.
func (m member) expanded() bool {
	var props map[string]json.RawMessage
	return json.Unmarshal(m.raw, &props) == nil && len(props) > 2
}

// members lists a collection, over its pages.
func (c *client) members(ctx context.Context, path link, schema string) ([]member, error) {
	if path == "" {
		return nil, &fault{kind: step.Unsupported, err: errNoPath}
	}
	var out []member
	for page := 0; path != "" && page < maxPages && len(out) < maxMembers; page++ {
		var view struct {
			Members list[json.RawMessage]
			Next    text `json:"Members@odata.nextLink"`
			NextOld text `json:"@odata.nextLink"`
		}
		if _, err := c.get(ctx, path, schema, &view); err != nil {
			return nil, err
		}
		for _, raw := range view.Members {
			var l link
			_ = l.UnmarshalJSON(raw) // never fails
			if l != "" {
				out = append(out, member{path: l, raw: raw})
			}
		}
		path = linkOf(string(view.Next + view.NextOld))
	}
	return out[:min(len(out), maxMembers)], nil
}

// read gives a member's resource, from the collection where it was expanded.
func (c *client) read(ctx context.Context, m member, schema string, into any) error {
	if m.expanded() {
		return decode(m.raw, "GET "+string(m.path), schema, into)
	}
	_, err := c.get(ctx, m.path, schema, into)
	return err
}

// lastPart is the last segment of a path.
func lastPart(l link) string {
	return string(l[strings.LastIndexByte(string(l), '/')+1:])
}

// The views: of each schema (DSP8010, 2024.4) what this driver uses, no more.

// serviceRoot is ServiceRoot.
type serviceRoot struct {
	RedfishVersion, Vendor, Product, UUID text
	Systems, Managers, SessionService     link
	Registries                            link
	Tasks, UpdateService                  link
	EventService                          link
	AccountService                        link
	Links                                 object[struct{ Sessions link }]
}

// computerSystem is ComputerSystem.
type computerSystem struct {
	ID   link `json:"@odata.id"`
	Own  text `json:"Id"`
	UUID text

	Manufacturer, Model, SerialNumber, SKU, BiosVersion text

	PowerState text
	Boot       object[boot]
	Actions    object[struct {
		Reset object[action] `json:"#ComputerSystem.Reset"`
	}]
	Links object[struct{ ManagedBy, Chassis list[link] }]

	SerialConsole object[serialConsole]

	MemorySummary    object[struct{ TotalSystemMemoryGiB number }]
	ProcessorSummary object[struct {
		Count, LogicalProcessorCount number
		Model                        text
	}]

	Processors, EthernetInterfaces, Storage, SimpleStorage, SecureBoot, LogServices, VirtualMedia, Bios link
}

// boot is ComputerSystem.Boot.
type boot struct {
	Enabled text `json:"BootSourceOverrideEnabled"`
	Target  text `json:"BootSourceOverrideTarget"`
	Mode    text `json:"BootSourceOverrideMode"`

	HTTPBootURI  text `json:"HttpBootUri"`
	Certificates link

	EnabledValues list[text] `json:"BootSourceOverrideEnabled@Redfish.AllowableValues"`
	TargetValues  list[text] `json:"BootSourceOverrideTarget@Redfish.AllowableValues"`
	ModeValues    list[text] `json:"BootSourceOverrideMode@Redfish.AllowableValues"`
}

// action is an element of Actions.
type action struct {
	Target text `json:"target"`
	// Info is where the parameters are described.
	Info text `json:"@Redfish.ActionInfo"`
	// ResetTypes and Protocols are described in place.
	ResetTypes list[redfish.ResetType] `json:"ResetType@Redfish.AllowableValues"`
	Protocols  list[text]              `json:"TransferProtocolType@Redfish.AllowableValues"`
}

func (a action) path() link { return linkOf(string(a.Target)) }

// actionInfo is ActionInfo.
type actionInfo struct {
	Parameters list[struct {
		Name            text
		AllowableValues list[text]
	}]
}

// manager is Manager.
type manager struct {
	ID              link `json:"@odata.id"`
	Own             text `json:"Id"`
	FirmwareVersion text
	Model           text
	VirtualMedia    link
	LogServices     link
	SerialConsole   object[serialConsole]
}

// virtualMedia is VirtualMedia.
type virtualMedia struct {
	ID           link `json:"@odata.id"`
	Own          text `json:"Id"`
	Name         text
	Image        text
	Inserted     *flag
	ConnectedVia text
	MediaTypes   list[text]
	Actions      object[struct {
		Insert object[action] `json:"#VirtualMedia.InsertMedia"`
		Eject  object[action] `json:"#VirtualMedia.EjectMedia"`
	}]
}

// secureBoot is SecureBoot.
type secureBoot struct {
	SecureBootEnable      flag
	SecureBootCurrentBoot text
}

// task is Task.
type task struct {
	ID           link `json:"@odata.id"`
	Type         text `json:"@odata.type"`
	TaskState    text
	TaskStatus   text
	TaskMonitor  text
	PercentDone  number                                  `json:"PercentComplete"`
	TaskMessages list[struct{ Message, MessageID text }] `json:"Messages"`
}
