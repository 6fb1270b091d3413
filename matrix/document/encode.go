package document

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
)

// Encode writes a matrix as YAML: one document, or a stream of parts where one object would not hold it. The error is what Decode would say of the text: a Problems, or what
// matrix.Check finds.
func Encode(m matrix.Matrix) ([]byte, error) {
	objects := Objects(m)
	if _, err := Join(objects...); err != nil {
		return nil, fmt.Errorf("encode matrix %s: %w", m.Name, err)
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	e.CompactSeqIndent()
	for _, object := range objects {
		if err := e.Encode(document(object)); err != nil {
			return nil, fmt.Errorf("encode matrix %s: %w", m.Name, err)
		}
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("encode matrix %s: %w", m.Name, err)
	}
	return out.Bytes(), nil
}

func document(object *v1alpha1.CommunicationMatrix) *yaml.Node {
	metadata := mapping("name", text(object.Name))
	return mapping("apiVersion", text(object.APIVersion), "kind", text(object.Kind), "metadata", metadata, "spec", node(reflect.ValueOf(object.Spec)))
}

// mapping takes names and nodes by turns.
func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i < len(pairs); i += 2 {
		n.Content = append(n.Content, text(pairs[i].(string)), pairs[i+1].(*yaml.Node))
	}
	return n
}

// node writes a value with its fields in the order of the Go type, which is the order people read them in. What is empty is left out.
func node(v reflect.Value) *yaml.Node {
	if p, ok := v.Interface().(v1alpha1.MatrixPort); ok {
		if p.Type == intstr.Int {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: p.String()}
		}
		return text(p.String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		return node(v.Elem())
	case reflect.Struct:
		n := mapping()
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				continue
			}
			n.Content = append(n.Content, text(nameOf(v.Type().Field(i))), node(v.Field(i)))
		}
		if flat(n) {
			n.Style = yaml.FlowStyle
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			n.Content = append(n.Content, node(v.Index(i)))
		}
		if len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode {
			n.Style = yaml.FlowStyle
		}
		return n
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int32:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	default:
		return text(v.String())
	}
}

// flat says whether a mapping reads well on one line: few short scalars.
func flat(n *yaml.Node) bool {
	length := 0
	for _, child := range n.Content {
		if child.Kind != yaml.ScalarNode {
			return false
		}
		length += len(child.Value)
	}
	return length <= 100
}

// ranged are ranges of ports, which need no quotes either: to no reader of YAML is one a number.
var ranged = regexp.MustCompile(`^[0-9]+-[0-9]+$`)

// plain are texts that mean themselves without quotes, to YAML 1.1 (kubectl's) as well as to 1.2.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ._@/()&+-]*$`)

// notPlain are the words that YAML 1.1 takes for something else.
var notPlain = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

// block are texts of several lines that a literal block keeps as they are.
var block = regexp.MustCompile(`^([!-~]([ -~]*[!-~])?\n+)+[!-~]([ -~]*[!-~])?\n?$`)

func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if block.MatchString(s) {
		n.Style = yaml.LiteralStyle
		return n
	}
	if ranged.MatchString(s) {
		return n
	}
	if !plain.MatchString(s) || strings.HasSuffix(s, " ") || slices.Contains(notPlain, strings.ToLower(s)) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
