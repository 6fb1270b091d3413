// Package apply is `ingot apply`: objects from files to the API server, as `kubectl apply --server-side` would.
//
// It owns reading manifests and applying them in their order. It refuses to know kinds: any kind that the API server serves can be applied.
// Invariant: server-side apply with one field owner, so that applying a file twice changes nothing, and a field that another owner holds is a clear conflict.
package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// options are the command's flags.
type options struct {
	files []string
	owner string
	force bool
}

// Command is `ingot apply`.
func Command(s *session.Session) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create or change the objects in a file (- for standard input)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := s.Client()
			if err != nil {
				return err
			}
			namespace, err := s.Namespace()
			if err != nil {
				return err
			}
			for _, f := range o.files {
				if err := o.file(cmd.Context(), k, s.Out, namespace, f, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s.AddFlags(c)
	c.Flags().StringSliceVarP(&o.files, "filename", "f", nil, "YAML or JSON file with one or more objects")
	c.Flags().StringVar(&o.owner, "field-owner", "ingot-cli", "who holds the applied fields from now on")
	c.Flags().BoolVar(&o.force, "force-conflicts", false, "take fields over from other owners")
	_ = c.MarkFlagRequired("filename")
	return c
}

func (o options) file(ctx context.Context, k client.Client, out io.Writer, namespace, name string, stdin io.Reader) error {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("read the objects to apply: %w", err)
		}
		defer f.Close()
		r = f
	}
	objects, err := Read(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, object := range objects {
		if err := o.one(ctx, k, out, namespace, object); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (o options) one(ctx context.Context, k client.Client, out io.Writer, namespace string, object *unstructured.Unstructured) error {
	namespaced, err := k.IsObjectNamespaced(object)
	if err != nil {
		return fmt.Errorf("%s %s: the API server does not know this kind: %w", object.GetKind(), object.GetName(), err)
	}
	if namespaced && object.GetNamespace() == "" {
		object.SetNamespace(namespace)
	}
	how := []client.ApplyOption{client.FieldOwner(o.owner)}
	if o.force {
		how = append(how, client.ForceOwnership)
	}
	if err := k.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), how...); err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	_, err = fmt.Fprintf(out, "%s/%s applied\n", object.GetKind(), object.GetName())
	return err
}

// readBuffer is how much is looked at to tell YAML from JSON.
const readBuffer = 4096

// Read reads every object of a YAML or JSON stream. An object without kind, apiVersion or name is an error that says which one.
func Read(r io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(r, readBuffer)
	var all []*unstructured.Unstructured
	for n := 1; ; n++ {
		var content map[string]any
		if err := decoder.Decode(&content); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("object %d is neither YAML nor JSON: %w", n, err)
		}
		if len(content) == 0 {
			continue
		}
		o := &unstructured.Unstructured{Object: content}
		if o.GroupVersionKind() == (schema.GroupVersionKind{}) || o.GetKind() == "" || o.GetAPIVersion() == "" {
			return nil, fmt.Errorf("object %d has no apiVersion or no kind", n)
		}
		if o.GetName() == "" {
			return nil, fmt.Errorf("object %d (%s) has no metadata.name", n, o.GetKind())
		}
		all = append(all, o)
	}
}
