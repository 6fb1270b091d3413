package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/ingotmetal/ingot/netboot"
)

// Images: a kernel's size, and one of a system.
const (
	httpSmall = "http/boot/" + bootID + "/" + netboot.FileKernel
	httpLarge = "http/boot/" + bootID + "/" + netboot.FileRamdisk

	smallBytes, largeBytes = 1 << 20, 100 << 20
	connections            = 32
)

func httpPart(ctx context.Context, s *site) error {
	for name, size := range map[string]int{httpSmall: smallBytes, httpLarge: largeBytes, tftpFile: 1} {
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		if _, err := s.file(name, content); err != nil {
			return err
		}
	}
	fmt.Printf("HTTP: wrk, %d connections for %d s\n", connections, s.seconds)
	for _, file := range []struct{ name, path string }{{"1 MiB", httpSmall}, {"100 MiB", httpLarge}} {
		var peer, ours figures
		for range s.rounds {
			for _, side := range []struct {
				out   *figures
				start func(context.Context) (*process, error)
			}{{&peer, s.nginx}, {&ours, func(ctx context.Context) (*process, error) { return s.ours(ctx, 0) }}} {
				rate, err := s.downloads(ctx, side.start, file.path)
				if err != nil {
					return err
				}
				*side.out = append(*side.out, rate)
			}
		}
		ratio := median(ours) / median(peer)
		fmt.Printf("  %-8s nginx %s MiB/s; ours %s MiB/s; ours is %.2f of nginx %s\n", file.name, peer, ours, ratio, target(ratio >= 0.8, "at least 0.8"))
	}
	return nil
}

func (s *site) nginx(ctx context.Context) (*process, error) {
	config, err := s.file("nginx.conf", fmt.Appendf(nil, `daemon off; worker_processes 2; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log; user root;
events { worker_connections 1024; }
http { access_log %[1]s/nginx.access; sendfile on; tcp_nopush on; keepalive_requests 1000000; server { listen %[2]s:%[3]d; root %[1]s/http; } }
`, s.dir, serverAddress, httpPort))
	if err != nil {
		return nil, err
	}
	return s.start(ctx, func() error { return s.dialed(ctx, serverAddress.String()+":"+strconv.Itoa(httpPort)) }, "nginx", "-c", config, "-e", filepath.Join(s.dir, "nginx.log"))
}

var (
	transferred = regexp.MustCompile(`INGOT (\d+) (\d+) (\d+)`)
	// report makes wrk print its counts exactly.
	report = []byte("done = function(summary) io.write(string.format('INGOT %d %d %d\\n', summary.bytes, summary.duration, summary.errors.status + summary.errors.read + summary.errors.connect)) end\n")
)

// downloads is MiB a second.
func (s *site) downloads(ctx context.Context, start func(context.Context) (*process, error), path string) (rate float64, err error) {
	p, err := start(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	script, err := s.file("report.lua", report)
	if err != nil {
		return 0, err
	}
	url := fmt.Sprintf("http://%s:%d/%s", serverAddress, httpPort, path[len("http/"):])
	out, err := s.client(ctx, "wrk", "-t2", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(s.seconds)+"s", "--timeout", "30s", "-s", script, url)
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	m := transferred.FindStringSubmatch(out)
	if m == nil || m[3] != "0" {
		return 0, fmt.Errorf("wrk: %s", out)
	}
	if log, err := os.ReadFile(filepath.Join(s.dir, "nginx.log")); err == nil && len(log) > 0 {
		return 0, fmt.Errorf("nginx: %s", log)
	}
	return float64(number(m[1])) / (1 << 20) / (float64(number(m[2])) / 1e6), nil
}
