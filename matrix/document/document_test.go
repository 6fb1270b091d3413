package document_test

import (
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
