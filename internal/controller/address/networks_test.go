package address_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

// recordedNetworks are those of this world in all VRFs, and how many of them are still to be counted.
func (w *world) recordedNetworks() (all map[string]bool, pending int) {
	w.t.Helper()
	var list ingot.AddressRecordList
	if err := w.admin.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	all = map[string]bool{}
	for _, r := range list.Items {
		for _, n := range r.Spec.Networks {
			if !strings.HasPrefix(n.Network, w.namespace+"/") || n.Until != nil {
				continue
			}
			if all[n.Network] {
				w.t.Fatalf("network %s is recorded twice", n.Network)
			}
			all[n.Network] = true
			if n.Pending != "" {
				pending++
			}
		}
	}
	return all, pending
}

// Two processes never make more networks together than a quota allows, in one VRF or in several: the networks of each VRF are in a record of their own, which no write of another VRF's conflicts with, so that only the
// count after it keeps the bound. INGOT_ADDRESS_SEED repeats the choices.
func TestNetworkQuotaOfTwoProcesses(t *testing.T) {
	const most, askers, rounds, vrfs = 3, 4, 10, 3
	dice := seeded(t)
	w := newWorld(t)
	both := []*ledger.Ledger{w.process(ledger.Config{}), w.process(ledger.Config{})}
	limits := []ledger.NetworkLimit{{Name: "Quota q", Namespaces: map[string]bool{w.namespace: true}, Max: most}}
	made := 0
	wanted := func() ledger.Wanted {
		made++
		name := fmt.Sprintf("%s/n%d", w.namespace, made)
		return ledger.Wanted{
			Name: name, UID: "uid-" + name, VRF: fmt.Sprintf("%s-%d", w.vrf, made%vrfs), Kind: ipam.External, Limits: limits,
			Prefixes: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(50 + made>>8), byte(made), 0}), 24)},
		}
	}
	var mu sync.Mutex
	held := map[string]ledger.Wanted{}
	// ask goes on while another process is faster at a record, which is no answer.
	ask := func(l *ledger.Ledger, n ledger.Wanted) error {
		for deadline := time.Now().Add(patience); ; {
			_, err := l.SetNetwork(t.Context(), n)
			var quota *ledger.NetworkQuotaError
			switch {
			case err == nil:
				mu.Lock()
				held[n.Name] = n
				mu.Unlock()
				return nil
			case errors.As(err, &quota) || t.Context().Err() != nil || time.Now().After(deadline):
				return err
			}
		}
	}
	refused, raced := 0, 0
	for round := range rounds {
		var asking sync.WaitGroup
		for _, l := range both {
			for range askers {
				n := wanted()
				asking.Go(func() {
					err := ask(l, n)
					var quota *ledger.NetworkQuotaError
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.As(err, &quota) && quota.Raced:
						raced++
					case errors.As(err, &quota):
						refused++
					case err != nil:
						t.Error(err)
					}
				})
			}
		}
		asking.Wait()
		if len(held) > most {
			t.Fatalf("round %d: there are %d networks, and %d may be", round, len(held), most)
		}
		if all, pending := w.recordedNetworks(); len(all) != len(held) || pending > 0 {
			t.Fatalf("round %d: %d networks are there and %d recorded, of them %d not counted: %v", round, len(held), len(all), pending, all)
		}
		for name, n := range held {
			if dice.IntN(2) == 0 {
				if err := both[dice.IntN(2)].RemoveNetwork(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				delete(held, name)
			}
		}
	}
	if refused+raced == 0 {
		t.Error("nobody was refused: the quota was never met")
	}
	t.Logf("%d refused at once, %d after they were counted", refused, raced)
	for i := 0; len(held) < most; i++ {
		w.until("another network can be had", func() error { return ask(both[i%2], wanted()) })
	}
	for _, l := range both {
		var quota *ledger.NetworkQuotaError
		if err := ask(l, wanted()); !errors.As(err, &quota) {
			t.Errorf("one more than allowed: %v", err)
		}
	}
}
