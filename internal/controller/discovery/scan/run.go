package scan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/internal/driver/knock"
)

// run is one series of addresses: a whole pass, or single ones.
type run struct {
	site *ingot.Partition
	next func() (netip.Addr, bool)
	// status is that of a pass; nil for single addresses.
	status   *ingot.BMCScanStatus
	reported time.Time

	// answered has the UUIDs that were told in this run, later what is decided at its end.
	answered map[netip.Addr]string
	later    []discovery.Finding
	probed   int32
	// waiting is how many finds of scans no operator answered yet.
	waiting int
}

// ask asks each address at the rate, and folds what answers. It is false where the Partition declares something else meanwhile.
func (s *Scanner) ask(ctx context.Context, r *run) (whole bool, err error) {
	r.answered = map[netip.Addr]string{}
	if r.waiting, err = s.waiting(ctx); err != nil {
		return false, err
	}
	ports := knock.Ports{Redfish: uint16(r.site.Spec.Discovery.BMCScan.RedfishPort), IPMI: uint16(r.site.Spec.Discovery.BMCScan.IPMIPort)} // the schema bounds them
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan discovery.Finding, inFlight)
	flying := 0
	var problems error
	land := func(f discovery.Finding) {
		flying--
		r.probed++
		problems = errors.Join(problems, s.hear(ctx, r, f))
	}
	for whole = true; whole && problems == nil && ctx.Err() == nil; {
		if whole = s.same(ctx, r.site); !whole {
			break
		}
		a, more := r.next()
		if !more {
			break
		}
		for at := s.pace.Take(time.Now()); flying == inFlight || time.Now().Before(at); {
			if !s.waitFor(ctx, found, land, at, flying == inFlight) {
				break
			}
		}
		if ctx.Err() != nil {
			break
		}
		flying++
		go func() { found <- s.o.Prober.Probe(probing, a, ports) }()
	}
	if !whole || problems != nil {
		cancel()
	}
	for flying > 0 {
		land(<-found)
	}
	if problems == nil && whole && ctx.Err() == nil {
		for _, f := range r.later {
			problems = errors.Join(problems, s.fold(ctx, r, f, r.status != nil))
		}
	}
	return whole && ctx.Err() == nil, problems
}

