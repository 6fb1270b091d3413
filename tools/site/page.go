package main

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
	source         []byte
	tree           ast.Node
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

func (s *site) render(p *page) ([]byte, error) {
	var body bytes.Buffer
	if err := markdown().Renderer().Render(&body, p.source, p.tree); err != nil {
		return nil, err
	}
	up := strings.Repeat("../", strings.Count(p.name, "/"))
	var groups []group
	for _, sec := range nav() {
		g := group{Title: sec.title}
		for _, name := range sec.pages {
			if to := s.pages[name]; to != nil {
				g.Links = append(g.Links, link{to.title, up + htmlName(name), name == p.name})
			}
		}
		groups = append(groups, g)
	}
	t, err := template.New("page").Parse(frame)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	// What goldmark renders has no HTML of the sources in it, and no links but the checked ones.
	err = t.Execute(&out, map[string]any{"Title": p.title, "Up": up, "Groups": groups, "Body": template.HTML(body.String())}) // see above
	return out.Bytes(), err
}
