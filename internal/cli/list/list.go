// Package list is the `list` of every noun: one set of flags, formats and ways to watch.
//
// It owns what all lists share: --sort-by, --filter and the filters that a column names, -l, -o, --watch, and the completion of columns and values. It refuses to know what is listed: a Noun
// says how its rows are read and which columns they have, once.
//
// Invariants: the answer is sorted, by namespace and name where nothing else is asked for; a filter, a column or a format that does not exist is refused before the API server is asked; a list
// that is watched is never asked for again while the watch holds, only the rows that changed are.
package list

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/table"
)

// Noun is what can be listed: T is one row.
type Noun[T any] struct {
	// Singular and Plural are the noun in messages.
	Singular, Plural string
	// Columns, without that of the namespace, which -A adds.
	Columns func(now time.Time) []print.Column[T]
	// Load reads all rows, under the options for the objects that rows are of.
	Load func(ctx context.Context, c client.Client, opts ...client.ListOption) ([]T, error)
	// Rows reads the same rows with no more of them than Columns, Object's name and namespace show, by tables; table.ErrNone has Load asked. Nil: there is Load only.
	Rows func(ctx context.Context, r *table.Reader, o client.ListOptions) ([]T, error)
	// Row reads one row; an error of NotFound means that it is gone. Nil: the list cannot be watched.
	Row func(ctx context.Context, c client.Client, key types.NamespacedName) (T, error)
	// Object is the object that a row is of.
	Object func(*T) metav1.Object
	// Version tells a row from what it was before; nil: by the resource version of Object. Rows that are made of several objects join theirs.
	Version func(T) string
	// Follow are empty lists of the kinds whose changes change rows; each names the row's object by namespace and name.
	Follow []client.ObjectList
	// Cluster: the objects are in no namespace.
	Cluster bool
	// Verb is what the command is called; empty: list.
	Verb string
	// Made: the rows are no objects but made of some, so that they have no labels to select by.
	Made bool
	// Order is the order where none is asked for; nil: by namespace and name.
	Order func(a, b T) int
	// Empty is what helps somebody who sees nothing; may be empty.
	Empty string
}

// Of is the noun of one kind: the rows are its objects. items gives those of a list.
func Of[T, L any, PT interface {
	*T
	client.Object
}, PL interface {
	*L
	client.ObjectList
}](singular, plural string, items func(PL) []T, columns func(now time.Time) []print.Column[T],
) Noun[T] {
	return Noun[T]{
		Singular: singular, Plural: plural, Columns: columns, Follow: []client.ObjectList{PL(new(L))},
		Object: func(t *T) metav1.Object { return PT(t) },
		Load: func(ctx context.Context, c client.Client, opts ...client.ListOption) ([]T, error) {
			all := PL(new(L))
			if err := c.List(ctx, all, opts...); err != nil {
				return nil, fmt.Errorf("list %s: %w", plural, err)
			}
			return items(all), nil
		},
		Row: func(ctx context.Context, c client.Client, key types.NamespacedName) (T, error) {
			one := PT(new(T))
			if err := c.Get(ctx, key, one); err != nil {
				return *one, fmt.Errorf("read %s %s: %w", singular, key, err)
			}
			return *one, nil
		},
	}
}

func (n Noun[T]) version(row T) string {
	if n.Version != nil {
		return n.Version(row)
	}
	return n.Object(&row).GetResourceVersion()
}

// options are a list's flags.
type options struct {
	sortBy   []string
	filters  []string
	flags    map[string]*string
	selector string
	watch    bool
}

// Command is the noun's `list`. The session's flags are the parent's.
func (n Noun[T]) Command(s *session.Session) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   cmp.Or(n.Verb, "list"),
		Short: "List " + n.Plural,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := n.question(cmd, s, o)
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			if o.watch {
				return q.watch(cmd.Context(), s, c)
			}
			rows, err := q.quick(cmd.Context(), s, c)
			if err != nil {
				return err
			}
			if len(rows) == 0 && q.view.Format.Tabular() {
				fmt.Fprintln(s.Err, q.nothing())
				return nil
			}
			return q.view.Write(s.Out, rows)
		},
	}
	s.AddOutput(c)
	f := c.Flags()
	f.StringSliceVar(&o.sortBy, "sort-by", nil, "columns to sort by, -COLUMN backwards; those of -o wide too")
	f.StringArrayVar(&o.filters, "filter", nil, "only rows whose COLUMN=GLOB[,GLOB...] or COLUMN!=GLOB; again for more, all must hold")
	if !n.Made {
		f.StringVarP(&o.selector, "selector", "l", "", "only objects with these labels")
	}
	if n.Row != nil {
		f.BoolVar(&o.watch, "watch", false, "stay, and show what changes")
	}
	o.flags = map[string]*string{}
	for _, column := range n.Columns(time.Time{}) {
		if column.Flag != "" {
			o.flags[column.Flag] = f.String(column.Flag, "", "only rows whose "+column.Header+" is GLOB[,GLOB...]")
		}
	}
	n.complete(s, c)
	return c
}

// question is what one call of list asks.
type question[T any] struct {
	noun      Noun[T]
	view      print.View[T]
	filters   []print.Filter[T]
	order     func(a, b T) int
	selector  labels.Selector
	namespace string
}

