// Package member joins the mesh from inside a process, without root and without a network interface (tsnet).
//
// It owns the join, the peers and what goes through the mesh. It refuses keys in arguments and environments (a file has the key, once), peers by their names (whoever joins chooses a name), and any way to
// an address that is no peer's: there is no fallback to the network below.
//
// Nothing is told to third parties: logs are not uploaded, gateways are not asked for port mappings, the coordinator is dialed by its address, and its CA is the only one that is trusted. All that is the
// process's, so that Prepare is called first.
//
// Invariants: what has joined joins again by its folder alone, also while the coordinator is away; a dial goes to a peer that the coordinator told of, or fails.
package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tailscale.com/envknob"
	"tailscale.com/net/netns"
	"tailscale.com/tsnet"
)

// Options say who joins, and where.
type Options struct {
	// Dir keeps who the member is, and the last map of the mesh.
	Dir string
	// Coordinator is a URL: with a CA of ours by its address, which needs no DNS.
	Coordinator string
	// KeyFile has the one-time key; it is read only while the folder has no member yet.
	KeyFile string
	// RemoveKey deletes KeyFile once the member has joined: its key is of no use then.
	RemoveKey bool
	Hostname  string
	// Port is WireGuard's UDP port; 0: any.
	Port      uint16
	Ephemeral bool
	Log       *slog.Logger
}

// Prepare sets the process up, before anything is dialed: ca is a PEM file of the one CA that is trusted; empty: the system's, for a foreign coordinator.
func Prepare(ca string) error {
	envknob.SetNoLogsNoSupport()
	for _, off := range []string{"TS_DISABLE_PORTMAPPER", "TS_DISABLE_UPNP"} {
		envknob.Setenv(off, "true")
	}
	// The library ties its sockets to the interface of the default route, or to loopback where there is none, lest they go through an interface of its own. There is no such interface here, and a firewall has several
	// networks, of which any may lead to the coordinator, and often no default route.
	netns.SetEnabled(false)
	if ca == "" {
		return nil
	}
	if _, err := os.Stat(ca); err != nil {
		return fmt.Errorf("--ca: %w", err)
	}
	// A coordinator of ours is dialed by its address. The library asks for names of its maker's all the same while the coordinator is away, to tell whether there is a captive portal: no name is found then.
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(_ context.Context, _, server string) (net.Conn, error) {
		return nil, fmt.Errorf("dial name server %s: the mesh asks for no names", server)
	}
	// crypto/x509 reads these when the first certificate is verified; tailscale has no option for a CA.
	for name, value := range map[string]string{"SSL_CERT_FILE": ca, "SSL_CERT_DIR": os.DevNull} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
	}
	return nil
}

// CheckCoordinator says whether a member can be told this URL. With a CA of ours it must have an address: tailscale's client asks servers on the Internet for a name that it can't resolve.
func CheckCoordinator(text string, ours bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("--coordinator %q: a URL like https://192.0.2.1:8449 is needed", text)
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && ours {
		return fmt.Errorf("--coordinator %q: with --ca it needs an address in place of the name, so that the mesh depends on no DNS", text)
	}
	return nil
}

// Member is one that has joined.
type Member struct {
	server *tsnet.Server
	log    *slog.Logger
	exit   *exit
}

// Join joins, or comes back. It returns once there is a map of the mesh, which a member that was in it before has at once. It fails as ErrExpelled where the coordinator says that it does not know the node.
func Join(ctx context.Context, o Options) (*Member, error) {
	out := newExit()
	joining, stop := out.until(ctx)
	defer stop()
	back := joined(o.Dir)
	says := func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		o.Log.Debug("mesh", "message", line)
		if expelled(line, back) {
			out.take()
		}
	}
	s := &tsnet.Server{Dir: o.Dir, Hostname: o.Hostname, ControlURL: o.Coordinator, Port: o.Port, Ephemeral: o.Ephemeral, UserLogf: says, Logf: says}
	if !back {
		if o.KeyFile == "" {
			return nil, fmt.Errorf("%s has no member of the mesh yet: a file with a one-time key is needed (--key-file)", o.Dir)
		}
		text, err := os.ReadFile(o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the one-time key: %w", err)
		}
		s.AuthKey = strings.TrimSpace(string(text))
	}
	if _, err := s.Up(joining); err != nil {
		if cause := Expulsion(joining); cause != nil {
			err = cause
		}
		// A key that lets nobody in leaves a folder that looks like a member's.
		refused := ctx.Err() == nil && s.AuthKey != ""
		closed := s.Close()
		if refused {
			closed = errors.Join(closed, os.Remove(stateFile(o.Dir)))
		}
		return nil, errors.Join(fmt.Errorf("join the mesh at %s: %w", o.Coordinator, err), closed)
	}
	if s.AuthKey != "" {
		if err := os.WriteFile(filepath.Join(o.Dir, "joined"), []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("write down that the member has joined: %w", err), s.Close())
		}
	}
	if o.RemoveKey && o.KeyFile != "" {
		if err := os.Remove(o.KeyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			o.Log.Warn("the file of the key that was used is left", "err", err)
		}
	}
	m := &Member{s, o.Log, out}
	go m.watch()
	return m, nil
}

