package test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var throughputRounds = flag.Int("throughput-rounds", 1, "how often the mesh's throughput is measured each way; make bench asks for more")

// The load of one measurement, and what is sent to see by which way packets go.
const (
	load  = 64 << 20
	taste = 1 << 20
)

// ways are the two directions of a measurement.
var ways = []string{"sink", "source"}

// TestThroughput passes many bytes both ways, directly and then through the relay, and prints what goes in a second as a share of plain TCP between the same two namespaces over the same cable, each in turns with it.
func TestThroughput(t *testing.T) {
	l := newLab(t)
	firewallAt, operatorAt := newPlace(t, "firewall", 2), newPlace(t, "operator", 3)
	loaded(t, firewallAt.listen(t, "127.0.0.1:22"))
	loaded(t, firewallAt.listen(t, firewallAt.ip+":5001"))
	operatorAt.countUDP(t)
	firewallKey, minted := l.key("edge", firewallSpec("edge"))
	firewall, _ := l.join(firewallAt, "join", "edge", minted)
	firewall.known(firewallKey, "is admitted", admitted)
	operatorKey, minted := l.key("ada", operatorSpec("ada"))
	operator, _ := l.join(operatorAt, "proxy", "ada", minted)
	operator.known(operatorKey, "is admitted", admitted)
	target := firewall.node.Status.Addresses[0] + ":22"
	operator.reaches(target).Close()

	plain := func() (net.Conn, error) { return operatorAt.dial(t.Context(), firewallAt.ip+":5001") }
	mesh := func() (net.Conn, error) { return operator.dial(t.Context(), target) }
	turns := func(name string, direct bool) {
		l.until("packets go "+name, func(context.Context) error {
			before := operatorAt.sentUDP(t)
			if _, err := pass(mesh, "sink", taste); err != nil {
				return err
			}
			if sent := operatorAt.sentUDP(t) - before; (sent >= taste) != direct {
				return fmt.Errorf("%d of %d bytes went by UDP", sent, taste)
			}
			return nil
		})
		for _, way := range ways {
			var alone, through []float64
			for range *throughputRounds {
				for _, m := range []struct {
					dial func() (net.Conn, error)
					to   *[]float64
				}{{plain, &alone}, {mesh, &through}} {
					took, err := pass(m.dial, way, load)
					if err != nil {
						t.Fatal(err)
					}
					*m.to = append(*m.to, load/took.Seconds()/(1<<20))
				}
			}
			t.Logf("%s, %s: %.0f MiB/s, plain TCP %.0f MiB/s: %.3f of it (medians of %d)", name, map[string]string{"sink": "to the firewall", "source": "from the firewall"}[way],
				middle(through), middle(alone), middle(through)/middle(alone), *throughputRounds)
		}
	}
	turns("directly", true)
	operator.blockUDP(t)
	firewall.blockUDP(t)
	turns("through the relay", false)
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// loaded answers "sink N" when it has read so many bytes, "source N" with so many, and any other line with itself, until the lab ends.
func loaded(t *testing.T, l net.Listener) {
	t.Helper()
	answer(t, l, func(c net.Conn) {
		r := bufio.NewReaderSize(c, 1<<20)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			what, number, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, _ := strconv.ParseInt(number, 10, 64)
			switch what {
			case "sink":
				if _, err := io.CopyN(io.Discard, r, n); err != nil {
					return
				}
				_, _ = io.WriteString(c, "done\n")
			case "source":
				_, _ = io.CopyN(c, zeros{}, n)
			default:
				_, _ = io.WriteString(c, line)
			}
		}
	})
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// pass sends or gets so many bytes over a new connection, and says how long that took from the first to the last.
func pass(dial func() (net.Conn, error), way string, bytes int64) (took time.Duration, err error) {
	c, err := dial()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := fmt.Fprintf(c, "%s %d\n", way, bytes); err != nil {
		return 0, err
	}
	if way == "source" {
		_, err := io.CopyN(io.Discard, c, bytes)
		return time.Since(began), err
	}
	if _, err := io.CopyN(c, zeros{}, bytes); err != nil {
		return 0, err
	}
	heard := make([]byte, len("done\n"))
	if _, err := io.ReadFull(c, heard); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// countUDP counts what the place sends by UDP.
func (p place) countUDP(t *testing.T) {
	t.Helper()
	p.nft(t, "table inet count {\n\tchain out {\n\t\ttype filter hook output priority -5;\n\t\tmeta l4proto udp counter\n\t}\n}\n")
}

var counted = regexp.MustCompile(`counter packets \d+ bytes (\d+)`)

func (p place) sentUDP(t *testing.T) int64 {
	t.Helper()
	m := counted.FindStringSubmatch(run(t, p.in("nft", "list", "table", "inet", "count")...))
	if m == nil {
		t.Fatal("nft lists no counter")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
