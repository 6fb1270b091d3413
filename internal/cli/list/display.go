package list

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// errOutput: nobody reads the answer any more.
var errOutput = errors.New("write the list")

// display shows a list that changes. On a terminal a table is drawn once and only its changed lines are written again; elsewhere, and in the formats for programs, each row that changed is
// written as it is now.
type display[T any] struct {
	question *question[T]
	session  *session.Session
	// drawn are the table's lines on the screen; widths those of its columns, which only grow.
	drawn  []string
	widths []int
	// last is each row's version that was shown, where lines are not drawn again.
	last map[types.NamespacedName]string
}

func newDisplay[T any](q *question[T], s *session.Session) *display[T] {
	return &display[T]{question: q, session: s, last: map[types.NamespacedName]string{}}
}

func (d *display[T]) show(rows map[types.NamespacedName]T) error {
	q := d.question
	q.view.Columns = q.noun.columns(time.Now(), q.namespace == "" && !q.noun.Cluster)
	sorted := slices.Collect(maps.Values(rows))
	q.sort(sorted)
	var err error
	if columns, lines, ok := d.session.Screen(); ok && q.view.Format.Tabular() {
		err = d.draw(d.session.Out, print.Lines(q.view.Cells(sorted), &d.widths), columns, lines)
	} else {
		err = d.append(rows, sorted)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

// draw brings the screen from the lines that are drawn to these. Lines are cut at the screen's width, since one that wraps would move all others; what does not fit below is counted.
func (d *display[T]) draw(w io.Writer, lines []string, width, height int) error {
	if most := height - 2; len(lines) > most && most > 0 {
		more := len(lines) - most
		lines = append(slices.Clone(lines[:most]), fmt.Sprintf("... and %d more: filters show fewer", more))
	}
	for i, l := range lines {
		lines[i] = cut(l, width)
	}
	var b strings.Builder
	for i := range min(len(lines), len(d.drawn)) {
		if up := len(d.drawn) - i; lines[i] != d.drawn[i] {
			fmt.Fprintf(&b, "\x1b[%dA\r\x1b[K%s\x1b[%dB\r", up, lines[i], up)
		}
	}
	if gone := len(d.drawn) - len(lines); gone > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", gone)
	}
	for i := len(d.drawn); i < len(lines); i++ {
		b.WriteString(lines[i] + "\n")
	}
	d.drawn = lines
	_, err := io.WriteString(w, b.String())
	return err
}

func cut(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// append writes the rows that are not as they were when they were last written.
func (d *display[T]) append(rows map[types.NamespacedName]T, sorted []T) error {
	q := d.question
	table := q.view.Format.Tabular()
	var changed []T
	for _, row := range sorted {
		key := q.key(row)
		if v := q.noun.version(row); d.last[key] != v {
			d.last[key] = v
			changed = append(changed, row)
		}
	}
	for key := range d.last {
		if _, there := rows[key]; !there {
			delete(d.last, key)
			fmt.Fprintf(d.session.Err, "%s %s is gone from the list\n", q.noun.Singular, key.Name)
		}
	}
	if !table {
		for _, row := range changed {
			if err := q.view.One(d.session.Out, row); err != nil {
				return err
			}
		}
		return nil
	}
	lines := print.Lines(q.view.Cells(changed), &d.widths)
	if len(d.drawn) > 0 {
		lines = lines[1:]
	} else {
		d.drawn = lines[:1]
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(d.session.Out, strings.Join(lines, "\n")+"\n")
	return err
}
