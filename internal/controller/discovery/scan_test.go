package discovery_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	pure "github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/internal/driver/knock"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/lab/ipmisim"
	"github.com/ingotmetal/ingot/internal/secret"
)

// watched is a real prober that keeps whom it asked.
type watched struct {
	*knock.Prober
	mu     sync.Mutex
	asked  map[netip.Addr]int
	flying map[netip.Addr]int
	twice  bool
}

func newWatched() *watched {
	d := (&net.Dialer{}).DialContext
	return &watched{Prober: knock.New(knock.Options{Redfish: d, IPMI: d}), asked: map[netip.Addr]int{}, flying: map[netip.Addr]int{}}
}

// Probe implements scan.Prober.
func (w *watched) Probe(ctx context.Context, at netip.Addr, ports knock.Ports) pure.Finding {
	w.mu.Lock()
	w.asked[at]++
	if w.flying[at]++; w.flying[at] > 1 {
		w.twice = true
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.flying[at]--
	}()
	return w.Prober.Probe(ctx, at, ports)
}

func (w *watched) times(a string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[netip.MustParseAddr(a)]
}

// rack is a loopback network of the test's own, with BMCs on one port.
type rack struct {
	t        *testing.T
	net      string
	bmcs     map[int]*bmcsim.BMC
	machines map[int]*machinetest.Machine
	redfish  int32
	ipmi     int32
}

// newRack takes a network by the process's number and one of the test's, so that two runs on one machine don't meet.
func newRack(t *testing.T, number int) *rack {
	t.Helper()
	pid := os.Getpid()
	return &rack{t: t, net: fmt.Sprintf("127.%d.%d.", 64+pid%64, (pid/64%25)*10+number), bmcs: map[int]*bmcsim.BMC{}, machines: map[int]*machinetest.Machine{}}
}

func (r *rack) at(host int) string { return fmt.Sprintf("%s%d", r.net, host) }

func (r *rack) ranges(first, last int) []string {
	return []string{r.at(first) + "-" + r.at(last)}
}

// add starts a Redfish BMC; the first one's port is that of all.
func (r *rack) add(host int, uuid string) {
	r.t.Helper()
	// A simulator tells its BMCs by their ports: here each has its own.
	server, err := bmcsim.New(bmcsim.Options{Dir: r.t.TempDir()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := server.Close(); err != nil {
			r.t.Error(err)
		}
	})
	m := machinetest.New(machinetest.Hardware(uuid))
	b, err := server.Add(bmcsim.Config{Name: r.at(host), Machine: m, Listen: fmt.Sprintf("%s:%d", r.at(host), r.redfish), Username: "admin", Password: secret.New("calvin-8472")})
	if err != nil {
		r.t.Fatal(err)
	}
	r.redfish = int32(netip.MustParseAddrPort(b.HostPort()).Port())
	r.bmcs[host], r.machines[host] = b, m
}

// addIPMI starts one that speaks IPMI only.
func (r *rack) addIPMI(host int) {
	r.t.Helper()
	m := machinetest.New(machinetest.Hardware("4c4c4544-0050-3010-8051-b9c04f4d35ff"))
	b, err := ipmisim.Start(r.t.Context(), ipmisim.Config{Machine: m, Listen: fmt.Sprintf("%s:%d", r.at(host), r.ipmi), Username: "admin", Password: secret.New("calvin-8472")})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.ipmi = int32(netip.MustParseAddrPort(b.HostPort()).Port())
}

func (r *rack) remove(host int) {
	r.t.Helper()
	if err := r.bmcs[host].Close(); err != nil {
		r.t.Fatal(err)
	}
}

func uuidOf(n int) string { return fmt.Sprintf("4c4c4544-0050-3010-8051-b9c04f4d35%02x", n) }

