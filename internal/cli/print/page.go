package print

import (
	"fmt"
	"io"
	"strings"
)

// Page lays out as Markdown what a command writes for people: tables and fields become Markdown's tables, any other text a block that is left as it was laid out. Nothing is written
// before Close or the next table.
type Page struct {
	w    io.Writer
	text strings.Builder
	some bool
}

// NewPage makes a page that is written to w.
func NewPage(w io.Writer) *Page { return &Page{w: w} }

// Write takes text that is no table.
func (p *Page) Write(b []byte) (int, error) { return p.text.Write(b) }

// Close writes what is left.
func (p *Page) Close() error {
	text := strings.Trim(p.text.String(), "\n")
	p.text.Reset()
	if strings.TrimSpace(text) == "" {
		return nil
	}
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return p.block([]string{fence, text, fence})
}

// table writes what was said before it, and rows, the first of which is the header.
func (p *Page) table(rows [][]string) error {
	if err := p.Close(); err != nil {
		return err
	}
	return p.block(pipes(rows))
}

// block keeps an empty line between two blocks: without it Markdown takes them for one.
func (p *Page) block(lines []string) error {
	if p.some {
		lines = append([]string{""}, lines...)
	}
	p.some = true
	return write(p.w, lines)
}

var inCell = strings.NewReplacer("|", `\|`, `\`, `\\`)

// pipes are rows as the lines of a Markdown table.
func pipes(rows [][]string) []string {
	var lines []string
	for n, r := range rows {
		escaped := make([]string, len(r))
		for i := range r {
			escaped[i] = inCell.Replace(r[i])
		}
		lines = append(lines, "| "+strings.Join(escaped, " | ")+" |")
		if n == 0 {
			lines = append(lines, "|"+strings.Repeat(" --- |", len(r)))
		}
	}
	return lines
}

// Text has say write for people, which a page lays out where the format is Markdown. It is for programs without a session.
func Text(w io.Writer, f Format, say func(io.Writer) error) error {
	if f != Markdown {
		return say(w)
	}
	p := NewPage(w)
	if err := say(p); err != nil {
		return err
	}
	if err := p.Close(); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
