package docsite

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// page is one file of docs/.
type page struct {
	name, title    string
	lowTitle       string
	source         []byte
	tree           ast.Node
	passages       []passage
	links, anchors []string
}

func markdown() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
}

func parse(name string, source []byte) (*page, error) {
	p := &page{name: name, source: source, tree: markdown().Parser().Parse(text.NewReader(source))}
	err := ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if id, ok := n.AttributeString("id"); ok {
				if b, ok := id.([]byte); ok {
					p.anchors = append(p.anchors, string(b))
				}
			}
			if n.Level == 1 && p.title == "" {
				p.title = plain(n, source)
			}
		case *ast.Link:
			p.links = append(p.links, string(n.Destination))
			n.Destination = []byte(rewritten(string(n.Destination)))
		case *ast.Image:
			p.links = append(p.links, string(n.Destination))
		}
		return ast.WalkContinue, nil
	})
	p.passages, p.lowTitle = passagesOf(p.tree, source), strings.ToLower(p.title)
	if err == nil && p.title == "" {
		err = fmt.Errorf("%s has no title: begin with a line \"# Title\"", name)
	}
	return p, err
}

// plain is the text of a node.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// rewritten makes a link to a source file one to its page.
func rewritten(link string) string {
	file, anchor, has := strings.Cut(link, "#")
	if strings.Contains(link, "://") || path.Ext(file) != ".md" {
		return link
	}
	if has {
		anchor = "#" + anchor
	}
	return htmlName(file) + anchor
}

// section is a group of pages in the navigation.
type section struct {
	title string
	pages []string
}

func nav() []section {
	return []section{
		{"Start", []string{"index.md", "start.md"}},
		{"Concepts", []string{"concepts/journey.md", "concepts/roles.md", "concepts/matrix.md"}},
		{"How to", []string{"howto/first-rack.md", "howto/metal3.md", "howto/metal-stack.md", "howto/air-gap.md", "howto/firewall.md", "howto/mesh.md", "howto/backup.md"}},
		{"Run it", []string{"operations.md", "security.md", "observability.md", "release.md"}},
		{"Look it up", []string{"reference/index.md", "reference/kinds/index.md", "reference/cli/ingot/ingot.md", "reference/matrix.md", "reference/metrics.md", "reference/issues.md", "rights.md"}},
	}
}

type link struct {
	Title, To string
	Here      bool
}

type group struct {
	Title string
	Links []link
}

func (s *Site) render(p *page, served bool) ([]byte, error) {
	var body bytes.Buffer
	if err := markdown().Renderer().Render(&body, p.source, p.tree); err != nil {
		return nil, err
	}
	// What goldmark renders has no HTML of the sources in it, and no links but the checked ones.
	return s.framed(framed{Title: p.title, name: p.name, Served: served, Body: template.HTML(body.String())}) // see above
}

// framed is a page in its frame.
type framed struct {
	Title, Query string
	// name is the page's, which the navigation marks; Served: there is a search, and the way back to the web page.
	name   string
	Served bool
	Body   template.HTML
	// Up leads to the site's root.
	Up     string
	Groups []group
}

var frameTemplate = template.Must(template.New("page").Parse(frame))

func (s *Site) framed(f framed) ([]byte, error) {
	f.Up = strings.Repeat("../", strings.Count(f.name, "/"))
	for _, sec := range nav() {
		g := group{Title: sec.title}
		for _, name := range sec.pages {
			if to := s.pages[name]; to != nil {
				g.Links = append(g.Links, link{to.title, f.Up + htmlName(name), name == f.name})
			}
		}
		f.Groups = append(f.Groups, g)
	}
	var out bytes.Buffer
	err := frameTemplate.Execute(&out, f)
	return out.Bytes(), err
}
