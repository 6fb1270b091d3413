package bootentry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// fromEntries takes the newest entry (Boot Loader Specification, type 1): the last by the names of the files, compared as versions, as boot loaders without a choice of their own do.
func fromEntries(files map[string]string, variables map[string]string) (Entry, error) {
	var names []string
	for name := range files {
		if strings.HasSuffix(name, ".conf") && !strings.Contains(name, "rescue") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Entry{}, errors.New("there is no entry of the Boot Loader Specification but for rescue")
	}
	return fromEntry(files[slices.MaxFunc(names, compareVersions)], variables)
}

func fromEntry(text string, variables map[string]string) (Entry, error) {
	if len(text) > MaxConfig {
		return Entry{}, fmt.Errorf("an entry is larger than %d bytes", MaxConfig)
	}
	var e Entry
	var options []string
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "title":
			e.Title = value
		case "linux":
			e.Kernel = value
		case "initrd":
			value, err := expand(value, variables)
			if err != nil {
				return e, err
			}
			e.Initrds = append(e.Initrds, strings.Fields(value)...)
		case "options":
			value, err := expand(value, variables)
			if err != nil {
				return e, err
			}
			options = append(options, strings.Fields(value)...)
		case "efi", "devicetree":
			return e, fmt.Errorf("the entry %q has %s, which is not understood", e.Title, key)
		}
	}
	e.CommandLine = strings.Join(options, " ")
	return e, nil
}

// expand puts in GRUB's variables, which Red Hat's entries have. tuned's are empty where they are not set.
func expand(text string, variables map[string]string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		var name string
		if name, text = variableName(rest); name == "" {
			return "", fmt.Errorf("%q has a variable without a name", rest)
		}
		value, known := variables[name]
		if !known && !strings.HasPrefix(name, "tuned_") {
			return "", fmt.Errorf("the variable %q is not known", name)
		}
		out.WriteString(value)
	}
}

// variableName takes the name from the text behind a '$'.
func variableName(text string) (name, rest string) {
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		name, rest, ok = strings.Cut(inner, "}")
		if !ok || name == "" || strings.Trim(name, nameLetters) != "" {
			return "", text
		}
		return name, rest
	}
	end := len(text) - len(strings.TrimLeft(text, nameLetters))
	return text[:end], text[end:]
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// compareVersions compares names piece by piece, numbers by value.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		x, y := piece(a), piece(b)
		a, b = a[len(x):], b[len(y):]
		c := cmp.Compare(x, y)
		if isDigit(x[0]) && isDigit(y[0]) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			c = cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// piece is the run of digits, or of anything else, that a text begins with.
func piece(s string) string {
	end := 1
	for end < len(s) && isDigit(s[end]) == isDigit(s[0]) {
		end++
	}
	return s[:end]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
