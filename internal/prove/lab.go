package prove

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// Lab is one host in a network namespace, and what is at the far ends of its interfaces in another. It may be used by one goroutine at a time.
type Lab struct {
	host, far  *namespace
	interfaces []string
	sockets    *sockets
	// loaded is the ruleset that the kernel has, or nil.
	loaded *ruleset.Ruleset
	// number is that of the next probe.
	number uint32
}

// mostInterfaces is as many as there are values of the type of service that choose a route.
const mostInterfaces = 6

// guardTable drops what the host says by itself, like the answers to probes, and its own copies of what it says to groups, before connection tracking
// or the ruleset see it; and counts the states that connection tracking gives.
const guardTable = `
table inet ingot_lab {
	chain guard { type filter hook output priority -450; policy accept; meta mark & 0x20000000 == 0 drop; }
	chain echo { type filter hook prerouting priority -450; policy accept; iifname != "lo" meta mark & 0x20000000 != 0 drop; }
	chain states { }
	chain entered { type filter hook prerouting priority -160; policy accept; goto states; }
	chain left { type filter hook output priority -160; policy accept; goto states; }
` + stateRules + "}\n"

const stateRules = `
	chain states {
		iifname "lo" accept
		oifname "lo" accept
		ct state new counter comment "state/new"
		ct state established,related counter comment "state/established"
		ct state invalid counter comment "state/invalid"
		ct state untracked counter comment "state/untracked"
	}
`

const probeMark = 0x20000000

// NewLab makes a host with these interfaces, and one more that no endpoint is for. Close it.
func NewLab(ctx context.Context, interfaces []firewall.Interface) (*Lab, error) {
	if err := Possible(); err != nil {
		return nil, err
	}
	l := &Lab{number: 1}
	interfaces = withSpare(interfaces)
	for _, i := range interfaces {
		l.interfaces = append(l.interfaces, i.Name)
	}
	if len(l.interfaces) == 0 || len(l.interfaces) > mostInterfaces {
		return nil, fmt.Errorf("a lab for the interfaces %v: it has room for 1 to %d: prove the host in parts", l.interfaces, mostInterfaces)
	}
	if err := l.build(ctx, interfaces); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, interfaces []firewall.Interface) error {
	var err error
	if l.host, err = newNamespace(); err != nil {
		return err
	}
	if l.far, err = newNamespace(); err != nil {
		return err
	}
	if err := l.far.do(func() error { return sysctls(farSysctls) }); err != nil {
		return err
	}
	err = l.host.do(func() error {
		if err := sysctls(hostSysctls); err != nil {
			return err
		}
		if err := run(ctx, l.links(interfaces), "ip", "-batch", "-"); err != nil {
			return err
		}
		if err := run(ctx, l.routes(gateway4), "ip", "-4", "-batch", "-"); err != nil {
			return err
		}
		if err := run(ctx, l.routes(gateway6), "ip", "-6", "-batch", "-"); err != nil {
			return err
		}
		return run(ctx, guardTable, "nft", "-f", "-")
	})
	if err != nil {
		return err
	}
	if err := l.far.do(func() error { return run(ctx, l.farLinks(), "ip", "-batch", "-") }); err != nil {
		return err
	}
	l.sockets, err = openSockets(l)
	return err
}

// The host forwards, takes any address for a source, and says nothing by itself. Connection tracking judges every packet by its flags alone.
var (
	hostSysctls = []string{
		"net/ipv4/ip_forward=1", "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/default/rp_filter=0", "net/ipv4/conf/all/accept_local=1",
		"net/ipv4/conf/default/accept_local=1", "net/ipv4/conf/all/send_redirects=0", "net/ipv4/conf/default/send_redirects=0",
		"net/ipv4/conf/all/accept_redirects=0", "net/ipv4/conf/default/accept_redirects=0", "net/ipv4/icmp_echo_ignore_all=1",
		"net/ipv6/conf/all/forwarding=1", "net/ipv6/conf/default/forwarding=1", "net/ipv6/conf/all/accept_ra=0", "net/ipv6/conf/default/accept_ra=0",
		"net/ipv6/conf/all/accept_dad=0", "net/ipv6/conf/default/accept_dad=0", "net/ipv6/conf/default/accept_redirects=0",
	}
	farSysctls = []string{"net/ipv6/conf/all/disable_ipv6=1", "net/ipv6/conf/default/disable_ipv6=1"}
)