func (w *world) partition() *ingot.Partition {
	w.t.Helper()
	p := &ingot.Partition{}
	if err := w.admin.Get(w.t.Context(), types.NamespacedName{Name: w.namespace}, p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// scans declares the ranges, or others.
func (w *world) scans(s ingot.BMCScan) {
	w.t.Helper()
	p := w.partition()
	p.Spec.Discovery.BMCScan = &s
	if err := w.admin.Update(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
}

// again asks for a pass, and waits until it is over.
func (w *world) again(request string) *ingot.BMCScanStatus {
	w.t.Helper()
	p := w.partition()
	before := p.DeepCopy()
	p.Annotations = map[string]string{ingot.ScanAnnotation: request}
	if err := w.admin.Patch(w.t.Context(), p, client.MergeFrom(before)); err != nil {
		w.t.Fatal(err)
	}
	return w.over(request)
}

func (w *world) over(request string) *ingot.BMCScanStatus {
	w.t.Helper()
	w.until("the pass "+request+" is over", func() bool {
		b := w.partition().Status.BMCScan
		return b != nil && b.Request == request && b.NextAt != nil
	})
	return w.partition().Status.BMCScan
}

// A declared range is asked, and what answers becomes a find with what it said: once, whatever the number of passes; a host's BMC is none; one that moved is the same; another at its address is another.
func TestScan(t *testing.T) {
	w, r := newWorld(t), newRack(t, 1)
	w.site()
	r.addIPMI(3)
	r.add(1, uuidOf(1))
	r.add(2, uuidOf(2))
	r.add(9, uuidOf(9)) // outside of the range
	known := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "known"}}
	known.Spec.BMC.CredentialsName = "bmc"
	known.Spec.BMC.Address = fmt.Sprintf("redfish-virtualmedia://%s:%d", r.at(2), r.redfish)
	w.create(known)
	asks := newWatched()
	w.prober = asks
	w.start()
	w.scans(ingot.BMCScan{Ranges: r.ranges(1, 6), ProbesPerSecond: 200, RedfishPort: r.redfish, IPMIPort: r.ipmi})
	s := w.over("")
	if s.Addresses != 6 || s.Answered != 3 || s.New != 2 || s.Problem != "" || !s.NextAt.After(s.StartedAt.Time) {
		t.Errorf("%+v", s)
	}
	name := func(host int) string {
		return "bmc-" + strings.ReplaceAll(r.at(host), ".", "-")
	}
	first := name(1) + fmt.Sprintf("-port-%d", r.redfish)
	o := w.reaches(first, ingot.DiscoveryFound)
	if b := o.Status.BMC; b == nil || b.UUID != uuidOf(1) || b.RedfishVersion != "1.20.0" || len(b.CertificateSHA256) != 64 || b.IPAddress != r.at(1) || o.Spec.Source != ingot.SourceScan || o.Spec.CredentialsName != "" {
		t.Errorf("%+v", o)
	}
	ipmi := w.reaches(name(3)+fmt.Sprintf("-port-%d", r.ipmi), ingot.DiscoveryFound)
	if b := ipmi.Status.BMC; b == nil || b.IPMIVersion != "2.0" || !strings.HasPrefix(b.Address, "ipmi://"+r.at(3)) {
		t.Errorf("%+v", ipmi)
	}
	if s := w.again("one"); s.New != 0 || len(w.finds()) != 2 {
		t.Errorf("%+v, %d finds", s, len(w.finds()))
	}
	// It gets another address by DHCP, and another machine gets its own.
	r.remove(1)
	r.add(5, uuidOf(1))
	if s := w.again("two"); s.New != 0 || len(w.finds()) != 2 || w.get(first).Status.BMC.IPAddress != r.at(5) {
		t.Errorf("%+v, %d finds, %+v", s, len(w.finds()), w.get(first).Status.BMC)
	}
	r.add(1, uuidOf(7))
	if s := w.again("three"); s.New != 1 || len(w.finds()) != 3 {
		t.Errorf("%+v, %d finds", s, len(w.finds()))
	}
	w.accept(first, ingot.DiscoveryAcceptance{Name: "web1", CredentialsName: "bmc"})
	w.reaches(first, ingot.DiscoveryAccepted)
	for _, h := range w.hosts() {
		if h.Name == "web1" && h.Spec.BMC.Address != fmt.Sprintf("redfish-virtualmedia://%s:%d", r.at(5), r.redfish) {
			t.Errorf("the host is at %s", h.Spec.BMC.Address)
		}
	}
	if s := w.again("four"); s.New != 0 || len(w.finds()) != 3 {
		t.Errorf("a host's BMC is found again: %+v", s)
	}
	if asks.times(r.at(9)) != 0 || asks.twice || len(asks.asked) != 6 {
		t.Errorf("asked %v, twice at once %v", asks.asked, asks.twice)
	}
	for host, m := range r.machines {
		if len(m.Boots()) != 0 {
			t.Errorf("the machine at %s was started", r.at(host))
		}
	}
}

// A BMC whose host has another address in its spec is known by the UUID that the host's record has.
func TestScanKnowsHostsByUUID(t *testing.T) {
	w, r := newWorld(t), newRack(t, 2)
	w.site()
	r.add(1, uuidOf(0x21))
	known := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "known"}}
	known.Spec.BMC.CredentialsName = "bmc"
	known.Spec.BMC.Address = "redfish-virtualmedia://bmc1.example.org"
	w.create(known)
	record := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "known"}}
	w.create(record)
	record.Status.BMC = &ingot.BMCStatus{ServiceUUID: strings.ToUpper(uuidOf(0x21))}
	if err := w.admin.Status().Update(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	w.prober = newWatched()
	w.start()
	w.scans(ingot.BMCScan{Ranges: r.ranges(1, 2), ProbesPerSecond: 200, RedfishPort: r.redfish})
	if s := w.over(""); s.Answered != 1 || s.New != 0 || len(w.finds()) != 0 {
		t.Errorf("%+v, %d finds", s, len(w.finds()))
	}
}

