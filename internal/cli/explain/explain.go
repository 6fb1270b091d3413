// Package explain is how `ingot NOUN explain` answers for objects that have no life of their own to tell: how they stand, where what they have comes from, what they are for and what they keep out, and what helps.
//
// It owns the form of the answer, in words and as an object, and the words for an object that is not there. It refuses to know any kind: each noun fills an Answer from what it read, and the packages of the
// domain decide what fits.
//
// Invariants: nothing is decided anew, an answer is what the controller's own rules say of what was read; what could not be read for lack of rights is said to be so, and not left out in silence.
package explain

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Answer is what there is to say of an object.
type Answer struct {
	// Subject is the kind and name, like "network team-a/blue".
	Subject string `json:"subject"`
	// State is how it stands, in words.
	State string `json:"state"`
	// Facts are in the order in which they are read.
	Facts []Fact `json:"facts,omitempty"`
	// Verdicts say of others how they stand to it.
	Verdicts []Verdict `json:"verdicts,omitempty"`
	// WhatHelps are next steps; none: nothing is wrong.
	WhatHelps []string `json:"whatHelps,omitempty"`
}

// Fact is a line.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Verdict is one answer that several get.
type Verdict struct {
	// Fits says whether it is a good one.
	Fits bool     `json:"fits"`
	Why  string   `json:"why"`
	Of   []string `json:"of"`
}

// Say adds a fact; nothing for no value.
func (a *Answer) Say(name, value string) {
	if value != "" {
		a.Facts = append(a.Facts, Fact{name, value})
	}
}

// Help adds a next step.
func (a *Answer) Help(format string, args ...any) {
	a.WhatHelps = append(a.WhatHelps, fmt.Sprintf(format, args...))
}

// Judge adds one to those that get a verdict.
func (a *Answer) Judge(name string, fits bool, why string) {
	n := slices.IndexFunc(a.Verdicts, func(v Verdict) bool { return v.Fits == fits && v.Why == why })
	if n < 0 {
		n = len(a.Verdicts)
		a.Verdicts = append(a.Verdicts, Verdict{Fits: fits, Why: why})
	}
	a.Verdicts[n].Of = append(a.Verdicts[n].Of, name)
}

// Stands is what a condition says.
func Stands(conditions []metav1.Condition, condition string) string {
	switch c := meta.FindStatusCondition(conditions, condition); {
	case c == nil:
		return "no controller role has looked at it yet: see whether one runs"
	case c.Status == metav1.ConditionTrue && c.Message == "":
		return c.Reason
	default:
		return c.Reason + ": " + c.Message
	}
}

// Few are names, the first of many.
func Few(names []string) string {
	const most = 8
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Write shows the answer: the verdicts on those that fit first, and of either those on many before those on few.
func (a *Answer) Write(w io.Writer) error {
	fields := []print.Field{{Name: "What", Value: a.Subject}, {Name: "State", Value: a.State}}
	for _, f := range a.Facts {
		fields = append(fields, print.Field(f))
	}
	for _, h := range a.WhatHelps {
		fields = append(fields, print.Field{Name: "What helps", Value: h})
	}
	if err := print.Fields(w, fields...); err != nil {
		return err
	}
	slices.SortStableFunc(a.Verdicts, func(x, y Verdict) int {
		if x.Fits != y.Fits {
			return cmp.Compare(mark(x.Fits), mark(y.Fits))
		}
		return len(y.Of) - len(x.Of)
	})
	var b strings.Builder
	for _, v := range a.Verdicts {
		fmt.Fprintf(&b, "%s %s: %s\n", mark(v.Fits), Few(v.Of), v.Why)
	}
	if b.Len() == 0 {
		return nil
	}
	if _, err := io.WriteString(w, "\n"+b.String()); err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	return nil
}

// mark is what a verdict's line begins with.
func mark(fits bool) string {
	if fits {
		return "+"
	}
	return "-"
}

// Kind is a kind that explains its objects.
type Kind[T client.Object] struct {
	// Noun is the command's: `ingot NOUN list` shows all.
	Noun, Short string
	New         func() T
	List        client.ObjectList
	// Cluster: its objects are in no namespace.
	Cluster bool
	// Tell reads what else is to be known of an object.
	Tell func(ctx context.Context, c client.Client, o T) (Answer, error)
}

// Command is `ingot NOUN explain NAME`.
func (k Kind[T]) Command(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use: "explain " + strings.ToUpper(k.Noun), Short: k.Short, Args: cobra.ExactArgs(1), ValidArgsFunction: complete.Name(s, k.List),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, o, err := k.read(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			a, err := k.Tell(cmd.Context(), c, o)
			if err != nil {
				return err
			}
			if format.Structured() {
				return print.Object(s.Out, format, a)
			}
			return a.Write(s.Out)
		},
	}
}

func (k Kind[T]) read(ctx context.Context, s *session.Session, name string) (client.Client, T, error) {
	o := k.New()
	c, err := s.Client()
	if err != nil {
		return nil, o, err
	}
	key, where, all := client.ObjectKey{Name: name}, "", ""
	if !k.Cluster {
		if key.Namespace, err = s.Namespace(); err != nil {
			return nil, o, err
		}
		where, all = fmt.Sprintf(" in namespace %q", key.Namespace), " -A"
	}
	err = c.Get(ctx, key, o)
	if apierrors.IsNotFound(err) {
		return nil, o, session.Missing(fmt.Errorf("there is no %s %s%s: `ingot %s list%s` shows all", k.Noun, name, where, k.Noun, all))
	}
	if err != nil {
		return nil, o, fmt.Errorf("read %s %s%s: %w", k.Noun, name, where, err)
	}
	return c, o, nil
}

// Lists reads lists of all namespaces, or, where that is not allowed, of one, and says which of both. A list that may not be read there either is left empty, and named.
func Lists(ctx context.Context, c client.Client, namespace string, lists map[string]client.ObjectList) (unseen string, err error) {
	var partly, hidden []string
	for _, what := range slices.Sorted(maps.Keys(lists)) {
		list := lists[what]
		err := c.List(ctx, list)
		if apierrors.IsForbidden(err) && namespace != "" {
			partly = append(partly, what)
			err = c.List(ctx, list, client.InNamespace(namespace))
		}
		switch {
		case apierrors.IsForbidden(err):
			hidden = append(hidden, what)
		case err != nil:
			return "", fmt.Errorf("list %s: %w", what, err)
		}
	}
	partly = slices.DeleteFunc(partly, func(what string) bool { return slices.Contains(hidden, what) })
	var parts []string
	if len(partly) > 0 {
		parts = append(parts, fmt.Sprintf("%s of other namespaces than %s", strings.Join(partly, " and "), namespace))
	}
	if len(hidden) > 0 {
		parts = append(parts, strings.Join(hidden, " and "))
	}
	return strings.Join(parts, "; "), nil
}
