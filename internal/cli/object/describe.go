package object

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Describe is `ingot describe`.
func Describe(s *session.Session) *cobra.Command {
	var secrets bool
	c := &cobra.Command{
		Use:   "describe KIND NAME",
		Short: "Write an object as YAML that can be applied again, with its state as comments",
		Long: "Writes what somebody asked for, without what the API server and controllers set, so that `ingot apply -f` of it changes nothing, or makes the object anew elsewhere.\n" +
			"What became of it stands above it as comments. -o json, and a template, have it without them.",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeObjects(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			t, err := newTarget(s, args[0])
			if err != nil {
				return err
			}
			if t.Kind == "Secret" && t.Group == "" && !secrets {
				return fmt.Errorf("secret %s: its values would be printed: say --show-secrets if they are to be", args[1])
			}
			o, err := t.get(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			if format.Structured() && format != print.YAML {
				return print.Object(s.Out, format, again(o).Object)
			}
			return describe(s.Out, o, time.Now())
		},
	}
	s.AddFlags(c)
	c.Flags().BoolVar(&secrets, "show-secrets", false, "print the values of a Secret")
	return c
}

// again is the object as it can be applied: without status, and without what the API server and controllers wrote into its metadata. Owners and finalizers are controllers' too: an applier who
// named them would hold them for ever.
func again(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	delete(o.Object, "status")
	if m, ok := o.Object["metadata"].(map[string]any); ok {
		for _, field := range []string{
			"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "ownerReferences", "finalizers",
		} {
			delete(m, field)
		}
		if a, ok := m["annotations"].(map[string]any); ok {
			delete(a, "kubectl.kubernetes.io/last-applied-configuration")
			delete(a, "baremetalhost.metal3.io/status")
			if len(a) == 0 {
				delete(m, "annotations")
			}
		}
	}
	return o
}

func describe(w io.Writer, o *unstructured.Unstructured, now time.Time) error {
	var b strings.Builder
	for _, l := range state(o, now) {
		b.WriteString(strings.TrimRight("# "+l, " ") + "\n")
	}
	text, err := yaml.Marshal(again(o).Object)
	if err != nil {
		return fmt.Errorf("write %s %s as YAML: %w", o.GetKind(), o.GetName(), err)
	}
	b.Write(text)
	_, err = io.WriteString(w, b.String())
	return err
}

// state is what became of an object, in lines.
func state(o *unstructured.Unstructured, now time.Time) []string {
	where := o.GetName()
	if o.GetNamespace() != "" {
		where = o.GetNamespace() + "/" + where
	}
	lines := []string{fmt.Sprintf("%s %s, created %s (%s ago), generation %d", o.GetKind(), where, o.GetCreationTimestamp().UTC().Format(time.RFC3339),
		print.Duration(now.Sub(o.GetCreationTimestamp().Time)), o.GetGeneration())}
	if at := o.GetDeletionTimestamp(); at != nil {
		lines = append(lines, fmt.Sprintf("is being deleted since %s, held by %s", at.UTC().Format(time.RFC3339), strings.Join(o.GetFinalizers(), ", ")))
	}
	for _, r := range o.GetOwnerReferences() {
		lines = append(lines, fmt.Sprintf("belongs to %s %s", r.Kind, r.Name))
	}
	status, ok := o.Object["status"].(map[string]any)
	if !ok || len(status) == 0 {
		return lines
	}
	text, err := yaml.Marshal(map[string]any{"status": status})
	if err != nil {
		return lines
	}
	return append(lines, strings.Split(strings.TrimRight(string(text), "\n"), "\n")...)
}
