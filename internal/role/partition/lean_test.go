package partition

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLeanAnswers(t *testing.T) {
	const host = "https://s/apis/metal3.io/v1alpha1/namespaces/n/baremetalhosts/a"
	partial := partialHead + `"metadata":{"name":"a","resourceVersion":"7"}}`
	for name, c := range map[string]struct {
		method, url, answer, want string
		code                      int
		asked                     bool
	}{
		"a host's status":               {http.MethodPatch, host + "/status", partial, `{"metadata":{"name":"a","resourceVersion":"7"}}`, http.StatusOK, true},
		"a record's status":             {http.MethodPut, "https://s/apis/ingot.dev/v1alpha1/namespaces/n/hostlifecycles/a/status", partial, `{"metadata":{"name":"a","resourceVersion":"7"}}`, http.StatusOK, true},
		"a server that answers in full": {http.MethodPatch, host + "/status", `{"kind":"BareMetalHost"}`, `{"kind":"BareMetalHost"}`, http.StatusOK, true},
		"a conflict":                    {http.MethodPatch, host + "/status", `{"kind":"Status"}`, `{"kind":"Status"}`, http.StatusConflict, true},
		"a host's spec":                 {http.MethodPatch, host, `{"kind":"BareMetalHost"}`, `{"kind":"BareMetalHost"}`, http.StatusOK, false},
		"a reading":                     {http.MethodGet, host + "/status", `{"kind":"BareMetalHost"}`, `{"kind":"BareMetalHost"}`, http.StatusOK, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := leanAnswers{roundTrip(func(r *http.Request) (*http.Response, error) {
				if asked := strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"); asked != c.asked {
					t.Errorf("asked for metadata alone: %v, want %v", asked, c.asked)
				}
				return &http.Response{StatusCode: c.code, Body: io.NopCloser(strings.NewReader(c.answer)), ContentLength: int64(len(c.answer))}, nil
			})}
			r, err := http.NewRequestWithContext(t.Context(), c.method, c.url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", "application/json")
			answer, err := l.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || string(body) != c.want || answer.ContentLength != int64(len(c.want)) {
				t.Fatalf("%q of %d bytes, %v; want %q", body, answer.ContentLength, err, c.want)
			}
			if r.Header.Get("Accept") != "application/json" {
				t.Fatal("the caller's request was changed")
			}
		})
	}
}
