package address_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	"k8s.io/client-go/rest"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
)

// writes counts what a client asks the API server to change, by method and resource.
type writes struct {
	under http.RoundTripper
	mu    sync.Mutex
	by    map[string]int
}

func (w *writes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		what := parts[min(3, len(parts)-1)]
		if what == "namespaces" && len(parts) > 5 {
			what = parts[5]
		}
		w.mu.Lock()
		w.by[r.Method+" "+what]++
		w.mu.Unlock()
	}
	return w.under.RoundTrip(r)
}

// Of claims that wait at the same time many share one write of a record: with the object and the status that the contracts of Metal3 and Cluster API want each, and the status of an IP, two writes a claim are
// enough.
func TestWritesPerClaim(t *testing.T) {
	const each = 100
	w := newWorld(t)
	w.pool("pool", "10.32.0.10", "10.32.0.250", nil)
	w.network("net", ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{"10.33.0.0/24"}})
	stop := w.start()
	w.networkSays("net", ingot.ReasonAllocated)
	w.ipClaim("first", "pool", nil)
	w.claimed("first")
	stop()
	for i := range each {
		w.create(&metal3ipam.IPClaim{ObjectMeta: w.meta(fmt.Sprintf("m-%d", i)), Spec: metal3ipam.IPClaimSpec{Pool: poolReference("pool")}})
		w.addressClaim(fmt.Sprintf("c-%d", i), metal3Group, "IPPool", "pool")
		w.ip(fmt.Sprintf("i-%d", i), ingot.IPSpec{Network: ingot.NetworkReference{Name: "net"}})
	}
	count := &writes{by: map[string]int{}}
	role := rest.CopyConfig(w.role)
	role.Wrap(func(under http.RoundTripper) http.RoundTripper { count.under = under; return count })
	controllertest.Run(t, role, scheme(t), nil, func(ctx context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		_, err := address.Add(ctx, mgr, address.Options{Live: live, Log: log})
		return err
	})
	w.until("all claims have an address", func() error {
		in := client.InNamespace(w.namespace)
		var m3 metal3ipam.IPClaimList
		var capi clusteripam.IPAddressClaimList
		var ips ingot.IPList
		for _, list := range []client.ObjectList{&m3, &capi, &ips} {
			if err := w.admin.List(t.Context(), list, in); err != nil {
				return err
			}
		}
		have := 0
		for _, c := range m3.Items {
			if c.Status.Address != nil {
				have++
			}
		}
		for _, c := range capi.Items {
			if c.Status.AddressRef.Name != "" {
				have++
			}
		}
		for _, o := range ips.Items {
			if o.Status.Address != "" {
				have++
			}
		}
		if have != 3*each+1 {
			return fmt.Errorf("%d of %d", have, 3*each+1)
		}
		return nil
	})
	count.mu.Lock()
	defer count.mu.Unlock()
	sum := 0
	for _, n := range count.by {
		sum += n
	}
	t.Logf("%d writes for %d claims: %v", sum, 3*each, count.by)
	if sum > 2*3*each {
		t.Errorf("%d writes for %d claims, more than two each: %v", sum, 3*each, count.by)
	}
}
