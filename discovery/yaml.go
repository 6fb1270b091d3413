package discovery

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ReadYAML reads a list of maps, alone or under the key "hosts", each map a machine with the columns as keys. macAddresses may be a list. It is read as YAML 1.2 without anchors; JSON is YAML.
func ReadYAML(text []byte, check CheckAddress) List {
	r := newReader(check)
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) > MaxListBytes {
		r.problem(1, "", "the file has %d bytes, at most %d are read: split it", len(text), MaxListBytes)
		return r.list
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	if err := d.Decode(&doc); err != nil {
		r.problem(1, "", "the file is no YAML: %v", err)
		return r.list
	}
	if d.Decode(&next) == nil {
		r.problem(next.Line, "", "a second document begins here: put all machines into one list")
		return r.list
	}
	machines := r.machines(&doc)
	for _, m := range machines {
		r.machine(m)
	}
	return r.list
}

// machines finds the list in a document.
func (r *reader) machines(doc *yaml.Node) []*yaml.Node {
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.problem(1, "", "the file is empty")
		return nil
	}
	n := doc.Content[0]
	if n.Kind == yaml.MappingNode {
		if len(n.Content) != 2 || n.Content[0].Value != "hosts" {
			r.problem(n.Line, "", "a list of machines is wanted, or the one key \"hosts\" with such a list")
			return nil
		}
		n = n.Content[1]
	}
	if n.Kind != yaml.SequenceNode {
		r.problem(n.Line, "", "a list of machines is wanted")
		return nil
	}
	return n.Content
}

func (r *reader) machine(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.problem(n.Line, "", "a machine is a map of fields, like {name: web1, bmcAddress: 10.0.0.5}")
		return
	}
	before := len(r.list.Problems)
	values := map[string][]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, problem := column(key.Value)
		_, twice := values[name]
		switch {
		case problem != "":
			r.problem(key.Line, "", "%s", problem)
		case twice:
			r.problem(key.Line, name, "it is given twice")
		default:
			values[name] = r.value(name, value)
		}
	}
	if len(r.list.Problems) == before {
		r.add(n.Line, values)
	}
}

// value is what a key says: a text, or with macAddresses a list of them.
func (r *reader) value(name string, n *yaml.Node) []string {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return []string{}
	case n.Kind == yaml.ScalarNode:
		return []string{strings.TrimSpace(n.Value)}
	case n.Kind == yaml.SequenceNode && name == columnMACs:
		all := make([]string, 0, len(n.Content))
		for _, part := range n.Content {
			if part.Kind != yaml.ScalarNode {
				r.problem(part.Line, name, "a list of MAC addresses is wanted")
				continue
			}
			all = append(all, part.Value)
		}
		return all
	}
	r.problem(n.Line, name, "a text is wanted")
	return []string{}
}