// waitFor takes what lands until a time, or, where there is no room, until something lands. It is false when the context ends.
func (s *Scanner) waitFor(ctx context.Context, found <-chan discovery.Finding, land func(discovery.Finding), at time.Time, full bool) bool {
	var due <-chan time.Time
	if !full {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		due = t.C
	}
	select {
	case f := <-found:
		land(f)
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// hear notes what answered, and now and then how far the pass is.
func (s *Scanner) hear(ctx context.Context, r *run, f discovery.Finding) error {
	if r.status != nil {
		r.status.Probed = r.probed
		if now := time.Now(); now.Sub(r.reported) >= reportEvery {
			r.reported = now
			if err := s.write(ctx, *r.status); err != nil {
				return err
			}
		}
	}
	if !f.Found() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.answered[f.Address] = ""
	if f.Redfish != nil {
		r.answered[f.Address] = f.Redfish.UUID
	}
	if r.status != nil {
		r.status.Answered++
	}
	return s.fold(ctx, r, f, false)
}

// fold brings one finding to its object.
func (s *Scanner) fold(ctx context.Context, r *run, f discovery.Finding, over bool) error {
	facts, err := s.facts(ctx, r, f)
	if err != nil {
		return err
	}
	facts.Over = over
	d := discovery.Fold(facts)
	if d.Later {
		// Outside of a pass nobody knows what answers at the other place: the next pass decides.
		if r.status != nil && !over {
			r.later = append(r.later, f)
		}
		return nil
	}
	for _, n := range d.Notes {
		if err := s.note(ctx, n.Object, n.BMC); err != nil {
			return err
		}
	}
	if d.Dropped && r.status != nil {
		r.status.NotRecorded++
	}
	if d.Create == nil {
		return nil
	}
	made, err := s.create(ctx, d.Create)
	if made {
		r.waiting++
	}
	if made && r.status != nil {
		r.status.New++
	}
	return err
}

// facts gathers what shares a key with a finding.
func (s *Scanner) facts(ctx context.Context, r *run, f discovery.Finding) (discovery.ScanFacts, error) {
	facts := discovery.ScanFacts{
		Namespace: r.site.Spec.Discovery.Namespace, Partition: s.o.Partition, Finding: f, Now: time.Now(), Waiting: r.waiting, Answered: func(a netip.Addr) string { return r.answered[a] },
	}
	objects, hosts, records := map[types.UID]bool{}, map[types.UID]bool{}, map[types.NamespacedName]bool{}
	for _, k := range f.Keys() {
		by := client.MatchingFields{s.o.KeyIndex: string(k)}
		var found ingot.DiscoveredHostList
		var same metal3.BareMetalHostList
		var known ingot.HostLifecycleList
		for _, list := range []client.ObjectList{&found, &same, &known} {
			if err := s.client.List(ctx, list, by); err != nil {
				return facts, fmt.Errorf("find what has %s: %w", k, err)
			}
		}
		for i := range found.Items {
			if o := &found.Items[i]; o.Spec.Partition == s.o.Partition && !objects[o.UID] {
				objects[o.UID] = true
				facts.Objects = append(facts.Objects, o)
			}
		}
		for i := range same.Items {
			if h := &same.Items[i]; !hosts[h.UID] {
				hosts[h.UID] = true
				facts.Hosts = append(facts.Hosts, h)
			}
		}
		for i := range known.Items {
			records[client.ObjectKeyFromObject(&known.Items[i])] = true
		}
	}
	for key := range records {
		h := &metal3.BareMetalHost{}
		switch err := s.client.Get(ctx, key, h); {
		case err == nil:
			facts.SameUUID = append(facts.SameUUID, h)
		case !apierrors.IsNotFound(err):
			return facts, fmt.Errorf("read host %s: %w", key, err)
		}
	}
	return facts, nil
}

// waiting counts the finds of scans that no operator answered yet.
func (s *Scanner) waiting(ctx context.Context) (int, error) {
	var all ingot.DiscoveredHostList
	if err := s.client.List(ctx, &all); err != nil {
		return 0, fmt.Errorf("list DiscoveredHosts: %w", err)
	}
	n := 0
	for i := range all.Items {
		if o := &all.Items[i].Spec; o.Source == ingot.SourceScan && o.Partition == s.o.Partition && o.Accept == nil && !o.Ignore {
			n++
		}
	}
	return n, nil
}

// create makes an object. Its name may be an older find's, whose BMC is gone: the UUID makes another.
func (s *Scanner) create(ctx context.Context, o *ingot.DiscoveredHost) (bool, error) {
	bmc := o.Status.BMC
	made := o.DeepCopy()
	err := s.client.Create(ctx, made)
	if apierrors.IsAlreadyExists(err) {
		if made = discovery.Renamed(o); made == nil {
			return false, nil
		}
		err = s.client.Create(ctx, made)
	}
	switch {
	case apierrors.IsAlreadyExists(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("record the BMC at %s in namespace %s: %w", bmc.Address, o.Namespace, err)
	}
	s.o.Log.Info("BMC found", "bmc", bmc.Address, "namespace", made.Namespace)
	return true, s.note(ctx, made, bmc)
}

// note writes what a BMC said. The rest of the status is the controller's, and is not touched.
func (s *Scanner) note(ctx context.Context, o *ingot.DiscoveredHost, b *ingot.DiscoveredBMC) error {
	next := o.DeepCopy()
	next.Status.BMC = b.DeepCopy()
	if err := s.client.Status().Patch(ctx, next, client.MergeFrom(o)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of DiscoveredHost %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}
