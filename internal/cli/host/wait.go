package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// What `ingot host wait` can wait for, beside the provisioning states.
const (
	waitFirstBoot = "first-boot"
	waitGone      = "gone"
)

func waitTargets() []string {
	return []string{
		string(metal3.StateAvailable), string(metal3.StateProvisioned), string(metal3.StateExternallyProvisioned),
		waitFirstBoot, waitGone,
	}
}

func waitCommand(s *session.Session) *cobra.Command {
	var target string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait HOST --for STATE",
		Short: "Wait until a host is in a state, and show how it gets there",
		Long: "Shows each change of stage, step and progress on standard error until the host is in the state.\n" +
			"States: " + strings.Join(waitTargets(), ", ") + ". Ends with an error when the time is over.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
	}
	c.Flags().StringVar(&target, "for", string(metal3.StateProvisioned), strings.Join(waitTargets(), ", "))
	c.Flags().DurationVar(&timeout, "timeout", time.Hour, "how long to wait")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(waitTargets(), cobra.ShellCompDirectiveNoFileComp))
	c.RunE = one(s, func(ctx context.Context, client client.WithWatch, h Host, _ *cobra.Command) error {
		if !known(target) {
			return fmt.Errorf("state %q can't be waited for: use one of %s", target, strings.Join(waitTargets(), ", "))
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		w := &waiter{session: s, client: client, target: target, display: display{session: s, start: time.Now()}}
		return w.run(ctx, h)
	})
	return c
}

func known(target string) bool {
	for _, t := range waitTargets() {
		if t == target {
			return true
		}
	}
	return false
}

// waiter follows one host.
type waiter struct {
	session *session.Session
	client  client.WithWatch
	target  string
	display display
}

// errWatchEnded: the server closed a watch, which it does every now and then; the waiter starts again.
var errWatchEnded = errors.New("watch ended")

func (w *waiter) run(ctx context.Context, h Host) error {
	key := client.ObjectKeyFromObject(&h.Host)
	for {
		err := w.follow(ctx, key)
		switch {
		case ctx.Err() != nil:
			w.display.end()
			return fmt.Errorf("host %s is not %s in time: `ingot host explain %s` says what it waits for", key, w.target, key.Name)
		case err == nil:
			w.display.end()
			return nil
		case errors.Is(err, errWatchEnded), apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err):
		default:
			w.display.message("the API server does not answer: " + err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (w *waiter) follow(ctx context.Context, key client.ObjectKey) error {
	only := []client.ListOption{client.InNamespace(key.Namespace), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", key.Name)}}
	hosts, err := w.client.Watch(ctx, &metal3.BareMetalHostList{}, only...)
	if err != nil {
		return err
	}
	defer hosts.Stop()
	lifecycles, err := w.client.Watch(ctx, &ingot.HostLifecycleList{}, only...)
	if err != nil {
		return err
	}
	defer lifecycles.Stop()
	for {
		h, err := load(ctx, w.client, key.Namespace, key.Name)
		if err != nil && w.target == waitGone && isGone(ctx, w.client, key) {
			return nil
		}
		if err != nil {
			return err
		}
		w.display.show(h)
		if w.reached(h) {
			return nil
		}
		if err := next(ctx, hosts, lifecycles); err != nil {
			return err
		}
	}
}

func isGone(ctx context.Context, c client.Client, key client.ObjectKey) bool {
	return apierrors.IsNotFound(c.Get(ctx, key, &metal3.BareMetalHost{}))
}

func (w *waiter) reached(h Host) bool {
	switch w.target {
	case waitFirstBoot:
		f := h.record().FirstBoot
		return f != nil && f.ReportedAt != nil && h.Host.Status.Provisioning.State == metal3.StateProvisioned
	case waitGone:
		return false
	default:
		return string(h.Host.Status.Provisioning.State) == w.target
	}
}

func next(ctx context.Context, watches ...watch.Interface) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case _, open := <-watches[0].ResultChan():
		return ended(open)
	case _, open := <-watches[1].ResultChan():
		return ended(open)
	}
}

func ended(open bool) error {
	if open {
		return nil
	}
	return errWatchEnded
}

// display shows a host's way as lines; on a terminal the progress of a step is redrawn in place.
type display struct {
	session *session.Session
	start   time.Time
	line    string
	drawn   bool
}

func (d *display) show(h Host) {
	r := h.record()
	line := string(h.Host.Status.Provisioning.State)
	if h.Host.Status.ErrorType != "" {
		line += "  " + string(h.Host.Status.ErrorType) + ": " + h.Host.Status.ErrorMessage
	}
	if r.Outcome.Message != "" {
		line += "  " + r.Outcome.Message
	}
	if r.Step != nil && r.Step.Progress != nil {
		d.redraw(line, *r.Step.Progress)
		return
	}
	if line != d.line {
		d.line = line
		d.message(line)
	}
}

func (d *display) redraw(line string, p ingot.Progress) {
	if !d.session.Interactive() {
		if line+p.Phase != d.line {
			d.line = line + p.Phase
			d.message(line + "  " + progress(p))
		}
		return
	}
	const width = 24
	fmt.Fprintf(d.session.Err, "\r\033[K%s  %s %s %s", d.clock(), line, print.Bar(p.DoneBytes, p.TotalBytes, width), progress(p))
	d.drawn = true
}

func (d *display) message(line string) {
	d.end()
	fmt.Fprintf(d.session.Err, "%s  %s\n", d.clock(), line)
}

// end finishes a line that was drawn in place.
func (d *display) end() {
	if d.drawn {
		fmt.Fprintln(d.session.Err)
		d.drawn = false
	}
}

func (d *display) clock() string {
	return fmt.Sprintf("%7s", print.Duration(time.Since(d.start)))
}
