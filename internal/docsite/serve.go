package docsite

import (
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// The pages' content-security policies. A drawing has its style in it, and is shown as a picture, which runs nothing.
const (
	pagePolicy    = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	picturePolicy = "default-src 'none'; style-src 'unsafe-inline'"
)

// served is the site as it is sent. It is made when somebody asks first: most processes never need it.
type served struct {
	site  *Site
	files map[string][]byte
}

// Handler serves the documentation below a path, for example /docs/, to anybody: it tells nothing of the site. NAME.html is a page, NAME.md its source, search?q= the search.
func Handler(at string, docs fs.FS, log *slog.Logger) http.Handler {
	load := sync.OnceValues(func() (*served, error) {
		s, err := Load(docs)
		if err != nil {
			return nil, err
		}
		files, err := s.files(true)
		return &served{s, files}, err
	})
	return http.StripPrefix(at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := load()
		if err != nil {
			log.Error("documentation not served", "err", err)
			http.Error(w, "the documentation cannot be shown: see the log", http.StatusInternalServerError)
			return
		}
		s.serve(w, r)
	}))
}

func (s *served) serve(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	if name == "" {
		name = "index.html"
	}
	if name == "search" {
		text, err := s.site.found(r.URL.Query().Get("q"))
		if err != nil {
			http.Error(w, "the search failed", http.StatusInternalServerError)
			return
		}
		send(w, r, "search.html", text)
		return
	}
	text, ok := s.files[name]
	if p := s.site.pages[name]; p != nil {
		text, ok = p.source, true
	}
	if !ok {
		http.Error(w, "there is no such page in the documentation", http.StatusNotFound)
		return
	}
	send(w, r, name, text)
}

func send(w http.ResponseWriter, r *http.Request, name string, text []byte) {
	h := w.Header()
	switch ext := path.Ext(name); ext {
	case ".md":
		h.Set("Content-Type", "text/markdown; charset=utf-8")
	case ".svg":
		h.Set("Content-Type", "image/svg+xml")
		h.Set("Content-Security-Policy", picturePolicy)
	default:
		h.Set("Content-Type", mime.TypeByExtension(ext))
		h.Set("Content-Security-Policy", pagePolicy)
	}
	sum := sha256.Sum256(text)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(text) // a browser that is gone needs no answer
}
