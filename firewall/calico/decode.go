package calico

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Decode reads a stream of YAML (or JSON) documents: manifests, and lists of them as kubectl prints them. Documents are separated by lines of "---".
// The error, if any, is a Problems with everything that is wrong; the objects are then not to be used.
func Decode(stream []byte) (Objects, error) {
	var all Objects
	var problems Problems
	for i, document := range split(stream) {
		c := &collector{object: fmt.Sprintf("document %d", i+1)}
		value, err := parse(document)
		switch {
		case err != nil:
			c.problems = append(c.problems, Problem{c.object, "", "it is no YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")})
		case value != nil:
			decodeObject(field{"", value, c}, &all)
		}
		problems = append(problems, c.problems...)
	}
	if len(problems) > 0 {
		return Objects{}, problems
	}
	return all, nil
}

// split cuts at document markers. A marker stands at the start of a line, where no block scalar can have text.
func split(stream []byte) [][]byte {
	var documents [][]byte
	var current []byte
	for line := range bytes.Lines(stream) {
		mark := bytes.TrimRight(line, "\r\n")
		if rest, found := bytes.CutPrefix(mark, []byte("---")); found && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t') {
			documents = append(documents, current)
			current = append(append([]byte{}, rest...), '\n')
			continue
		}
		current = append(current, line...)
	}
	return append(documents, current)
}

// parse gives maps, lists, strings, booleans and json.Numbers. A key that stands twice in an object is an error.
func parse(document []byte) (any, error) {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	return value, nil
}

func decodeObject(f field, all *Objects) {
	if _, ok := f.value.(map[string]any); !ok {
		f.problem("want a manifest, found %s", f.kindOf())
		return
	}
	version, _ := f.get("apiVersion").value.(string)
	kind, _ := f.get("kind").value.(string)
	if strings.HasSuffix(kind, "List") && (version == APIVersion || version == "v1") {
		decodeList(f, all)
		return
	}
	if name, ok := f.get("metadata").get("name").value.(string); ok && kind != "" {
		f.c.object = kind + "/" + name
	}
	if version != APIVersion {
		f.get("apiVersion").problem("want %s, found %q: other versions have other meanings", APIVersion, version)
		return
	}
	decoders := map[string]func(field, *Objects){
		"HostEndpoint": decodeHostEndpoint, "GlobalNetworkSet": decodeNetworkSet, "NetworkSet": decodeNetworkSet, "Tier": decodeTier, "Profile": decodeProfile,
		string(GlobalNetworkPolicy): decodePolicy, string(NetworkPolicy): decodePolicy,
		string(StagedGlobalNetworkPolicy): decodePolicy, string(StagedNetworkPolicy): decodePolicy,
	}
	decode, ok := decoders[kind]
	if !ok {
		f.get("kind").problem("%q is no kind that the host firewall knows: it reads HostEndpoint, GlobalNetworkPolicy, NetworkPolicy, their staged forms, "+
			"GlobalNetworkSet, NetworkSet, Tier and Profile", kind)
		return
	}
	decode(f, all)
}

func decodeList(f field, all *Objects) {
	f.object(readers{"apiVersion": ignored, "kind": ignored, "metadata": ignored, "items": func(items field) {
		items.list(1<<20, func(item field) {
			own := &collector{object: f.c.object + " " + item.path}
			decodeObject(field{"", item.value, own}, all)
			f.c.problems = append(f.c.problems, own.problems...)
		})
	}})
}

// manifest reads the frame that all kinds share.
func manifest(f field, namespaced bool, m *Meta, spec readers) {
	f.object(readers{
		"apiVersion": ignored, "kind": ignored, "status": ignored,
		"metadata": func(f field) { decodeMeta(f, m) },
		"spec":     func(f field) { f.object(spec) },
	})
	name := f.get("metadata").get("name")
	if m.Name == "" && name.value == nil {
		name.problem("is required")
	}
	namespace := f.get("metadata").get("namespace")
	switch {
	case namespaced && m.Namespace == "" && namespace.value == nil:
		namespace.problem("is required: this kind belongs to a namespace")
	case !namespaced && m.Namespace != "":
		namespace.problem("this kind belongs to no namespace")
	}
	if f.get("spec").value == nil {
		f.get("spec").problem("is required")
	}
}

var (
	// namePattern is a DNS-1123 subdomain, as Kubernetes wants names.
	namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	// labelPattern is a label's key without its prefix, and a label's value where it isn't empty: at most 63 bytes.
	labelPattern = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
)

func decodeMeta(f field, m *Meta) {
	name := func(into *string) func(field) {
		return func(f field) {
			s, ok := f.str()
			if ok && (len(s) > 253 || !namePattern.MatchString(s)) {
				f.problem("%q is no name: want at most 253 small letters, digits, - and ., with a letter or digit at both ends", s)
			}
			*into = s
		}
	}
	f.object(readers{
		"name": name(&m.Name), "namespace": name(&m.Namespace),
		"labels":      func(f field) { m.Labels = decodeLabels(f) },
		"annotations": func(f field) { m.Annotations = f.texts(func(field, string) {}) },
		// What the API server adds, and kubectl prints.
		"uid": ignored, "resourceVersion": ignored, "generation": ignored, "creationTimestamp": ignored, "managedFields": ignored, "selfLink": ignored,
		"ownerReferences": ignored, "finalizers": ignored, "generateName": ignored, "deletionTimestamp": ignored, "deletionGracePeriodSeconds": ignored,
	})
}

func decodeLabels(f field) map[string]string {
	return f.texts(func(f field, key string) {
		short := key
		if prefix, rest, found := strings.Cut(key, "/"); found {
			short = rest
			if len(prefix) > 253 || !namePattern.MatchString(prefix) {
				f.problem("%q is no prefix of a label: want a DNS name", prefix)
			}
		}
		if !labelPattern.MatchString(short) {
			f.problem("%q is no label: want at most 63 letters, digits, -, _ and ., with a letter or digit at both ends", key)
		}
		if value, _ := f.str(); value != "" && !labelPattern.MatchString(value) {
			f.problem("%q is no label's value: want at most 63 letters, digits, -, _ and ., with a letter or digit at both ends", value)
		}
	})
}
