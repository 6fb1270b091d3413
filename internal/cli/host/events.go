package host

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/events"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// history is what was done to a host and what was said about it.
type history struct {
	Timeline []ingot.TimelineEntry `json:"timeline"`
	Events   []corev1.Event        `json:"events"`
}

func eventsCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "events HOST",
		Short:             "Show a host's timeline and events, oldest first",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
		RunE: one(s, func(ctx context.Context, c client.WithWatch, h Host, _ *cobra.Command) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			said, err := eventsOf(ctx, c, h)
			if err != nil {
				return err
			}
			all := history{Timeline: h.record().Timeline, Events: said}
			if format.Structured() {
				return print.Object(s.Out, format, all)
			}
			if err := printTimeline(s, format, all.Timeline); err != nil {
				return err
			}
			return printEvents(s, format, all.Events)
		}),
	}
}

func eventsOf(ctx context.Context, c client.Client, h Host) ([]corev1.Event, error) {
	var list corev1.EventList
	err := c.List(ctx, &list, client.InNamespace(h.Host.Namespace),
		client.MatchingFields{"involvedObject.name": h.Host.Name, "involvedObject.kind": "BareMetalHost"})
	if err != nil {
		return nil, fmt.Errorf("list the events of host %s: %w", h.Host.Name, err)
	}
	sort.Slice(list.Items, func(i, j int) bool { return events.Seen(list.Items[i]).Before(events.Seen(list.Items[j])) })
	return list.Items, nil
}

func printTimeline(s *session.Session, format print.Format, entries []ingot.TimelineEntry) error {
	if len(entries) == 0 {
		fmt.Fprintln(s.Err, "no timeline yet")
		return nil
	}
	return print.Objects(s.Out, format, nil, entries, []print.Column[ingot.TimelineEntry]{
		{Header: "STARTED", Cell: func(e ingot.TimelineEntry) string { return e.StartedAt.Format(time.RFC3339) }},
		{Header: "STAGE", Cell: func(e ingot.TimelineEntry) string { return e.Stage }},
		{Header: "STEP", Cell: func(e ingot.TimelineEntry) string { return e.Step }},
		{Header: "TOOK", Cell: took},
		{Header: "RESULT", Cell: func(e ingot.TimelineEntry) string { return e.Result }},
		{Header: "MESSAGE", Cell: func(e ingot.TimelineEntry) string { return e.Message }},
	})
}

func took(e ingot.TimelineEntry) string {
	if e.EndedAt == nil {
		return ""
	}
	return print.Duration(e.EndedAt.Sub(e.StartedAt.Time))
}

func printEvents(s *session.Session, format print.Format, said []corev1.Event) error {
	if len(said) == 0 {
		return nil
	}
	fmt.Fprintln(s.Out)
	return print.Objects(s.Out, format, nil, said, []print.Column[corev1.Event]{
		{Header: "LAST SEEN", Cell: func(e corev1.Event) string { return events.Seen(e).UTC().Format(time.RFC3339) }},
		{Header: "TYPE", Cell: func(e corev1.Event) string { return e.Type }},
		{Header: "EVENT", Cell: func(e corev1.Event) string { return e.Reason }},
		{Header: "COUNT", Wide: true, Cell: func(e corev1.Event) string { return fmt.Sprint(max(e.Count, 1)) }},
		{Header: "MESSAGE", Cell: func(e corev1.Event) string { return e.Message }},
	})
}
