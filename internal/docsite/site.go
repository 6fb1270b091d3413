package docsite

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Site is what docs/ has: pages by name, and pictures.
type Site struct {
	pages    map[string]*page
	pictures map[string][]byte
	// foreign are the files of other types, which a page may link to in the repository but the site does not have.
	foreign map[string]bool
}

// Load reads the pages and pictures of a folder. A page without a title, or a link that leads nowhere, is an error.
func Load(docs fs.FS) (*Site, error) {
	s := &Site{pages: map[string]*page{}, pictures: map[string][]byte{}, foreign: map[string]bool{}}
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
	if err != nil {
		return nil, fmt.Errorf("read the documentation: %w", err)
	}
	return s, s.check()
}

// check follows each link, those of the navigation included.
func (s *Site) check() error {
	var problems []error
	for _, name := range s.names() {
		problems = append(problems, s.checkLinks(s.pages[name])...)
	}
	for _, section := range nav() {
		for _, name := range section.pages {
			if s.pages[name] == nil {
				problems = append(problems, fmt.Errorf("the navigation names %s, which is not there", name))
			}
		}
	}
	return errors.Join(problems...)
}

// Files are those of a site that stands by itself, by their names.
func (s *Site) Files() (map[string][]byte, error) { return s.files(false) }

// files are all of them. served: beside the web page, with a search.
func (s *Site) files(served bool) (map[string][]byte, error) {
	files := map[string][]byte{"style.css": []byte(style)}
	for name, text := range s.pictures {
		files[name] = text
	}
	for _, name := range s.names() {
		text, err := s.render(s.pages[name], served)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[htmlName(name)] = text
	}
	return files, nil
}

func (s *Site) names() []string {
	var all []string
	for name := range s.pages {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// checkLinks follows each link of a page inside of the site.
func (s *Site) checkLinks(p *page) []error {
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
func (s *Site) reach(name string, seen map[string]bool) {
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
