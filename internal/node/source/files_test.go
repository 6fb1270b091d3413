package source_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/policy"
)

const manifests = "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: e}\nspec: {node: host, interfaceName: eth0}\n"

// next waits for an update that holds.
func next(t *testing.T, updates <-chan source.Update, holds func(source.Update) bool) source.Update {
	t.Helper()
	var last source.Update
	for {
		select {
		case last = <-updates:
			if holds(last) {
				return last
			}
		case <-time.After(time.Minute):
			t.Fatalf("no such update; the last is %+v", last)
		}
	}
}

func TestFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	updates := make(chan source.Update)
	go func() {
		_ = source.Files{Dir: dir, Every: 5 * time.Millisecond}.Run(ctx, func(u source.Update) {
			select {
			case updates <- u:
			case <-ctx.Done():
			}
		})
	}()
	failed := func(word string) func(source.Update) bool {
		return func(u source.Update) bool { return u.Err != nil && strings.Contains(u.Err.Error(), word) }
	}
	endpoints := func(n int) func(source.Update) bool {
		return func(u source.Update) bool { return u.Err == nil && len(u.Policies.Objects.HostEndpoints) >= n }
	}
	next(t, updates, failed(source.ErrEmpty.Error()))
	write("a.yaml", manifests)
	next(t, updates, endpoints(1))
	write("b.txt", "kind: nonsense")
	write("b.yaml", "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: f}\nspec: {nod: n}\n")
	next(t, updates, failed("b.yaml"))

	text, err := document.Encode(policy.Populate(matrix.Own()))
	if err != nil {
		t.Fatal(err)
	}
	write("b.yaml", "---\n"+string(text)+"\n---\n"+strings.ReplaceAll(manifests, "name: e", "name: g"))
	u := next(t, updates, endpoints(3))
	if len(u.Policies.Matrices) != 1 || u.Policies.Matrices[0].Name != matrix.Own().Name || len(u.Policies.Objects.Policies) == 0 {
		t.Errorf("the matrix is not among the policies: %d matrices", len(u.Policies.Matrices))
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	next(t, updates, failed("no such file"))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(manifests))
	f.Add([]byte("---\napiVersion: ingot.dev/v1alpha1\nkind: CommunicationMatrix\nmetadata: {name: m}\nspec: {}\n--- # next\n" + manifests))
	f.Add([]byte("---"))
	f.Add([]byte("apiVersion: [ingot.dev/v1alpha1]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, parts, err := source.Decode(text)
		if err == nil {
			_, _ = source.Join(parts)
		}
	})
}
