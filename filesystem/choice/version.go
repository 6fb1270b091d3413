package choice

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is an image's: its numbers, at most four.
type Version []int

// String is "12.4".
func (v Version) String() string {
	texts := make([]string, len(v))
	for i, n := range v {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ".")
}

// Bounds of what is read.
const (
	maxNumbers     = 4
	maxComparisons = 8
)

// imageForm is a name, and a version that begins at the first number after a dash, an underscore or a colon.
var imageForm = regexp.MustCompile(`^(.*?)[-_:]v?([0-9]{1,9}(?:[.-][0-9]{1,9}){0,3})(?:[^0-9].*)?$`)

// Parse reads an image's name and version from its URL: from the file's name, or from repository and tag of an image in a registry. The version is nil where the URL has none.
func Parse(url string) (string, Version) {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "@")
	base := path.Base(url)
	for cut := true; cut; {
		cut = false
		for _, suffix := range []string{".zst", ".gz", ".xz", ".lz4", ".bz2", ".tar", ".tgz", ".raw", ".img", ".qcow2"} {
			if s, ok := strings.CutSuffix(base, suffix); ok && s != "" {
				base, cut = s, true
			}
		}
	}
	m := imageForm.FindStringSubmatch(base)
	if m == nil {
		name, _, _ := strings.Cut(base, ":")
		return name, nil
	}
	var v Version
	for _, text := range strings.FieldsFunc(m[2], func(c rune) bool { return c == '.' || c == '-' }) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return m[1], nil
		}
		v = append(v, n)
	}
	return m[1], v
}

// Range is comparisons that must all hold. The empty one holds for everything.
type Range []comparison

type comparison struct {
	operator string
	with     Version
}

var comparisonForm = regexp.MustCompile(`^(>=|<=|>|<|=)? ?v?([0-9]{1,9}(\.[0-9]{1,9}){0,3})$`)

// ParseRange reads comparisons with commas between them.
func ParseRange(text string) (Range, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var r Range
	for _, part := range strings.Split(text, ",") {
		m := comparisonForm.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil || len(r) == maxComparisons {
			return nil, fmt.Errorf("%q is no range of versions: write at most %d comparisons like >=12, <14", text, maxComparisons)
		}
		c := comparison{operator: m[1]}
		if c.operator == "" {
			c.operator = "="
		}
		for _, number := range strings.SplitN(m[2], ".", maxNumbers) {
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("%q: %q is no number", text, number)
			}
			c.with = append(c.with, n)
		}
		r = append(r, c)
	}
	return r, nil
}

// Holds says whether a version is in the range. Missing numbers are 0, but for "=", which asks only for the numbers that it has.
func (r Range) Holds(v Version) bool {
	for _, c := range r {
		n := compare(v, c.with)
		ok := map[string]bool{">=": n >= 0, "<=": n <= 0, ">": n > 0, "<": n < 0, "=": len(v) >= len(c.with) && slices.Equal(v[:min(len(v), len(c.with))], c.with)}[c.operator]
		if !ok {
			return false
		}
	}
	return true
}

// Compare is negative where v is older than w. Missing numbers are 0.
func (v Version) Compare(w Version) int { return compare(v, w) }

func compare(a, b Version) int {
	for i := range maxNumbers {
		x, y := 0, 0
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return x - y
		}
	}
	return 0
}
