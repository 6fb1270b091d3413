package host

import (
	"context"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// noun is what lists and completions know of hosts.
func noun() list.Noun[*Host] {
	return list.Noun[*Host]{
		Singular: "host", Plural: "hosts", Columns: columns,
		Load: loadAll, Rows: loadRows,
		Row: func(ctx context.Context, c client.Client, key types.NamespacedName) (*Host, error) {
			h, err := read(ctx, c, key)
			return &h, err
		},
		Object:  func(h **Host) metav1.Object { return &(*h).Host },
		Version: func(h *Host) string { return h.Host.ResourceVersion + " " + h.lifecycleVersion() },
		Follow:  []client.ObjectList{&metal3.BareMetalHostList{}, &ingot.HostLifecycleList{}},
	}
}

func listCommand(s *session.Session) *cobra.Command {
	c := noun().Command(s)
	c.Short = "List hosts with their stage, what they do and what they wait for"
	return c
}

func columns(now time.Time) []print.Column[*Host] {
	return []print.Column[*Host]{
		{Header: "NAME", Cell: func(h *Host) string { return h.Host.Name }},
		{Header: "STATE", Flag: "state", Cell: func(h *Host) string { return string(h.Host.Status.Provisioning.State) }},
		{Header: "POWER", Cell: power},
		{Header: "CONSUMER", Wide: true, Cell: consumer},
		{Header: "BMC", Wide: true, Cell: func(h *Host) string { return h.Host.Spec.BMC.Address }},
		{Header: "HARDWARE", Wide: true, Cell: hardware, Order: print.By(func(h *Host) int {
			if d := h.Host.Status.HardwareDetails; d != nil {
				return d.CPU.Count
			}
			return 0
		})},
		{Header: "PARTITION", Wide: true, Flag: "partition", Cell: partition},
		{Header: "HEALTH", Wide: true, Flag: "health", Cell: func(h *Host) string {
			if r := h.record().Health; r != nil {
				return r.Level
			}
			return ""
		}},
		{Header: "NOW", Cell: activity},
		{Header: "SINCE", Cell: func(h *Host) string { return since(h.record().Outcome, now) }, Order: print.ByTime(func(h *Host) time.Time {
			if t := h.record().Outcome.Since; t != nil {
				return t.Time
			}
			return time.Time{}
		})},
		{Header: "ERROR", Cell: func(h *Host) string { return string(h.Host.Status.ErrorType) }},
		{Header: "PROJECT", Hidden: true, Flag: "project", Cell: func(h *Host) string {
			if r := h.Host.Spec.ConsumerRef; r != nil {
				return r.Namespace
			}
			return ""
		}},
		{Header: "AGE", Wide: true, Cell: func(h *Host) string { return print.Duration(now.Sub(h.Host.CreationTimestamp.Time)) },
			Order: print.ByTime(func(h *Host) time.Time { return h.Host.CreationTimestamp.Time })},
	}
}

// partition is the one that serves the host: its own label's, or that of the partition that took it.
func partition(h *Host) string {
	if p := h.Host.Labels[ingot.PartitionLabel]; p != "" || h.Lifecycle == nil {
		return p
	}
	return h.Lifecycle.Labels[ingot.PartitionLabel]
}

func power(h *Host) string {
	if h.Host.Status.PoweredOn {
		return "on"
	}
	return "off"
}

func consumer(h *Host) string {
	if h.Host.Spec.ConsumerRef == nil {
		return ""
	}
	return h.Host.Spec.ConsumerRef.Name
}

func hardware(h *Host) string {
	d := h.Host.Status.HardwareDetails
	if d == nil {
		return ""
	}
	text := fmt.Sprintf("%d CPU, %s", d.CPU.Count, print.Bytes(int64(d.RAMMebibytes)<<20))
	if model := strings.Join(strings.Fields(d.SystemVendor.Manufacturer+" "+d.SystemVendor.ProductName), " "); model != "" {
		text += ", " + model
	}
	return text
}

// activity is what the host does now, in one cell.
func activity(h *Host) string {
	r := h.record()
	if r.Step != nil && r.Step.Progress != nil {
		return r.Step.Kind + " " + progress(*r.Step.Progress)
	}
	if r.Outcome.Reason != "" {
		return r.Outcome.Reason
	}
	return string(h.Host.Status.OperationalStatus)
}

// progress is a step's progress in words: phase, share, rate, time left.
func progress(p ingot.Progress) string {
	parts := []string{}
	if p.Phase != "" {
		parts = append(parts, p.Phase)
	}
	switch {
	case p.TotalBytes > 0:
		parts = append(parts, fmt.Sprintf("%d%% of %s", p.DoneBytes*100/p.TotalBytes, print.Bytes(p.TotalBytes)))
	case p.DoneBytes > 0:
		parts = append(parts, print.Bytes(p.DoneBytes))
	}
	if p.BytesPerSecond > 0 {
		parts = append(parts, print.Bytes(p.BytesPerSecond)+"/s")
	}
	if p.SecondsLeft > 0 {
		parts = append(parts, print.Duration(time.Duration(p.SecondsLeft)*time.Second)+" left")
	}
	return strings.Join(parts, ", ")
}

func since(o ingot.OutcomeStatus, now time.Time) string {
	if o.Since == nil {
		return ""
	}
	return print.Duration(now.Sub(o.Since.Time))
}