// question reads the flags; all that can be wrong with them is said here.
func (n Noun[T]) question(cmd *cobra.Command, s *session.Session, o options) (*question[T], error) {
	q := &question[T]{noun: n}
	var err error
	if q.view.Format, err = s.Format(); err != nil {
		return nil, err
	}
	if q.namespace, err = n.namespace(cmd, s); err != nil {
		return nil, err
	}
	everywhere := q.namespace == "" && !n.Cluster
	q.view.Columns = n.columns(time.Now(), everywhere)
	q.view.Name = func(row T) string {
		if x := n.Object(&row); everywhere {
			return x.GetNamespace() + "/" + x.GetName()
		} else {
			return x.GetName()
		}
	}
	if q.order, err = print.ParseSort(q.view.Columns, o.sortBy); err != nil {
		return nil, err
	}
	if n.Order != nil && len(o.sortBy) == 0 {
		q.order = n.Order
	}
	for _, text := range o.filters {
		f, err := print.ParseFilter(q.view.Columns, text)
		if err != nil {
			return nil, err
		}
		q.filters = append(q.filters, f)
	}
	for _, column := range q.view.Columns {
		if value := o.flags[column.Flag]; value != nil && cmd.Flags().Changed(column.Flag) {
			q.filters = append(q.filters, column.Filter(*value, false))
		}
	}
	if q.selector, err = labels.Parse(o.selector); err != nil {
		return nil, fmt.Errorf("-l %q: %w; write for example -l rack=r1,!broken", o.selector, err)
	}
	if o.watch && q.view.Format == print.Markdown {
		return nil, fmt.Errorf("-o markdown is a finished table, which --watch never has: use another format")
	}
	return q, nil
}

func (n Noun[T]) namespace(cmd *cobra.Command, s *session.Session) (string, error) {
	if !n.Cluster {
		return s.Namespace()
	}
	for _, flag := range []string{"namespace", "all-namespaces"} {
		if f := cmd.Flags().Lookup(flag); f != nil && f.Changed {
			return "", fmt.Errorf("--%s: %s are in no namespace", flag, n.Plural)
		}
	}
	return "", nil
}

// columns are the noun's; one for the namespace is always there to sort and filter by.
func (n Noun[T]) columns(now time.Time, everywhere bool) []print.Column[T] {
	if n.Cluster {
		return n.Columns(now)
	}
	space := print.Column[T]{Header: "NAMESPACE", Hidden: !everywhere, Cell: func(row T) string { return n.Object(&row).GetNamespace() }}
	return append([]print.Column[T]{space}, n.Columns(now)...)
}

// quick gives the rows by tables where the format shows nothing else of them.
func (q *question[T]) quick(ctx context.Context, s *session.Session, c client.Client) ([]T, error) {
	if !q.view.Format.Tabular() && q.view.Format != print.Name && q.view.Format != print.Markdown {
		return q.rows(ctx, c)
	}
	rows, err := q.noun.shown(ctx, s, c, client.ListOptions{Namespace: q.namespace, LabelSelector: q.selector})
	if err != nil {
		return nil, err
	}
	return q.chosen(rows), nil
}

// shown reads what the columns show, whichever way the API server has.
func (n Noun[T]) shown(ctx context.Context, s *session.Session, c client.Client, o client.ListOptions) ([]T, error) {
	if n.Rows != nil {
		r, err := s.Tables()
		if err != nil {
			return nil, err
		}
		rows, err := n.Rows(ctx, r, o)
		if !errors.Is(err, table.ErrNone) {
			return rows, err
		}
	}
	return n.Load(ctx, c, &o)
}

// rows are whole objects.
func (q *question[T]) rows(ctx context.Context, c client.Client) ([]T, error) {
	rows, err := q.noun.Load(ctx, c, &client.ListOptions{Namespace: q.namespace, LabelSelector: q.selector})
	if err != nil {
		return nil, err
	}
	return q.chosen(rows), nil
}

// chosen are the rows that the filters keep, in order.
func (q *question[T]) chosen(rows []T) []T {
	rows = slices.DeleteFunc(rows, func(row T) bool { return !q.keeps(row) })
	q.sort(rows)
	return rows
}

// keeps says whether the filters keep a row; the API server minds the selector.
func (q *question[T]) keeps(row T) bool {
	for _, f := range q.filters {
		if !f(row) {
			return false
		}
	}
	return true
}

func (q *question[T]) sort(rows []T) {
	slices.SortStableFunc(rows, func(a, b T) int {
		if n := q.order(a, b); n != 0 {
			return n
		}
		x, y := q.noun.Object(&a), q.noun.Object(&b)
		return cmp.Or(cmp.Compare(x.GetNamespace(), y.GetNamespace()), print.ByCell(x.GetName(), y.GetName()))
	})
}

func (q *question[T]) nothing() string {
	text := "no " + q.noun.Plural
	if q.namespace != "" {
		text += fmt.Sprintf(" in namespace %q", q.namespace)
	}
	if len(q.filters) > 0 || !q.selector.Empty() {
		text += " pass the filters"
	}
	if q.namespace != "" {
		text += "; -A looks in every namespace"
	}
	if q.noun.Empty != "" {
		text += "; " + q.noun.Empty
	}
	return text
}
