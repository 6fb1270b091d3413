package print

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
)

func parseTemplate(f Format) (*template.Template, error) {
	text := strings.TrimPrefix(string(f), string(Template))
	if text == "" {
		return nil, fmt.Errorf("-o template= is empty: write for example -o 'template={{.metadata.name}}'; -o json shows which fields there are")
	}
	t, err := template.New("-o").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("-o template: %w", err)
	}
	return t, nil
}

// members is an object as its JSON has it.
func members(object any) (any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("read the members of an answer: %w", err)
	}
	var plain any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // sizes in bytes print as digits and not as 1e+12
	if err := d.Decode(&plain); err != nil {
		return nil, fmt.Errorf("read the members of an answer: %w", err)
	}
	return plain, nil
}

// each calls do with an object's members, or with those of each of its items, where it is an array.
func each(object any, do func(any) error) error {
	plain, err := members(object)
	if err != nil {
		return err
	}
	items, is := plain.([]any)
	if !is {
		items = []any{plain}
	}
	for _, item := range items {
		if err := do(item); err != nil {
			return err
		}
	}
	return nil
}

func execute(w io.Writer, t *template.Template, item any) error {
	var b strings.Builder
	if err := t.Execute(&b, item); err != nil {
		return fmt.Errorf("-o template: %w; -o json shows which fields there are", err)
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}

func writeName(w io.Writer, item any) error {
	o, _ := item.(map[string]any)
	name, ok := o["name"].(string)
	if m, is := o["metadata"].(map[string]any); is {
		name, ok = m["name"].(string)
	}
	if !ok || name == "" {
		return errors.New("-o name: this answer has no name of its own; -o json shows what it has, and -o 'template={{.FIELD}}' prints a part of it")
	}
	_, err := fmt.Fprintln(w, line(name))
	return err
}
