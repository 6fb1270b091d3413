package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/lab/debian"
	"github.com/ingotmetal/ingot/test/harness"
)

// The firewall's addresses, and those of a tenant's machine behind it and of somebody outside, who is the way to the API server, too.
var (
	ownOutside = netip.MustParseAddr("172.22.0.60")
	ownInside  = netip.MustParseAddr("10.77.1.1")
	tenant     = netip.MustParsePrefix("10.77.1.2/24")
	visitor    = netip.MustParsePrefix("172.22.0.9/24")
)

// The ports of what the visitor and the tenant serve. What no rule is for passes at no time.
const (
	firstPort, laterPort, deniedPort = 5000, 5001, 5002
	servedPort                       = 8080
)

// probe writes to the console what the firewall's systemd and kernel say after the first boot: when the machine was closed and when its network came up, in microseconds, whether sshd answers to anybody, and what failed.
const probe = `#!/bin/sh
at() { systemctl show -P "$2" "$1"; }
echo "INGOT-E2E closed $(at ingot-firewall-load.service ExecMainExitTimestampMonotonic) network $(at systemd-networkd.service ExecMainStartTimestampMonotonic) sshd $(ss -Hltn sport = :22 | wc -l) failed $(systemctl list-units --failed --plain --no-legend | awk '{printf "%s,", $1}') end" >/dev/ttyS0
`

var probed = regexp.MustCompile(`INGOT-E2E closed (\d+) network (\d+) sshd (\d+) failed (\S*) end`)

// firewallWorld is a lab whose machine becomes a firewall.
type firewallWorld struct {
	*harness.World
	key             client.ObjectKey
	outside, inside *netstack.Network
}

// TestAFirewallInQEMU takes a Firewall from the object to packets: its machine is provisioned with a real Debian that has the packages, gets its identity at its first boot by its config drive, is closed before its network is
// up, and lets through what the rules say, in both directions, by two network cards that are told apart by their MAC addresses; a rule is changed while it runs. It joins the mesh, and answers SSH there and nowhere else.
func TestAFirewallInQEMU(t *testing.T) {
	t.Parallel()
	if !apart(t, visitor.Addr()) {
		return
	}
	w := &firewallWorld{World: harness.Start(t, harness.Options{
		Bin: binDir(t), Artifacts: filepath.Join(cacheDir(t), "artifacts"),
		Lab: []string{"--qemu", "--machines", "1", "--nics", "2", "--disk-size", "4GiB", "--disks", "1", "--cpus", "2"},
		Up:  append([]string{"--advertise", "127.0.0.1," + visitor.Addr().String()}, meshArguments()...),
	}), key: client.ObjectKey{Namespace: "web", Name: "edge"}}
	ctx, cancel := context.WithTimeout(t.Context(), virtualPatience)
	defer cancel()
	w.plug(ctx, t)
	lap := stopwatch(t)
	w.CLI(ctx, t, "apply", "-f", w.State.HostsManifest)
	w.UntilState(ctx, t, w.Key(0), metal3.StateAvailable)
	lap("available")

	table := "Firewall object to: "
	took := func(what string) {
		t.Helper()
		table += fmt.Sprintf("%s %s more, ", what, lap(what).Round(time.Second))
	}
	began := time.Now()
	w.declare(ctx, t)
	w.UntilState(ctx, t, w.Key(0), metal3.StateProvisioned)
	took("image on the disk")
	w.says(ctx, t, ingot.FirewallAppliedCondition)
	took("rules enforced by its own identity")
	w.says(ctx, t, ingot.ReadyCondition)
	w.says(ctx, t, ingot.FirewallSpoofingCondition)

	w.passes(ctx, t, w.inside, visitor.Addr(), firstPort, "from "+ownOutside.String())
	took("first packet")
	w.joins(ctx, t)
	took("in the mesh")
	w.shell(ctx, t, "root\n", "id", "-un")
	took("SSH over the mesh, by its relay")
	t.Logf("%sall in all %s", table, time.Since(began).Round(time.Second))
	w.passes(ctx, t, w.outside, tenant.Addr(), servedPort, "from "+visitor.Addr().String())
	w.refused(ctx, t, w.inside, tenant.Addr(), visitor.Addr(), deniedPort)
	w.refused(ctx, t, w.outside, visitor.Addr(), tenant.Addr(), deniedPort)
	w.closedFromTheBeginning(ctx, t)
	w.shell(ctx, t, "127.0.0.1:22\n", "ss", "-Hltn", "sport", "=", ":22", "|", "awk", "'{print $4}'")

	w.edit(ctx, t, func(f *ingot.FirewallSpec) { f.Egress[0].Ports = []string{strconv.Itoa(laterPort)} })
	w.says(ctx, t, ingot.FirewallAppliedCondition)
	w.passes(ctx, t, w.inside, visitor.Addr(), laterPort, "from "+ownOutside.String())
	w.refused(ctx, t, w.inside, tenant.Addr(), visitor.Addr(), firstPort)
	lap("another rule holds")
}

