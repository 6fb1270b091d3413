package list

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// settle is how long changes are gathered before their rows are read, since one change of a machine writes several objects; retry is how long a server that does not answer is left alone.
const (
	settle = 100 * time.Millisecond
	retry  = time.Second
)

// errEnded: the server closed a watch, which it does every now and then.
var errEnded = errors.New("the watch ended")

// watch shows the list and then its changes, until the command is ended.
func (q *question[T]) watch(ctx context.Context, s *session.Session, c client.WithWatch) error {
	d := newDisplay(q, s)
	for shown := false; ; {
		err := q.follow(ctx, c, func(rows map[types.NamespacedName]T) error {
			shown = true
			return d.show(rows)
		})
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever watches has ended it, which is how it ends
		case !shown || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || errors.Is(err, errOutput):
			return err
		case errors.Is(err, errEnded) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
		default:
			fmt.Fprintf(s.Err, "the API server does not answer, trying again: %v\n", err)
			select {
			case <-ctx.Done():
			case <-time.After(retry):
			}
		}
	}
}

// follow reads the list once, and then the rows that changes name.
func (q *question[T]) follow(ctx context.Context, c client.WithWatch, show func(map[types.NamespacedName]T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The versions come first, so that what changes while the list is read is seen again and not missed.
	versions, err := q.versions(ctx, c)
	if err != nil {
		return err
	}
	all, err := q.rows(ctx, c)
	if err != nil {
		return err
	}
	rows := make(map[types.NamespacedName]T, len(all))
	for _, row := range all {
		rows[q.key(row)] = row
	}
	if err := show(rows); err != nil {
		return err
	}
	changes := make(chan change)
	for i, kind := range q.noun.Follow {
		w, err := q.open(ctx, c, kind, versions[i])
		if err != nil {
			return err
		}
		defer w.Stop()
		go forward(ctx, w, changes)
	}
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		changed, err := gather(ctx, changes, tick.C)
		if err != nil {
			return err
		}
		for key := range changed {
			if err := q.refresh(ctx, c, rows, key); err != nil {
				return err
			}
		}
		if err := show(rows); err != nil {
			return err
		}
	}
}

func (q *question[T]) key(row T) types.NamespacedName {
	o := q.noun.Object(&row)
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// versions are where the watches begin. One object of metadata is asked for, since any answer to a list has the version.
func (q *question[T]) versions(ctx context.Context, c client.Client) ([]string, error) {
	var all []string
	for _, kind := range q.noun.Follow {
		one, err := metadata(c, kind)
		if err != nil {
			return nil, err
		}
		if err := c.List(ctx, one, client.InNamespace(q.namespace), client.Limit(1)); err != nil {
			return nil, fmt.Errorf("list %s: %w", q.noun.Plural, err)
		}
		all = append(all, one.ResourceVersion)
	}
	return all, nil
}

func metadata(c client.Client, kind client.ObjectList) (*metav1.PartialObjectMetadataList, error) {
	gvk, err := apiutil.GVKForObject(kind, c.Scheme())
	if err != nil {
		return nil, fmt.Errorf("follow changes of %T: %w", kind, err)
	}
	m := &metav1.PartialObjectMetadataList{}
	m.SetGroupVersionKind(gvk)
	return m, nil
}

func (q *question[T]) open(ctx context.Context, c client.WithWatch, kind client.ObjectList, version string) (watch.Interface, error) {
	m, err := metadata(c, kind)
	if err != nil {
		return nil, err
	}
	w, err := c.Watch(ctx, m, &client.ListOptions{Namespace: q.namespace, Raw: &metav1.ListOptions{ResourceVersion: version}})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", q.noun.Plural, err)
	}
	return w, nil
}

// change names a row, or is the end of a watch.
type change struct {
	key types.NamespacedName
	err error
}

func forward(ctx context.Context, w watch.Interface, to chan<- change) {
	send := func(c change) bool {
		select {
		case to <- c:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for e := range w.ResultChan() {
		if e.Type == watch.Error {
			send(change{err: apierrors.FromObject(e.Object)})
			return
		}
		o, err := meta.Accessor(e.Object)
		if err != nil || e.Type == watch.Bookmark {
			continue
		}
		if !send(change{key: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}}) {
			return
		}
	}
	send(change{err: errEnded})
}

// gather waits for a change, and a little for what comes with it. A tick without a change gives none: ages move on.
func gather(ctx context.Context, changes <-chan change, tick <-chan time.Time) (map[types.NamespacedName]bool, error) {
	keys := map[types.NamespacedName]bool{}
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case c := <-changes:
			if c.err != nil {
				return nil, c.err
			}
			keys[c.key] = true
			if settled == nil {
				settled = time.After(settle)
			}
		case <-settled:
			return keys, nil
		case <-tick:
			if len(keys) == 0 {
				return nil, nil
			}
		}
	}
}

// refresh reads a row again.
func (q *question[T]) refresh(ctx context.Context, c client.Client, rows map[types.NamespacedName]T, key types.NamespacedName) error {
	row, err := q.noun.Row(ctx, c, key)
	switch {
	case apierrors.IsNotFound(err):
		delete(rows, key)
	case err != nil:
		return err
	case q.keeps(row) && q.selector.Matches(labels.Set(q.noun.Object(&row).GetLabels())):
		rows[key] = row
	default:
		delete(rows, key)
	}
	return nil
}
