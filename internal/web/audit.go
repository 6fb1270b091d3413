package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/ingotmetal/ingot/audit"
	auditcli "github.com/ingotmetal/ingot/internal/cli/audit"
)

// AuditBody is what stands beside the records.
type AuditBody struct {
	// Last is how many are shown at most, More how many others were chosen; Altered lines are not as they were written.
	Last    int `json:"last"`
	More    int `json:"more"`
	Altered int `json:"altered,omitempty"`
}

// AuditRow is a record in a list.
type AuditRow struct {
	Seq  string `json:"key"`
	Time string `json:"time"`
	User string `json:"user,omitempty"`
	By   string `json:"impersonatedBy,omitempty"`
	Verb string `json:"verb"`
	// Object is what it was about, or the path, or what the trail says about itself.
	Object  string `json:"object,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
	From    string `json:"from,omitempty"`
}

// Key is the record's number.
func (r AuditRow) Key() string { return r.Seq }

const (
	// lastRecords is how many are shown where nothing is said, mostRecords how many at most.
	lastRecords = 100
	mostRecords = 2000
)

// trailFilter reads what the address asks for, written as `ingot audit list` takes it.
func trailFilter(q url.Values, now time.Time) (f audit.Filter, last int, err error) {
	last = lastRecords
	rest := url.Values{}
	for name, values := range q {
		if values[0] == "" {
			continue
		}
		switch name {
		case "last":
			if last, err = strconv.Atoi(values[0]); err != nil || last < 1 || last > mostRecords {
				return f, 0, fmt.Errorf("last=%q: write a number from 1 to %d", values[0], mostRecords)
			}
		case "since", "until":
			at, err := auditcli.Moment(name, values[0], now)
			if err != nil {
				return f, 0, err
			}
			rest.Set(name, at.UTC().Format(time.RFC3339Nano))
		default:
			rest[name] = values
		}
	}
	f, err = audit.ParseFilter(rest)
	return f, last, err
}

// trail is the audit trail.
func trail(ctx context.Context, c *reader, a ask) (Content, error) {
	if c.tail == nil {
		f, last, err := trailFilter(a.query, a.now)
		if err != nil {
			return Content{}, apierrors.NewBadRequest(err.Error())
		}
		if c.tail, err = readTail(ctx, c, f, last, a.live); err != nil {
			return Content{}, err
		}
	}
	records, more, altered, err := c.tail.newest()
	if err != nil {
		return Content{}, err
	}
	rows := make([]Row, len(records))
	for i := range records {
		rows[i] = auditRow(&records[i])
	}
	return Content{Body: AuditBody{c.tail.most, more, altered}, Rows: rows}, nil
}

func auditRow(r *audit.Record) AuditRow {
	row := AuditRow{Seq: strconv.FormatUint(r.Seq, 10), Time: r.Time.UTC().Format(time.RFC3339Nano), Verb: string(r.Kind)}
	if r.Notice != nil {
		row.Object = r.Notice.Message
	}
	q := r.Request
	if q == nil {
		return row
	}
	row.User, row.By, row.Verb, row.Object = q.User, q.ImpersonatedBy, q.Verb, q.Path
	if q.Object != nil {
		row.Object = q.Object.String()
	}
	row.Outcome, row.Failed, row.From = auditcli.Outcome(*q), q.Failed(), q.From
	return row
}

// RecordBody is one record with all that it holds.
type RecordBody struct {
	Row    AuditRow     `json:"row"`
	Record audit.Record `json:"record"`
	// Change is the body of the request, redacted, as text.
	Change string `json:"changeText,omitempty"`
}

// record is one of the trail's.
func record(ctx context.Context, c *reader, a ask) (Content, error) {
	seq, err := strconv.ParseUint(a.part[0], 10, 64)
	if err != nil || seq == 0 {
		return Content{}, apierrors.NewBadRequest(fmt.Sprintf("%q is no record's number", a.part[0]))
	}
	// A record never changes: it is read once.
	if c.tail == nil {
		if c.tail, err = readTail(ctx, c, audit.Filter{Seq: seq}, 1, false); err != nil {
			return Content{}, err
		}
	}
	records, _, _, err := c.tail.newest()
	switch {
	case err != nil:
		return Content{}, err
	case len(records) == 0:
		return Content{}, apierrors.NewNotFound(schema.GroupResource{Resource: "records of the audit trail"}, a.part[0])
	}
	b := RecordBody{Row: auditRow(&records[0]), Record: records[0]}
	if q := records[0].Request; q != nil && len(q.Change) > 0 {
		b.Change = indented(q.Change)
	}
	return Content{Body: b}, nil
}

func indented(text json.RawMessage) string {
	var what any
	if err := json.Unmarshal(text, &what); err != nil {
		return string(text)
	}
	out, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return string(text)
	}
	return cmp.Or(string(out), "{}")
}
