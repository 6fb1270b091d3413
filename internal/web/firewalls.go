package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	firewallcli "github.com/ingotmetal/ingot/internal/cli/firewall"
)

// FirewallRow is a firewall in a list.
type FirewallRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Ready is the condition's status, Reason and Why what it says.
	Ready  string `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
	Rules  int    `json:"rules"`
	// Enforced says in words which generation the machine enforces; Current: it is the object's.
	Enforced string `json:"enforced"`
	Current  bool   `json:"current"`
	LastSeen string `json:"lastSeen,omitempty"`
	// Refused are the packets that were refused lately, Refusals by how many flows.
	Refused  int64    `json:"refused"`
	Refusals int      `json:"refusals"`
	Networks []string `json:"networks"`
	Host     string   `json:"host,omitempty"`
	// Mesh is the machine's place in the mesh.
	Mesh *MeshMember `json:"mesh,omitempty"`
}

// Key implements Row.
func (r FirewallRow) Key() string { return r.Namespace + "/" + r.Name }

// MeshMember is a machine's node in the mesh.
type MeshMember struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses,omitempty"`
	Tags      []string `json:"tags"`
	Version   string   `json:"version,omitempty"`
	Online    bool     `json:"online"`
	LastSeen  string   `json:"lastSeen,omitempty"`
}

// FirewallsBody is what stands beside the list.
type FirewallsBody struct {
	// MeshHidden: the person may not read who is in the mesh.
	MeshHidden bool `json:"meshHidden,omitempty"`
}

// members are the mesh's machines, as "namespace/name"; known is false where the person may not read them.
func members(ctx context.Context, c *reader) (of map[string]*MeshMember, known bool, err error) {
	var list ingot.MeshNodeList
	if err := c.List(ctx, &list); apierrors.IsForbidden(err) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("list the mesh's nodes: %w", err)
	}
	of = map[string]*MeshMember{}
	for i := range list.Items {
		n := &list.Items[i]
		key := n.Namespace + "/" + n.Spec.Machine
		// One that joined anew has a node of before, which nobody has expelled yet.
		if old := of[key]; n.Spec.Machine != "" && (old == nil || !old.Online) {
			of[key] = &MeshMember{n.Name, n.Status.Addresses, n.Spec.Tags, n.Status.ClientVersion, n.Status.Online, at(n.Status.LastSeen)}
		}
	}
	return of, true, nil
}

func firewallRow(f *ingot.Firewall, mesh map[string]*MeshMember) FirewallRow {
	a := f.Status.Applied
	r := FirewallRow{
		Namespace: f.Namespace, Name: f.Name, Ready: "Unknown", Rules: len(f.Spec.Egress) + len(f.Spec.Ingress), Enforced: firewallcli.Enforced(*f), Current: a != nil && a.Generation == f.Generation,
		LastSeen: at(f.Status.LastSeen), Refusals: len(f.Status.Drops), Networks: []string{}, Mesh: mesh[f.Namespace+"/"+f.Name],
	}
	if x := meta.FindStatusCondition(f.Status.Conditions, ingot.ReadyCondition); x != nil {
		r.Ready, r.Reason, r.Why = string(x.Status), x.Reason, x.Message
	}
	for _, n := range f.Spec.Networks {
		r.Networks = append(r.Networks, cmp.Or(n.Namespace, f.Namespace)+"/"+n.Name)
	}
	for _, d := range f.Status.Drops {
		r.Refused += d.Packets
	}
	if h := f.Status.Host; h != nil {
		r.Host = h.Namespace + "/" + h.Name
	}
	return r
}

// firewalls is the list of them.
func firewalls(ctx context.Context, c *reader, _ ask) (Content, error) {
	c.begin(ctx, &ingot.FirewallList{}, &ingot.MeshNodeList{})
	var list ingot.FirewallList
	if err := c.List(ctx, &list); err != nil {
		return Content{}, fmt.Errorf("list firewalls: %w", err)
	}
	mesh, known, err := members(ctx, c)
	if err != nil {
		return Content{}, err
	}
	rows := make([]Row, 0, len(list.Items))
	for i := range list.Items {
		rows = append(rows, firewallRow(&list.Items[i], mesh))
	}
	slices.SortFunc(rows, func(x, y Row) int { return cmp.Compare(x.Key(), y.Key()) })
	return Content{Body: FirewallsBody{MeshHidden: !known}, Rows: rows}, nil
}
