package ip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/ipam/span"
)

// Explanation is whose an address is, where it comes from, and why somebody has none.
type Explanation struct {
	// Address is what was asked about, or what the IP has.
	Address string `json:"address,omitempty"`
	// IPs are those that show the address, or the one that was asked about.
	IPs []string `json:"ips,omitempty"`
	// Why is why the IP has no address.
	Why string `json:"why,omitempty"`
	// Networks are those whose prefixes have the address.
	Networks []Network `json:"networks,omitempty"`
	// Holders are recorded; Hidden says that who asks may not read the records.
	Holders []Holder `json:"holders,omitempty"`
	Hidden  bool     `json:"hidden,omitempty"`
	Owner   string   `json:"owner,omitempty"`
}

// Network has the address in one of its prefixes.
type Network struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	VRF    string `json:"vrf"`
	Prefix string `json:"prefix"`
	// Kept: the address is excluded or a gateway.
	Kept bool `json:"kept,omitempty"`
}

// Holder has the address in a VRF, or released it and it rests.
type Holder struct {
	VRF   string    `json:"vrf"`
	Pool  string    `json:"pool"`
	Claim string    `json:"claim"`
	Until time.Time `json:"until,omitzero"`
}

func explainCommand(s *session.Session) *cobra.Command {
	c := kind().Command(s, "explain IP|ADDRESS", "Say whose an address is and which network or pool it comes from, or why an IP has none", func(cmd *cobra.Command, name string) error {
		format, err := s.Format()
		if err != nil {
			return err
		}
		c, err := s.Client()
		if err != nil {
			return err
		}
		var e Explanation
		if a, wrong := netip.ParseAddr(name); wrong == nil {
			e, err = ExplainAddress(cmd.Context(), c, a)
		} else {
			var o *ingot.IP
			if c, o, err = kind().Read(cmd.Context(), s, name); err == nil {
				e, err = explainIP(cmd.Context(), c, o)
			}
		}
		if err != nil {
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, e)
		}
		_, err = fmt.Fprint(s.Out, e.Text())
		return err
	})
	return c
}

// explainIP tells of an IP, and of the address that it has or asks for.
func explainIP(ctx context.Context, c client.Client, o *ingot.IP) (Explanation, error) {
	e := Explanation{IPs: []string{o.Namespace + "/" + o.Name}, Owner: Owner(o)}
	if x := meta.FindStatusCondition(o.Status.Conditions, ingot.ReadyCondition); x == nil {
		e.Why = "no controller role has looked at it yet: see whether one runs"
	} else if x.Status != "True" {
		e.Why = x.Reason + ": " + x.Message
	}
	key := client.ObjectKey{Namespace: o.Spec.Network.Namespace, Name: o.Spec.Network.Name}
	if key.Namespace == "" {
		key.Namespace = o.Namespace
	}
	n := &ingot.Network{}
	err := c.Get(ctx, key, n)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return e, fmt.Errorf("read network %s: %w", key, err)
	}
	e.Address = o.Status.Address
	if e.Address == "" {
		e.Address = o.Spec.Address
	}
	a, wrong := netip.ParseAddr(e.Address)
	if err == nil {
		found := networkOn(n, a)
		if found.Prefix == "" {
			found = Network{Name: key.String(), Type: string(n.Spec.Type), VRF: n.Status.VRF, Prefix: strings.Join(n.Status.Prefixes, ", ")}
		}
		e.Networks = []Network{found}
	}
	if wrong != nil {
		return e, nil //nolint:nilerr // an IP without an address is an answer
	}
	return e, e.holders(ctx, c, a, n.Status.VRF)
}

