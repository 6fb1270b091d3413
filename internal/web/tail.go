package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/audit"
)

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
