package bmcsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fetcher is the BMCs' own way to media, shared so that a thousand BMCs do not hold a thousand idle connections.
type fetcher struct {
	verifying, trusting *http.Client
}

func newFetcher(o Options) *fetcher {
	dial := o.MediaDial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	client := func(insecure bool) *http.Client {
		return &http.Client{Transport: &http.Transport{
			DialContext: dial, TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: 30 * time.Second, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
			// A drive that does not verify (VirtualMedia.VerifyCertificate false) takes any server, as real ones do.
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.MediaRoots, InsecureSkipVerify: insecure}, // see above
		}}
	}
	return &fetcher{verifying: client(false), trusting: client(true)}
}

func (f *fetcher) close() {
	f.verifying.CloseIdleConnections()
	f.trusting.CloseIdleConnections()
}

// maxMediumBytes bounds what a BMC downloads.
const maxMediumBytes = 16 << 30

// open connects to a medium.
func (f *fetcher) open(b *BMC, url string, verify bool) (*Medium, error) {
	r := &remote{ctx: b.server.ctx, client: f.trusting, url: url}
	if verify {
		r.client = f.verifying
	}
	if b.config.Fetch == Download {
		return r.download(b)
	}
	size, err := r.probe()
	if err != nil {
		return nil, err
	}
	r.size = size
	return &Medium{URL: url, Size: size, Image: r}, nil
}

// remote reads a file over HTTP by ranges (RFC 9110 §14).
type remote struct {
	ctx    context.Context
	client *http.Client
	url    string
	size   int64
	// tag is the version that the first answer named; a file that changes under its reader is an error.
	tag string

	mu sync.Mutex
	// block is the last one read, from offset at: firmware reads a medium in small pieces, one after another.
	block []byte
	at    int64
}

// blockBytes is how much a small read fetches.
const blockBytes = 64 << 10

func (r *remote) get(from, to int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, errors.New("the image is no URL")
	}
	if to >= 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	return resp, nil
}

func (r *remote) probe() (int64, error) {
	resp, err := r.get(0, 0)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent {
		return 0, fmt.Errorf("read the image by ranges: the server answers %s, not 206", resp.Status)
	}
	r.tag = resp.Header.Get("ETag")
	_, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size <= 0 {
		return 0, fmt.Errorf("read the image by ranges: the server says Content-Range %q, which has no size", resp.Header.Get("Content-Range"))
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 16))
	return size, err
}

// ReadAt implements io.ReaderAt.
func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read the image: negative offset")
	}
	n := 0
	for n < len(p) {
		if off+int64(n) >= r.size {
			return n, io.EOF
		}
		got, err := r.readSome(p[n:], off+int64(n))
		n += got
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (r *remote) readSome(p []byte, off int64) (int, error) {
	if len(p) >= blockBytes {
		want := min(int64(len(p)), r.size-off)
		return int(want), r.fetch(p[:want], off)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if off < r.at || off >= r.at+int64(len(r.block)) {
		start := off - off%blockBytes
		block := make([]byte, min(blockBytes, r.size-start))
		if err := r.fetch(block, start); err != nil {
			return 0, err
		}
		r.block, r.at = block, start
	}
	return copy(p, r.block[off-r.at:]), nil
}

func (r *remote) fetch(p []byte, off int64) error {
	resp, err := r.get(off, off+int64(len(p))-1)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusPartialContent:
		return fmt.Errorf("read the image at %d: the server answers %s, not 206", off, resp.Status)
	case r.tag != "" && resp.Header.Get("ETag") != r.tag:
		return fmt.Errorf("read the image at %d: the file changed at the server", off)
	}
	if _, err := io.ReadFull(resp.Body, p); err != nil {
		return fmt.Errorf("read the image at %d: %w", off, err)
	}
	return nil
}

// download copies the medium to a file.
func (r *remote) download(b *BMC) (*Medium, error) {
	resp, err := r.get(0, -1)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the image: the server answers %s", resp.Status)
	}
	dir, err := b.server.mediaDir(b)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, "medium-*.iso")
	if err != nil {
		return nil, fmt.Errorf("keep the image: %w", err)
	}
	size, err := io.Copy(file, io.LimitReader(resp.Body, maxMediumBytes+1))
	if err == nil && (size == 0 || size > maxMediumBytes) {
		err = fmt.Errorf("%d bytes, expected from 1 to %d", size, int64(maxMediumBytes))
	}
	if err != nil {
		return nil, fmt.Errorf("download the image: %w", errors.Join(err, file.Close(), os.Remove(file.Name())))
	}
	return &Medium{URL: r.url, Size: size, Path: file.Name(), Image: file}, nil
}
