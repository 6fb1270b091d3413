package table

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const answer = `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},
"columnDefinitions":[{"name":"Name","type":"string","format":"name","description":"","priority":0},{"name":"State","type":"string","format":"","description":"","priority":0},
 {"name":"CPUs","type":"integer","format":"","description":"","priority":1},{"name":"Powered","type":"boolean","format":"","description":"","priority":1},{"name":"At","type":"string","format":"","description":"","priority":1},
 {"name":"Progress","type":"string","format":"","description":"","priority":1}],
"rows":[{"cells":["a","idle \"é\"",8,true,"2026-11-22T22:00:00Z","{\"phase\":\"writing\"}"],"object":null},{"cells":["b",null,null,null,null,null],"object":null}]}`

func TestCellsByName(t *testing.T) {
	rows, err := parse([]byte(answer), []string{"Powered", Name, "State", "CPUs", "At", "Progress"})
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	var progress struct{ Phase string }
	a := rows[0]
	found, err := a[5].Object(&progress)
	if !a[0].Is() || a[1].Text() != "a" || a[2].Text() != `idle "é"` || a[3].Int() != 8 || a[4].Time().UTC().Hour() != 22 || !found || err != nil || progress.Phase != "writing" {
		t.Errorf("%v %v %+v", a, err, progress)
	}
	b := rows[1]
	found, err = b[5].Object(&progress)
	if b[0].Is() || b[1].Text() != "b" || b[2].Text() != "" || b[3].Int() != 0 || b[4].Time() != (metav1.Time{}) || found || err != nil {
		t.Errorf("%v %v", b, err)
	}
	if _, err := a[2].Object(&progress); !errors.Is(err, ErrNone) {
		t.Errorf("a cell that is no object: %v", err)
	}
}

// What is not the table that was asked for is never taken for one.
func TestNoTable(t *testing.T) {
	for text, none := range map[string]bool{
		strings.Replace(answer, `"State"`, `"Status"`, 1):        true,
		strings.Replace(answer, `"Table"`, `"HostList"`, 1):      true,
		strings.Replace(answer, `"format":"name"`, `"x":""`, 1):  true,
		strings.Replace(answer, `["b",null,`, `["b",`, 1):        false,
		answer[:len(answer)-9]:                                   false,
		strings.Replace(answer, `"cells":["b"`, `"cells":{}`, 1): false,
	} {
		if _, err := parse([]byte(text), []string{Name, "State"}); err == nil || errors.Is(err, ErrNone) != none {
			t.Errorf("%v, want ErrNone to be %v:\n%s", err, none, text)
		}
	}
}

func TestRequest(t *testing.T) {
	var asked []string
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Accept"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = w.Write([]byte(answer))
			return
		}
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(status), Reason: metav1.StatusReason(http.StatusText(status))}) // HTTP's
	}))
	defer s.Close()
	r, err := New(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	kind := schema.GroupVersionResource{Group: "metal3.io", Version: "v1alpha1", Resource: "baremetalhosts"}
	if _, err := r.List(t.Context(), kind, client.ListOptions{Namespace: "n", LabelSelector: labels.SelectorFromSet(labels.Set{"a": "b"})}, Name); err != nil {
		t.Fatal(err)
	}
	if _, err := r.List(t.Context(), schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, client.ListOptions{}, Name); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/apis/metal3.io/v1alpha1/namespaces/n/baremetalhosts?includeObject=None&labelSelector=a%3Db " + accept,
		"/api/v1/secrets?includeObject=None " + accept,
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	for code, none := range map[int]bool{http.StatusNotAcceptable: true, http.StatusForbidden: false, http.StatusNotFound: false} {
		status = code
		if _, err := r.List(t.Context(), kind, client.ListOptions{}, Name); err == nil || errors.Is(err, ErrNone) != none {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(answer))
	f.Add([]byte(`{"kind":"Table","columnDefinitions":[{"format":"name"}],"rows":[{"cells":["\ud800"]},{"cells":[1e400]}]}`))
	f.Add([]byte(`{"kind":"Status"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := parse(text, []string{Name})
		for _, row := range rows {
			if err != nil || len(row) != 1 {
				t.Fatalf("a row of %d cells, %v", len(row), err)
			}
			_, _, _ = row[0].Text(), row[0].Int(), row[0].Time()
			_, _ = row[0].Object(&struct{}{})
		}
	})
}
