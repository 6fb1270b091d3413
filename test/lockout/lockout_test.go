package lockout_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/internal/node/state"
)

const (
	// patience is for whatever has to happen in the end.
	patience = 12 * time.Minute
	// firstTrial doubles, up to lastTrial, where the machine is so slow that the trial was over before anybody looked.
	firstTrial, lastTrial = 3 * time.Second, 48 * time.Second
	childVariable         = "INGOT_LOCKOUT_CHILD"
)

// program is the ingot-node that is proved.
var program string

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := unguarded(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	// A case waits for its trial to end, most of the time: more of them at once cost nothing.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lockout-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "ingot-node")
		if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", program, "../../cmd/ingot-node").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build ingot-node: %v: %s\n", err, out)
			return 1
		}
		return m.Run()
	}())
}

// unguarded is the daemon without its check, in a process of its own: this test's binary, told by a variable of the environment.
func unguarded(dir string) error {
	trial, err := time.ParseDuration(os.Getenv("INGOT_LOCKOUT_TRIAL"))
	if err != nil {
		return err
	}
	host, err := linux.New()
	if err != nil {
		return err
	}
	n, err := node.New(node.Options{
		Name: "host", Trial: trial, Look: 200 * time.Millisecond, Host: host, State: state.Dir(filepath.Join(dir, "state")), Unguarded: true,
		Source: source.Files{Dir: filepath.Join(dir, "policies"), Every: 100 * time.Millisecond}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- n.Run(context.Background()) }()
	go func() { failed <- control.Serve(context.Background(), filepath.Join(dir, "run"), n) }()
	return <-failed
}

func TestEveryRulesetThatLocksOutEndsByItself(t *testing.T) {
	if len(rulesets) < 20 {
		t.Fatalf("only %d rulesets", len(rulesets))
	}
	for _, r := range rulesets {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for trial := firstTrial; ; trial *= 2 {
				if newSite(t, trial).proves(r) {
					return
				}
				if trial >= lastTrial {
					t.Fatalf("even a trial of %s was over before anybody could look: the machine is too slow to prove anything", trial)
				}
			}
		})
	}
}

// site is a host, an operator, and a cable between them.
type site struct {
	*testing.T
	ctx            context.Context
	host, operator *netns.Namespace
	dir            string
	trial          time.Duration
}

func newSite(t *testing.T, trial time.Duration) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	dir, err := os.MkdirTemp("", "lo-") // short: the name of a Unix socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{T: t, ctx: ctx, dir: dir, trial: trial}
	for _, n := range []**netns.Namespace{&s.host, &s.operator} {
		var err error
		if *n, err = netns.New(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*n).Close() })
	}
	for _, cable := range []struct{ name, host, operator string }{{"eth0", "10.0.0.1/24 fd00::1/64", "10.0.0.2/24 fd00::2/64"}, {"eth1", "10.1.0.1/24", "10.1.0.2/24"}} {
		if err := netns.Join(s.end(s.host, cable.name, cable.host), s.end(s.operator, cable.name, cable.operator)); err != nil {
			t.Fatal(err)
		}
	}
	for _, port := range []string{"22", "80"} {
		s.listen(port)
	}
	for _, dir := range []string{"state", "policies"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) end(n *netns.Namespace, name, addresses string) netns.End {
	e := netns.End{In: n, Interface: name}
	for _, a := range strings.Fields(addresses) {
		e.Addresses = append(e.Addresses, netip.MustParsePrefix(a))
	}
	return e
}

// listen greets whoever connects, so that a connection is only counted where data comes back.
func (s *site) listen(port string) {
	var l net.Listener
	err := s.host.Do(func() error {
		var err error
		l, err = new(net.ListenConfig).Listen(s.ctx, "tcp4", ":"+port)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-test\r\n")
			s.Cleanup(func() { _ = c.Close() })
		}
	}()
}