// BMCs of which DHCP or a lease told are asked between passes, if they are in a declared range, and are then what they said.
func TestToldBMCsAreAsked(t *testing.T) {
	w, r := newWorld(t), newRack(t, 3)
	w.site()
	r.add(200, uuidOf(0x31))
	asks := newWatched()
	w.prober = asks
	w.start()
	w.scans(ingot.BMCScan{Ranges: []string{r.at(1), r.at(200) + "-" + r.at(201)}, ProbesPerSecond: 200, RedfishPort: r.redfish})
	w.over("")
	lease := func(name, ip, mac string) *ingot.DiscoveredHost {
		return &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: ingot.DiscoveredHostSpec{
			Partition: w.namespace, Source: ingot.SourceLease, BMCIPAddress: ip, BMCMACAddress: mac,
		}}
	}
	// The pass found it; here it is forgotten, so that the lease is all that is known.
	for _, o := range w.finds() {
		if err := w.admin.Delete(t.Context(), &o); err != nil {
			t.Fatal(err)
		}
	}
	w.until("nothing is known", func() bool { return len(w.finds()) == 0 })
	w.create(lease("told", r.at(200), "52:54:00:00:31:01"))
	w.create(lease("outside", r.at(100), "52:54:00:00:31:02"))
	w.until("it is asked", func() bool { b := w.get("told").Status.BMC; return b != nil && b.UUID == uuidOf(0x31) })
	// A boot server hears another one, which is recorded and not made twice.
	boot := w.bootClient()
	record := &ingot.NetbootRecord{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: w.namespace}}
	m := ingot.NetbootMachine{MACAddress: "52:54:00:00:31:03", NetbootRequests: heard("", 5, metav1.Now().Time).NetbootRequests}
	m.BMC, m.Address, m.VendorClass, m.Architecture = true, r.at(201), "iDRAC", nil
	same := m
	same.MACAddress = "52:54:00:00:31:01"
	record.Machines = []ingot.NetbootMachine{m, same}
	if err := boot.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	w.until("it is recorded", func() bool { return len(w.finds()) == 3 })
	o := w.reaches("bmc-mac-525400003103", ingot.DiscoveryFound)
	if o.Spec.Source != ingot.SourceDHCP || o.Spec.BMCMACAddress != m.MACAddress || o.Spec.BMCIPAddress != r.at(201) || o.Spec.BootMACAddress != "" {
		t.Errorf("%+v", o.Spec)
	}
	w.until("the known one is not recorded again", func() bool { n := w.get("told").Status.Netboot; return n != nil && n.BMC })
	w.until("its address is asked", func() bool { return asks.times(r.at(201)) > 1 })
	if n := len(w.finds()); n != 3 || asks.times(r.at(100)) != 0 {
		t.Errorf("%d finds, %d times outside", n, asks.times(r.at(100)))
	}
	w.accept("outside", ingot.DiscoveryAcceptance{CredentialsName: "bmc"})
	if o := w.reaches("outside", ingot.DiscoveryRefused); !strings.Contains(o.Status.Message, "did not say yet what it speaks") {
		t.Errorf("%+v", o.Status)
	}
}

