package seeded

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/test/sim/seeded/store"
)

// apiClient is a process's way to the objects: reads from its cache or live, and writes that fail, get lost on the way back, meet others' writes, or are the last thing that the process does.
type apiClient struct {
	*store.Store
	p *process
	// cache is nil for a client that reads live.
	cache *reader
}

var _ client.Client = apiClient{}

var errDead = errors.New("the process is dead")

// Get implements client.Reader.
func (c apiClient) Get(ctx context.Context, key client.ObjectKey, out client.Object, o ...client.GetOption) error {
	if err := c.before("get", out); err != nil {
		return err
	}
	if c.cache != nil && !strings.Contains(kindName(out), "Secret") {
		return c.cache.Get(ctx, key, out, o...)
	}
	return c.Store.Get(ctx, key, out, o...)
}

// List implements client.Reader.
func (c apiClient) List(ctx context.Context, out client.ObjectList, o ...client.ListOption) error {
	if c.p.dead() {
		return errDead
	}
	if c.cache != nil {
		return c.cache.List(ctx, out, o...)
	}
	return c.Store.List(ctx, out, o...)
}

// before is what may go wrong with a read, which changes nothing.
func (c apiClient) before(op string, o client.Object) error {
	w := c.p.w
	switch {
	case c.p.dead():
		return errDead
	case c.cache == nil && w.chance(w.faults.apiError, op+" "+nameOf(o)):
		return apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
	}
	return nil
}

// write does a write and what may go wrong with it.
func (c apiClient) write(op string, o client.Object, do func() error) error {
	w, what := c.p.w, op+" "+nameOf(o)
	switch {
	case c.p.dead():
		return errDead
	case w.chance(w.faults.crash, what+" crash before"):
		c.p.die(what + " (before)")
		return errDead
	case w.chance(w.faults.apiError, what):
		return apierrors.NewTooManyRequests("the server is busy", 1)
	case w.chance(w.faults.meddle, what+" meddle"):
		w.meddle(o)
	}
	err := do()
	if id, known := c.idOf(o); known && err == nil {
		c.p.cache.wrote(id, c.VersionOf(id))
	}
	switch {
	case w.chance(w.faults.crash, what+" crash after"):
		c.p.die(what + " (after)")
		return errDead
	case err == nil && w.chance(w.faults.lostAnswer, what):
		return apierrors.NewTimeoutError("the answer was lost", 1)
	}
	return err
}

func (c apiClient) idOf(o client.Object) (store.ID, bool) {
	kind, err := c.GroupVersionKindFor(o)
	return store.ID{Kind: kind, Key: client.ObjectKeyFromObject(o)}, err == nil
}

// Create implements client.Writer.
func (c apiClient) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	return c.write("create", o, func() error { return c.Store.Create(ctx, o, opts...) })
}

// Update implements client.Writer.
func (c apiClient) Update(ctx context.Context, o client.Object, opts ...client.UpdateOption) error {
	return c.write("update", o, func() error { return c.Store.Update(ctx, o, opts...) })
}

// Patch implements client.Writer.
func (c apiClient) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	return c.write("patch", o, func() error { return c.Store.Patch(ctx, o, p, opts...) })
}

// Delete implements client.Writer.
func (c apiClient) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	return c.write("delete", o, func() error { return c.Store.Delete(ctx, o, opts...) })
}

// Status implements client.Client.
func (c apiClient) Status() client.SubResourceWriter {
	return statusClient{c.Store.Status(), c}
}

type statusClient struct {
	client.SubResourceWriter
	c apiClient
}

// Update implements client.SubResourceWriter.
func (s statusClient) Update(ctx context.Context, o client.Object, opts ...client.SubResourceUpdateOption) error {
	return s.c.write("update status", o, func() error { return s.SubResourceWriter.Update(ctx, o, opts...) })
}

// Patch implements client.SubResourceWriter.
func (s statusClient) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	return s.c.write("patch status", o, func() error { return s.SubResourceWriter.Patch(ctx, o, p, opts...) })
}