// comesIn opens a new connection of the operator to the host.
func (s *site) comesIn(port string) bool {
	var greeting [3]byte
	err := s.operator.Do(func() error {
		c, err := (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext(s.ctx, "tcp4", "10.0.0.1:"+port)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, err = io.ReadFull(c, greeting[:])
		return err
	})
	return err == nil
}

// until waits for a condition, with the test's patience.
func (s *site) until(what string, holds func() bool) {
	s.Helper()
	for !holds() {
		select {
		case <-s.ctx.Done():
			s.Fatalf("%s did not happen within %s", what, patience)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// daemon is a running ingot-node.
type daemon struct {
	*site
	process *os.Process
	control.Client
}

// start runs the real ingot-node, or, without its check, this binary.
func (s *site) start(guarded bool) *daemon {
	s.Helper()
	var c *exec.Cmd
	if guarded {
		c = exec.CommandContext(s.ctx, program, "run", "--node", "host", "--policies", filepath.Join(s.dir, "policies"), "--state-dir", filepath.Join(s.dir, "state"),
			"--run-dir", filepath.Join(s.dir, "run"), "--management", "tcp/22", "--trial", s.trial.String(), "--look", "200ms", "--health-bind", "")
	} else {
		c = exec.CommandContext(s.ctx, os.Args[0])
		c.Env = append(os.Environ(), childVariable+"="+s.dir, "INGOT_LOCKOUT_TRIAL="+s.trial.String())
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	c.Stdout, c.Stderr = log, log
	if err := s.host.Do(c.Start); err != nil {
		s.Fatal(err)
	}
	d := &daemon{s, c.Process, control.Client{Dir: filepath.Join(s.dir, "run")}}
	s.Cleanup(func() {
		d.kill()
		if s.Failed() {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.Logf("the daemons' log:\n%s", text)
		}
	})
	return d
}

// kill is SIGKILL: nothing is tidied up.
func (d *daemon) kill() {
	if err := d.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.Error(err)
	}
	_, _ = d.process.Wait() // a second time it is gone already
}

// is waits until the status says something.
func (d *daemon) is(what string, holds func(node.Status) bool) {
	d.Helper()
	d.until(what, func() bool {
		st, err := d.Status(d.ctx)
		return err == nil && holds(st)
	})
}

func onTrial(s node.Status) bool {
	return s.Decision.Phase == guard.PhaseTrial && s.Decision.Step == guard.Wait
}

func (s *site) write(manifests string) {
	path := filepath.Join(s.dir, "policies", "all.yaml")
	if err := os.WriteFile(path+".new", []byte(manifests), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.Fatal(err)
	}
}

// pending says whether the kernel has a generation on trial.
func (s *site) pending() bool {
	h, err := linux.In(s.host.Path())
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	table, err := h.State(s.ctx, node.DefaultTable)
	if err != nil {
		s.Fatal(err)
	}
	_, pending, _, _ := table.Generations()
	return pending != 0
}

// settled is a host on which the good ruleset was confirmed over a new connection.
func (s *site) settled() (d *daemon, ok bool) {
	s.write(endpoints + good)
	d = s.start(true)
	d.is("the trial of the good ruleset", func(st node.Status) bool { return onTrial(st) || st.Decision.Phase == guard.PhaseReverted })
	// He does not wait long for an answer, and a busy machine may take longer.
	s.until("coming in by port 22, as the good ruleset lets the operator", func() bool { return s.comesIn("22") })
	if _, err := d.Confirm(s.ctx, false); err != nil {
		// Too slow: the trial is over, and by now another may have begun.
		s.Logf("confirm the good ruleset within a trial of %s: %v", s.trial, err)
		return d, false
	}
	d.is("the confirmation", func(st node.Status) bool {
		return st.Decision.Phase == guard.PhaseConfirmed && st.Decision.Step == guard.Wait
	})
	return d, true
}

// proves tries one ruleset. False: the trial was over before anybody could look, and nothing is proved.
func (s *site) proves(r ruleset) bool {
	s.Helper()
	d, ok := s.settled()
	if !ok {
		return false
	}
	host := endpoints
	if r.endpoints != "" {
		host = r.endpoints
	}
	s.write(host + r.manifests)
	if r.refused != "" {
		d.is("the refusal", func(st node.Status) bool {
			return st.Decision.Step == guard.Refuse && strings.Contains(st.Decision.Reason, r.refused)
		})
		if s.pending() {
			s.Fatal("a ruleset that is refused came to the kernel")
		}
		s.until("coming in while a ruleset is refused", func() bool { return s.comesIn("22") })
		d.kill()
		d = s.start(false)
	}
	d.is("the trial", func(st node.Status) bool { return onTrial(st) || st.Decision.Phase == guard.PhaseReverted })
	d.kill()
	cut := !s.comesIn("22")
	if !s.pending() {
		return false
	}
	if !cut {
		s.Fatal("the operator came in while the ruleset was on trial: it cuts nobody off, and the case proves nothing")
	}
	s.until("coming in again, with the daemon dead", func() bool { return s.comesIn("22") })
	if s.pending() {
		s.Error("the operator comes in, and the trial still runs")
	}
	if s.comesIn("80") {
		s.Error("port 80 is open: no ruleset rules, instead of the one that was confirmed")
	}
	return true
}
