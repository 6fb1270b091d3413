// Package site runs a whole site for simulations: a lab of simulated machines in this process, and `ingot up` with its roles as child processes, as on any machine.
//
// It owns the programs (built once, from this tree), the boot artifacts (a real ISO around a kernel and a ramdisk that no processor will run: simulated machines read the boot configuration
// from it and run the agent's code themselves), a tiny image to provision, ports and folders. It refuses to judge: tests and benchmarks look at the API and at the disks.
package site

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/tiny"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/test/port"
)

// Options are a site's.
type Options struct {
	// Dir holds everything.
	Dir string
	// Lab is the lab; kind, folder and log are set here.
	Lab lab.Options
	// Beside is another site, whose lab and image this one uses as well instead of its own; it is closed after this one.
	Beside *Site
	// ImageBytes is the size of the image, a whole number of MiB; 0: 8 MiB.
	ImageBytes int64
	// Args are added to `ingot up`.
	Args []string
	// Programs is a folder with a built ingot and ingot-apiserver; empty: they are built from this tree.
	Programs string
	// Log receives what `ingot up` says; nil: nobody.
	Log io.Writer
}

// Site is a running site.
type Site struct {
	Lab *lab.Lab
	// Client and Config are an administrator's.
	Client client.WithWatch
	Config *rest.Config
	// Image is the image, as URL and sha256; ImageRaw what it unpacks to.
	ImageURL, ImageDigest string
	ImageRaw              []byte
	// DataDir is the data directory of `ingot up`.
	DataDir string

	up *child.Process
	// guest: the lab is another site's.
	guest  bool
	labDir string
}

// startLimit bounds the start of `ingot up` on a busy machine.
const startLimit = 8 * time.Minute

// Start builds, makes and starts everything. Close ends it.
func Start(ctx context.Context, o Options) (*Site, error) {
	ctrllog.SetLogger(logr.Discard())
	s := &Site{DataDir: filepath.Join(o.Dir, "up")}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Site) start(ctx context.Context, o Options) error {
	programs := o.Programs
	if programs == "" {
		var err error
		if programs, err = Programs(ctx); err != nil {
			return err
		}
	}
	artifacts := filepath.Join(o.Dir, "artifacts")
	if err := buildArtifacts(ctx, o.Dir, artifacts); err != nil {
		return err
	}
	if b := o.Beside; b != nil {
		s.Lab, s.guest, s.labDir = b.Lab, true, b.labDir
		s.ImageURL, s.ImageDigest, s.ImageRaw = b.ImageURL, b.ImageDigest, b.ImageRaw
	} else if err := s.startLab(ctx, o); err != nil {
		return err
	}
	return s.startUp(ctx, o, programs, artifacts)
}

func (s *Site) startLab(ctx context.Context, o Options) (err error) {
	s.labDir = filepath.Join(o.Dir, "lab")
	o.Lab.Kind, o.Lab.DataDir = lab.Simulated, s.labDir
	if o.Lab.Log == nil {
		o.Lab.Log = slog.New(slog.DiscardHandler)
	}
	if s.Lab, err = lab.Start(ctx, o.Lab); err != nil {
		return err
	}
	return s.writeImage(o.ImageBytes)
}

// Programs builds ingot and ingot-apiserver into a folder beside Go's cache, and returns it. Go links again only when something changed.
func Programs(ctx context.Context) (string, error) {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its cache, to keep the built programs beside it: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(cache))), "ingot-sim")
	return dir, controlplanetest.Programs(ctx, dir, dir+"/", "github.com/ingotmetal/ingot/cmd/ingot", "github.com/ingotmetal/ingot/cmd/ingot-apiserver")
}

func buildArtifacts(ctx context.Context, dir, into string) error {
	sources := bootmedia.Sources{
		Kernel: filepath.Join(dir, "kernel"), Ramdisk: filepath.Join(dir, "ramdisk"), Version: "simulation",
		CommandLine: netboot.DefaultCommandLine(), GRUB: bootmedia.DebianGRUB, IPXE: bootmedia.DebianIPXE,
	}
	for _, f := range []string{sources.Kernel, sources.Ramdisk} {
		if err := os.WriteFile(f, bytes.Repeat([]byte("not run by simulated machines\n"), 500), 0o600); err != nil {
			return err
		}
	}
	if _, err := bootmedia.Build(ctx, sources, into); err != nil {
		return fmt.Errorf("build boot artifacts (Debian's packages grub-pc-bin, grub-efi-amd64-bin and ipxe are needed): %w", err)
	}
	return nil
}

