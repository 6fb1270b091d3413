package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// listFlags are a filter as people write it.
type listFlags struct {
	dir, since, until string
	follow            bool
	last              int
	f                 audit.Filter
}

func listCommand(s *session.Session) *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List what was done, oldest first",
		Long: "Without filters the last hundred requests. -n and --name choose by object; entries of intent, which are written before what must not go unrecorded is done, are left out " +
			"unless --intents asks for them.",
		Example: "  ingot audit list --secret-reads --since 24h\n  ingot audit list --user alice --failed\n  ingot audit list --kind baremetalhosts --name rack1-server1 -n metal -o wide\n  ingot audit list --follow",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("namespace") {
				namespace, err := s.Namespace()
				if err != nil {
					return err
				}
				f.f.Namespace = namespace
			}
			return list(cmd.Context(), s, f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.f.User, "user", "", "who did it or stands behind it; with * at the end all that begin so")
	flags.StringVar(&f.f.Verb, "verb", "", "create, update, patch, delete, deletecollection, get, list or watch")
	flags.StringVar(&f.f.Kind, "kind", "", "plural of the kind, with .GROUP and /SUBRESOURCE where wanted, like baremetalhosts or roles.rbac.authorization.k8s.io")
	flags.StringVar(&f.f.Name, "name", "", "name of the object")
	flags.StringVar(&f.f.Request, "request", "", "ID of the request (the Audit-ID header of its answer): all of its entries")
	flags.StringVar(&f.since, "since", "", "from then on: a time (2026-03-01T12:00:00Z, 2026-03-01) or how long ago (24h)")
	flags.StringVar(&f.until, "until", "", "before then, written like --since")
	flags.BoolVar(&f.f.Failed, "failed", false, "only what was refused or failed")
	flags.BoolVar(&f.f.SecretReads, "secret-reads", false, "only reads of Secrets")
	flags.BoolVar(&f.f.Intents, "intents", false, "entries of intent too")
	flags.BoolVar(&f.f.All, "all", false, "every record, also what the trail says about itself")
	flags.IntVar(&f.last, "last", 100, "only so many, the newest; 0: all")
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on as records come, until Ctrl-C")
	dirFlag(c, &f.dir)
	_ = c.RegisterFlagCompletionFunc("verb", cobra.FixedCompletions([]string{"create", "update", "patch", "delete", "deletecollection", "get", "list", "watch"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func list(ctx context.Context, s *session.Session, f listFlags) error {
	format, err := s.Format()
	if err != nil {
		return err
	}
	now := time.Now()
	if f.f.Since, err = Moment("--since", f.since, now); err != nil {
		return err
	}
	if f.f.Until, err = Moment("--until", f.until, now); err != nil {
		return err
	}
	if f.last < 0 {
		return fmt.Errorf("--last %d: 0 for all, or how many", f.last)
	}
	if err := exists(f.dir); err != nil {
		return err
	}
	if f.follow {
		return follow(ctx, s, f, format)
	}
	var all []audit.Record
	altered := 0
	err = lines(ctx, s, f.dir, f.f, false, func(line []byte) error {
		r, _, err := audit.Parse(line)
		if err != nil {
			altered++
			return nil //nolint:nilerr // it is counted and told of below
		}
		// Twice as many as are shown, so that each is moved once at most.
		if all = append(all, r); f.last > 0 && len(all) >= 2*f.last+64 {
			all = append(all[:0], all[len(all)-f.last:]...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if f.last > 0 && len(all) > f.last {
		all = all[len(all)-f.last:]
	}
	if altered > 0 {
		fmt.Fprintf(s.Err, "%d lines of the trail are not as they were written: `ingot audit verify` says which\n", altered)
	}
	if len(all) == 0 && format == print.Table {
		fmt.Fprintln(s.Err, "no record fits")
		return nil
	}
	if all == nil {
		all = []audit.Record{}
	}
	return print.Objects(s.Out, format, all, all, columns())
}

// Moment reads a time or how long ago.
func Moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil { // what a person types is their own time
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q: write a time like 2026-03-01T12:00:00Z or 2026-03-01, or how long ago like 24h", flag, text)
}

func columns() []print.Column[audit.Record] {
	of := func(cell func(audit.Request) string) func(audit.Record) string {
		return func(r audit.Record) string {
			if r.Request == nil {
				return ""
			}
			return cell(*r.Request)
		}
	}
	return []print.Column[audit.Record]{
		{Header: "SEQ", Cell: func(r audit.Record) string { return strconv.FormatUint(r.Seq, 10) }},
		{Header: "TIME", Cell: func(r audit.Record) string { return r.Time.Local().Format("2006-01-02 15:04:05") }}, // for a person
		{Header: "USER", Cell: of(func(q audit.Request) string {
			if q.ImpersonatedBy != "" {
				return q.User + " by " + q.ImpersonatedBy
			}
			return q.User
		})},
		{Header: "VERB", Cell: func(r audit.Record) string {
			if r.Request == nil {
				return string(r.Kind)
			}
			return r.Request.Verb
		}},
		{Header: "OBJECT", Cell: func(r audit.Record) string {
			switch {
			case r.Notice != nil:
				return r.Notice.Message
			case r.Request == nil:
				return ""
			case r.Request.Object != nil:
				return r.Request.Object.String()
			}
			return r.Request.Path
		}},
		{Header: "RESULT", Cell: of(Outcome)},
		{Header: "FROM", Cell: of(func(q audit.Request) string { return q.From })},
		{Header: "TOOK", Wide: true, Cell: of(func(q audit.Request) string {
			return (time.Duration(q.DurationMicros) * time.Microsecond).Round(100 * time.Microsecond).String()
		})},
		{Header: "REQUEST", Wide: true, Cell: of(func(q audit.Request) string { return q.ID })},
		{Header: "AGENT", Wide: true, Cell: of(func(q audit.Request) string { return q.Agent })},
	}
}

// Outcome is what became of a request, in a word or two.
func Outcome(q audit.Request) string {
	switch {
	case q.Stage == audit.StageIntent:
		return "intent"
	case q.Code == 0:
		return string(q.Stage)
	case q.Reason != "":
		return fmt.Sprint(q.Code, " ", q.Reason)
	}
	return fmt.Sprint(q.Code)
}

// follow prints each record as it comes: a line a record, since a table of unknown rows has no widths.
func follow(ctx context.Context, s *session.Session, f listFlags, format print.Format) error {
	if format == print.YAML || format == print.Markdown {
		return fmt.Errorf("--follow with -o %s: a stream has no end to be written at; take -o json, a line a record", format)
	}
	err := lines(ctx, s, f.dir, f.f, true, func(line []byte) error {
		r, _, err := audit.Parse(line)
		if err != nil {
			fmt.Fprintln(s.Err, "a line is not as it was written: `ingot audit verify` says which")
			return nil //nolint:nilerr // it is told of, and what comes after it matters
		}
		if format == print.JSON {
			text, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("render record %d: %w", r.Seq, err)
			}
			_, err = fmt.Fprintln(s.Out, string(text))
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, r)
		}
		var cells []string
		for _, c := range columns() {
			if cell := c.Cell(r); cell != "" && (!c.Wide || format == print.Wide) {
				cells = append(cells, cell)
			}
		}
		_, err = fmt.Fprintln(s.Out, strings.Join(cells, "  "))
		return err
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // told to stop: that is how following ends
	}
	return err
}