func sysctls(settings []string) error {
	for _, s := range settings {
		path, value, _ := strings.Cut(s, "=")
		if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("%w: set %s in a network namespace: %w: mount /proc/sys writable", ErrImpossible, s, err)
		}
	}
	return nil
}

// The far ends' addresses, which no packet carries: routes need a next hop.
const (
	gateway4, gateway6 = "169.254.255.254", "fe80::ffff"
	inputTable         = 100
	outputTable        = 200
)

// tos is the type of service that takes a packet to the host itself (0) or out through its n-th interface (n+1).
func tos(n int) uint8 { return uint8(n+1) << 2 }

// links are the interfaces and addresses, as `ip -batch` wants them.
func (l *Lab) links(interfaces []firewall.Interface) string {
	var b strings.Builder
	fmt.Fprintf(&b, "link set lo up\n")
	for i, name := range l.interfaces {
		fmt.Fprintf(&b, "link add %s address %s type veth peer name %s address %s netns %d\n", name, hostMAC(i), farName(i), farMAC(i), l.far.tid)
		fmt.Fprintf(&b, "link set %s up\n", name)
	}
	for _, x := range interfaces {
		for _, a := range x.Addresses {
			if a.Is4() {
				fmt.Fprintf(&b, "addr add %s/32 dev %s\n", a, x.Name)
			} else {
				fmt.Fprintf(&b, "addr add %s/128 dev %s nodad\n", a, x.Name)
			}
		}
	}
	return b.String()
}

// routes are of one family. The type of service decides whether a packet is for the host or for another interface, so that any destination can go
// either way; what the host sends goes out where its socket is bound. Only then come the kernel's own rules.
func (l *Lab) routes(gateway string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "route add local default dev lo table %d\n", inputTable)
	fmt.Fprintf(&b, "rule add pref 10 oif lo lookup %d\n", inputTable)
	fmt.Fprintf(&b, "rule add pref 20 tos %#x lookup %d\n", tos(0), inputTable)
	for i, name := range l.interfaces {
		fmt.Fprintf(&b, "neigh add %s lladdr %s dev %s nud permanent\n", gateway, farMAC(i), name)
		fmt.Fprintf(&b, "route add default via %s dev %s onlink table %d\n", gateway, name, outputTable+i)
		if gateway == gateway6 { // these are looked for on the interface that they came in by
			fmt.Fprintf(&b, "route append local fe80::/10 dev %s table %d\n", name, inputTable)
		}
		fmt.Fprintf(&b, "rule add pref 10 oif %s lookup %d\n", name, outputTable+i)
		fmt.Fprintf(&b, "rule add pref 20 tos %#x lookup %d\n", tos(i+1), outputTable+i)
	}
	fmt.Fprintf(&b, "rule add pref 1000 lookup local\nrule del pref 0\n")
	return b.String()
}

func (l *Lab) farLinks() string {
	var b strings.Builder
	for i := range l.interfaces {
		fmt.Fprintf(&b, "link set %s promisc on\nlink set %s up\n", farName(i), farName(i))
	}
	return b.String()
}

func farName(i int) string { return fmt.Sprintf("far%d", i) }

func hostMAC(i int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 1, byte(i)} }
func farMAC(i int) net.HardwareAddr  { return net.HardwareAddr{2, 0, 0, 0, 2, byte(i)} }

// run runs a tool, which belongs to the namespace of the thread that starts it.
func run(ctx context.Context, input string, tool string, args ...string) error {
	_, err := output(ctx, input, tool, args...)
	return err
}

func output(ctx context.Context, input string, tool string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run %s %s in the lab: %w: %.2000s", tool, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes(), nil
}

// Close ends the namespaces.
func (l *Lab) Close() {
	if l.sockets != nil {
		l.sockets.close()
	}
	for _, n := range []*namespace{l.host, l.far} {
		if n != nil {
			n.close()
		}
	}
}

func (l *Lab) index(name string) int { return slices.Index(l.interfaces, name) }
