package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// built is made from web/ by `make web`, and checked by test/web against what that makes anew.
//
//go:embed all:dist
var built embed.FS

// file is one of the front end's, in each form that it is sent in.
type file struct {
	kind, tag         string
	plain, gzip, zstd []byte
}

// front is the front end.
type front struct {
	page   file
	assets map[string]file
}

// openFront compresses all of it once: some hundred kilobytes.
func openFront() (*front, error) {
	f := &front{assets: map[string]file{}}
	err := fs.WalkDir(built, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := built.ReadFile(name)
		if err != nil {
			return err
		}
		one, err := pack(name, text)
		if err != nil {
			return err
		}
		if name == "dist/index.html" {
			f.page = one
			return nil
		}
		f.assets[path.Base(name)] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the web page's front end: %w", err)
	}
	return f, nil
}

func pack(name string, text []byte) (file, error) {
	sum := sha256.Sum256(text)
	f := file{kind: mime.TypeByExtension(path.Ext(name)), tag: base64.RawURLEncoding.EncodeToString(sum[:12]), plain: text}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := z.Write(text); err != nil {
		return f, err
	}
	if err := z.Close(); err != nil {
		return f, err
	}
	f.gzip = b.Bytes()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return f, err
	}
	f.zstd = e.EncodeAll(text, nil)
	return f, e.Close()
}

// asset is a file whose name changes with its content: it is never asked for twice.
func (f *front) asset(w http.ResponseWriter, r *http.Request) {
	one, ok := f.assets[r.PathValue("name")]
	if !ok {
		refuse(w, http.StatusNotFound, "there is no such file")
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	one.send(w, r, http.StatusOK)
}

// index is the same for each page: the front end reads the URL.
func (f *front) index(w http.ResponseWriter, r *http.Request, known bool) {
	w.Header().Set("Cache-Control", "no-cache")
	code := http.StatusOK
	if !known {
		code = http.StatusNotFound
	}
	f.page.send(w, r, code)
}

func (f file) send(w http.ResponseWriter, r *http.Request, code int) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	text, tag := f.plain, f.tag
	accepted := r.Header.Get("Accept-Encoding")
	switch {
	case strings.Contains(accepted, "zstd"):
		h.Set("Content-Encoding", "zstd")
		text, tag = f.zstd, tag+"-zstd"
	case strings.Contains(accepted, "gzip"):
		h.Set("Content-Encoding", "gzip")
		text, tag = f.gzip, tag+"-gzip"
	}
	tag = `"` + tag + `"`
	h.Set("ETag", tag)
	h.Set("Content-Type", f.kind)
	if r.Header.Get("If-None-Match") == tag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", fmt.Sprint(len(text)))
	w.WriteHeader(code)
	_, _ = w.Write(text) // a browser that is gone needs no answer
}
