package document

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	// Object is the matrix's name, where the stream has several documents; else empty.
	Object string
	// Line counts from 1; 0 where the document was no text, or the field is not there.
	Line int
	// Path is the field, like spec.flows[3].protocol; empty for the document as a whole.
	Path string
	// Row is the ID of the row that the field is in.
	Row string
	// Reason says what is wrong and what to write instead.
	Reason string
}

func (p Problem) Error() string {
	var b strings.Builder
	if p.Object != "" {
		b.WriteString(p.Object + ": ")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	b.WriteString(p.Path)
	if p.Row != "" {
		b.WriteString(" (row " + p.Row + ")")
	}
	if p.Path != "" {
		b.WriteString(": ")
	}
	b.WriteString(p.Reason)
	return b.String()
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

func (p *Problems) add(path, row, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Row: row, Reason: fmt.Sprintf(format, args...)})
}

// err is nil where nothing is wrong: a typed nil would not be.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}
