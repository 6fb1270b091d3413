// Command calico reads Calico manifests from standard input and decodes them strictly into the types that Calico publishes.
//
// It is the test that our manifests are Calico's: an unknown field, a wrong type or a wrong name fails. It is a module of its own, so that the product
// never links Calico's types, nor the Kubernetes libraries of their age. The newest version of the module that the public checksum database can verify
// is of July 2024 and knows neither tiers nor the kinds of them: those are counted, and their other fields are checked all the same.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	v3 "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(text, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// published are the kinds that the module has.
func published(kind string) any {
	switch kind {
	case "HostEndpoint":
		return &v3.HostEndpoint{}
	case "GlobalNetworkPolicy":
		return &v3.GlobalNetworkPolicy{}
	case "NetworkPolicy":
		return &v3.NetworkPolicy{}
	case "GlobalNetworkSet":
		return &v3.GlobalNetworkSet{}
	case "NetworkSet":
		return &v3.NetworkSet{}
	case "Profile":
		return &v3.Profile{}
	}
	return nil
}

// tier is Calico's kind (api/pkg/apis/projectcalico/v3/tier.go), which the module is too old for.
type tier struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Order         *float64 `json:"order,omitempty"`
		DefaultAction string   `json:"defaultAction,omitempty"`
	} `json:"spec"`
}

func check(text []byte, out io.Writer) error {
	var problems []error
	counts := map[string]int{}
	for i, document := range bytes.Split(append([]byte("\n"), text...), []byte("\n---")) {
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		kind, err := checkOne(document)
		if err != nil {
			problems = append(problems, fmt.Errorf("document %d: %w", i+1, err))
		}
		if kind != "" {
			counts[kind]++
		}
	}
	kinds := make([]string, 0, len(counts))
	for kind := range counts {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(out, "%s %d\n", kind, counts[kind])
	}
	if len(counts) == 0 {
		problems = append(problems, errors.New("there is no manifest in the input"))
	}
	return errors.Join(problems...)
}

func checkOne(document []byte) (string, error) {
	var fields map[string]any
	if err := yaml.UnmarshalStrict(document, &fields); err != nil {
		return "", err
	}
	if len(fields) == 0 {
		return "", nil // only comments
	}
	kind, _ := fields["kind"].(string)
	if kind == "Tier" {
		return kind, yaml.UnmarshalStrict(document, &tier{})
	}
	into := published(kind)
	if into == nil {
		return "", fmt.Errorf("kind %q is none that Calico publishes", kind)
	}
	if spec, ok := fields["spec"].(map[string]any); ok && fields["apiVersion"] == v3.GroupVersionCurrent {
		if _, named := spec["tier"].(string); named {
			delete(spec, "tier") // newer than the module
		}
	}
	rest, err := json.Marshal(fields)
	if err != nil {
		return kind, err
	}
	return kind, yaml.UnmarshalStrict(rest, into)
}