// ExplainAddress looks in all that may be seen.
func ExplainAddress(ctx context.Context, c client.Client, a netip.Addr) (Explanation, error) {
	e := Explanation{Address: a.String()}
	var networks ingot.NetworkList
	if err := c.List(ctx, &networks); err != nil {
		return e, fmt.Errorf("list networks of all namespaces: %w: name the IP instead", err)
	}
	for i := range networks.Items {
		if n := networkOn(&networks.Items[i], a); n.Prefix != "" {
			e.Networks = append(e.Networks, n)
		}
	}
	var ips ingot.IPList
	if err := c.List(ctx, &ips); err != nil {
		return e, fmt.Errorf("list IPs of all namespaces: %w: name the IP instead", err)
	}
	for i := range ips.Items {
		if o := &ips.Items[i]; o.Status.Address == a.String() {
			e.IPs = append(e.IPs, o.Namespace+"/"+o.Name)
			e.Owner = Owner(o)
		}
	}
	if len(e.IPs) > 1 {
		e.Owner = ""
	}
	return e, e.holders(ctx, c, a, "")
}

// networkOn is the network with its longest prefix that has an address; without a prefix where none has.
func networkOn(n *ingot.Network, a netip.Addr) Network {
	found := Network{Name: n.Namespace + "/" + n.Name, Type: string(n.Spec.Type), VRF: n.Status.VRF}
	longest := -1
	for _, text := range n.Status.Prefixes {
		if p, err := netip.ParsePrefix(text); err == nil && p.Contains(a) && p.Bits() > longest {
			found.Prefix, longest = text, p.Bits()
		}
	}
	found.Kept = slices.Contains(n.Spec.Gateways, a.String()) || slices.ContainsFunc(n.Spec.Excluded, func(text string) bool { return within(text, a) })
	return found
}

// holders looks into the records of a VRF, or of all where it is empty.
func (e *Explanation) holders(ctx context.Context, c client.Client, a netip.Addr, vrf string) error {
	var records ingot.AddressRecordList
	if err := c.List(ctx, &records); apierrors.IsForbidden(err) {
		e.Hidden = true
		return nil
	} else if err != nil {
		return fmt.Errorf("list the records of addresses: %w", err)
	}
	now := time.Now()
	for i := range records.Items {
		s := &records.Items[i].Spec
		if vrf != "" && s.VRF != vrf {
			continue
		}
		for _, r := range s.Addresses {
			if r.Address != a.String() || r.Until != nil && !r.Until.After(now) {
				continue
			}
			h := Holder{VRF: s.VRF, Pool: r.Pool, Claim: r.Claim}
			if r.Until != nil {
				h.Until = r.Until.Time
			}
			e.Holders = append(e.Holders, h)
		}
	}
	return nil
}

// Text is the explanation in some lines.
func (e *Explanation) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch {
	case len(e.IPs) == 1 && e.Why != "":
		line("IP %s has no address: %s", e.IPs[0], e.Why)
		if e.Address != "" {
			line("it asks for %s", e.Address)
		}
	case len(e.IPs) > 0:
		line("%s is the address of IP %s", e.Address, strings.Join(e.IPs, ", "))
	default:
		line("%s: no IP has it", e.Address)
	}
	if e.Owner != "" {
		line("it belongs to %s", e.Owner)
	}
	for _, n := range e.Networks {
		text := fmt.Sprintf("network %s (%s, VRF %s) has %s", n.Name, n.Type, n.VRF, n.Prefix)
		if n.Kept {
			text += ", and gives this address to nobody: it is a gateway or excluded"
		}
		line("%s", text)
	}
	if len(e.Networks) == 0 {
		line("no network that you may see has it")
	}
	for _, h := range e.Holders {
		if h.Until.IsZero() {
			line("in VRF %s it is held by %s, from %s", h.VRF, h.Claim, h.Pool)
		} else {
			line("in VRF %s it rests until %s, after %s, from %s", h.VRF, h.Until.UTC().Format(time.RFC3339), h.Claim, h.Pool)
		}
	}
	if len(e.Holders) == 0 && !e.Hidden && e.Address != "" {
		line("nobody holds it")
	}
	if e.Hidden {
		line("who holds it by another kind of claim is not yours to see: ask your provider")
	}
	return b.String()
}

func within(text string, a netip.Addr) bool {
	r, err := span.Parse(text)
	return err == nil && r.From.Is4() == a.Is4() && !a.Less(r.From) && !r.To.Less(a)
}
