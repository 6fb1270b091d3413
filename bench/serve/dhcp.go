package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// few and many are how many machines are known; a server's work for one exchange must be the same with both.
const (
	few  = 100
	many = 50_000
)

// exchanges is what one run of perfdhcp came to.
type exchanges struct {
	// done are whole exchanges (four packets), lost the requests of both kinds that were not answered.
	done, lost int
	// dropped are the packets for which the server's own receive buffer had no room, unheard those for which perfdhcp's had none.
	dropped, unheard int
	// perCPU is done per second of the server's CPU time, rate per second of the run.
	perCPU, rate float64
}

func dhcpPart(ctx context.Context, s *site) error {
	fmt.Printf("DHCP: perfdhcp as a relay, %d exchanges/s begun for %d s\n", s.rate, s.seconds)
	for name := range map[string]bool{tftpFile: true, httpSmall: true, httpLarge: true} {
		if _, err := s.file(name, []byte("nothing")); err != nil {
			return err
		}
	}
	var kea, ours, oursFew []exchanges
	for range s.rounds {
		for _, side := range []struct {
			out     *[]exchanges
			clients int
			start   func(context.Context, int) (*process, error)
		}{{&kea, many, s.kea}, {&ours, many, s.ours}, {&oursFew, few, s.ours}} {
			e, err := s.exchange(ctx, side.start, side.clients)
			if err != nil {
				return err
			}
			*side.out = append(*side.out, e)
		}
	}
	of := func(all []exchanges, f func(exchanges) float64) figures {
		var out figures
		for _, e := range all {
			out = append(out, f(e))
		}
		return out
	}
	cpu, rate, lost := func(e exchanges) float64 { return e.perCPU }, func(e exchanges) float64 { return e.rate }, func(e exchanges) float64 { return float64(e.lost) }
	dropped, unheard := func(e exchanges) float64 { return float64(e.dropped) }, func(e exchanges) float64 { return float64(e.unheard) }
	show := func(name string, all []exchanges) {
		fmt.Printf("  %-28s exchanges per CPU-second %s; per second %s; lost %s (of these dropped by the server %s, by perfdhcp %s)\n", name, of(all, cpu), of(all, rate), of(all, lost), of(all, dropped), of(all, unheard))
	}
	show(fmt.Sprintf("Kea, %d clients", many), kea)
	show(fmt.Sprintf("ours, %d machines known", many), ours)
	show(fmt.Sprintf("ours, %d machines known", few), oursFew)
	ratio := median(of(ours, cpu)) / median(of(kea, cpu))
	flat := median(of(oursFew, cpu)) / median(of(ours, cpu))
	fmt.Printf("  ours is %.2f of Kea per CPU-second %s\n", ratio, target(ratio >= 1, "at least 1"))
	left := median(of(ours, func(e exchanges) float64 { return float64(max(e.lost-e.unheard, 0)) }))
	fmt.Printf("  ours does %.0f/s and leaves %.0f unanswered %s\n", median(of(ours, rate)), left, target(median(of(ours, rate)) > 3000 && left == 0, "over 3000/s without loss"))
	fmt.Printf("  an exchange costs %.2f times as much CPU with %d machines as with %d %s\n", flat, many, few, target(flat <= 1.2, "flat: at most 1.2"))
	return nil
}

func (s *site) ours(ctx context.Context, known int) (*process, error) {
	return s.start(ctx, func() error { return s.dialed(ctx, serverAddress.String()+":"+strconv.Itoa(httpPort)) }, s.self, "-serve", s.dir, "-known", strconv.Itoa(known))
}

// kea is Kea as Debian packages it: leases in memory and in a file that each change is written to.
func (s *site) kea(ctx context.Context, _ int) (*process, error) {
	leases := filepath.Join(s.dir, "kea-leases.csv")
	if err := os.Remove(leases); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"Dhcp4": map[string]any{
		"interfaces-config": map[string]any{"interfaces": []string{link}, "dhcp-socket-type": "udp"},
		"lease-database":    map[string]any{"type": "memfile", "persist": true, "name": leases, "lfc-interval": 0},
		"valid-lifetime":    3600,
		"multi-threading":   map[string]any{"enable-multi-threading": true, "thread-pool-size": 2, "packet-queue-size": 64},
		"subnet4":           []any{map[string]any{"id": 1, "subnet": "10.0.0.0/8", "pools": []any{map[string]any{"pool": "10.16.0.0-10.31.255.255"}}}},
		"loggers":           []any{map[string]any{"name": "kea-dhcp4", "severity": "INFO", "output_options": []any{map[string]any{"output": filepath.Join(s.dir, "kea.log")}}}},
	}})
	if err != nil {
		return nil, err
	}
	config, err := s.file("kea.json", text)
	if err != nil {
		return nil, err
	}
	serves := func() error {
		_, err := s.client(ctx, "perfdhcp", "-4", "-r", "20", "-n", "1", "-W", answersWait, "-l", clientAddress.String(), serverAddress.String())
		return err
	}
	// Debian's Kea keeps its process and lock files in folders that its service makes.
	return s.start(ctx, serves, "env", "KEA_PIDFILE_DIR="+s.dir, "KEA_LOCKFILE_DIR="+s.dir, "kea-dhcp4", "-c", config)
}

const (
	// answersWait is how long perfdhcp listens after its last request, in microseconds: without it, whatever is under way then counts as lost.
	answersWait = "500000"
	// urgent is the niceness of the load's generator. Its socket holds about 270 answers, 40 ms of a run: one that waits for the CPU longer loses answers that the server gave.
	urgent = "-15"
)

var (
	received = regexp.MustCompile(`received packets: (\d+)`)
	drops    = regexp.MustCompile(`drops: (\d+)`)
)

// exchange runs perfdhcp once against a fresh server.
func (s *site) exchange(ctx context.Context, start func(context.Context, int) (*process, error), clients int) (e exchanges, err error) {
	p, err := start(ctx, clients)
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	before, err := p.cpu()
	if err != nil {
		return e, err
	}
	mac := macOf(0).String()
	deaf, err := overflows(s.clients)
	if err != nil {
		return e, err
	}
	full, err := overflows(s.servers)
	if err != nil {
		return e, err
	}
	out, ran := s.client(ctx, "nice", "--adjustment="+urgent, "perfdhcp", "-4", "-W", answersWait, "-r", strconv.Itoa(s.rate), "-R", strconv.Itoa(clients), "-p", strconv.Itoa(s.seconds), "-b", "mac="+mac,
		"-l", clientAddress.String(), serverAddress.String())
	after, err := p.cpu()
	if err != nil {
		return e, err
	}
	got, lost := received.FindAllStringSubmatch(out, -1), drops.FindAllStringSubmatch(out, -1)
	if len(got) < 2 || len(lost) < 2 {
		return e, fmt.Errorf("perfdhcp: %w: %s", ran, out)
	}
	deafNow, err1 := overflows(s.clients)
	fullNow, err2 := overflows(s.servers)
	if err := errors.Join(err1, err2); err != nil {
		return e, err
	}
	e.unheard, e.dropped = deafNow-deaf, fullNow-full
	e.done = number(got[len(got)-1][1])
	e.lost = number(lost[0][1]) + number(lost[len(lost)-1][1])
	if e.done == 0 {
		return e, fmt.Errorf("no exchange came to its end: %s %s", out, p.said)
	}
	e.perCPU, e.rate = float64(e.done)/(after-before).Seconds(), float64(e.done)/float64(s.seconds)
	return e, nil
}

func number(digits string) int {
	n, _ := strconv.Atoi(digits) // a pattern matched them
	return n
}
