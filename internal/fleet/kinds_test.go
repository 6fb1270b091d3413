package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// noted keeps which kinds are listed.
type noted struct {
	client.Reader
	kinds map[string]bool
}

func (n noted) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	n.kinds[fmt.Sprintf("%T", list)] = true
	return nil
}

// TestKindsAreThoseThatAreRead: one that is forgotten is watched late, one too many for nothing.
func TestKindsAreThoseThatAreRead(t *testing.T) {
	read := noted{kinds: map[string]bool{}}
	if _, err := Read(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, k := range Kinds() {
		said[fmt.Sprintf("%T", k)] = true
	}
	if !maps.Equal(read.kinds, said) {
		t.Errorf("read:\n%v\nsaid:\n%v", slices.Sorted(maps.Keys(read.kinds)), slices.Sorted(maps.Keys(said)))
	}
}
