// Package complete offers live names to shells: of any kind that the API server has, and whatever else a command can list.
//
// It owns how long a person who pressed the tab key waits, and what is remembered for the next press. It refuses to complain: while the API server is away, or refuses, nothing is offered and
// nothing is said.
//
// Invariants: an answer comes within Limit; what is remembered is younger than Fresh, of the same server, identity and question, and readable by its user alone.
package complete

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/table"
)

// Limit is how long a person waits for an answer at most; Fresh how long one is remembered.
const (
	Limit = 900 * time.Millisecond
	Fresh = 5 * time.Second
)

// Func is how cobra asks for completions.
type Func = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// Ask gets what can be offered.
type Ask func(ctx context.Context, c client.WithWatch, namespace string) ([]string, error)

// Names completes every argument by the names of one kind's objects in the namespace asked for, those that were given already left out. of is an empty list of the kind.
func Names(s *session.Session, of client.ObjectList) Func {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		names := Live(cmd.Context(), s, fmt.Sprintf("names of %T", of), func(ctx context.Context, c client.WithWatch, namespace string) ([]string, error) {
			return listNames(ctx, s.Hurried(Limit), c, of, namespace)
		})
		return offer(names, args, typed)
	}
}

// Name completes the first argument only.
func Name(s *session.Session, of client.ObjectList) Func { return First(Names(s, of)) }

// First has f complete the first argument only.
func First(f Func) Func {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(cmd, args, typed)
	}
}

func offer(names, given []string, typed string) ([]string, cobra.ShellCompDirective) {
	names = slices.DeleteFunc(names, func(n string) bool {
		bare, _, _ := strings.Cut(n, "\t")
		return slices.Contains(given, bare) || !strings.HasPrefix(n, typed)
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// listNames asks for a table, whose first column is the name. Metadata is the way where there is none: the API server makes it anew of each object with all that is noted of its fields' owners, which for 10,000 hosts
// takes longer than Limit.
func listNames(ctx context.Context, s *session.Session, c client.Client, of client.ObjectList, namespace string) ([]string, error) {
	kind, err := apiutil.GVKForObject(of, c.Scheme())
	if err != nil {
		return nil, fmt.Errorf("complete names: %w", err)
	}
	kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	names, err := tableNames(ctx, s, c, kind, namespace)
	if errors.Is(err, table.ErrNone) {
		names, err = metadataNames(ctx, c, kind, namespace)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func tableNames(ctx context.Context, s *session.Session, c client.Client, kind schema.GroupVersionKind, namespace string) ([]string, error) {
	known, err := c.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("complete names of %s: %w", kind.Kind, err)
	}
	r, err := s.Tables()
	if err != nil {
		return nil, err
	}
	rows, err := r.List(ctx, known.Resource, client.ListOptions{Namespace: namespace}, table.Name)
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row[0].Text()
	}
	return names, err
}

func metadataNames(ctx context.Context, c client.Client, kind schema.GroupVersionKind, namespace string) ([]string, error) {
	all := &metav1.PartialObjectMetadataList{}
	all.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := c.List(ctx, all, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("complete names of %s: %w", kind.Kind, err)
	}
	names := make([]string, len(all.Items))
	for i := range all.Items {
		names[i] = all.Items[i].Name
	}
	return names, nil
}

// Live gives an answer that was remembered, or asks; nothing where there is none in time. question tells it from other questions to the same server and namespace.
func Live(ctx context.Context, s *session.Session, question string, ask Ask) []string {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	answer := make(chan []string, 1)
	// The connection's own steps are not all bound to a context; what comes too late is dropped with the process.
	go func() { answer <- live(ctx, s.Hurried(Limit), question, ask) }()
	select {
	case names := <-answer:
		return names
	case <-ctx.Done():
		return nil
	}
}

func live(ctx context.Context, s *session.Session, question string, ask Ask) []string {
	namespace, err := s.Namespace()
	if err != nil {
		return nil
	}
	file := remembered(s.Server(), namespace, question)
	if names, ok := recall(file, time.Now()); ok {
		return names
	}
	c, err := s.Client()
	if err != nil {
		return nil
	}
	names, err := ask(ctx, c, namespace)
	if err != nil {
		return nil
	}
	remember(file, names)
	return names
}

// remembered is the file of a question's last answer; empty where the user has no such place.
func remembered(parts ...string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return filepath.Join(dir, "ingot", "completion", hex.EncodeToString(sum[:]))
}

func recall(file string, now time.Time) ([]string, bool) {
	info, err := os.Stat(file)
	if err != nil || now.Sub(info.ModTime()) > Fresh || info.ModTime().After(now) {
		return nil, false
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, false
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }), true
}

// remember replaces the answer as a whole, since several shells may ask at once. That it could not is nothing to say at a prompt.
func remember(file string, names []string) {
	if file == "" || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(file), "new-")
	if err != nil {
		return
	}
	_, err = f.WriteString(strings.Join(names, "\n"))
	if f.Close() != nil || err != nil || os.Rename(f.Name(), file) != nil {
		os.Remove(f.Name())
	}
}
