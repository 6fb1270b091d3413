package host

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
)

func explainCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "explain HOST",
		Short:             "Say what a host does or waits for, since when, until when, and what would unblock it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
		RunE: one(s, func(ctx context.Context, c client.WithWatch, h Host, _ *cobra.Command) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			now := time.Now()
			told, err := Story(ctx, c, h, &Paces{}, now)
			if err != nil {
				return err
			}
			e := told.Explanation
			if format.Structured() {
				return print.Object(s.Out, format, e)
			}
			return explain(s.Out, h, e, now)
		}),
	}
}

// outcome says each kind of outcome in words.
func outcome(kind string) string {
	switch journey.OutcomeKind(kind) {
	case journey.Wait:
		return "waiting"
	case journey.Act:
		return "working"
	case journey.Done:
		return "where it should be"
	case journey.Blocked:
		return "blocked: a person must change something"
	default:
		return "not looked at by the partition role yet"
	}
}

func explain(w io.Writer, h Host, e lifecycle.Explanation, now time.Time) error {
	fields := []print.Field{
		{Name: "Host", Value: h.Host.Namespace + "/" + h.Host.Name},
		{Name: "Stage", Value: e.Stage},
		{Name: "Status", Value: e.Status},
		{Name: "Outcome", Value: outcome(e.Kind)},
		{Name: "Reason", Value: e.Reason},
		{Name: "What", Value: e.Message},
		{Name: "Since", Value: ago(e.Since, now)},
		{Name: "Usual", Value: e.Usual},
		{Name: "Given up", Value: ahead(e.Deadline, now)},
		{Name: "Next look", Value: ahead(e.NextAttempt, now)},
		{Name: "What helps", Value: e.Unblock},
		{Name: "Step", Value: e.Step},
		{Name: "Boot", Value: e.Boot},
		{Name: "Disk", Value: e.Disk},
		{Name: "Hand-over", Value: e.HandOver},
		{Name: "TPM", Value: e.TPM},
		{Name: "TPM policy", Value: e.TPMPolicy},
		{Name: "First boot", Value: firstBootLine(h.record().FirstBoot)},
		{Name: "Error", Value: e.Error},
		{Name: "Health", Value: e.Health},
		{Name: "Burn-in", Value: e.BurnIn},
	}
	for _, d := range e.Disks {
		fields = append(fields, print.Field{Name: "Known disk", Value: d})
	}
	for _, l := range e.RAID {
		fields = append(fields, print.Field{Name: "RAID", Value: l})
	}
	fields = append(fields, print.Field{Name: "Erasure", Value: e.Erasure})
	for _, l := range e.Wipes {
		fields = append(fields, print.Field{Name: "Cleaned", Value: l})
	}
	return print.Fields(w, fields...)
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
