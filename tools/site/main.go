// Command site builds docs/ as a static site: make docs, or: cd tools/site && go run . -root ../.. -output ../../dist/site
//
// It owns the pages' frame and the check that each link leads somewhere. It refuses scripts, and fonts and pictures from elsewhere: what it writes is a plain folder that works from a disk, behind any server, and under a
// content-security policy of default-src 'self'. HTML in Markdown is left out (goldmark's default), since everything can be said without.
//
// Invariants: the same sources give the same bytes; a link or an anchor that leads nowhere is an error, and nothing is written.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	root := flag.String("root", "../..", "the repository")
	output := flag.String("output", "../../dist/site", "folder that the site is written to; what is there is removed first")
	flag.Parse()
	if err := run(*root, *output); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func run(root, output string) error {
	s, err := load(os.DirFS(filepath.Join(root, "docs")))
	if err != nil {
		return err
	}
	files, err := s.build()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(output); err != nil {
		return err
	}
	for name, text := range files {
		file := filepath.Join(output, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "%d files in %s\n", len(files), output)
	return nil
}

// site is what docs/ has: pages by name without suffix, and pictures.
type site struct {
	pages    map[string]*page
	pictures map[string][]byte
	// foreign are the files of other types, which a page may link to in the repository but the site does not have.
	foreign map[string]bool
}

func load(docs fs.FS) (*site, error) {
	s := &site{pages: map[string]*page{}, pictures: map[string][]byte{}, foreign: map[string]bool{}}
	err := fs.WalkDir(docs, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch path.Ext(name) {
		case ".md", ".svg":
		default:
			s.foreign[name] = true
			return nil
		}
		text, err := fs.ReadFile(docs, name)
		if err != nil {
			return err
		}
		if path.Ext(name) == ".svg" {
			s.pictures[name] = text
			return nil
		}
		p, err := parse(name, text)
		if err != nil {
			return err
		}
		s.pages[name] = p
		return nil
	})
	return s, err
}

// build makes every file of the site.
func (s *site) build() (map[string][]byte, error) {
	files := map[string][]byte{"style.css": []byte(style)}
	var problems []error
	for name, text := range s.pictures {
		files[name] = text
	}
	for _, name := range s.names() {
		p := s.pages[name]
		problems = append(problems, s.checkLinks(p)...)
		text, err := s.render(p)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		files[htmlName(name)] = text
	}
	for _, section := range nav() {
		for _, name := range section.pages {
			if s.pages[name] == nil {
				problems = append(problems, fmt.Errorf("the navigation names %s, which is not there", name))
			}
		}
	}
	return files, errors.Join(problems...)
}

func (s *site) names() []string {
	var all []string
	for name := range s.pages {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// checkLinks follows each link of a page inside of the site.
func (s *site) checkLinks(p *page) []error {
	var problems []error
	for _, l := range p.links {
		if strings.Contains(l, "://") || strings.HasPrefix(l, "mailto:") {
			continue
		}
		file, anchor, _ := strings.Cut(l, "#")
		target := p
		if file != "" {
			name := path.Join(path.Dir(p.name), file)
			if _, ok := s.pictures[name]; ok {
				continue
			}
			if target = s.pages[name]; target == nil {
				problems = append(problems, fmt.Errorf("%s: the link %s leads nowhere", p.name, l))
				continue
			}
		}
		if anchor != "" && !slices.Contains(target.anchors, anchor) {
			problems = append(problems, fmt.Errorf("%s: the link %s leads to a page without that heading; it has %s", p.name, l, strings.Join(target.anchors, ", ")))
		}
	}
	return problems
}

func htmlName(name string) string { return strings.TrimSuffix(name, ".md") + ".html" }

// reach marks what can be reached from a page by links.
func (s *site) reach(name string, seen map[string]bool) {
	p := s.pages[name]
	if p == nil || seen[name] {
		return
	}
	seen[name] = true
	for _, l := range p.links {
		file, _, _ := strings.Cut(l, "#")
		s.reach(path.Join(path.Dir(name), file), seen)
	}
}