// Wrong ranges are refused by the API server where it can tell, and else said in the Partition's status; nothing is asked.
func TestWrongRanges(t *testing.T) {
	w := newWorld(t)
	p := w.site()
	asks := newWatched()
	w.prober = asks
	w.start()
	for _, bad := range [][]string{{"ten"}, {"10.0.0.1-10.0.0.2-10.0.0.3"}, {"10.0.0.1-x"}, {"10.0.0.0/40"}, {}, {"10.0.0.1", "10.0.0.1"}} {
		q := w.partition()
		q.Spec.Discovery.BMCScan = &ingot.BMCScan{Ranges: bad}
		if err := w.admin.Update(t.Context(), q); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	w.scans(ingot.BMCScan{Ranges: []string{"10.0.0.0/8"}})
	w.until("the problem is told", func() bool {
		b := w.partition().Status.BMCScan
		return b != nil && strings.Contains(b.Problem, "more than 65536 addresses") && b.StartedAt == nil
	})
	r := newRack(t, 4)
	w.scans(ingot.BMCScan{Ranges: r.ranges(1, 2), ProbesPerSecond: 200})
	if s := w.over(""); s.Problem != "" || s.Addresses != 2 {
		t.Errorf("%+v", s)
	}
	if q := w.partition().Spec.Discovery.BMCScan; q.RedfishPort != 443 || q.IPMIPort != 623 || q.IntervalMinutes != 360 {
		t.Errorf("defaults: %+v of %s", q, p.Name)
	}
	if len(asks.asked) != 2 {
		t.Errorf("asked %v", asks.asked)
	}
}

// A pass over a range that is taken back ends, and what was not asked is not asked any more.
func TestRangesThatAreTakenBack(t *testing.T) {
	w, r := newWorld(t), newRack(t, 5)
	w.site()
	asks := newWatched()
	w.prober = asks
	w.start()
	// Half an address a second: the whole pass would take minutes.
	w.scans(ingot.BMCScan{Ranges: r.ranges(1, 200), ProbesPerSecond: 1})
	w.until("the pass has begun", func() bool {
		b := w.partition().Status.BMCScan
		return b != nil && b.StartedAt != nil && b.Addresses == 200
	})
	w.scans(ingot.BMCScan{Ranges: r.ranges(201, 202), ProbesPerSecond: 200})
	w.until("the other pass is over", func() bool { b := w.partition().Status.BMCScan; return b.Addresses == 2 && b.NextAt != nil })
	asks.mu.Lock()
	defer asks.mu.Unlock()
	if len(asks.asked) > 100 {
		t.Errorf("%d addresses were asked", len(asks.asked))
	}
}
