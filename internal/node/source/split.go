package source

import (
	"bytes"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/api/v1alpha1"
)

// documents splits a stream at its lines of "---".
func documents(text []byte) [][]byte {
	var docs [][]byte
	var current []byte
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("---")) && (len(bytes.TrimSpace(line)) == 3 || line[3] == ' ') {
			docs, current = append(docs, current), nil
			line = line[3:]
		}
		current = append(current, line...)
	}
	return append(docs, current)
}

// ours says whether a document is of Ingot's API group. What can't be read is left to the decoder of manifests, which says why.
func ours(doc []byte) bool {
	var head struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return false
	}
	group, _, _ := bytes.Cut([]byte(head.APIVersion), []byte("/"))
	return string(group) == v1alpha1.GroupVersion.Group
}
