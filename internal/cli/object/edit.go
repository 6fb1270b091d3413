package object

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Edit is `ingot edit`.
func Edit(s *session.Session) *cobra.Command {
	e := editor{session: s}
	c := &cobra.Command{
		Use:   "edit KIND NAME",
		Short: "Change an object in an editor",
		Long: "Opens what `ingot describe` writes in $VISUAL, $EDITOR or vi, and applies it when the editor ends: the API server validates it first, and a field that somebody else holds is a conflict\n" +
			"that is shown. Where it is refused, nothing changes and the text is kept.",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeObjects(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if e.target, err = newTarget(s, args[0]); err != nil {
				return err
			}
			return e.run(cmd, args[1])
		},
	}
	s.AddFlags(c)
	c.Flags().StringVar(&e.owner, "field-owner", "ingot-cli", "who holds the changed fields from now on")
	c.Flags().BoolVar(&e.force, "force-conflicts", false, "take fields over from other owners")
	return c
}

// editor is one edit.
type editor struct {
	*target
	session *session.Session
	owner   string
	force   bool
}

func (e editor) run(cmd *cobra.Command, name string) error {
	before, err := e.get(cmd.Context(), name)
	if err != nil {
		return err
	}
	// The file is the user's alone: it may be a Secret.
	f, err := os.CreateTemp("", "ingot-edit-*.yaml")
	if err != nil {
		return fmt.Errorf("make a file for the editor: %w", err)
	}
	err = describe(f, before, time.Now())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	original, err := os.ReadFile(f.Name())
	if err != nil {
		return fmt.Errorf("read the text: %w", err)
	}
	if err := open(cmd, f.Name()); err != nil {
		os.Remove(f.Name())
		return err
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		return fmt.Errorf("read the edited text: %w", err)
	}
	if bytes.Equal(text, original) {
		os.Remove(f.Name())
		fmt.Fprintf(e.session.Err, "%s %s is not changed\n", e.Kind, name)
		return nil
	}
	if err := e.apply(cmd.Context(), before, text); err != nil {
		return fmt.Errorf("%s %s is not changed: %w; the text is kept: `ingot apply -f %s` tries it again", e.Kind, name, err, f.Name())
	}
	os.Remove(f.Name())
	_, err = fmt.Fprintf(e.session.Out, "%s/%s edited\n", e.Kind, name)
	return err
}

// open runs the user's editor, which may have arguments of its own.
func open(cmd *cobra.Command, file string) error {
	program := "vi"
	for _, v := range []string{"EDITOR", "VISUAL"} {
		if p := os.Getenv(v); p != "" {
			program = p
		}
	}
	c := exec.CommandContext(cmd.Context(), "sh", "-c", program+` "$1"`, filepath.Base(program), file)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("the editor %q ended: %w; nothing is changed. Another one is taken from $EDITOR", program, err)
	}
	return nil
}

// apply has the API server judge the text, and then take it.
func (e editor) apply(ctx context.Context, before *unstructured.Unstructured, text []byte) error {
	objects, err := apply.Read(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if len(objects) != 1 || objects[0].GroupVersionKind() != before.GroupVersionKind() || objects[0].GetName() != before.GetName() || objects[0].GetNamespace() != before.GetNamespace() {
		return errors.New("apiVersion, kind, name and namespace say which object it is: leave them as they are")
	}
	edited := again(objects[0])
	tried := edited.DeepCopy()
	if err := e.send(ctx, tried, client.DryRunAll); err != nil {
		return err
	}
	left := map[string]any{}
	held := leftovers(fields{again(before).Object, edited.Object, again(tried).Object}, before, nil, left)
	if len(held) > 0 && !e.force {
		return &session.Exit{Code: session.Conflict, Err: fmt.Errorf("others hold what was removed: %s; --force-conflicts removes it all the same", sentence(held))}
	}
	if err := e.send(ctx, edited); err != nil {
		return err
	}
	if len(held) == 0 {
		return nil
	}
	patch, err := json.Marshal(left)
	if err != nil {
		return fmt.Errorf("remove fields: %w", err)
	}
	if err := e.client.Patch(ctx, e.empty(before.GetName()), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(e.owner)); err != nil {
		return fmt.Errorf("remove fields: %w", err)
	}
	return nil
}

func (e editor) send(ctx context.Context, o *unstructured.Unstructured, how ...client.ApplyOption) error {
	how = append(how, client.FieldOwner(e.owner))
	if e.force {
		how = append(how, client.ForceOwnership)
	}
	err := e.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), how...)
	if apierrors.IsConflict(err) {
		return fmt.Errorf("%w (--force-conflicts takes the fields over)", err)
	}
	return err
}

// fields are a part of the object before it was edited, as edited, and as the API server would have it then.
type fields struct{ before, edited, after map[string]any }

// leftovers gathers what was removed in the editor and would be there all the same, because others hold it: server-side apply removes only what is held by nobody else. It gives each such field
// with its holders, and puts into patch what removes them. What nobody holds is a default, and comes back by right.
func leftovers(f fields, o *unstructured.Unstructured, path []string, patch map[string]any) []string {
	var all []string
	for key, was := range f.before {
		now, there := f.after[key]
		if !there {
			continue
		}
		asked, wanted := f.edited[key]
		at := append(append([]string(nil), path...), key)
		switch list, isList := asked.([]any); {
		case !wanted:
			if by := holders(o, at); len(by) > 0 {
				all = append(all, field(at, by))
				patch[key] = nil
			}
		case isList:
			if got, ok := now.([]any); ok && len(got) > len(list) && !reflect.DeepEqual(was, asked) {
				if by := holders(o, at); len(by) > 0 {
					all = append(all, field(at, by))
					patch[key] = list
				}
			}
		default:
			x, ok1 := was.(map[string]any)
			y, ok2 := asked.(map[string]any)
			z, ok3 := now.(map[string]any)
			if !ok1 || !ok2 || !ok3 {
				continue
			}
			below := map[string]any{}
			all = append(all, leftovers(fields{x, y, z}, o, at, below)...)
			if len(below) > 0 {
				patch[key] = below
			}
		}
	}
	return all
}
