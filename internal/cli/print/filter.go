package print

import (
	"fmt"
	"strings"
)

// Filter says whether a row stays.
type Filter[T any] func(T) bool

// ParseFilter reads a value of --filter: column=glob or column!=glob, with commas between globs of which one must match. In a glob, * stands for any text and ? for one character; letters
// count the same in both cases. The glob "" means an empty cell.
func ParseFilter[T any](columns []Column[T], text string) (Filter[T], error) {
	key, globs, ok := strings.Cut(text, "=")
	if !ok {
		return nil, fmt.Errorf("--filter %q: write column=glob or column!=glob", text)
	}
	key, not := strings.CutSuffix(key, "!")
	c, err := find(columns, strings.TrimSpace(key))
	if err != nil {
		return nil, fmt.Errorf("--filter %q: %w", text, err)
	}
	return c.Filter(globs, not), nil
}

// Filter keeps the rows whose cell matches one of the globs; with not, those that match none.
func (c Column[T]) Filter(globs string, not bool) Filter[T] {
	all := strings.Split(strings.ToLower(globs), ",")
	return func(row T) bool {
		cell := strings.ToLower(c.Cell(row))
		for _, g := range all {
			if glob(g, cell) {
				return !not
			}
		}
		return not
	}
}

// glob matches without backtracking over more than the last star, so that its time is at most the product of the lengths.
func glob(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
