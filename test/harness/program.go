package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/child"
)

// Program is one of the built programs, running. It dies with the test.
type Program struct {
	name    string
	path    string
	args    []string
	logPath string
	log     *os.File
	process *child.Process
}

// stopGrace is how long a program may take to end by itself.
const stopGrace = 3 * time.Minute

// run starts a program; its output is appended to a file of its name. It is stopped when the test ends.
func run(t testing.TB, bin, logs, name string, args ...string) *Program {
	t.Helper()
	p := &Program{name: name, path: filepath.Join(bin, "ingot"), args: args, logPath: filepath.Join(logs, name+".log")}
	p.Start(t)
	t.Cleanup(func() { p.Stop(t) })
	return p
}

// Start starts the program again after Kill or Stop.
func (p *Program) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.path, p.args...) //nolint:noctx // it lives until Stop or Kill, over the end of any context of the test
	cmd.Stdout, cmd.Stderr = log, log
	fmt.Fprintf(log, "\n=== %s: %s\n", time.Now().UTC().Format(time.RFC3339), cmd)
	p.process, err = child.Start(cmd)
	if err != nil {
		_ = log.Close()
		t.Fatalf("%v: build the programs with make build", err)
	}
	p.log = log
}

// PID is the program's process ID.
func (p *Program) PID() int { return p.process.PID() }

// Done is closed when the program has ended.
func (p *Program) Done() <-chan struct{} { return p.process.Done() }

// Kill ends the program as a crash would, and waits.
func (p *Program) Kill(t testing.TB) {
	t.Helper()
	if err := p.process.Kill(); err != nil {
		t.Fatalf("kill %s: %v", p.name, err)
	}
	_ = p.log.Close()
}

// Stop ends the program in order. One that ended by itself, or does not obey, fails the test.
func (p *Program) Stop(t testing.TB) {
	t.Helper()
	defer func() { _ = p.log.Close() }()
	select {
	case <-p.process.Done():
		return
	default:
	}
	if err := p.process.Stop(context.Background(), stopGrace); err != nil {
		t.Errorf("stop %s: %v; its log is %s", p.name, err, p.logPath)
	}
}

// alive fails the test when the program has ended by itself.
func (p *Program) alive() error {
	select {
	case <-p.process.Done():
		return fmt.Errorf("%s ended by itself: %w; its log:\n%s", p.name, p.process.Err(), tail(p.logPath))
	default:
		return nil
	}
}

// tailBytes is how much of a log goes into a message.
const tailBytes = 4096

func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
	}
	return string(text)
}
