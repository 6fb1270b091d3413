package partition

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// leanAnswers asks the API server to answer a write of a host's or a record's status with the object's metadata alone. The rest would be what was just sent, and encoding it there and decoding it
// here is a good part of what a write costs. The controller reads the objects from its watches; of the answer it needs the resource version.
type leanAnswers struct{ next http.RoundTripper }

const (
	// metadataOnly is Kubernetes' content type for it; a server that does not know it answers in full.
	metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
	// partialHead begins such an answer. Without it the rest decodes as the kind that was written.
	partialHead = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",`
)

// RoundTrip implements http.RoundTripper.
func (l leanAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	if !writesStatus(r) {
		return l.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Accept", metadataOnly)
	answer, err := l.next.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the answer to a write of %s: %w", r.URL.Path, err)
	}
	if rest, partial := bytes.CutPrefix(body, []byte(partialHead)); partial {
		body = append([]byte{'{'}, rest...)
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}

// WrappedRoundTripper lets client-go find what is below.
func (l leanAnswers) WrappedRoundTripper() http.RoundTripper { return l.next }

func writesStatus(r *http.Request) bool {
	return (r.Method == http.MethodPut || r.Method == http.MethodPatch) && strings.HasSuffix(r.URL.Path, "/status") &&
		(strings.Contains(r.URL.Path, "/baremetalhosts/") || strings.Contains(r.URL.Path, "/hostlifecycles/"))
}
