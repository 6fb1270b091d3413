package host

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func explainCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "explain HOST",
		Short:             "Say what a host does or waits for, since when, until when, and what would unblock it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
		RunE: one(s, func(_ context.Context, _ client.WithWatch, h Host, _ *cobra.Command) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			if format == print.JSON || format == print.YAML {
				return print.Object(s.Out, format, h.record())
			}
			return explain(s.Out, h, time.Now())
		}),
	}
}

// outcomes says each kind of outcome in words.
func outcomes(kind string) string {
	switch kind {
	case "wait":
		return "waiting"
	case "step":
		return "working"
	case "done":
		return "where it should be"
	case "blocked":
		return "blocked: a person must change something"
	default:
		return "not looked at by the partition role yet"
	}
}

func explain(w io.Writer, h Host, now time.Time) error {
	r := h.record()
	fields := []print.Field{
		{Name: "Host", Value: h.Host.Namespace + "/" + h.Host.Name},
		{Name: "Stage", Value: stage(h)},
		{Name: "Outcome", Value: outcomes(r.Outcome.Kind)},
		{Name: "Reason", Value: r.Outcome.Reason},
		{Name: "What", Value: r.Outcome.Message},
		{Name: "Since", Value: ago(r.Outcome.Since, now)},
		{Name: "Given up", Value: ahead(r.Outcome.Deadline, now)},
		{Name: "Next look", Value: ahead(r.Outcome.NextAttempt, now)},
		{Name: "What helps", Value: r.Outcome.Fix},
		{Name: "Step", Value: stepLine(r.Step, now)},
		{Name: "Boot", Value: bootLine(r.Boot, now)},
		{Name: "Disk", Value: diskLine(r.Disk)},
		{Name: "First boot", Value: firstBootLine(r.FirstBoot)},
		{Name: "Error", Value: errorLine(h.Host)},
	}
	return print.Fields(w, fields...)
}

func stage(h Host) string {
	if s := h.Host.Status.Provisioning.State; s != "" {
		return string(s)
	}
	return "new"
}

func stepLine(s *ingot.StepStatus, now time.Time) string {
	if s == nil {
		return ""
	}
	line := fmt.Sprintf("%s, attempt %d, started %s", s.Kind, s.Attempt, ago(&s.StartedAt, now))
	if s.Progress != nil {
		line += ": " + progress(*s.Progress)
	}
	return line
}

func bootLine(b *ingot.BootStatus, now time.Time) string {
	switch {
	case b == nil:
		return ""
	case b.EnrolledAt != nil:
		return "agent joined " + ago(b.EnrolledAt, now)
	case b.StartedAt != nil:
		return "machine told to boot the agent " + ago(b.StartedAt, now)
	default:
		return "about to boot the agent"
	}
}

func ago(t *metav1.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%s ago (%s)", print.Duration(now.Sub(t.Time)), t.Format(time.RFC3339))
}

func ahead(t *metav1.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	if t.Time.Before(now) {
		return "now (" + t.Format(time.RFC3339) + ")"
	}
	return fmt.Sprintf("in %s (%s)", print.Duration(t.Sub(now)), t.Format(time.RFC3339))
}
