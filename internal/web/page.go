package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Content is what a page shows. Rows are the lines of its table, by their keys; Body is all else.
type Content struct {
	Body any   `json:"body,omitempty"`
	Rows []Row `json:"rows,omitempty"`
}

// Row is one line. What is in it depends on the page.
type Row interface {
	// Key tells lines apart, and is the same for as long as what the line speaks of is there.
	Key() string
}

// ask is what a page is made for.
type ask struct {
	who *person
	// part are the pieces of the path behind the page's own.
	part []string
	// query are the parameters of the address.
	query url.Values
	now   time.Time
	// live: the page is made again when something changes.
	live bool
}

// page is one page.
type page struct {
	// path is the page's; parts how many pieces follow it.
	path  string
	parts int
	make  func(ctx context.Context, c *reader, a ask) (Content, error)
	// part and query are those of this request.
	part  []string
	query url.Values
	live  bool
}

// pages are all of them.
func pages() []page {
	return []page{
		{path: "/", make: overview},
		{path: "/hosts", make: hosts},
		{path: "/hosts", parts: 2, make: host},
		{path: "/settings", make: settings},
		{path: "/audit", make: trail},
		{path: "/audit", parts: 1, make: record},
		{path: "/firewalls", make: firewalls},
		{path: "/firewalls", parts: 2, make: firewall},
		{path: "/machines", make: machines},
		{path: "/machines", parts: 2, make: machine},
		{path: "/networks", make: networks},
		{path: "/networks", parts: 2, make: network},
		{path: "/images", make: images},
		{path: "/sizes", make: sizes},
		{path: "/matrix", make: flows},
	}
}

// loginPath is where a login link leads: the front end takes the code, which stands behind a #.
const loginPath = "/login"

// find gives the page of a path.
func find(path string) (page, bool) {
	for _, p := range pages() {
		if p.parts == 0 && (path == p.path || path == p.path+"/") {
			return p, true
		}
		rest, ok := strings.CutPrefix(path, p.path+"/")
		if !ok || p.parts == 0 {
			continue
		}
		if part := strings.Split(rest, "/"); len(part) == p.parts && !hasEmpty(part) {
			p.part = part
			return p, true
		}
	}
	return page{}, false
}

func hasEmpty(parts []string) bool {
	for _, p := range parts {
		if p == "" {
			return true
		}
	}
	return false
}

// readTime bounds the making of a page, the first listing of a large site included.
const readTime = time.Minute

// once answers with a page's content.
func (s *Server) once(w http.ResponseWriter, r *http.Request, who *person, p page) {
	v, release, err := who.view(r.URL.Query().Get("namespace"))
	if err != nil {
		s.fail(w, err)
		return
	}
	defer release()
	c := v.reader()
	defer c.close()
	content, err := s.read(r.Context(), c, who, p)
	if err != nil {
		if r.Context().Err() != nil {
			return // the browser went on
		}
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(content) // who is gone needs no answer
}

func (s *Server) read(ctx context.Context, c *reader, who *person, p page) (Content, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return p.make(ctx, c, ask{who: who, part: p.part, query: p.query, live: p.live, now: s.o.Now()})
}

// explain says what is wrong to a person, and with which code.
func (s *Server) explain(err error) (int, string) {
	switch {
	case apierrors.IsUnauthorized(err):
		return http.StatusUnauthorized, "the API server knows you no longer: log in again"
	case apierrors.IsForbidden(err):
		return http.StatusForbidden, "your rights do not reach: " + err.Error()
	case apierrors.IsBadRequest(err):
		return http.StatusBadRequest, err.Error()
	case apierrors.IsInvalid(err):
		return http.StatusUnprocessableEntity, err.Error()
	case apierrors.IsNotFound(err):
		return http.StatusNotFound, err.Error()
	}
	s.o.Log.Warn("web page not made", "err", err)
	return http.StatusServiceUnavailable, err.Error()
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	code, text := s.explain(err)
	refuse(w, code, text)
}
