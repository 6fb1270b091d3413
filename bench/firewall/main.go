// Command firewall measures what the compiled host firewall costs: a packet's way with 10,000 rules or peers against none and against a linear list in
// iptables, the loading of 10,000 rules, and a peer more or less.
//
// It owns the lanes (a pair of namespaces with a cable, one for each kind of firewall, all loaded at once), the order (all lanes in turn, in rounds, so that
// a busy machine slows them alike) and the count of what arrived. It refuses to judge: targets are printed beside the ratios. Of all rounds the least
// counts, since noise only adds.
//
// A packet's cost is the CPU time of one thread that sends a batch and receives it: the cable delivers in the sender's own context, so that the time holds
// sending, the firewall, the socket and receiving. Nobody answers, so that each packet is a new one to the rules and walks them. What it is compared with is
// the same way (namespaces, cable, sockets, receiver) without any table.
//
// Judged are packets that a call each sends and receives, as programs do that are served one request at a time (send, recv; the connected sockets are
// the cheaper kind, which makes the firewall's share larger). Batches of 32 a call are shown beside: there the calls cost almost nothing, and connection
// tracking alone, which any stateful firewall has, is most of what the target allows.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type config struct {
	rounds, batches, size int
}

func main() {
	var c config
	flag.IntVar(&c.rounds, "rounds", 400, "rounds over all lanes")
	flag.IntVar(&c.batches, "batches", 8, "batches of 32 packets a lane and round: short ones, so that some meet no other program")
	flag.IntVar(&c.size, "size", 10_000, "rules or peers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "firewall bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	if c.size < 100 || c.size > 10_000 {
		return fmt.Errorf("%d rules: from 100 to 10000 can be made", c.size)
	}
	if err := packets(ctx, c); err != nil {
		return err
	}
	if err := loading(ctx, c); err != nil {
		return err
	}
	return joining(ctx, c)
}

// target says whether a figure holds what was promised.
func target(holds bool, what string) string {
	if holds {
		return "(target: " + what + ": holds)"
	}
	return "(target: " + what + ": MISSED)"
}
