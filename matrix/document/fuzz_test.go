package document_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// FuzzDecode: nothing panics, and what is read is written so that it is read the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	for _, c := range bad {
		f.Add([]byte(strings.Replace(good, c.old, c.new, 1)))
	}
	own, err := document.Encode(matrix.Own())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	for _, name := range []string{"artesca", "metal-stack"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", name, "matrix.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, err := document.Decode(text)
		if err != nil {
			return
		}
		again, err := document.Encode(want)
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		got, err := document.Decode(again)
		if err != nil {
			t.Fatalf("what was written can't be read: %v\n%s", err, again)
		}
		if diff := cmp.Diff(want, got, equal); diff != "" {
			t.Fatal(diff)
		}
	})
}
