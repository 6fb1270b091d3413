// Package one is what commands about one object of a namespace share: reading it by the name that was typed, completing that name, and waiting for what becomes of it.
//
// It owns the words for an object that is not there, and the way to follow one object without asking again and again. It refuses to know what is waited for: a goal says that.
//
// Invariant: another object of the same name is not the one that is waited for.
package one

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// object is a pointer to an API type; its zero value, nil, is an object that is not there.
type object interface {
	comparable
	client.Object
}

// Kind is a namespaced kind with a noun of its own.
type Kind[T object] struct {
	// Noun is the command's: `ingot NOUN list` shows all. Singular and Plural are as they stand in a sentence.
	Noun, Singular, Plural string
	New                    func() T
	NewList                func() client.ObjectList
}

// Command is a command about one object, whose name is its argument and is completed.
func (k Kind[T]) Command(s *session.Session, use, short string, run func(cmd *cobra.Command, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: complete.Name(s, k.NewList()),
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd, args[0]) },
	}
}

// Read gets the object by the name that was typed, in the session's namespace. The client is the one that it was read by.
func (k Kind[T]) Read(ctx context.Context, s *session.Session, name string) (c client.WithWatch, o T, err error) {
	if c, err = s.Client(); err != nil {
		return nil, o, err
	}
	namespace, err := s.Namespace()
	if err != nil {
		return nil, o, err
	}
	read := k.New()
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, read)
	if apierrors.IsNotFound(err) {
		return nil, o, session.Missing(fmt.Errorf("%s %s is not in namespace %q: `ingot %s list -A` shows all %s", k.Singular, name, namespace, k.Noun, k.Plural))
	}
	if err != nil {
		return nil, o, fmt.Errorf("read %s %s/%s: %w", k.Singular, namespace, name, err)
	}
	return c, read, nil
}

// Goal is what is waited for, and why it can't come any more, if so. An object that is not there is nil.
type Goal[T object] func(T) (reached bool, hopeless string)

// Await follows an object until a goal is reached, and gives it as it is then. What step says of it is told whenever that changes; nothing where it says nothing.
func (k Kind[T]) Await(ctx context.Context, s *session.Session, c client.WithWatch, o T, step func(T) string, goal Goal[T], timeout time.Duration) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var none, last T
	said := ""
	look := func(now T) (bool, error) {
		if now != none && now.GetUID() != o.GetUID() {
			now = none
		}
		last = now
		if now != none {
			if text := step(now); text != "" && text != said {
				fmt.Fprintln(s.Err, text)
				said = text
			}
		}
		reached, hopeless := goal(now)
		if hopeless != "" {
			return false, fmt.Errorf("%s %s/%s: %s", k.Singular, o.GetNamespace(), o.GetName(), hopeless)
		}
		return reached, nil
	}
	for {
		done, err := k.follow(ctx, c, o, look)
		switch {
		case done || err != nil && ctx.Err() == nil:
			return last, err
		case ctx.Err() != nil:
			return none, fmt.Errorf("%s %s/%s is not there after %s: %s", k.Singular, o.GetNamespace(), o.GetName(), print.Duration(timeout), said)
		}
	}
}

// follow looks at an object now and at each of its changes, until look is done or the stream ends.
func (k Kind[T]) follow(ctx context.Context, c client.WithWatch, o T, look func(T) (bool, error)) (bool, error) {
	var none T
	now := k.New()
	err := c.Get(ctx, client.ObjectKeyFromObject(o), now)
	if apierrors.IsNotFound(err) {
		return look(none)
	}
	if err != nil {
		return false, fmt.Errorf("read %s %s/%s: %w", k.Singular, o.GetNamespace(), o.GetName(), err)
	}
	if done, err := look(now); done || err != nil {
		return done, err
	}
	stream, err := c.Watch(ctx, k.NewList(), client.InNamespace(o.GetNamespace()), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", o.GetName())},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: now.GetResourceVersion()}})
	if err != nil {
		return false, fmt.Errorf("watch %s %s/%s: %w", k.Singular, o.GetNamespace(), o.GetName(), err)
	}
	defer stream.Stop()
	for e := range stream.ResultChan() {
		x, is := e.Object.(T)
		switch {
		case !is:
			// The version is too old to go on from: from the beginning.
			return false, nil
		case e.Type == watch.Deleted:
			x = none
		}
		if done, err := look(x); done || err != nil {
			return done, err
		}
	}
	return false, nil
}
