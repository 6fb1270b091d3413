// Command matrix measures how long a large communication matrix takes to be compiled, looked at and compared, on one core.
//
//	go run ./bench/matrix -roles 1000 -flows 20000
//
// The matrix is made up: roles in ten zones, each with one host of two addresses, flows between random pairs on one to four ports, one in fifty to or from everything in a zone. The same seed
// gives the same matrix. It prints the wall time and the CPU time of each step, and fails where compiling and looking need more of one core than the limit: other load on
// the machine makes the wall time longer and says nothing about the matrix.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/difference"
	"github.com/ingotmetal/ingot/matrix/lint"
	"github.com/ingotmetal/ingot/matrix/policy"
)

const zones = 10

func main() {
	roles := flag.Int("roles", 1000, "roles of ours")
	flows := flag.Int("flows", 20_000, "rows")
	limit := flag.Duration("limit", 5*time.Second, "for compiling and looking together; 0 is none")
	flag.Parse()
	if err := run(os.Stdout, *roles, *flows, *limit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(out io.Writer, roles, flows int, limit time.Duration) error {
	runtime.GOMAXPROCS(1)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	measure := func(name string, what func() (string, error)) (time.Duration, error) {
		runtime.GC()
		begin, used := time.Now(), cpu()
		result, err := what()
		took, used := time.Since(begin), cpu()-used
		_, _ = fmt.Fprintf(table, "%s\t%s\tCPU %s\t%s\t\n", name, took.Round(time.Millisecond), used.Round(time.Millisecond), result)
		return used, err
	}
	var m matrix.Matrix
	_, _ = measure("populate", func() (string, error) {
		m = policy.Populate(large(roles, flows))
		return fmt.Sprintf("%d hosts", len(m.Hosts)), nil
	})
	var compiled policy.Compiled
	compile, err := measure("compile", func() (string, error) {
		var err error
		compiled, err = policy.Compile(m)
		return fmt.Sprintf("%d policies", len(compiled.Objects.Policies)), err
	})
	if err != nil {
		return err
	}
	look, _ := measure("lint", func() (string, error) {
		return fmt.Sprintf("%d findings", len(lint.Findings(m, lint.Options{}))), nil
	})
	_, err = measure("difference", func() (string, error) {
		other := m
		other.Rows = append(m.Rows[:len(m.Rows)-100:len(m.Rows)-100], m.Rows[0])
		other.Rows[len(other.Rows)-1].ID, other.Rows[len(other.Rows)-1].Name = "again", "again"
		report, err := difference.Of(m, other)
		return fmt.Sprintf("%d statements", len(report.Statements)), err
	})
	if err != nil {
		return err
	}
	_, err = measure("manifests", func() (string, error) {
		text, err := policy.YAML(compiled.Objects)
		return fmt.Sprintf("%d bytes", len(text)), err
	})
	if err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if limit > 0 && compile+look > limit {
		return fmt.Errorf("compiling and looking took %s of one core, over the limit of %s", compile+look, limit)
	}
	return nil
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it fails for a wrong argument only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// large makes the matrix up.
func large(roles, flows int) matrix.Matrix {
	random := rand.New(rand.NewPCG(1, 2))
	m := matrix.Matrix{Name: "large"}
	for n := range zones {
		m.Zones = append(m.Zones, matrix.ZoneDefinition{Name: matrix.Zone(fmt.Sprintf("zone-%d", n))})
	}
	for n := range roles {
		m.Roles = append(m.Roles, matrix.RoleDefinition{Name: matrix.Role(fmt.Sprintf("role-%d", n))})
	}
	end := func() matrix.Endpoint {
		n := random.IntN(roles)
		e := matrix.Endpoint{Role: m.Roles[n].Name, Zone: m.Zones[n%zones].Name}
		if random.IntN(50) == 0 {
			e.Role = matrix.AnyRole
		}
		return e
	}
	holds := matrix.Property{State: matrix.Holds, How: "mutual TLS"}
	for n := range flows {
		r := matrix.Row{
			ID: fmt.Sprintf("%d.%d", n/100, n%100), Name: matrix.FlowName(fmt.Sprintf("flow-%d", n)), From: end(), To: end(), Protocol: matrix.TCP, Application: "TLS",
			Confidential: holds, Integrity: holds, Authenticated: holds, Trusted: holds, Identity: "client", ServerIdentity: "server", Purpose: fmt.Sprintf("purpose %d", n),
		}
		for range 1 + random.IntN(4) {
			port := uint16(1024 + random.IntN(50_000))
			r.Ports = append(r.Ports, matrix.PortRange{First: port, Last: port + uint16(random.IntN(3))})
		}
		m.Rows = append(m.Rows, r)
	}
	return m
}
