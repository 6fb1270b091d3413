package discovery

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// ReadCSV reads a list as spreadsheets write it (RFC 4180): the first line has the titles of columns, in any order, each line after it is a machine. Semicolons in the place of commas are
// understood, as is a byte order mark. Lines that begin with # and empty ones say nothing. Several MAC addresses in one cell have spaces between them.
func ReadCSV(text []byte, check CheckAddress) List {
	r := newReader(check)
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) > MaxListBytes {
		r.problem(1, "", "the file has %d bytes, at most %d are read: split it", len(text), MaxListBytes)
		return r.list
	}
	c := csv.NewReader(bytes.NewReader(text))
	c.Comment, c.FieldsPerRecord, c.TrimLeadingSpace = '#', -1, true
	c.Comma = separator(text)
	titles, err := c.Read()
	if err != nil {
		r.problem(lineOf(c, err), "", "no line of titles can be read: %s", why(err))
		return r.list
	}
	columns := r.titles(lineOf(c, nil), titles)
	if len(r.list.Problems) > 0 {
		return r.list
	}
	for {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return r.list
		}
		line := lineOf(c, err)
		switch {
		case err != nil:
			r.problem(line, "", "%s", why(err))
		case len(cells) > len(columns):
			r.problem(line, "", "it has %d cells, and there are %d columns", len(cells), len(columns))
		case strings.TrimSpace(strings.Join(cells, "")) == "":
			// A spreadsheet writes its empty rows too.
		default:
			values := map[string][]string{}
			for i, cell := range cells {
				values[columns[i]] = []string{cell}
			}
			r.add(line, values)
		}
	}
}

// titles are the columns of a header.
func (r *reader) titles(line int, titles []string) []string {
	columns := make([]string, len(titles))
	seen := map[string]bool{}
	for i, t := range titles {
		name, problem := column(t)
		switch {
		case problem != "":
			r.problem(line, "", "%s", problem)
		case seen[name]:
			r.problem(line, name, "there are two such columns")
		}
		columns[i], seen[name] = name, true
	}
	return columns
}

// separator is what stands between the titles.
func separator(text []byte) rune {
	for line := range bytes.Lines(text) {
		if l := bytes.TrimSpace(line); len(l) > 0 && l[0] != '#' {
			if bytes.ContainsRune(l, ';') && !bytes.ContainsRune(l, ',') {
				return ';'
			}
			break
		}
	}
	return ','
}

func lineOf(c *csv.Reader, err error) int {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return p.StartLine
	}
	if err != nil {
		return 1
	}
	line, _ := c.FieldPos(0)
	return line
}

func why(err error) string {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return "the line is no CSV: " + p.Err.Error()
	}
	if errors.Is(err, io.EOF) {
		return "the file is empty"
	}
	return err.Error()
}
