// Package table reads lists as the tables that an API server makes of a kind's printer columns: some hundred bytes a row, where a host with its life cycle has over ten thousand.
//
// It owns the request, and finding cells by the names of their columns. It refuses to know kinds, and to make do: a server that makes no tables, or whose kind lacks a column, is said to be
// one (ErrNone), and the caller reads whole objects. So a program and a cluster of other versions never show a cell of another column.
//
// Invariants: cells are found by name, never by place; a row has a cell for each column that was asked for.
package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrNone says that the API server gives no table with the columns that were asked for.
var ErrNone = errors.New("the API server makes no such table")

// accept asks for a table and nothing else: a server that makes none must not send all objects for nothing.
const accept = "application/json;as=Table;v=v1;g=meta.k8s.io"

// Name stands for the column of the objects' names, which each table has under a name of its own.
const Name = ""

// Reader asks an API server for tables.
type Reader struct{ server rest.Interface }

// New makes a reader.
func New(config *rest.Config) (*Reader, error) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	c := rest.CopyConfig(config)
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	server, err := rest.UnversionedRESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server %s: %w", c.Host, err)
	}
	return &Reader{server}, nil
}

// List reads the rows of a kind, each with the cells of columns in that order. Of the options the namespace and the label selector are heeded.
func (r *Reader) List(ctx context.Context, kind schema.GroupVersionResource, o client.ListOptions, columns ...string) ([]Row, error) {
	q := r.server.Get().AbsPath(path(kind, o.Namespace)).SetHeader("Accept", accept).Param("includeObject", string(metav1.IncludeNone))
	if o.LabelSelector != nil && !o.LabelSelector.Empty() {
		q = q.Param("labelSelector", o.LabelSelector.String())
	}
	text, err := q.Do(ctx).Raw()
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status) && status.Status().Code == http.StatusNotAcceptable:
		return nil, fmt.Errorf("list %s: %w: %w", kind.Resource, ErrNone, err)
	case err != nil:
		return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
	}
	rows, err := parse(text, columns)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
	}
	return rows, nil
}

func path(kind schema.GroupVersionResource, namespace string) string {
	parts := []string{"/apis", kind.Group, kind.Version}
	if kind.Group == "" {
		parts = []string{"/api", kind.Version}
	}
	if namespace != "" {
		parts = append(parts, "namespaces", namespace)
	}
	return strings.Join(append(parts, kind.Resource), "/")
}

// wire is metav1.Table without what is not looked at.
type wire struct {
	Kind    string                         `json:"kind"`
	Columns []metav1.TableColumnDefinition `json:"columnDefinitions"`
	Rows    []struct {
		Cells Row `json:"cells"`
	} `json:"rows"`
}

// parse reads a table. It takes the rows as they stand and moves their cells, so that nothing is copied.
func parse(text []byte, columns []string) ([]Row, error) {
	var t wire
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("the API server's table cannot be read: %w", err)
	}
	if t.Kind != "Table" {
		return nil, fmt.Errorf("%w: its answer is a %q", ErrNone, t.Kind)
	}
	at := make([]int, len(columns))
	for i, name := range columns {
		at[i] = slices.IndexFunc(t.Columns, func(d metav1.TableColumnDefinition) bool {
			return name == Name && d.Format == "name" || name != Name && d.Name == name
		})
		if at[i] < 0 {
			return nil, fmt.Errorf("%w: the kind has no column %q", ErrNone, name)
		}
	}
	rows := make([]Row, len(t.Rows))
	all := make(Row, len(t.Rows)*len(at))
	for i, row := range t.Rows {
		if len(row.Cells) != len(t.Columns) {
			return nil, fmt.Errorf("the API server's table has a row of %d cells below %d columns", len(row.Cells), len(t.Columns))
		}
		rows[i], all = all[:len(at):len(at)], all[len(at):]
		for k, from := range at {
			rows[i][k] = row.Cells[from]
		}
	}
	return rows, nil
}
