// Package object is `ingot describe`, `ingot edit` and `ingot delete`: what can be done to an object of any kind that the API server has.
//
// It owns the names of kinds on the command line, the text of an object that can be applied again, and its way through an editor. It refuses to know kinds: which there are is asked of the API
// server. Applying is package apply's.
//
// Invariants: a text that describe writes has no status and nothing that the server sets, so that applying it changes nothing; values of Secrets are printed only where that is asked for; an edit
// that is refused leaves the text with whoever wrote it, and the object as it was; nothing is deleted without its name being said twice, or --yes.
package object

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// kind is one that the API server has.
type kind struct {
	schema.GroupVersionKind
	names      []string
	namespaced bool
}

// nouns are the program's own words for kinds of others.
func nouns() map[string]string {
	return map[string]string{
		"host": "baremetalhosts", "hosts": "baremetalhosts", "claim": "hostclaims", "claims": "hostclaims", "node": "hostendpoints", "matrix": "communicationmatrices",
		"layout": "filesystemlayouts", "discovered": "discoveredhosts", "reservation": "sizereservations",
	}
}

// rank is whose kind is meant where several groups have one of a name: ours, then Metal3's, then Calico's.
func rank(group string) int {
	for i, g := range []string{"ingot.dev", "metal3.io", "projectcalico.org", ""} {
		if g == group {
			return i
		}
	}
	return 4
}

// kinds asks the API server which kinds there are, one version of each. Groups that cannot be asked are left out.
func kinds(d discovery.DiscoveryInterface) ([]kind, error) {
	lists, err := d.ServerPreferredResources()
	if len(lists) == 0 && err != nil {
		return nil, fmt.Errorf("ask the API server which kinds it has: %w", err)
	}
	var all []kind
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			continue
		}
		for i := range l.APIResources {
			if r := &l.APIResources[i]; !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "get") {
				all = append(all, kind{gv.WithKind(r.Kind), names(r), r.Namespaced})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b kind) int {
		return cmp.Or(cmp.Compare(rank(a.Group), rank(b.Group)), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind))
	})
	return all, nil
}

func names(r *metav1.APIResource) []string {
	all := []string{cmp.Or(r.SingularName, strings.ToLower(r.Kind)), r.Name, strings.ToLower(r.Kind)}
	return append(all, r.ShortNames...)
}

// find is the kind that a word means: its plural, singular, short or own name, in any case, with ".GROUP" behind it where it should be one of another group.
func find(all []kind, word string) (kind, error) {
	name, group, grouped := strings.Cut(strings.ToLower(word), ".")
	if own := nouns()[name]; own != "" && !grouped {
		name = own
	}
	for _, k := range all {
		if slices.Contains(k.names, name) && (!grouped || k.Group == group) {
			return k, nil
		}
	}
	return kind{}, session.Missing(fmt.Errorf("the API server has no kind %q: `ingot describe <TAB>` completes those that it has", word))
}

// target is what every command begins with: a client, and the kind that is named.
type target struct {
	kind
	client    client.WithWatch
	namespace string
}

func newTarget(s *session.Session, word string) (*target, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server %s: %w", config.Host, err)
	}
	all, err := kinds(d)
	if err != nil {
		return nil, err
	}
	t := &target{}
	if t.kind, err = find(all, word); err != nil {
		return nil, err
	}
	if t.namespaced {
		if t.namespace, err = s.OneNamespace(t.Kind); err != nil {
			return nil, err
		}
	}
	t.client, err = s.Client()
	return t, err
}

func (t *target) empty(name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(t.GroupVersionKind)
	o.SetNamespace(t.namespace)
	o.SetName(name)
	return o
}

func (t *target) get(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	o := t.empty(name)
	if err := t.client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		where := ""
		if t.namespace != "" {
			where = " in namespace " + t.namespace
		}
		return nil, fmt.Errorf("read %s %s%s: %w", t.Kind, name, where, err)
	}
	return o, nil
}

// completeObjects offers kinds, and then names of the kind.
func completeObjects(s *session.Session) complete.Func {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return complete.Live(cmd.Context(), s, "kinds", func(context.Context, client.WithWatch, string) ([]string, error) {
				config, err := s.Hurried(complete.Limit).RESTConfig()
				if err != nil {
					return nil, err
				}
				d, err := discovery.NewDiscoveryClientForConfig(config)
				if err != nil {
					return nil, fmt.Errorf("ask for kinds: %w", err)
				}
				all, err := kinds(d)
				var words []string
				for _, k := range all {
					words = append(words, k.names[0])
				}
				slices.Sort(words)
				return slices.Compact(words), err
			}), cobra.ShellCompDirectiveNoFileComp
		}
		all := complete.Live(cmd.Context(), s, "objects of "+args[0], func(ctx context.Context, _ client.WithWatch, _ string) ([]string, error) {
			t, err := newTarget(s.Hurried(complete.Limit), args[0])
			if err != nil {
				return nil, err
			}
			m := &metav1.PartialObjectMetadataList{}
			m.SetGroupVersionKind(t.GroupVersionKind.GroupVersion().WithKind(t.Kind + "List"))
			if err := t.client.List(ctx, m, client.InNamespace(t.namespace)); err != nil {
				return nil, fmt.Errorf("complete names of %s: %w", t.Kind, err)
			}
			var out []string
			for i := range m.Items {
				out = append(out, m.Items[i].Name)
			}
			return out, nil
		})
		return slices.DeleteFunc(all, func(n string) bool { return slices.Contains(args[1:], n) }), cobra.ShellCompDirectiveNoFileComp
	}
}
