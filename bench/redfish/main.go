// Command redfish measures how fast machines are verified and inspected out of band: login, probe, power state, inventory, logout, as a host's registration and fast inspection do it.
//
//	go run ./bench/redfish
//
// Simulated BMCs of one make, in a process of their own whose CPU time is not counted, serve all of it over TLS. The driver has the call budget of the product. The figures stand beside those
// that were recorded of OpenStack Ironic 21.4.4 on two cores: a fixed tree of a Dell R750, served without TLS, with phases that were polled.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/secret"
)

const (
	rounds, nodes, workers = 3, 200, 16

	user, password = "root", "calvin-8472"

	// What Ironic did (manage and inspect out of band, 100 nodes, median): nodes a second, CPU-seconds a node, GETs a node; and how many times its rate is asked for.
	ironicRate, ironicCPU, ironicRequests = 4.0, 0.36, 36
	target                                = 10
)

func main() {
	serving := flag.String("serve", "", "serve BMCs of this make until standard input ends (the benchmark starts itself so)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("too many arguments")
	switch {
	case flag.NArg() > 0:
	case *serving != "":
		err = serve(*serving, os.Stdin, os.Stdout)
	default:
		err = run(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/redfish:", err)
		os.Exit(1)
	}
}

// site is what the serving process says of its BMCs.
type site struct {
	CA        []byte
	Addresses []string
}

func serve(make string, in io.Reader, out io.Writer) (err error) {
	server, err := bmcsim.New(bmcsim.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	s := site{CA: server.CAPEM()}
	for _, p := range bmcsim.Personalities() {
		if p.Name != make {
			continue
		}
		for n := range nodes {
			m := machinetest.New(machinetest.Hardware(fmt.Sprintf("4c4c4544-0050-3010-8051-%012x", n)))
			b, err := server.Add(bmcsim.Config{Name: fmt.Sprintf("node-%d", n), Machine: m, Attach: m.Attach, Username: user, Password: secret.New(password), Personality: p})
			if err != nil {
				return err
			}
			s.Addresses = append(s.Addresses, b.Address())
		}
	}
	if err := json.NewEncoder(out).Encode(s); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func run(ctx context.Context, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "verify and inspect\tnodes/s\ttimes Ironic\ttarget\tCPU-ms/node\trequests/node\t")
	for _, kind := range []string{"generic", "idrac", "openbmc"} {
		best, err := measure(ctx, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t>= %d\t%.1f\t%.1f\t\n", kind, best.rate, best.rate/ironicRate, target, best.cpu*1000, best.requests)
	}
	fmt.Fprintf(w, "Ironic, recorded\t%.0f\t1\t\t%.0f\t%d\t\n", ironicRate, ironicCPU*1000, ironicRequests)
	return w.Flush()
}

// figures are of one node: nodes a second, CPU-seconds of this process, requests.
type figures struct{ rate, cpu, requests float64 }

// measure takes the best of some rounds against fresh BMCs.
func measure(ctx context.Context, kind string) (best figures, err error) {
	for range rounds {
		got, err := round(ctx, kind)
		if err != nil {
			return figures{}, err
		}
		if best.rate == 0 || got.cpu < best.cpu {
			best = got
		}
	}
	return best, nil
}

func round(ctx context.Context, kind string) (f figures, err error) {
	self, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	child := exec.CommandContext(ctx, self, "-serve", kind)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return figures{}, err
	}
	said, err := child.StdoutPipe()
	if err != nil {
		return figures{}, err
	}
	if err := child.Start(); err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, in.Close(), child.Wait()) }()
	var s site
	if err := json.NewDecoder(bufio.NewReader(said)).Decode(&s); err != nil {
		return figures{}, fmt.Errorf("the simulated BMCs: %w", err)
	}
	driver, err := redfish.New(redfish.Options{Dial: new(net.Dialer).DialContext})
	if err != nil {
		return figures{}, err
	}
	begun, used := time.Now(), cpu()
	if err := all(ctx, driver, s); err != nil {
		return figures{}, err
	}
	took, burnt := time.Since(begun), cpu()-used
	var requests int64
	for _, address := range s.Addresses {
		a, err := bmc.ParseAddress(address)
		if err != nil {
			return figures{}, err
		}
		requests += driver.Stats(a.HostPort()).Requests
	}
	n := float64(len(s.Addresses))
	return figures{rate: n / took.Seconds(), cpu: burnt.Seconds() / n, requests: float64(requests) / n}, nil
}

// all does every node once, some at a time.
func all(ctx context.Context, driver *redfish.Driver, s site) error {
	var wg sync.WaitGroup
	todo, failed := make(chan string), make(chan error, len(s.Addresses))
	for range workers {
		wg.Go(func() {
			for address := range todo {
				failed <- one(ctx, driver, bmc.Target{Address: address, Username: user, Password: secret.New(password), CAPEM: s.CA})
			}
		})
	}
	for _, address := range s.Addresses {
		todo <- address
	}
	close(todo)
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// one is a node's verification and inspection.
func one(ctx context.Context, driver *redfish.Driver, t bmc.Target) error {
	session, err := driver.Open(ctx, t)
	if err != nil {
		return err
	}
	_, powerErr := session.Power().State(ctx)
	got, err := session.Inventory().Read(ctx)
	if err == nil && (len(got.NICs) == 0 || len(got.Disks) == 0 || got.MemoryMebibytes == 0) {
		err = fmt.Errorf("%s: the inventory lacks parts: %+v", t.Address, got)
	}
	return errors.Join(powerErr, err, session.Close(ctx))
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	// It fails for no process that asks about itself (getrusage(2)).
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
