package web

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/ip"
	netcli "github.com/ingotmetal/ingot/internal/cli/network"
)

// NetworkRow is a network in a list.
type NetworkRow struct {
	Namespace   string   `json:"namespace"`
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	VRF         string   `json:"vrf,omitempty"`
	Parent      string   `json:"parent,omitempty"`
	Description string   `json:"description,omitempty"`
	Prefixes    []string `json:"prefixes"`
	Children    int32    `json:"children"`
	// Use is how full it is, its IPv4 prefixes together, or where it has none those of IPv6.
	Use Use `json:"use"`
	// Ready is the condition's status, Reason and Why what it says.
	Ready  string `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Key implements Row.
func (r NetworkRow) Key() string { return r.Namespace + "/" + r.Name }

// Use is how full something is. Numbers over 2^64-1 are that.
type Use struct {
	Prefix  string `json:"prefix,omitempty"`
	Family  string `json:"family"`
	Size    uint64 `json:"size"`
	Held    uint64 `json:"held"`
	Resting uint64 `json:"resting"`
	Free    uint64 `json:"free"`
	// SizeText and FreeText are the numbers as people read them.
	SizeText string `json:"sizeText"`
	FreeText string `json:"freeText"`
}

func useOf(u netcli.Usage) Use {
	family := ingot.IPv4
	if strings.Contains(u.Prefix, ":") {
		family = ingot.IPv6
	}
	return Use{Prefix: u.Prefix, Family: string(family), Size: u.Size, Held: u.Held, Resting: u.Quarantined, Free: u.Free}.said()
}

func (u Use) said() Use {
	u.SizeText, u.FreeText = netcli.Words(u.Size), netcli.Words(u.Free)
	return u
}

// whole sums up the prefixes of a network: those of IPv4 where there is one, since beside 2^64 addresses they are nothing.
func whole(all []Use) Use {
	family := string(ingot.IPv6)
	if slices.ContainsFunc(all, func(u Use) bool { return u.Family == string(ingot.IPv4) }) {
		family = string(ingot.IPv4)
	}
	sum := Use{Family: family}
	for _, u := range all {
		if u.Family == family {
			sum.Size, sum.Held, sum.Resting, sum.Free = plus(sum.Size, u.Size), plus(sum.Held, u.Held), plus(sum.Resting, u.Resting), plus(sum.Free, u.Free)
		}
	}
	return sum.said()
}

func plus(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return ^uint64(0)
}

// NetworksBody is what stands beside the list.
type NetworksBody struct {
	// Hidden: the person may not read who holds which address; the numbers are what the networks say themselves, some seconds late.
	Hidden bool `json:"hidden,omitempty"`
	// Address is what was asked about, Answer whose it is, a line each.
	Address string   `json:"address,omitempty"`
	Answer  []string `json:"answer,omitempty"`
}

// books reads what is recorded of addresses; known is false where the person may not.
func books(ctx context.Context, c *reader) (b netcli.Books, known bool, err error) {
	var records ingot.AddressRecordList
	if err := c.List(ctx, &records); apierrors.IsForbidden(err) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("list the records of addresses: %w", err)
	}
	return netcli.Read(records.Items), true, nil
}

// networks is the list of them.
func networks(ctx context.Context, c *reader, a ask) (Content, error) {
	c.begin(ctx, &ingot.NetworkList{}, &ingot.AddressRecordList{})
	var list ingot.NetworkList
	if err := c.List(ctx, &list); err != nil {
		return Content{}, fmt.Errorf("list networks: %w", err)
	}
	recorded, known, err := books(ctx, c)
	if err != nil {
		return Content{}, err
	}
	b := NetworksBody{Hidden: !known}
	if text := strings.TrimSpace(a.query.Get("address")); text != "" {
		address, err := netip.ParseAddr(text)
		if err != nil {
			b.Answer = []string{fmt.Sprintf("%q is no address: write one like 10.0.0.5 or 2001:db8::5", text)}
		} else {
			e, err := ip.ExplainAddress(ctx, c, address)
			if err != nil {
				return Content{}, err
			}
			b.Answer = strings.Split(strings.TrimSpace(e.Text()), "\n")
		}
		b.Address = text
	}
	out := Content{Body: b, Rows: make([]Row, len(list.Items))}
	for i := range list.Items {
		row, _, err := networkRow(&list.Items[i], recorded, a)
		if err != nil {
			return Content{}, err
		}
		out.Rows[i] = row
	}
	return out, nil
}

// networkRow is a network with how full each of its prefixes is; without books by what it says itself.
func networkRow(n *ingot.Network, recorded netcli.Books, a ask) (NetworkRow, []Use, error) {
	r := NetworkRow{
		Namespace: n.Namespace, Name: n.Name, Type: string(n.Spec.Type), VRF: n.Status.VRF, Description: n.Spec.Description, Prefixes: n.Status.Prefixes, Children: n.Status.Children,
	}
	if p := n.Spec.Parent; p != nil {
		r.Parent = inNamespace(p.Namespace, n.Namespace) + "/" + p.Name
	}
	r.Ready, r.Reason, r.Why = ready(n.Status.Conditions, ingot.ReadyCondition)
	if recorded == nil {
		r.Use = Use{Family: string(ingot.IPv4), Size: number(n.Status.SizeIPv4), Held: number(n.Status.Held), Free: number(n.Status.FreeIPv4)}.said()
		return r, nil, nil
	}
	counted, err := netcli.Usages(n, recorded, a.now)
	if err != nil {
		return r, nil, err
	}
	uses := make([]Use, len(counted))
	for i, u := range counted {
		uses[i] = useOf(u)
	}
	r.Use = whole(uses)
	return r, uses, nil
}

func number(n int64) uint64 { return uint64(max(n, 0)) } // not negative

func inNamespace(given, own string) string {
	if given == "" {
		return own
	}
	return given
}

// ready is what a condition says: its status, its reason, and what is wrong where it does not hold.
func ready(all []metav1.Condition, name string) (status, reason, why string) {
	c := meta.FindStatusCondition(all, name)
	switch {
	case c == nil:
		return "", "", "no controller role has looked at it yet: see whether one runs"
	case c.Status == metav1.ConditionTrue:
		return string(c.Status), c.Reason, ""
	}
	return string(c.Status), c.Reason, c.Message
}
