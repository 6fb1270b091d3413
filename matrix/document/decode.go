package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
)

const (
	apiVersion = "ingot.dev/v1alpha1"
	kind       = "CommunicationMatrix"
)

// Decode reads a matrix from YAML (or JSON): one CommunicationMatrix, or a stream of them, of which the first names the matrix and each of the others adds to it and says so
// with spec.extends. The error is a Problems with everything that is wrong with the form, or else what matrix.Check finds.
func Decode(stream []byte) (matrix.Matrix, error) {
	objects, err := Read(stream)
	if err != nil {
		return matrix.Matrix{}, err
	}
	return Join(objects...)
}

// Read reads the objects of a stream without joining them: for those who gather the parts of a matrix from several places. The error is a Problems.
func Read(stream []byte) ([]*v1alpha1.CommunicationMatrix, error) {
	roots, err := parse(stream)
	if err != nil {
		return nil, err
	}
	var objects []*v1alpha1.CommunicationMatrix
	var problems Problems
	for _, root := range roots {
		object, found := readObject(root)
		if len(roots) > 1 {
			for i := range found {
				found[i].Object = object.Name
			}
		}
		objects, problems = append(objects, object), append(problems, found...)
	}
	if len(roots) == 0 {
		problems.add("", "", "there is no document: want apiVersion: %s, kind: %s", apiVersion, kind)
	}
	return objects, problems.err()
}

// parse gives the documents that are not empty.
func parse(stream []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(stream))
	var roots []*yaml.Node
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			reason := "it is no YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
			if strings.Contains(reason, "unknown anchor") || strings.Contains(reason, "expected alphabetic or numeric character") {
				reason += `: a value that begins with * stands in quotes, like "*@*"`
			}
			return nil, Problems{{Reason: reason}}
		}
		root := document.Content[0]
		if root.Kind != yaml.ScalarNode || root.ShortTag() != "!!null" {
			roots = append(roots, itemsOf(root)...)
		}
	}
}

// itemsOf are the objects of a list, as kubectl prints several; of anything else it is the document itself. A list without items is no matrix, and is refused as one.
func itemsOf(root *yaml.Node) []*yaml.Node {
	version, given := scalar(root, "apiVersion"), scalar(root, "kind")
	items := childOf(root, "items")
	if (version != "v1" || given != "List") && (version != apiVersion || given != kind+"List") || items == nil || items.Kind != yaml.SequenceNode || len(items.Content) == 0 {
		return []*yaml.Node{root}
	}
	return items.Content
}

// readObject gives an object even where it has problems: its name is good for telling them apart.
func readObject(root *yaml.Node) (*v1alpha1.CommunicationMatrix, Problems) {
	object := &v1alpha1.CommunicationMatrix{}
	r := reader{}
	version, given := scalar(root, "apiVersion"), scalar(root, "kind")
	if root.Kind != yaml.MappingNode || version != apiVersion || given != kind {
		r.problem(root, "", "want apiVersion: %s and kind: %s, found %q and %q", apiVersion, kind, version, given)
		return object, r.problems
	}
	r.fields(root, "", map[string]func(*yaml.Node, string){
		"apiVersion": func(n *yaml.Node, _ string) { object.APIVersion = n.Value },
		"kind":       func(n *yaml.Node, _ string) { object.Kind = n.Value },
		"metadata":   func(n *yaml.Node, path string) { r.metadata(n, path, object) },
		"spec":       func(n *yaml.Node, path string) { r.read(n, path, valueOf(&object.Spec)) },
		// The status is the controller's: what kubectl prints can be read back.
		"status": func(*yaml.Node, string) {},
	})
	if r.problems != nil {
		return object, r.problems
	}
	problems := check(object)
	for i, p := range problems {
		problems[i].Line = lineOf(root, p.Path)
	}
	return object, problems
}

// metadata takes the name. Other fields of an object's metadata mean nothing to a matrix, but have to be such fields.
func (r *reader) metadata(n *yaml.Node, path string, object *v1alpha1.CommunicationMatrix) {
	known := map[string]func(*yaml.Node, string){
		"name":        func(n *yaml.Node, path string) { r.read(n, path, valueOf(&object.Name)) },
		"labels":      func(n *yaml.Node, path string) { object.Labels = r.words(n, path) },
		"annotations": func(n *yaml.Node, path string) { object.Annotations = r.words(n, path) },
	}
	for _, name := range []string{
		"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName", "generation", "managedFields",
		"ownerReferences", "resourceVersion", "selfLink", "uid",
	} {
		known[name] = func(*yaml.Node, string) {}
	}
	r.fields(n, path, known)
}

// words reads labels or annotations.
func (r *reader) words(n *yaml.Node, path string) map[string]string {
	if n.Kind != yaml.MappingNode {
		r.problem(n, path, "want names with values, found %s", kindOf(n))
		return nil
	}
	all := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var word string
		r.read(n.Content[i+1], join(path, n.Content[i].Value), valueOf(&word))
		all[n.Content[i].Value] = word
	}
	return all
}

// Parts are the objects that a matrix stands in, the one of its name first; none where that is not there, or is a part itself.
func Parts(name string, objects []v1alpha1.CommunicationMatrix) []*v1alpha1.CommunicationMatrix {
	var parts []*v1alpha1.CommunicationMatrix
	for i := range objects {
		switch o := &objects[i]; {
		case o.Name == name && o.Spec.Extends == "":
			parts = slices.Insert(parts, 0, o)
		case o.Name != name && string(o.Spec.Extends) == name:
			parts = append(parts, o)
		}
	}
	if len(parts) == 0 || parts[0].Name != name {
		return nil
	}
	return parts
}

// Join makes one matrix of the objects that it stands in: the first names it, the others are parts of it and say so with spec.extends. The error is a Problems, or what
// matrix.Check finds.
func Join(objects ...*v1alpha1.CommunicationMatrix) (matrix.Matrix, error) {
	if len(objects) == 0 {
		return matrix.Matrix{}, Problems{{Reason: "there is no matrix"}}
	}
	var problems Problems
	whole := matrix.Matrix{}
	for i, object := range objects {
		part, found := convert(object)
		switch {
		case i == 0 && object.Spec.Extends != "":
			found.add("spec.extends", "", "this is a part of %s, which has to come first", object.Spec.Extends)
		case i == 0:
			whole.Name, whole.Title, whole.Text = part.Name, part.Title, part.Text
		case string(object.Spec.Extends) != whole.Name:
			found.add("spec.extends", "", "is %q: write %q to add this to the first matrix, or give it a file of its own", object.Spec.Extends, whole.Name)
		}
		if len(objects) > 1 {
			for i := range found {
				found[i].Object = object.Name
			}
		}
		problems = append(problems, found...)
		whole.Zones = append(whole.Zones, part.Zones...)
		whole.Roles = append(whole.Roles, part.Roles...)
		whole.Hosts = append(whole.Hosts, part.Hosts...)
		whole.Rows = append(whole.Rows, part.Rows...)
	}
	if len(problems) > 0 {
		return matrix.Matrix{}, problems
	}
	if err := matrix.Check(whole); err != nil {
		return matrix.Matrix{}, fmt.Errorf("check matrix %s: %w", whole.Name, err)
	}
	return whole, nil
}
