// Command ipmi measures how fast power states are read by IPMI: over a kept session and over one of its own each time, against one ipmitool process a reading.
//
//	go run ./bench/ipmi
//
// One simulated BMC in this process answers all of them, in turn, so that a busy machine slows all alike. It prints the ratios with their target.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/ipmi"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/lab/ipmisim"
	"github.com/ingotmetal/ingot/internal/secret"
)

const (
	rounds = 5
	// kept, fresh and tool are how many readings a round has of each kind.
	kept, fresh, tool = 2000, 200, 20
	// target is how many times as many readings a kept session gives as ipmitool does.
	target = 20

	user, password = "admin", "calvin-8472"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/ipmi:", err)
		os.Exit(1)
	}
}

// way is one way to read the power state n times.
type way struct {
	name string
	n    int
	read func(ctx context.Context, n int) error
	best time.Duration
}

func run(ctx context.Context, out io.Writer) (err error) {
	m := machinetest.New(machinetest.Hardware("4c4c4544-0050-3010-8051-b9c04f4d3533"))
	sim, err := ipmisim.Start(ctx, ipmisim.Config{Machine: m, Attach: m.Attach, Username: user, Password: secret.New(password)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sim.Close()) }()
	ways, err := waysTo(ctx, sim)
	if err != nil {
		return err
	}
	for range rounds {
		for i := range ways {
			w := &ways[i]
			begun := time.Now()
			if err := w.read(ctx, w.n); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if each := time.Since(begun) / time.Duration(w.n); w.best == 0 || each < w.best {
				w.best = each
			}
		}
	}
	return report(out, ways)
}

func waysTo(ctx context.Context, sim *ipmisim.BMC) ([]way, error) {
	path, err := exec.LookPath("ipmitool")
	if err != nil {
		return nil, fmt.Errorf("ipmitool, the peer, is missing: install Debian's package of that name: %w", err)
	}
	host, port, err := net.SplitHostPort(sim.HostPort())
	if err != nil {
		return nil, err
	}
	driver, err := ipmi.New(ipmi.Options{Dial: new(net.Dialer).DialContext, CallsPerSecond: 1e9, Burst: 1e9})
	if err != nil {
		return nil, err
	}
	to := bmc.Target{Address: sim.Address(), Username: user, Password: secret.New(password)}
	session, err := driver.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	return []way{
		{name: "kept session", n: kept, read: func(ctx context.Context, n int) error { return readings(ctx, session, n) }},
		{name: "a session each", n: fresh, read: func(ctx context.Context, n int) error {
			for range n {
				s, err := driver.Open(ctx, to)
				if err != nil {
					return err
				}
				if err := errors.Join(readings(ctx, s, 1), s.Close(ctx)); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "ipmitool, a process each", n: tool, read: func(ctx context.Context, n int) error {
			for range n {
				args := []string{"-I", "lanplus", "-C", "17", "-H", host, "-p", port, "-U", user, "-P", password, "chassis", "power", "status"}
				if text, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
					return fmt.Errorf("%w: %s", err, text)
				}
			}
			return nil
		}},
	}, nil
}

func readings(ctx context.Context, s bmc.Session, n int) error {
	for range n {
		if _, err := s.Power().State(ctx); err != nil {
			return err
		}
	}
	return nil
}

func report(out io.Writer, ways []way) error {
	peer := ways[slices.IndexFunc(ways, func(w way) bool { return w.n == tool })]
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "power status by\tper second\ttimes ipmitool\ttarget\t")
	for _, v := range ways {
		wanted := ""
		if v.n == kept {
			wanted = fmt.Sprintf(">= %d", target)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.1f\t%s\t\n", v.name, 1/v.best.Seconds(), peer.best.Seconds()/v.best.Seconds(), wanted)
	}
	return w.Flush()
}
