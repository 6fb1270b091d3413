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

// fieldOwner is who holds the fields that were applied.
const fieldOwner = "ingot-cli"

// Command is `ingot apply`.
func Command(s *session.Session) *cobra.Command {
	var files []string
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
			for _, f := range files {
				if err := file(cmd.Context(), k, s.Out, namespace, f, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s.AddFlags(c)
	c.Flags().StringSliceVarP(&files, "filename", "f", nil, "YAML or JSON file with one or more objects")
	_ = c.MarkFlagRequired("filename")
	return c
}

func file(ctx context.Context, k client.Client, out io.Writer, namespace, name string, stdin io.Reader) error {
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
	for _, o := range objects {
		if err := one(ctx, k, out, namespace, o); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func one(ctx context.Context, k client.Client, out io.Writer, namespace string, o *unstructured.Unstructured) error {
	namespaced, err := k.IsObjectNamespaced(o)
	if err != nil {
		return fmt.Errorf("%s %s: the API server does not know this kind: %w", o.GetKind(), o.GetName(), err)
	}
	if namespaced && o.GetNamespace() == "" {
		o.SetNamespace(namespace)
	}
	if err := k.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	_, err = fmt.Fprintf(out, "%s/%s applied\n", o.GetKind(), o.GetName())
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