// plug joins somebody on each side of the firewall, who serve everything that is asked for.
func (w *firewallWorld) plug(ctx context.Context, t *testing.T) {
	t.Helper()
	open := func(s netstack.Spec) *netstack.Network {
		t.Helper()
		n, err := netstack.Open(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		if err := n.WaitLinked(ctx); err != nil {
			t.Fatal(err)
		}
		return n
	}
	mac := func(last byte) net.HardwareAddr { return net.HardwareAddr{0x02, 0x6f, 0, 0, 0, last} }
	w.inside = open(netstack.Spec{Socket: w.State.Segments[0], MAC: mac(1), Address: tenant, Gateway: ownInside})
	// The outside knows the way inside, so that only the firewall can stop it.
	w.outside = open(netstack.Spec{Socket: w.State.SwitchSocket, MAC: mac(2), Address: visitor, Gateway: ownOutside})
	answer := func(c net.Conn) { _, _ = fmt.Fprintf(c, "from %s", c.RemoteAddr().(*net.TCPAddr).IP) }
	for _, port := range []uint16{firstPort, laterPort, deniedPort} {
		serve(ctx, t, w.outside, visitor.Addr(), port, answer)
	}
	for _, port := range []uint16{servedPort, deniedPort} {
		serve(ctx, t, w.inside, tenant.Addr(), port, answer)
	}
	w.ways(ctx, t)
}

// serve accepts until the test ends.
func serve(ctx context.Context, t *testing.T, n *netstack.Network, a netip.Addr, port uint16, handle func(net.Conn)) {
	t.Helper()
	l, err := n.Listen(ctx, netip.AddrPortFrom(a, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { handle(c); _ = c.Close() }()
		}
	}()
}

// declare is what an operator and a tenant write.
func (w *firewallWorld) declare(ctx context.Context, t *testing.T) {
	t.Helper()
	url, digest := w.image(t)
	provider, in := "provider", func(ns, name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: ns, Name: name} }
	ip := func(name, ns, network string, a netip.Addr) *ingot.IP {
		return &ingot.IP{ObjectMeta: in(w.key.Namespace, name), Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: network, Namespace: ns}, Address: a.String(), Type: ingot.StaticIP}}
	}
	tcp := func(name string, port int) ingot.FirewallRule {
		return ingot.FirewallRule{Name: name, Protocol: ingot.TCPProtocol, Ports: []string{strconv.Itoa(port)}}
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: provider}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.key.Namespace, Labels: map[string]string{ingot.TenantLabel: "acme", ingot.ProjectLabel: "web"}}},
		&metal3.HostDeployPolicy{ObjectMeta: in(w.Key(0).Namespace, "tenants"), Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &metal3.HostClaimNamespaces{Names: []string{w.key.Namespace}}}},
		&ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: "debian-12.1"}, Spec: ingot.ImageSpec{OS: "debian", Version: "12.1", URL: url, Digest: digest, Format: ingot.ImageRaw,
			Classification: ingot.ImageSupported, Features: []ingot.ImageFeature{ingot.ImageForFirewall}}},
		&ingot.Network{ObjectMeta: in(provider, "internet"), Spec: ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{visitor.Masked().String()}}},
		&ingot.Network{ObjectMeta: in(provider, "all"), Spec: ingot.NetworkSpec{Type: ingot.SuperNetwork, Prefixes: []string{"10.77.0.0/16"}}},
		&ingot.Network{ObjectMeta: in(w.key.Namespace, "inside"), Spec: ingot.NetworkSpec{Type: ingot.ChildNetwork, Prefixes: []string{tenant.Masked().String()}, Parent: &ingot.NetworkReference{Name: "all", Namespace: provider}}},
		ip("outside", provider, "internet", ownOutside), ip("inside", "", "inside", ownInside),
		&corev1.Secret{ObjectMeta: in(w.key.Namespace, "probe"), StringData: map[string]string{"userData": probe}},
		&ingot.Firewall{ObjectMeta: in(w.key.Namespace, w.key.Name), Spec: ingot.FirewallSpec{
			Machine: ingot.FirewallMachine{Host: &ingot.MachineHost{Namespace: w.Key(0).Namespace, Name: w.Key(0).Name}, Image: "debian-12.1", UserData: &ingot.MachineSecret{Name: "probe"}},
			Networks: []ingot.FirewallNetwork{
				{Name: "inside", Addresses: []string{"inside"}, NIC: &ingot.MachineNIC{Switch: "lab-switch-1"}},
				{Name: "internet", Namespace: provider, Addresses: []string{"outside"}, Masquerade: []ingot.IPFamily{ingot.IPv4}, NIC: &ingot.MachineNIC{MACAddress: w.State.Machines[0].MACAddress}},
			},
			Egress: []ingot.FirewallRule{tcp("visit", firstPort)}, Ingress: []ingot.FirewallRule{tcp("served", servedPort)},
		}},
	} {
		if err := w.Client.Create(ctx, o); err != nil {
			t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
}

// image puts the firewall's Debian into the lab's image store.
func (w *firewallWorld) image(t *testing.T) (url, digest string) {
	t.Helper()
	path := filepath.Join(cacheDir(t), "images", "firewall", debian.FileName)
	line, err := os.ReadFile(path + ".sha256")
	if err != nil {
		t.Fatalf("%v: make firewall-image builds it", err)
	}
	const name = "firewall.raw.zst"
	if err := os.Symlink(path, filepath.Join(w.State.ImageDir, name)); err != nil {
		t.Fatal(err)
	}
	sum, _, _ := strings.Cut(string(line), " ")
	return w.State.ImageURL + "/" + name, "sha256:" + sum
}

func (w *firewallWorld) firewall(ctx context.Context) (*ingot.Firewall, error) {
	f := &ingot.Firewall{}
	return f, w.Client.Get(ctx, w.key, f)
}

// says waits until a condition of the present generation is true.
func (w *firewallWorld) says(ctx context.Context, t *testing.T, kind string) {
	t.Helper()
	w.Until(ctx, t, "the firewall's "+kind, func(ctx context.Context) error {
		w.Revive(ctx, t, w.Key(0))
		f, err := w.firewall(ctx)
		if err != nil {
			return err
		}
		if x := meta.FindStatusCondition(f.Status.Conditions, kind); x == nil || x.Status != metav1.ConditionTrue || x.ObservedGeneration != f.Generation {
			return fmt.Errorf("%+v", f.Status)
		}
		return nil
	})
}

func (w *firewallWorld) edit(ctx context.Context, t *testing.T, change func(*ingot.FirewallSpec)) {
	t.Helper()
	w.Until(ctx, t, "the change of the firewall", func(ctx context.Context) error {
		f, err := w.firewall(ctx)
		if err != nil {
			return err
		}
		before := client.MergeFrom(f.DeepCopy())
		change(&f.Spec)
		return w.Client.Patch(ctx, f, before)
	})
}

// tryLimit bounds one attempt; there are as many as the patience allows.
const tryLimit = 10 * time.Second

// ask connects once and reads what is answered.
func ask(ctx context.Context, from *netstack.Network, to netip.Addr, port uint16) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	c, err := from.Dial(ctx, "tcp", netip.AddrPortFrom(to, port).String())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if at, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(at)
	}
	text, err := io.ReadAll(c)
	return string(text), err
}

