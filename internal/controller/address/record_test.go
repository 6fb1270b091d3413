package address_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func record(name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(ingot.GroupVersion.WithKind("AddressRecord"))
	o.SetName(name)
	return o
}

// Addresses that were recorded as objects, as earlier versions did, stay whose they are, and are lines after the record's next write.
func TestRecordOfObjects(t *testing.T) {
	w := newWorld(t)
	name := w.vrf + ".v4.10-50-0-0"
	w.create(record(name, map[string]any{"vrf": w.vrf, "block": "10.50.0.0/26", "addresses": []any{
		map[string]any{"address": "10.50.0.11", "pool": "IPPool/" + w.namespace + "/pool", "claim": "Elsewhere/" + w.namespace + "/old", "uid": "1"},
	}}))
	w.pool("pool", "10.50.0.10", "10.50.0.11", nil)
	w.start()
	w.ipClaim("new", "pool", nil)
	w.claimed("new")
	if all := w.recorded(); all["10.50.0.11"].Claim != "Elsewhere/"+w.namespace+"/old" || all["10.50.0.10"].Claim != "IPClaim/"+w.namespace+"/new" || len(all) != 2 {
		t.Errorf("recorded: %v", all)
	}
	stored := record(name, nil)
	if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(stored), stored); err != nil {
		t.Fatal(err)
	}
	lines, _, _ := unstructured.NestedStringSlice(stored.Object, "spec", "held")
	if _, objects, _ := unstructured.NestedSlice(stored.Object, "spec", "addresses"); objects || len(lines) != 2 {
		t.Errorf("stored: %v", stored.Object["spec"])
	}
	if want := fmt.Sprintf("10.50.0.11 pool=IPPool/%s/pool claim=Elsewhere/%[1]s/old uid=1", w.namespace); !slices.Contains(lines, want) {
		t.Errorf("stored: %q, not %q", lines, want)
	}
}

// A line that nobody could read is refused where it is stored.
func TestRecordOfBadLines(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"", "10.50.0.1", "10.50.0.1 pool=p", "10.50.0.1 claim=c pool=p", "host pool=p claim=c", "10.50.0.1 pool=p claim=c owner=o", "10.50.0.1 pool=p claim=c "} {
		err := w.admin.Create(t.Context(), record(w.vrf+".bad", map[string]any{"held": []any{line}}))
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.held[0]") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// forget deletes the records of the world's addresses, as nobody should.
func (w *world) forget() {
	w.t.Helper()
	var list ingot.AddressRecordList
	if err := w.admin.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Items {
		if r := &list.Items[i]; r.Spec.VRF == w.vrf && len(r.Spec.Addresses) > 0 {
			if err := w.admin.Delete(w.t.Context(), r); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// Who has an address is recorded again when the record is deleted, whatever kind of claim it is, and before another gets the address, also where the controllers were not there to see it.
func TestRecordThatIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.pool("pool", "10.51.0.10", "10.51.0.20", nil)
	w.network("net", ingot.NetworkSpec{Type: ingot.ExternalNetwork, VRF: w.vrf, Prefixes: []string{"10.52.0.0/28"}})
	stop := w.start()
	w.networkSays("net", ingot.ReasonAllocated)
	w.ipClaim("metal3", "pool", nil)
	w.claimed("metal3")
	w.addressClaim("capi", metal3Group, "IPPool", "pool")
	w.bound("capi")
	w.ip("ip", ingot.IPSpec{Network: ingot.NetworkReference{Name: "net"}})
	addressOf := func(name string) string {
		t.Helper()
		o := &ingot.IP{}
		w.until("IP "+name+" has an address", func() error {
			if err := w.get(o, name); err != nil {
				return err
			}
			if o.Status.Address == "" {
				return fmt.Errorf("status %+v", o.Status)
			}
			return nil
		})
		return o.Status.Address
	}
	shown := addressOf("ip")
	// An IP shows its address after the record has it.
	before := w.recorded()
	if len(before) != 3 || before[shown].Claim != "IP/"+w.namespace+"/ip" {
		t.Fatalf("recorded: %v", before)
	}
	again := func() {
		t.Helper()
		w.until("all are recorded again", func() error {
			now := w.recorded()
			for a, by := range before {
				if now[a].Claim != by.Claim || now[a].UID != by.UID {
					return fmt.Errorf("%s is recorded for %q and not for %s", a, now[a].Claim, by.Claim)
				}
			}
			return nil
		})
	}
	w.forget()
	again()
	stop()
	w.forget()
	w.ip("a-new-one", ingot.IPSpec{Network: ingot.NetworkReference{Name: "net"}})
	w.start()
	if other := addressOf("a-new-one"); other == shown {
		t.Errorf("%s was given to another while its IP shows it", shown)
	}
	again()
}
