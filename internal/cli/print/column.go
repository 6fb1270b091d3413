package print

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Column is one column of a table of T. A list orders and filters by columns too, by those that it does not show as well.
type Column[T any] struct {
	Header string
	// Wide columns show only with -o wide, Hidden ones never.
	Wide, Hidden bool
	// Flag gives a list a flag of this name that filters by the column: "state" for --state.
	Flag string
	Cell func(T) string
	// Order compares two rows by the column; nil: by the cells, in which numbers count as such (ByCell).
	Order func(a, b T) int
}

// Key is the column's name on the command line: LAST SEEN is last-seen.
func (c Column[T]) Key() string { return strings.ToLower(strings.ReplaceAll(c.Header, " ", "-")) }

// By orders rows by a value.
func By[T any, V cmp.Ordered](of func(T) V) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(of(a), of(b)) }
}

// ByTime orders rows by a time, the latest first, as ages are read: the youngest first.
func ByTime[T any](of func(T) time.Time) func(a, b T) int {
	return func(a, b T) int { return of(b).Compare(of(a)) }
}

// Shown are the columns of a table.
func Shown[T any](columns []Column[T], wide bool) []Column[T] {
	return slices.DeleteFunc(slices.Clone(columns), func(c Column[T]) bool { return c.Hidden || c.Wide && !wide })
}

// Keys are the names of the columns.
func Keys[T any](columns []Column[T]) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Key()
	}
	return all
}

func find[T any](columns []Column[T], key string) (Column[T], error) {
	for _, c := range columns {
		if strings.EqualFold(c.Key(), key) {
			return c, nil
		}
	}
	return Column[T]{}, fmt.Errorf("there is no column %q: use one of %s", key, strings.Join(Keys(columns), ", "))
}

// ParseSort reads the value of --sort-by, columns with commas between them and a - before those that count backwards, as one comparison.
func ParseSort[T any](columns []Column[T], keys []string) (func(a, b T) int, error) {
	var all []func(a, b T) int
	for _, key := range keys {
		name, backwards := strings.CutPrefix(key, "-")
		c, err := find(columns, name)
		if err != nil {
			return nil, fmt.Errorf("--sort-by: %w", err)
		}
		all = append(all, c.compare(backwards))
	}
	return func(a, b T) int {
		for _, f := range all {
			if n := f(a, b); n != 0 {
				return n
			}
		}
		return 0
	}, nil
}

// compare keeps rows without a value at the end, in both directions.
func (c Column[T]) compare(backwards bool) func(a, b T) int {
	return func(a, b T) int {
		x, y := c.Cell(a), c.Cell(b)
		if x == "" || y == "" {
			return cmp.Compare(len(y), 0) - cmp.Compare(len(x), 0)
		}
		n := 0
		if c.Order != nil {
			n = c.Order(a, b)
		} else {
			n = ByCell(x, y)
		}
		if backwards {
			return -n
		}
		return n
	}
}

// ByCell compares texts as people order them: runs of digits by their number, so that rack2 comes before rack10.
func ByCell(a, b string) int {
	for a != "" && b != "" {
		x, y := run(a), run(b)
		a, b = a[len(x):], b[len(y):]
		if x == y {
			continue
		}
		if digit(x[0]) && digit(y[0]) {
			p, q := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if n := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q), cmp.Compare(len(x), len(y))); n != 0 {
				return n
			}
			continue
		}
		return cmp.Compare(x, y)
	}
	return cmp.Compare(len(a), len(b))
}

// run is the longest beginning that is all digits or has none.
func run(s string) string {
	n := 1
	for n < len(s) && digit(s[n]) == digit(s[0]) {
		n++
	}
	return s[:n]
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// line makes one line of a text: control characters, with which a BMC could write to the terminal, are spaces.
func line(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
