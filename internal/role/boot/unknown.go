package boot

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/sighting"
)

// recordEvery is the pause between two writes of the partition's record, however much was heard.
const recordEvery = 5 * time.Second

// recordAttempts is how often a write that met another boot server's is tried again at once.
const recordAttempts = 3

// unknown keeps what machines without a window ask, while the Partition wants that, and writes it into the partition's one record.
type unknown struct {
	// wanted is the Partition's spec.discovery; nil: nobody is recorded.
	wanted atomic.Pointer[ingot.DiscoveryPolicy]

	mu   sync.Mutex
	book sighting.Book
}

// hear implements dhcp.Server.Unknown.
func (u *unknown) hear(r netboot.Request) {
	policy := u.wanted.Load()
	if policy == nil {
		return
	}
	bmc := sighting.BMC(r, policy.BMCVendorClasses)
	if !bmc && !sighting.Netboots(r) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.book.Hear(r, bmc, time.Now())
}

func (u *unknown) take() (heard []ingot.NetbootMachine, dropped int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	dropped = u.book.Dropped
	return u.book.Take(), dropped
}

// recordUnknown writes what was heard until ctx ends. A write that fails is part of the next one.
func (p *process) recordUnknown(ctx context.Context, config *rest.Config) error {
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	var pending []ingot.NetbootMachine
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		heard, dropped := p.unknown.take()
		if dropped > 0 {
			p.log.Warn("requests of unknown machines not recorded: too many machines", "count", dropped, "limit", sighting.Most)
		}
		if pending = sighting.Merge(pending, heard, time.Now()); len(pending) == 0 {
			continue
		}
		if err := writeRecord(ctx, c, p.o.Partition, pending, time.Now()); err != nil {
			if ctx.Err() == nil {
				p.log.Warn("unknown machines not recorded", "partition", p.o.Partition, "err", err)
			}
			continue
		}
		pending = nil
	}
}

// writeRecord adds what was heard to the partition's record, which other boot servers write too.
func writeRecord(ctx context.Context, c client.Client, partition string, heard []ingot.NetbootMachine, now time.Time) error {
	var err error
	for range recordAttempts {
		record := &ingot.NetbootRecord{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: partition}}
		err = c.Get(ctx, client.ObjectKeyFromObject(record), record)
		switch {
		case apierrors.IsNotFound(err):
			record.Machines = sighting.Merge(nil, heard, now)
			err = c.Create(ctx, record)
		case err == nil:
			record.Machines = sighting.Merge(record.Machines, heard, now)
			err = c.Update(ctx, record)
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("write NetbootRecord %s: %w", partition, err)
	}
	return nil
}
