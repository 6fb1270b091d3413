package web

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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

// The paths of the audit trail at the API server, which says who may get them, and records who did.
const (
	trailRecords = "/audit/records"
	trailHead    = "/audit/head"
)

// tail is the newest records of the audit trail that a filter chooses. It is read once, and then followed: to read it again with each record would itself be recorded, and so on without end.
type tail struct {
	most   int
	cancel context.CancelFunc

	mu      sync.Mutex
	records []audit.Record
	// all is how many were chosen, altered how many lines are not as they were written.
	all, altered int
	through      uint64
	err          error
}

func (t *tail) close() { t.cancel() }

// add takes one line.
func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, _, err := audit.Parse(line)
	if err != nil {
		t.altered++
		return
	}
	t.all++
	t.through = max(t.through, r.Seq)
	// Twice as many as are shown, so that each is moved once at most.
	if t.records = append(t.records, r); len(t.records) >= 2*t.most {
		t.records = slices.Delete(t.records, 0, len(t.records)-t.most)
	}
}

// newest gives what is to be shown, the newest first.
func (t *tail) newest() (records []audit.Record, more, altered int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	records = slices.Clone(t.records[max(0, len(t.records)-t.most):])
	slices.Reverse(records)
	return records, t.all - len(records), t.altered, t.err
}

// trailClient asks with the person's own rights.
func (p *person) trailClient() (rest.Interface, error) {
	c, err := kubernetes.NewForConfigAndClient(p.config, p.http)
	if err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	return c.Discovery().RESTClient(), nil
}

// readTail reads the newest records; with follow the page is woken for each one that comes.
func readTail(ctx context.Context, c *reader, f audit.Filter, most int, follow bool) (*tail, error) {
	api, err := c.view.who.trailClient()
	if err != nil {
		return nil, err
	}
	t := &tail{most: most, cancel: func() {}}
	// What comes between the head and the end of the reading is either read, or not chosen.
	text, err := api.Get().RequestURI(trailHead).DoRaw(ctx)
	if err != nil {
		return nil, trailError(err)
	}
	var at struct {
		Head audit.Head `json:"head"`
	}
	if err := json.Unmarshal(text, &at); err != nil {
		return nil, fmt.Errorf("read the head of the audit trail: %w", err)
	}
	t.through = at.Head.Seq
	if err := t.read(ctx, api, trailRecords+"?"+f.Values().Encode()); err != nil {
		return nil, err
	}
	if !follow {
		return t, nil
	}
	f.After = max(f.After, t.through)
	ctx, t.cancel = context.WithCancel(c.view.who.ctx)
	go func() {
		err := t.follow(ctx, api, f, c.stir)
		t.mu.Lock()
		t.err = err
		t.mu.Unlock()
		c.stir()
	}()
	return t, nil
}

func (t *tail) follow(ctx context.Context, api rest.Interface, f audit.Filter, told func()) error {
	query := f.Values()
	query.Set("follow", "true")
	err := t.each(ctx, api, trailRecords+"?"+query.Encode(), func(line []byte) {
		t.add(line)
		told()
	})
	if err == nil {
		err = errors.New("follow the audit trail: the API server ended it") // the browser asks again
	}
	return err
}

func (t *tail) read(ctx context.Context, api rest.Interface, path string) error {
	return t.each(ctx, api, path, t.add)
}

func (t *tail) each(ctx context.Context, api rest.Interface, path string, take func(line []byte)) error {
	stream, err := api.Get().RequestURI(path).Stream(ctx)
	if err != nil {
		return trailError(err)
	}
	defer func() { _ = stream.Close() }() // it was only read
	in := bufio.NewScanner(stream)
	in.Buffer(nil, 2*audit.MaxLine)
	for in.Scan() {
		take(in.Bytes())
	}
	if err := in.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the audit trail: %w", err)
	}
	return nil
}

// trailError says which right is missing.
func trailError(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("the audit trail is for those who may get /audit/*: operators may, and whom a ClusterRole with nonResourceURLs: [/audit/*], verbs: [get] is bound to: %w", err)
	}
	return fmt.Errorf("read the audit trail: %w", err)
}
