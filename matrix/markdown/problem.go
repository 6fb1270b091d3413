package markdown

import (
	"fmt"
	"strings"
)

// Problem is one thing in a text that does not map to a matrix.
type Problem struct {
	// Line counts from 1; 0 where the text as a whole is meant.
	Line int
	// Column is the title of the cell's column; empty where the line as a whole is meant.
	Column string
	// Reason says what stands there and what is allowed.
	Reason string
}

func (p Problem) Error() string {
	switch {
	case p.Line == 0:
		return p.Reason
	case p.Column == "":
		return fmt.Sprintf("line %d: %s", p.Line, p.Reason)
	}
	return fmt.Sprintf("line %d, column %s: %s", p.Line, p.Column, p.Reason)
}

// Problems is all that is wrong.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(line int, column, format string, args ...any) {
	*p = append(*p, Problem{line, column, fmt.Sprintf(format, args...)})
}
