// Package events is `ingot events`: what was said about objects of any kind, the latest last.
//
// It owns the columns and the bound of age. It refuses to join events with what was done, which `ingot host events` does for one host.
package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Command is `ingot events`.
func Command(s *session.Session) *cobra.Command {
	var since time.Duration
	n := list.Of("event", "events", func(l *corev1.EventList) []corev1.Event { return l.Items }, columns)
	n.Verb, n.Made = "events", true
	n.Order = func(a, b corev1.Event) int { return Seen(a).Compare(Seen(b)) }
	load := n.Load
	n.Load = func(ctx context.Context, c client.Client, opts ...client.ListOption) ([]corev1.Event, error) {
		all, err := load(ctx, c, opts...)
		if since <= 0 {
			return all, err
		}
		after := time.Now().Add(-since)
		return slices.DeleteFunc(all, func(e corev1.Event) bool { return Seen(e).Before(after) }), err
	}
	c := n.Command(s)
	s.AddFlags(c)
	c.Short = "List events of objects of any kind, the latest last"
	c.Long = c.Short + ". --watch shows those that come. Events are kept for a time only; what was done to a host is `ingot host events HOST`."
	c.Flags().DurationVar(&since, "since", 0, "only those of this time, such as 30m; 0 for all that are kept")
	return c
}

// Seen is when an event was last seen; the events.k8s.io writers leave the old field empty.
func Seen(e corev1.Event) time.Time {
	switch {
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
	}
}

func columns(now time.Time) []print.Column[corev1.Event] {
	type row = corev1.Event
	return []print.Column[row]{
		{Header: "SEEN", Cell: func(e row) string { return print.Duration(now.Sub(Seen(e))) + " ago" }, Order: print.ByTime(Seen)},
		{Header: "TYPE", Flag: "type", Cell: func(e row) string { return e.Type }},
		{Header: "REASON", Flag: "reason", Cell: func(e row) string { return e.Reason }},
		{Header: "KIND", Hidden: true, Flag: "kind", Cell: func(e row) string { return e.InvolvedObject.Kind }},
		{Header: "NAME", Hidden: true, Flag: "name", Cell: func(e row) string { return e.InvolvedObject.Name }},
		{Header: "OBJECT", Cell: func(e row) string { return e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name }},
		{Header: "COUNT", Wide: true, Cell: func(e row) string {
			n := e.Count
			if e.Series != nil {
				n = max(n, e.Series.Count)
			}
			return fmt.Sprint(max(n, 1))
		}},
		{Header: "BY", Wide: true, Flag: "by", Cell: func(e row) string {
			if e.ReportingController != "" {
				return e.ReportingController
			}
			return e.Source.Component
		}},
		{Header: "MESSAGE", Cell: func(e row) string { return strings.TrimSpace(e.Message) }},
		{Header: "AT", Wide: true, Cell: func(e row) string { return metav1.NewTime(Seen(e)).UTC().Format(time.RFC3339) }},
	}
}
