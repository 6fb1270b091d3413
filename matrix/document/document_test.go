package document_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// equal compares matrices: addresses by value, and an empty list is none.
var equal = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}

func TestOwnMatrixComesBack(t *testing.T) {
	own := matrix.Own()
	text, err := document.Encode(own)
	if err != nil {
		t.Fatal(err)
	}
	back, err := document.Decode(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(own, back, equal); diff != "" {
		t.Error(diff)
	}
	fromObject, err := document.From(document.Object(own))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(own, fromObject, equal); diff != "" {
		t.Error(diff)
	}
}

// TestListsAreRead: `kubectl get matrix -o yaml` prints a list.
func TestListsAreRead(t *testing.T) {
	text := func(items string) []byte {
		return []byte("apiVersion: v1\nkind: List\nmetadata: {resourceVersion: \"\"}\nitems:" + items)
	}
	const item = "\n- {apiVersion: ingot.dev/v1alpha1, kind: CommunicationMatrix, metadata: {name: %s}, spec: {%s}}"
	read, err := document.Read(text(fmt.Sprintf(item, "a", "zones: [{name: z}]") + fmt.Sprintf(item, "a-2", "extends: a, zones: [{name: y}]")))
	if err != nil || len(read) != 2 || read[0].Name != "a" || read[1].Spec.Extends != "a" {
		t.Fatalf("read %d objects, %v", len(read), err)
	}
	for name, items := range map[string]string{
		"nothing": " []", "another kind": "\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}", "no list": " {}", "a wrong one": fmt.Sprintf(item, "a", "zones: [{nam: z}]"),
	} {
		if _, err := document.Read(text(items)); err == nil {
			t.Errorf("a list with %s is read", name)
		}
	}
}