func (s *Site) writeImage(size int64) (err error) {
	if size == 0 {
		size = 8 << 20
	}
	if s.ImageRaw, err = tiny.Raw(tiny.Options{SizeBytes: size, Seed: 1}); err != nil {
		return err
	}
	packed, err := tiny.Zstd(s.ImageRaw)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(packed)
	s.ImageDigest = hex.EncodeToString(sum[:])
	s.ImageURL = s.Lab.State().ImageURL + "/tiny.raw.zst"
	return s.WriteImageFile("tiny.raw.zst", packed)
}

// WriteImageFile puts a file on the lab's image server.
func (s *Site) WriteImageFile(name string, content []byte) error {
	return os.WriteFile(filepath.Join(s.Lab.State().ImageDir, name), content, 0o600)
}

func (s *Site) startUp(ctx context.Context, o Options, programs, artifacts string) error {
	ports, err := freePorts(ctx, 5)
	if err != nil {
		return err
	}
	if s.Lab.State().PartitionNetwork != "" {
		// A network of its own, where the ports are those of the matrix.
		ports[1], ports[4] = "127.0.0.1:8443", "127.0.0.1:8080"
	}
	args := []string{
		"up", "--data-dir", s.DataDir, "--lab", s.labDir, "--artifacts", artifacts, "--bind", ports[0], "--agent-bind", ports[1],
		"--operator-bind", ports[2], "--media-bind", ports[3], "--http-bind", ports[4],
		// Several sites stand on one machine here, and nobody looks at a screen.
		"--console-bind", "", "--web-bind", "",
	}
	cmd := exec.Command(filepath.Join(programs, "ingot"), append(args, o.Args...)...) //nolint:noctx // it lives until Close, over the end of the context that starts it
	cmd.Stderr = o.Log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if s.up, err = child.Start(cmd); err != nil {
		return err
	}
	ready := make(chan struct{})
	go watchFor("Ingot is up", out, o.Log, ready)
	select {
	case <-ready:
	case <-s.up.Done():
		return fmt.Errorf("ingot up ended: %w", s.up.Err())
	case <-time.After(startLimit):
		return fmt.Errorf("ingot up was not ready within %s", startLimit)
	case <-ctx.Done():
		return ctx.Err()
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.DataDir, "admin.kubeconfig"))
	if err != nil {
		return fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	config.QPS = -1
	s.Config = config
	if s.Client, err = client.NewWithWatch(config, client.Options{Scheme: host.Scheme()}); err != nil {
		return err
	}
	return s.awaitRoles(ctx)
}

// awaitRoles waits until the partition role serves and the boot role has a process.
func (s *Site) awaitRoles(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(tryAgain)
	defer tick.Stop()
	for {
		p := &ingot.Partition{}
		err := s.Client.Get(ctx, client.ObjectKey{Name: "default"}, p)
		if err == nil && p.Status.AgentEndpoint != "" {
			if _, err = s.PID("boot"); err == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the roles did not start within %s: %w; the partition role's last words:\n%s", startLimit, err, s.RoleLog("partition", 4<<10))
		}
	}
}

// watchFor closes found when a line holds a text, and passes everything on.
func watchFor(text string, from io.Reader, to io.Writer, found chan struct{}) {
	if to == nil {
		to = io.Discard
	}
	var seen bytes.Buffer
	chunk := make([]byte, 4096)
	done := false
	for {
		n, err := from.Read(chunk)
		if n > 0 {
			_, _ = to.Write(chunk[:n])
			if !done {
				seen.Write(chunk[:n])
				if done = strings.Contains(seen.String(), text); done {
					close(found)
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// freePorts finds loopback addresses that nobody else is given while this process lives: the site keeps them over its restarts.
func freePorts(ctx context.Context, n int) ([]string, error) {
	var out []string
	for range n {
		address, err := port.Kept(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, address)
	}
	return out, nil
}

// PID is the process of a role now, by its pid file.
func (s *Site) PID(role string) (int, error) {
	text, err := os.ReadFile(filepath.Join(s.DataDir, "run", role+".pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// UpPID is the process of `ingot up` itself.
func (s *Site) UpPID() int { return s.up.PID() }

// RoleLog is what a role logged last.
func (s *Site) RoleLog(role string, most int) string {
	text, err := os.ReadFile(filepath.Join(s.DataDir, "logs", role+".log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// Close ends `ingot up` and the lab.
func (s *Site) Close() error {
	var problems []error
	if s.up != nil {
		problems = append(problems, s.up.Stop(context.Background(), 4*time.Minute))
	}
	if s.Lab != nil && !s.guest {
		problems = append(problems, s.Lab.Close())
	}
	return errors.Join(problems...)
}
