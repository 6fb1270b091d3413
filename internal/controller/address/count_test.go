package address_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/ipam"
)

// process is a ledger as another process has one: it hears of what others write by its watch only.
func (w *world) process(config ledger.Config) *ledger.Ledger {
	w.t.Helper()
	c, err := client.NewWithWatch(controlplanetest.Shared(w.t).Admin, client.Options{Scheme: scheme(w.t)})
	if err != nil {
		w.t.Fatal(err)
	}
	l := ledger.New(ledger.Options{
		Live: c, Log: slog.New(slog.DiscardHandler), Pace: time.Millisecond, Config: func(context.Context) (ledger.Config, error) { return config, nil },
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	events, err := c.Watch(ctx, &ingot.AddressRecordList{})
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range events.ResultChan() {
			if r, is := e.Object.(*ingot.AddressRecord); is {
				l.Observe(r, e.Type == watch.Deleted)
			}
		}
	}()
	w.t.Cleanup(func() { cancel(); <-ended })
	return l
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("INGOT_ADDRESS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("INGOT_ADDRESS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// Two processes never give more addresses together than a quota allows, however many ask at once: neither knows what the other is giving, and what is given is given for good. INGOT_ADDRESS_SEED repeats the choices.
func TestQuotaOfTwoProcesses(t *testing.T) {
	const most, askers, rounds = 5, 6, 12
	dice := seeded(t)
	w := newWorld(t)
	pool := "IPPool/" + w.namespace + "/pool"
	config := ledger.Config{Pools: []ipam.Pool{{Name: pool, VRF: w.vrf, Strategy: ipam.Random, Ranges: []ipam.PoolRange{{Subnet: netip.MustParsePrefix("10.40.0.0/23")}}}}}
	both := []*ledger.Ledger{w.process(config), w.process(config)}
	limits := []ledger.Limit{{Name: "Quota q", Namespaces: map[string]bool{w.namespace: true}, Max: most}}
	var mu sync.Mutex
	holders := map[netip.Addr]ledger.Claim{}
	ask := func(l *ledger.Ledger, name string) error {
		claim := ledger.Claim{Kind: "IP", Namespace: w.namespace, Name: name, UID: "uid-" + name}
		got, err := l.Acquire(t.Context(), ledger.Request{Pool: pool, Claim: claim, Limits: limits})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if by, taken := holders[got.Address]; taken {
			return fmt.Errorf("%s is given to %s and %s", got.Address, by.Name, name)
		}
		holders[got.Address] = claim
		return nil
	}
	refused := 0
	for round := range rounds {
		var asking sync.WaitGroup
		for i, l := range both {
			for k := range askers {
				asking.Go(func() {
					err := ask(l, fmt.Sprintf("r%d-p%d-%d", round, i, k))
					var quota *ledger.QuotaError
					mu.Lock()
					defer mu.Unlock()
					if errors.As(err, &quota) {
						refused++
					} else if err != nil {
						t.Error(err)
					}
				})
			}
		}
		asking.Wait()
		if len(holders) > most {
			t.Fatalf("round %d: %d addresses are given, and %d may be", round, len(holders), most)
		}
		if recorded := w.recorded(); len(recorded) != len(holders) {
			t.Fatalf("round %d: %d addresses are given and %d recorded: %v", round, len(holders), len(recorded), recorded)
		}
		for a, claim := range holders {
			if dice.IntN(2) == 0 {
				if _, err := both[dice.IntN(2)].Release(t.Context(), claim); err != nil {
					t.Fatal(err)
				}
				if _, held := w.recorded()[a.String()]; !held {
					delete(holders, a)
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nobody was refused: the quota was never met")
	}
	// As many as are allowed can be had, and one more can't.
	for i := 0; len(holders) < most; i++ {
		w.until("another address is given", func() error { return ask(both[i%2], fmt.Sprintf("last-%d", i)) })
	}
	for _, l := range both {
		var quota *ledger.QuotaError
		if err := ask(l, "more"); !errors.As(err, &quota) {
			t.Errorf("one more than allowed: %v", err)
		}
	}
}
