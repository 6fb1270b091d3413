package host

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func listCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List hosts with their stage, what they do and what they wait for",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			namespace, err := s.Namespace()
			if err != nil {
				return err
			}
			hosts, err := loadAll(cmd.Context(), c, namespace)
			if err != nil {
				return err
			}
			if len(hosts) == 0 && format == print.Table {
				fmt.Fprintf(s.Err, "no hosts in namespace %q; -A looks in every namespace\n", namespace)
				return nil
			}
			return print.Objects(s.Out, format, hosts, hosts, columns(s.ShowNamespace(), time.Now()))
		},
	}
}

func columns(namespaces bool, now time.Time) []print.Column[Host] {
	all := []print.Column[Host]{
		{Header: "NAMESPACE", Cell: func(h Host) string { return h.Host.Namespace }},
		{Header: "NAME", Cell: func(h Host) string { return h.Host.Name }},
		{Header: "STATE", Cell: func(h Host) string { return string(h.Host.Status.Provisioning.State) }},
		{Header: "POWER", Cell: power},
		{Header: "CONSUMER", Wide: true, Cell: consumer},
		{Header: "BMC", Wide: true, Cell: func(h Host) string { return h.Host.Spec.BMC.Address }},
		{Header: "HARDWARE", Wide: true, Cell: hardware},
		{Header: "NOW", Cell: func(h Host) string { return activity(h) }},
		{Header: "SINCE", Cell: func(h Host) string { return since(h.record().Outcome, now) }},
		{Header: "ERROR", Cell: func(h Host) string { return string(h.Host.Status.ErrorType) }},
	}
	if !namespaces {
		return all[1:]
	}
	return all
}

func power(h Host) string {
	if h.Host.Status.PoweredOn {
		return "on"
	}
	return "off"
}

func consumer(h Host) string {
	if h.Host.Spec.ConsumerRef == nil {
		return ""
	}
	return h.Host.Spec.ConsumerRef.Name
}

func hardware(h Host) string {
	d := h.Host.Status.HardwareDetails
	if d == nil {
		return ""
	}
	return fmt.Sprintf("%d CPU, %s, %d disks, %d NICs", d.CPU.Count, print.Bytes(int64(d.RAMMebibytes)<<20), len(d.Storage), len(d.NIC))
}

// activity is what the host does now, in one cell.
func activity(h Host) string {
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
