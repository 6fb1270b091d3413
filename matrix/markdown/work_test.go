package markdown_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/matrix/markdown"
)

// What a hostile text costs: each makes many rows want what one row has already. Work is counted in allocations, which every try of a name is, and which do not depend on the
// machine: twice the rows may cost twice as much, and not four times.
func TestWorkGrowsWithTheText(t *testing.T) {
	table := head
	for name, row := range map[string]func(i int) string{
		"titles of one label": func(i int) string {
			return fmt.Sprintf("| %d | A%s | Z | TCP | B | Z | 443 | | | | | | |\n", i, strings.Map(func(c rune) rune { return '!' + c - '0' }, fmt.Sprint(i)))
		},
		"zones of one label": func(i int) string {
			return fmt.Sprintf("| %d | A | Z%s | TCP | B | Z | 443 | | | | | | |\n", i, strings.Map(func(c rune) rune { return '!' + c - '0' }, fmt.Sprint(i)))
		},
		"numbers of one beginning": func(i int) string {
			return fmt.Sprintf("| %s%d | A | Z | TCP | B | Z | 443 | | | | | | |\n", strings.Repeat("a", 40), i)
		},
		"titles that are numbered names": func(i int) string {
			return fmt.Sprintf("| %d | A-%d | Z | TCP | A%s | Z | 443 | | | | | | |\n", i, i, strings.Repeat("!", i%500))
		},
		"roles and zones of their own": func(i int) string {
			return fmt.Sprintf("| %d | A%d | Z%d | TCP | B%d | Y%d | 443 | | | | | | |\n", i, i, i, i, i)
		},
	} {
		cost := func(rows int) float64 {
			var text strings.Builder
			text.WriteString(table)
			for i := 1; i <= rows; i++ {
				text.WriteString(row(i))
			}
			input := []byte(text.String())
			return testing.AllocsPerRun(1, func() {
				if _, err := markdown.Import("site", input); err != nil {
					t.Fatalf("%s: %.500v", name, err)
				}
			})
		}
		if one, two := cost(1000), cost(2000); two > 2.5*one {
			t.Errorf("%s: 1000 rows take %.0f allocations, 2000 take %.0f", name, one, two)
		}
	}
}

// A table that has a header and no rows is a matrix without rows, and comes back as one. The fuzzer found that it did not.
func TestAMatrixWithoutRowsComesBack(t *testing.T) {
	m, err := markdown.Import("site", []byte(head))
	if err != nil || len(m.Rows) != 0 {
		t.Fatalf("%d rows, %v", len(m.Rows), err)
	}
	comesBack(t, m)
}
