package child_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/child"
)

// TestMain is also the parent that is killed: it starts a child, says its process ID, and waits.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "parent" {
		p, err := child.Start(exec.Command("sleep", "1000")) //nolint:noctx // it must die with its parent and by nothing else
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.PID())
		<-p.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, script string) (*child.Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd := exec.Command("sh", "-c", script) //nolint:noctx // it must end by Stop or Kill and by nothing else
	cmd.Stdout = w
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	return p, bufio.NewReader(r)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		grace   time.Duration
		problem string
	}{
		"ends when it is told":     {"echo up; exec sleep 1000", time.Minute, ""},
		"ends in its own way":      {"trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done", time.Minute, ""},
		"ends with a complaint":    {"trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done", time.Minute, "exit status 3"},
		"does not listen":          {"trap '' TERM; echo up; while :; do sleep 0.01; done", time.Millisecond, "was killed"},
		"has ended by itself":      {"echo up", time.Minute, ""},
		"has failed before a stop": {"echo up; exit 4", time.Minute, "exit status 4"},
	} {
		t.Run(name, func(t *testing.T) {
			p, out := start(t, c.script)
			line(t, out)
			if strings.HasPrefix(name, "has ") {
				<-p.Done()
			}
			err := p.Stop(t.Context(), c.grace)
			if c.problem == "" && err != nil {
				t.Error(err)
			}
			if c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("want %q, have %v", c.problem, err)
			}
			if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

func TestKill(t *testing.T) {
	p, out := start(t, "trap '' TERM; echo up; while :; do sleep 0.01; done")
	line(t, out)
	for range 2 {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	}
	if p.Err() == nil {
		t.Error("a killed child ended well")
	}
}

func TestStartOfNothing(t *testing.T) {
	if _, err := child.Start(exec.CommandContext(t.Context(), "/no/such/program")); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("want the program named, have %v", err)
	}
}

// TestDiesWithItsParent kills the parent, which cannot do anything about it.
func TestDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self, "parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(line(t, bufio.NewReader(out)))
	if err != nil {
		t.Fatal(err)
	}
	// A handle on the process, since its ID may be given to another one.
	fd, err := pidfdOpen(grandchild)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := waitReadable(fd, time.Minute); err != nil {
		t.Errorf("the child of a killed process: %v", err)
	}
	_ = parent.Wait()
}
