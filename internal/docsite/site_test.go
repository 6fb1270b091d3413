package docsite

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ingotmetal/ingot/docs"
)

// TestDocs builds the real pages: each link and anchor leads somewhere, each page is in reach from the start page, and nothing is loaded from elsewhere or runs.
func TestDocs(t *testing.T) {
	s, err := Load(docs.Pages)
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	foreign := regexp.MustCompile(`(?i)<script|<iframe|<style|\son[a-z]+=|\sstyle="|src="https?:|<link[^>]+href="https?:|url\(|@import`)
	for name, text := range files {
		if strings.HasSuffix(name, ".html") || name == "style.css" {
			if found := foreign.Find(text); found != nil {
				t.Errorf("%s has %s: pages neither run anything nor load anything from elsewhere", name, found)
			}
		}
	}
	seen := map[string]bool{}
	s.reach("index.md", seen)
	for _, section := range nav() {
		for _, name := range section.pages {
			s.reach(name, seen)
		}
	}
	for _, name := range s.names() {
		if !seen[name] {
			t.Errorf("no page leads to %s", name)
		}
	}
}

// TestRefusals: a link that leads nowhere, a heading that is not there, a page without a title.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"# A\n[b](b.md)":       "leads nowhere",
		"# A\n[b](#other)":     "without that heading",
		"no title\n":           "has no title",
		"# A\n![p](p.svg)":     "leads nowhere",
		"# A\n[b](../../x.md)": "leads nowhere",
	} {
		_, err := Load(fstest.MapFS{"index.md": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
