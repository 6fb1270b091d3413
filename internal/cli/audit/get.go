package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func getCommand(s *session.Session) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "get SEQ",
		Short: "Show one record with all that it holds",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			seq, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || seq == 0 {
				return fmt.Errorf("%q is no record's number: `ingot audit list` shows them", args[0])
			}
			if err := exists(dir); err != nil {
				return err
			}
			var found *audit.Record
			err = lines(cmd.Context(), s, dir, audit.Filter{Seq: seq}, false, func(line []byte) error {
				r, _, err := audit.Parse(line)
				if err != nil {
					return nil //nolint:nilerr // an altered line has no number that could be believed
				}
				found = &r
				return errFound
			})
			if err != nil && !errors.Is(err, errFound) {
				return err
			}
			if found == nil {
				return fmt.Errorf("record %d is not in the trail: it was removed by retention, is not written yet, or is missing (`ingot audit verify`)", seq)
			}
			if format.Structured() {
				return print.Object(s.Out, format, found)
			}
			return show(s.Out, *found)
		},
	}
	dirFlag(c, &dir)
	return c
}

var errFound = errors.New("found")

func show(w io.Writer, r audit.Record) error {
	fields := []print.Field{
		{Name: "Record", Value: strconv.FormatUint(r.Seq, 10)},
		{Name: "Time", Value: r.Time.Format(time.RFC3339Nano)},
		{Name: "Kind", Value: string(r.Kind)},
	}
	if n := r.Notice; n != nil {
		fields = append(fields, print.Field{Name: "Says", Value: n.Message}, print.Field{Name: "Writer", Value: n.Writer}, print.Field{Name: "Version", Value: n.Version})
		if n.Count > 0 {
			fields = append(fields, print.Field{Name: "Count", Value: fmt.Sprint(n.Count)})
		}
	}
	if c := r.Checkpoint; c != nil {
		fields = append(fields, print.Field{Name: "Signed by", Value: c.Key})
	}
	if q := r.Request; q != nil {
		fields = append(fields, request(*q)...)
	}
	fields = append(fields, print.Field{Name: "Before", Value: r.Prev}, print.Field{Name: "Hash", Value: r.Hash})
	if err := print.Fields(w, fields...); err != nil {
		return err
	}
	if r.Request == nil || len(r.Request.Change) == 0 {
		return nil
	}
	var change bytes.Buffer
	if err := json.Indent(&change, r.Request.Change, "", "  "); err != nil {
		return fmt.Errorf("render the change of record %d: %w", r.Seq, err)
	}
	_, err := fmt.Fprintf(w, "Change, redacted:\n%s\n", change.String())
	return err
}

func request(q audit.Request) []print.Field {
	object := q.Path
	if q.Object != nil {
		object = q.Object.String()
	}
	fields := []print.Field{
		{Name: "Request", Value: q.ID}, {Name: "Stage", Value: string(q.Stage)},
		{Name: "User", Value: q.User}, {Name: "Groups", Value: strings.Join(q.Groups, ", ")}, {Name: "Credential", Value: q.Credential}, {Name: "Impersonated by", Value: q.ImpersonatedBy},
		{Name: "Verb", Value: q.Verb}, {Name: "Object", Value: object},
		{Name: "From", Value: q.From}, {Name: "Says it is for", Value: strings.Join(q.Forwarded, ", ")}, {Name: "Agent", Value: q.Agent},
		{Name: "Result", Value: Outcome(q)}, {Name: "Message", Value: q.Message}, {Name: "Fields", Value: strings.Join(q.Fields, ", ")},
		{Name: "Took", Value: (time.Duration(q.DurationMicros) * time.Microsecond).String()},
	}
	for _, k := range slices.Sorted(maps.Keys(q.Annotations)) {
		fields = append(fields, print.Field{Name: k, Value: q.Annotations[k]})
	}
	return fields
}