// passes asks until there is an answer, which says from whom the question came.
func (w *firewallWorld) passes(ctx context.Context, t *testing.T, from *netstack.Network, to netip.Addr, port uint16, want string) {
	t.Helper()
	var got string
	w.Until(ctx, t, fmt.Sprintf("packets from %s to %s:%d", from.Address(), to, port), func(ctx context.Context) (err error) {
		got, err = ask(ctx, from, to, port)
		return err
	})
	if got != want {
		t.Errorf("%s:%d answers %q, want %q", to, port, got, want)
	}
}

// refused asks until the firewall says that it refused that very flow; no question was answered.
func (w *firewallWorld) refused(ctx context.Context, t *testing.T, from *netstack.Network, source, to netip.Addr, port uint16) {
	t.Helper()
	w.Until(ctx, t, fmt.Sprintf("the refusal of packets from %s to %s:%d", source, to, port), func(ctx context.Context) error {
		if text, err := ask(ctx, from, to, port); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("%s:%d answers %q, and no rule allows it", to, port, text)
		}
		f, err := w.firewall(ctx)
		if err != nil {
			return err
		}
		for _, d := range f.Status.Drops {
			if d.From == source.String() && d.To == to.String() && int(d.Port) == int(port) && d.Packets > 0 {
				return nil
			}
		}
		return fmt.Errorf("the firewall tells of %+v", f.Status.Drops)
	})
}

// closedFromTheBeginning reads what the machine said of its boot, and asks its sshd from both sides.
func (w *firewallWorld) closedFromTheBeginning(ctx context.Context, t *testing.T) {
	t.Helper()
	var said []string
	w.Until(ctx, t, "the machine's word on its boot", func(context.Context) error {
		text, err := os.ReadFile(w.State.Machines[0].ConsoleLog)
		if err != nil {
			return err
		}
		if said = probed.FindStringSubmatch(string(text)); said == nil {
			return errors.New("nothing yet")
		}
		return nil
	})
	closed, err1 := strconv.ParseInt(said[1], 10, 64)
	network, err2 := strconv.ParseInt(said[2], 10, 64)
	if err1 != nil || err2 != nil || closed == 0 || network == 0 || closed > network {
		t.Errorf("closed at %s us, network at %s us", said[1], said[2])
	}
	if said[3] == "0" || said[4] != "" {
		t.Errorf("sshd listens at %s addresses, failed units %q", said[3], said[4])
	}
	t.Logf("closed %s after the kernel's start, the network's software began %s later", time.Duration(closed)*time.Microsecond, time.Duration(network-closed)*time.Microsecond)
	for _, side := range []struct {
		from *netstack.Network
		to   netip.Addr
	}{{w.outside, ownOutside}, {w.inside, ownInside}} {
		if text, err := ask(ctx, side.from, side.to, 22); err == nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the firewall's sshd at %s: %q, %v; want no answer at all", side.to, text, err)
		}
	}
}
