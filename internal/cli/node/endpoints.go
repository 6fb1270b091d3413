package node

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/node"
)

// endpoints asks the API server about hosts: what each host says in the status of its HostEndpoints.
type endpoints struct{ session *session.Session }

func (e endpoints) list(ctx context.Context) ([]calico.HostEndpoint, error) {
	c, err := e.session.Client()
	if err != nil {
		return nil, err
	}
	var list calico.HostEndpointList
	if err := c.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list the host endpoints: %w", err)
	}
	return list.Items, nil
}

// Hosts implements daemon.Elsewhere.
func (e endpoints) Hosts(ctx context.Context) ([]string, error) {
	all, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	return hosts(all), nil
}

func hosts(all []calico.HostEndpoint) []string {
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Spec.Node)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// of are the endpoints of a host; there is one at least.
func (e endpoints) of(ctx context.Context, host string) ([]calico.HostEndpoint, error) {
	all, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(h calico.HostEndpoint) bool { return h.Spec.Node != host })
	if len(own) > 0 {
		slices.SortFunc(own, func(a, b calico.HostEndpoint) int { return cmp.Compare(a.Name, b.Name) })
		return own, nil
	}
	have := "there are none"
	if names := hosts(all); len(names) > 0 {
		have = "hosts with endpoints are: " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("no HostEndpoint is of host %q (spec.node); %s", host, have)
}

// Drops implements daemon.Elsewhere.
func (e endpoints) Drops(ctx context.Context, host string) ([]node.Drop, error) {
	own, err := e.of(ctx, host)
	if err != nil {
		return nil, err
	}
	var drops []node.Drop
	for i := range own {
		h := &own[i]
		if h.Status.Phase == "" {
			fmt.Fprintf(e.session.Err, "HostEndpoint %s: ingot-node has not reported; is it running on %s?\n", h.Name, host)
		}
		for _, d := range h.Status.Drops {
			one := node.Drop{
				Who: d.Who, Protocol: d.Protocol, Port: uint16(d.Port), Hook: d.Hook, Interface: d.Interface, By: d.By, Policies: d.Policies, Row: d.Row, Packets: uint64(d.Packets),
				Last: d.Last.Time, Fix: d.Fix,
			}
			if one.From, err = netip.ParseAddr(d.From); err != nil {
				return nil, fmt.Errorf("HostEndpoint %s: status.drops: %w", h.Name, err)
			}
			if one.To, err = netip.ParseAddr(d.To); err != nil {
				return nil, fmt.Errorf("HostEndpoint %s: status.drops: %w", h.Name, err)
			}
			drops = append(drops, one)
		}
	}
	slices.SortStableFunc(drops, func(a, b node.Drop) int { return b.Last.Compare(a.Last) })
	return drops, nil
}

// Status implements daemon.Elsewhere.
func (e endpoints) Status(ctx context.Context, out io.Writer, host string, format print.Format) error {
	own, err := e.of(ctx, host)
	if err != nil {
		return err
	}
	err = print.Objects(out, format, own, own, []print.Column[calico.HostEndpoint]{
		{Header: "ENDPOINT", Cell: func(h calico.HostEndpoint) string { return h.Name }},
		{Header: "INTERFACE", Cell: func(h calico.HostEndpoint) string { return h.Spec.InterfaceName }},
		{Header: "PHASE", Cell: func(h calico.HostEndpoint) string { return cmp.Or(string(h.Status.Phase), "not reported") }},
		{Header: "GENERATION", Cell: func(h calico.HostEndpoint) string { return strconv.FormatInt(h.Status.Generation, 10) }},
		{Header: "ACCEPTED", Cell: func(h calico.HostEndpoint) string {
			return counted(h, func(c *calico.Counters) int64 { return c.Accepted })
		}},
		{Header: "REFUSED", Cell: func(h calico.HostEndpoint) string {
			return counted(h, func(c *calico.Counters) int64 { return c.Refused })
		}},
		{Header: "WHY", Cell: why},
	})
	if err != nil || format.Structured() {
		return err
	}
	for i := range own {
		for _, d := range own[i].Status.Drift {
			if _, err := fmt.Fprintf(out, "%s: drift: %s: %s\n", own[i].Name, d.Kind, d.What); err != nil {
				return err
			}
		}
	}
	return nil
}

func counted(h calico.HostEndpoint, of func(*calico.Counters) int64) string {
	if h.Status.Counters == nil {
		return ""
	}
	return strconv.FormatInt(of(h.Status.Counters), 10)
}

// why is what the host says about its phase; an older revision than the endpoint's is said first.
func why(h calico.HostEndpoint) string {
	text := ""
	if c := meta.FindStatusCondition(h.Status.Conditions, "Enforced"); c != nil {
		text = c.Message
	}
	if wanted := h.Annotations[calico.RevisionAnnotation]; h.Status.Phase == calico.PhaseConfirmed && wanted != "" && wanted != h.Status.Revision {
		text = strings.TrimSuffix("enforces an older revision; "+text, "; ")
	}
	return text
}
