// Command web measures the web page in headless Chromium, against a real API server that holds a large fleet: when something is seen first, when the page's content is there, and the longest pause while the
// list of hosts is scrolled from its top to its end.
//
//	go run ./bench/web -hosts 10000
//
// It serves the page from this process, with the front end that is committed, and runs web/test/figures.mjs, for which web/ must be installed (`make web`).
package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ingotmetal/ingot/bench/fleet"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/web"
	"github.com/ingotmetal/ingot/internal/web/ticket"
)

type flags struct {
	hosts, rounds int
	limit         time.Duration
}

func main() {
	var f flags
	flag.IntVar(&f.hosts, "hosts", 10_000, "hosts in the fleet")
	flag.IntVar(&f.rounds, "rounds", 5, "how often each page is opened")
	flag.DurationVar(&f.limit, "limit", 40*time.Minute, "give up after this time")
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/web:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("%w: `make packages` installs it", err)
	}
	server, err := controlplanetest.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	begun := time.Now()
	if err := fleet.Fill(ctx, server.Admin, f.hosts); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d hosts, made in %.0f s, on %d cores\n", f.hosts, time.Since(begun).Seconds(), runtime.NumCPU())
	tickets, err := os.MkdirTemp("", "ingot-bench-web")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tickets)) }()
	h, err := rest.HTTPClientFor(server.Admin)
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(server.Admin, h)
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	page, err := web.New(web.Options{API: server.Admin, Mapper: mapper, Tickets: tickets, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer page.Close()
	s := httptest.NewUnstartedServer(page.Handler())
	s.EnableHTTP2 = true // as the controller role serves it
	s.StartTLS()
	defer s.CloseClientConnections()
	code, err := ticket.Write(tickets, server.Admin.CertData, server.Admin.KeyData, time.Now())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(s.Certificate().RawSubjectPublicKeyInfo)
	figures := exec.CommandContext(ctx, filepath.Join("..", "scripts", "node"), "node", "test/figures.mjs", fmt.Sprint(f.rounds), fmt.Sprint(f.hosts), fleet.Namespace+"/rack0-1")
	figures.Dir = "web"
	figures.Env = append(os.Environ(), "INGOT_CHROMIUM="+chromium, "INGOT_WEB_URL="+s.URL, "INGOT_WEB_LINK="+s.URL+"/login#"+code, "INGOT_WEB_SPKI="+base64.StdEncoding.EncodeToString(sum[:]))
	figures.Stdout, figures.Stderr = out, os.Stderr
	if err := figures.Run(); err != nil {
		return fmt.Errorf("web/test/figures.mjs: %w", err)
	}
	return nil
}
