// Command serve measures the boot servers beside what sites use today: DHCP beside Kea (driven by perfdhcp), TFTP beside atftpd, HTTP beside nginx (driven by wrk).
//
// It owns two network namespaces with a cable between them, servers in one and clients in the other, the order (peer and ours in turn, in rounds, so that a busy machine slows both alike)
// and the count of the servers' CPU time, which the kernel keeps by process. It refuses to judge: targets are printed beside the ratios. Ours run as the boot role runs
// them: the same servers over the same sockets, with its log. A missing program is an error that names its Debian package.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

type config struct {
	rounds, seconds, rate int
	only                  string
}

func main() {
	var c config
	var serve, fetch string
	var known, parallel int
	flag.IntVar(&c.rounds, "rounds", 3, "rounds over both sides")
	flag.IntVar(&c.seconds, "seconds", 5, "length of one run")
	flag.IntVar(&c.rate, "rate", 3600, "exchanges a second that DHCP clients begin")
	flag.StringVar(&c.only, "only", "", "one of dhcp, tftp and http; all where empty")
	flag.StringVar(&serve, "serve", "", "be the server in that folder; the command starts itself with it")
	flag.StringVar(&fetch, "fetch", "", "be the TFTP clients of that server; the command starts itself with it")
	flag.IntVar(&known, "known", 0, "machines that the server knows")
	flag.IntVar(&parallel, "parallel", 64, "TFTP clients at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case serve != "":
		err = server(ctx, serve, known)
	case fetch != "":
		err = clients(ctx, fetch, parallel, c.seconds)
	default:
		err = run(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve bench:", err)
		os.Exit(1)
	}
}

// programs by the Debian packages that have them.
var programs = map[string]string{
	"kea-dhcp4": "kea-dhcp4-server", "perfdhcp": "kea-admin", "atftpd": "atftpd", "nginx": "nginx-light", "wrk": "wrk", "nsenter": "util-linux",
}

func missing() error {
	var packages []string
	for program, debian := range programs {
		if _, err := exec.LookPath(program); err != nil {
			packages = append(packages, debian)
		}
	}
	if packages == nil {
		return nil
	}
	return fmt.Errorf("programs to compare with are missing: apt-get install %s", strings.Join(packages, " "))
}

func run(ctx context.Context, c config) (err error) {
	if err := missing(); err != nil {
		return err
	}
	s, err := newSite(c)
	if err != nil {
		return fmt.Errorf("make the namespaces (as root): %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, part := range []struct {
		name string
		do   func(context.Context, *site) error
	}{{"dhcp", dhcpPart}, {"tftp", tftpPart}, {"http", httpPart}} {
		if c.only != "" && c.only != part.name {
			continue
		}
		if err := part.do(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func target(holds bool, what string) string {
	if holds {
		return "(target: " + what + ": holds)"
	}
	return "(target: " + what + ": MISSED)"
}
