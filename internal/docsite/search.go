package docsite

import (
	"bytes"
	"cmp"
	"html/template"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	extension "github.com/yuin/goldmark/extension/ast"
)

// The search's bounds.
const (
	maxQuery = 200
	maxWords = 8
	maxHits  = 30
	// snippetBytes is about how much of a passage is shown.
	snippetBytes = 220
	// counted is how often a word counts in one passage.
	counted = 4
)

// passage is what stands below one heading, up to the next. low is its text and its heading in small letters.
type passage struct {
	heading, anchor, text string
	low                   struct{ heading, text string }
}

// passagesOf takes a page apart. What stands before its first heading belongs to no heading.
func passagesOf(tree ast.Node, source []byte) []passage {
	var all []passage
	var now passage
	var b strings.Builder
	end := func() {
		now.text = strings.Join(strings.Fields(b.String()), " ")
		now.low.heading, now.low.text = strings.ToLower(now.heading), strings.ToLower(now.text)
		if now.text != "" || now.heading != "" {
			all = append(all, now)
		}
		b.Reset()
	}
	_ = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function gives no error
		switch n := n.(type) {
		case *ast.Heading:
			if !entering {
				return ast.WalkContinue, nil
			}
			end()
			now = passage{heading: plain(n, source)}
			if id, ok := n.AttributeString("id"); ok {
				id, _ := id.([]byte)
				now.anchor = string(id)
			}
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if entering {
				b.Write(n.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.AutoLink:
			if entering {
				b.Write(n.Label(source))
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			if entering {
				b.Write(n.Lines().Value(source))
			}
		}
		if _, cell := n.(*extension.TableCell); !entering && (cell || n.Type() == ast.TypeBlock) {
			b.WriteByte(' ')
		}
		return ast.WalkContinue, nil
	})
	end()
	return all
}

// Hit is a page that was found, by its best passage.
type Hit struct {
	// Title is the page's, Heading the passage's, empty where it is the same. To is the file and the anchor.
	Title, Heading, To string
	// Snippet is a part of the passage; what was searched for is marked.
	Snippet []Part
}

// Part is a piece of text.
type Part struct {
	Text   string
	Marked bool
}

// Search finds the pages with a passage that has all words of a query, in its text, its heading, or the page's title or file name; the best come first. Big and small letters are the same.
func (s *Site) Search(query string) []Hit {
	words := wordsOf(query)
	if len(words) == 0 {
		return nil
	}
	type scored struct {
		page      *page
		at, score int
	}
	var all []scored
	for _, name := range s.names() {
		p := s.pages[name]
		best, at := 0, 0
		for i, x := range p.passages {
			if n := score(p, x, words); n > best {
				best, at = n, i
			}
		}
		if best == 0 {
			continue
		}
		// The reference repeats each flag and field many times: a page that somebody wrote says more.
		if !strings.HasPrefix(name, "reference/") {
			best *= 2
		}
		all = append(all, scored{p, at, best})
	}
	slices.SortStableFunc(all, func(x, y scored) int { return cmp.Compare(y.score, x.score) })
	var patterns []*regexp.Regexp
	for _, w := range words {
		patterns = append(patterns, regexp.MustCompile("(?i)"+regexp.QuoteMeta(w)))
	}
	hits := make([]Hit, 0, min(len(all), maxHits))
	for _, x := range all[:min(len(all), maxHits)] {
		hits = append(hits, hitOf(x.page, x.page.passages[x.at], patterns))
	}
	return hits
}

// wordsOf are the words of a query, in small letters.
func wordsOf(query string) []string {
	words := strings.Fields(strings.ToLower(strings.ToValidUTF8(query[:min(len(query), maxQuery)], "")))
	return words[:min(len(words), maxWords)]
}

// score is how well a passage fits, 0 where a word is missing. It is asked of every passage, by anybody: it looks for plain text, which is fast.
func score(p *page, x passage, words []string) int {
	sum := 0
	for _, w := range words {
		n := min(strings.Count(x.low.text, w), counted)
		if strings.Contains(x.low.heading, w) {
			n += 5
		}
		// The file's name often has the word that people know a thing by.
		if strings.Contains(p.lowTitle, w) || strings.Contains(path.Base(p.name), w) {
			n += 8
		}
		if n == 0 {
			return 0
		}
		sum += n
	}
	return sum
}

func hitOf(p *page, x passage, words []*regexp.Regexp) Hit {
	h := Hit{Title: p.title, To: htmlName(p.name), Snippet: snippet(x.text, words)}
	if x.heading != p.title {
		h.Heading = x.heading
		h.To += "#" + x.anchor
	}
	return h
}

// snippet is the text around the first word that is in it.
func snippet(text string, words []*regexp.Regexp) []Part {
	first := len(text)
	for _, w := range words {
		if at := w.FindStringIndex(text); at != nil {
			first = min(first, at[0])
		}
	}
	if first == len(text) {
		first = 0
	}
	from := max(0, first-snippetBytes/3)
	to := min(len(text), from+snippetBytes)
	// At spaces, so that no word and no letter is cut.
	if i := strings.IndexByte(text[from:first], ' '); from > 0 && i >= 0 {
		from += i + 1
	} else if from > 0 {
		from = first
	}
	if i := strings.LastIndexByte(text[:to], ' '); to < len(text) && i > first {
		to = i
	} else if to < len(text) {
		to = len(text)
	}
	parts := marked(text[from:to], words)
	if from > 0 {
		parts = append([]Part{{Text: "… "}}, parts...)
	}
	if to < len(text) {
		parts = append(parts, Part{Text: " …"})
	}
	return parts
}

// marked cuts a text where the words are.
func marked(text string, words []*regexp.Regexp) []Part {
	var parts []Part
	for text != "" {
		from, to := len(text), len(text)
		for _, w := range words {
			if at := w.FindStringIndex(text); at != nil && (at[0] < from || at[0] == from && at[1] > to) {
				from, to = at[0], at[1]
			}
		}
		if from > 0 {
			parts = append(parts, Part{Text: text[:from]})
		}
		if from < len(text) {
			parts = append(parts, Part{Text: text[from:to], Marked: true})
		}
		text = text[to:]
	}
	return parts
}

var foundTemplate = template.Must(template.New("found").Parse(`<h1>Search</h1>
{{if .Hits}}<p class="dim">{{len .Hits}} {{if eq (len .Hits) 1}}page{{else}}pages{{end}}{{if .More}}, the best of more{{end}}</p>
<ol class="hits">
{{range .Hits}}<li><a href="{{.To}}">{{.Title}}{{with .Heading}} › {{.}}{{end}}</a>
<p>{{range .Snippet}}{{if .Marked}}<mark>{{.Text}}</mark>{{else}}{{.Text}}{{end}}{{end}}</p></li>
{{end}}</ol>
{{else if .Query}}<p>No page has all of these words: {{.Query}}</p>
<p>Fewer or shorter words find more. <a href="reference/index.html">The reference</a> has each command, kind, flow and metric.</p>
{{else}}<p>Say what to look for in the field above.</p>
{{end}}`))

// found is the page with what a query finds.
func (s *Site) found(query string) ([]byte, error) {
	query = strings.TrimSpace(strings.ToValidUTF8(query[:min(len(query), maxQuery)], ""))
	hits := s.Search(query)
	var body bytes.Buffer
	if err := foundTemplate.Execute(&body, map[string]any{"Query": query, "Hits": hits, "More": len(hits) == maxHits}); err != nil {
		return nil, err
	}
	return s.framed(framed{Title: "Search", Query: query, Served: true, Body: template.HTML(body.String())}) // the template has escaped what was asked
}
