// Package collector is a trace collector for tests: the server's side of OTLP over HTTP, by the protocol's own published messages, on loopback with TLS.
package collector

import (
	"compress/gzip"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	collect "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	proto "go.opentelemetry.io/proto/otlp/trace/v1"
	pb "google.golang.org/protobuf/proto"
)

// Span is what arrived: a span, and who sent it.
type Span struct {
	*proto.Span

	Attributes, Resource map[string]string
}

// Collector keeps what it is sent.
type Collector struct {
	// URL is without a path. CA is the file of the certificate that it shows.
	URL, CA string
	// Token is what a sender must bring; empty: nothing is asked.
	Token string

	mu    sync.Mutex
	spans map[string]Span // by identity: what comes twice is one
	paths []string
}

// New starts a collector that ends with the test.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{spans: map[string]Span{}}
	server := httptest.NewTLSServer(http.HandlerFunc(c.serve))
	t.Cleanup(server.Close)
	c.URL, c.CA = server.URL, filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(c.CA, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// Spans are all that arrived, in the order of their beginnings.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Collect(maps.Values(c.spans))
	slices.SortFunc(all, func(a, b Span) int { return int(a.StartTimeUnixNano/1e6) - int(b.StartTimeUnixNano/1e6) })
	return all
}

// Paths are where it was asked.
func (c *Collector) Paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.paths)
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	if c.Token != "" && r.Header.Get("Authorization") != "Bearer "+c.Token {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	request := &collect.ExportTraceServiceRequest{}
	if err == nil {
		err = pb.Unmarshal(text, request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.keep(r.URL.Path, request)
	answer, err := pb.Marshal(&collect.ExportTraceServiceResponse{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func (c *Collector) keep(path string, request *collect.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paths = append(c.paths, path)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans[string(s.GetTraceId())+string(s.GetSpanId())] = Span{s, plain(s.GetAttributes()), plain(resource.GetResource().GetAttributes())}
			}
		}
	}
}

func plain(all []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		out[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return out
}