func stateFile(dir string) string { return filepath.Join(dir, "tailscaled.state") }

// joined says whether a folder has a member that got in: its state alone may be of one that was refused.
func joined(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "joined"))
	return err == nil
}

// Addresses are the member's own in the mesh.
func (m *Member) Addresses() []netip.Addr {
	var all []netip.Addr
	v4, v6 := m.server.TailscaleIPs()
	for _, a := range []netip.Addr{v4, v6} {
		if a.IsValid() {
			all = append(all, a)
		}
	}
	return all
}

// Close leaves the process's part of the mesh; an ephemeral member leaves the mesh.
func (m *Member) Close() error { return m.server.Close() }

// keyPrefix begins a node key. It may be left out, since a URL has no room for another colon in its host.
const keyPrefix = "nodekey:"

// ErrNoPeer is the kind of error of a dial to what is no peer.
var ErrNoPeer = errors.New("no peer of the mesh")

// Peer finds a peer by an address in the mesh, its node key ("nodekey:…"), or its number, all of which a MeshNode's status has. A name is refused: whoever joins chooses it.
func (m *Member) Peer(ctx context.Context, who string) (netip.Addr, error) {
	local, err := m.server.LocalClient()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look for peer %s: %w", who, err)
	}
	status, err := local.Status(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look for peer %s: %w", who, err)
	}
	for k, p := range status.Peer {
		for _, a := range p.TailscaleIPs {
			if a.String() == who || strings.TrimPrefix(k.String(), keyPrefix) == strings.TrimPrefix(who, keyPrefix) || string(p.ID) == who {
				return p.TailscaleIPs[0], nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("%q is %w that this member may reach: write its address in the mesh, its node key or its number, as `kubectl get meshnodes -A -o wide` shows them", who, ErrNoPeer)
}

// dialPatience is how long a peer may take to answer. The network stack alone would ask a peer that is off for more than two minutes.
const dialPatience = time.Minute

// Dial opens a TCP connection to "PEER:PORT", where PEER is as Peer takes it.
func (m *Member) Dial(ctx context.Context, target string) (net.Conn, error) {
	who, port, err := split(target)
	if err != nil {
		return nil, err
	}
	addr, err := m.Peer(ctx, who)
	if err != nil {
		return nil, err
	}
	// Not Server.Dial, which goes to the network of the host where an address is no peer's any more: a peer may go between the question and the dial. This one knows the mesh and nothing else.
	within, stop := context.WithTimeout(ctx, dialPatience)
	defer stop()
	c, err := m.server.Sys().Dialer.Get().NetstackDialTCP(within, netip.AddrPortFrom(addr, port))
	if err != nil {
		if ctx.Err() == nil && within.Err() != nil {
			return nil, fmt.Errorf("dial %s through the mesh: no answer within %s; see that the peer is on and that its member of the mesh runs: %w", target, dialPatience, err)
		}
		return nil, fmt.Errorf("dial %s through the mesh: %w", target, err)
	}
	return c, nil
}

// split cuts a port off. A node key has a colon of its own.
func split(target string) (who string, port uint16, err error) {
	i := strings.LastIndex(target, ":")
	if i < 0 {
		return "", 0, fmt.Errorf("%q: PEER:PORT is needed", target)
	}
	n, err := strconv.ParseUint(target[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q: PEER:PORT is needed, with a port from 1 to 65535", target)
	}
	return strings.Trim(target[:i], "[]"), uint16(n), nil
}
