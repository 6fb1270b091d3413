package reference

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/config/crd"
)

// kinds are the pages of all kinds that Ingot serves, by file name, and the page that lists them.
func kinds() (map[string]string, error) {
	files, err := fs.Glob(crd.Files, "*.yaml")
	if err != nil {
		return nil, err
	}
	pages := map[string]string{}
	groups := map[string][]string{}
	for _, name := range files {
		text, err := crd.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var d apiextensions.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		page := d.Spec.Group + "-" + strings.ToLower(d.Spec.Names.Kind) + ".md"
		pages["kinds/"+page] = kind(d)
		v := stored(d)
		groups[d.Spec.Group] = append(groups[d.Spec.Group], fmt.Sprintf("| [%s](%s) | %s | %s | %s |", d.Spec.Names.Kind, page, strings.ToLower(string(d.Spec.Scope)), v.Name, firstSentence(v.Schema.OpenAPIV3Schema.Description)))
	}
	var b strings.Builder
	b.WriteString("# Kinds\n\nEvery kind that Ingot's API server serves beside Kubernetes' own, with fields, defaults and what is refused. Made from `config/crd`.\n")
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "\n## %s\n\n| kind | scope | version | |\n|---|---|---|---|\n%s\n", g, strings.Join(groups[g], "\n"))
	}
	pages["kinds/index.md"] = b.String()
	return pages, nil
}

// stored is the version that objects are kept in.
func stored(d apiextensions.CustomResourceDefinition) apiextensions.CustomResourceDefinitionVersion {
	for _, v := range d.Spec.Versions {
		if v.Storage {
			return v
		}
	}
	return d.Spec.Versions[0]
}

func kind(d apiextensions.CustomResourceDefinition) string {
	v := stored(d)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n`apiVersion: %s/%s`, %s, `%s`", d.Spec.Names.Kind, d.Spec.Group, v.Name, strings.ToLower(string(d.Spec.Scope)), d.Spec.Names.Plural)
	if len(d.Spec.Names.ShortNames) > 0 {
		fmt.Fprintf(&b, " (`%s`)", strings.Join(d.Spec.Names.ShortNames, "`, `"))
	}
	b.WriteString("\n\n")
	schema := v.Schema.OpenAPIV3Schema
	if schema.Description != "" {
		b.WriteString(prose(schema.Description) + "\n\n")
	}
	rules(&b, *schema)
	for _, part := range slices.Sorted(maps.Keys(schema.Properties)) {
		if part == "apiVersion" || part == "kind" || part == "metadata" {
			continue
		}
		fmt.Fprintf(&b, "## %s\n\n| field | type | |\n|---|---|---|\n", part)
		p := schema.Properties[part]
		field(&b, part, p, slices.Contains(schema.Required, part))
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func rules(b *strings.Builder, s apiextensions.JSONSchemaProps) {
	for _, r := range s.XValidations {
		fmt.Fprintf(b, "Refused otherwise: %s.\n\n", prose(strings.TrimSuffix(or(r.Message, r.Rule), ".")))
	}
}

func field(b *strings.Builder, path string, s apiextensions.JSONSchemaProps, required bool) {
	words := []string{}
	if s.Description != "" {
		words = append(words, prose(s.Description))
	}
	if required {
		words = append(words, "**Required.**")
	}
	if s.Default != nil {
		words = append(words, "Default: `"+string(s.Default.Raw)+"`.")
	}
	words = append(words, bounds(s)...)
	for _, r := range s.XValidations {
		words = append(words, "Refused otherwise: "+prose(strings.TrimSuffix(or(r.Message, r.Rule), "."))+".")
	}
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, typeName(s), cell(strings.Join(words, " ")))
	switch {
	case s.Items != nil && s.Items.Schema != nil && len(s.Items.Schema.Properties) > 0:
		fields(b, path+"[]", *s.Items.Schema)
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil && len(s.AdditionalProperties.Schema.Properties) > 0:
		fields(b, path+".KEY", *s.AdditionalProperties.Schema)
	default:
		fields(b, path, s)
	}
}

func fields(b *strings.Builder, path string, s apiextensions.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field(b, path+"."+name, s.Properties[name], slices.Contains(s.Required, name))
	}
}

// bounds are what the schema refuses by itself.
func bounds(s apiextensions.JSONSchemaProps) []string {
	var all []string
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, "`"+string(v.Raw)+"`")
		}
		all = append(all, "One of "+strings.Join(values, ", ")+".")
	}
	if s.Pattern != "" {
		all = append(all, "Pattern: `"+s.Pattern+"`.")
	}
	number := func(word string, n *int64) {
		if n != nil {
			all = append(all, fmt.Sprintf("%s %d.", word, *n))
		}
	}
	if s.Minimum != nil {
		all = append(all, fmt.Sprintf("At least %v.", *s.Minimum))
	}
	if s.Maximum != nil {
		all = append(all, fmt.Sprintf("At most %v.", *s.Maximum))
	}
	number("Characters, at least", s.MinLength)
	number("Characters, at most", s.MaxLength)
	number("Elements, at least", s.MinItems)
	number("Elements, at most", s.MaxItems)
	return all
}

func typeName(s apiextensions.JSONSchemaProps) string {
	switch {
	case s.Items != nil && s.Items.Schema != nil:
		return "list of " + typeName(*s.Items.Schema)
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return "map of " + typeName(*s.AdditionalProperties.Schema)
	case s.Format != "":
		return s.Format
	case s.XIntOrString:
		return "integer or string"
	default:
		return or(s.Type, "any")
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func firstSentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i+1]
	}
	return cell(prose(s))
}

// prose keeps Markdown from reading marks into text that was written for other readers.
func prose(s string) string {
	return strings.NewReplacer("<", `\<`, "*", `\*`, "_", `\_`, "[", `\[`, "`", "'").Replace(s)
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
