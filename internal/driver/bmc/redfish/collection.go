package redfish

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

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
