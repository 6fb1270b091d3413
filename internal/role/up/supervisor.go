package up

import (
	"bufio"
	"context"
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

	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/pki"
)

// A child that dies is started again after a pause that doubles from first to most, and is first again once the child has lived for settled.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 10 * time.Second
	settled    = 30 * time.Second
)

// supervised is one child, over its restarts.
type supervised struct {
	name    string
	program string
	// args are asked for at each start.
	args func() []string
	// said is told the lines of standard output; nil: they go with the log.
	said func(line string)
	// died is told of each end that was not asked for; an error ends the supervision with it. Nil: start again.
	died func(err error) error
	// grace is how long the child may take to end when it is told to.
	grace time.Duration
}

type supervisor struct {
	dataDir string
	screen  *screen
	log     *slog.Logger
}

func (s *supervisor) pidFile(name string) string {
	return filepath.Join(s.dataDir, "run", name+".pid")
}

func (s *supervisor) logFile(name string) string {
	return filepath.Join(s.dataDir, "logs", name+".log")
}

// run keeps a child running until ctx ends, then stops it.
func (s *supervisor) run(ctx context.Context, c supervised) error {
	file, err := openLog(s.logFile(c.name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	pause := firstPause
	for {
		started := time.Now()
		byItself, err := s.once(ctx, c, file)
		if ctx.Err() != nil {
			return s.stopped(c.name, byItself || time.Since(started) < starting, err)
		}
		if c.died != nil {
			if err := c.died(err); err != nil {
				return err
			}
		}
		if time.Since(started) >= settled {
			pause = firstPause
		}
		s.log.Warn("role ended; it is started again", "role", c.name, "err", err, "pause", pause.String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, mostPause)
	}
}

// starting is how long a child may take to start, on a busy machine. One that is told to stop meanwhile may end with an error: what it was waiting for did not come.
const starting = time.Minute

// stopped judges the end of a child that was told to stop. That it had just ended by itself, or was starting again, is no fault of the stop; that it had to be killed is.
func (s *supervisor) stopped(name string, excused bool, err error) error {
	var exit *exec.ExitError
	if excused && (errors.As(err, &exit) || errors.Is(err, errByItself)) {
		s.log.Warn("role had ended, or was starting, when it was told to stop", "role", name, "err", err)
		return nil
	}
	return err
}

var errByItself = errors.New("ended by itself")

// once is one life of a child.
func (s *supervisor) once(ctx context.Context, c supervised, file io.Writer) (byItself bool, err error) {
	cmd := exec.Command(c.program, c.args()...) //nolint:noctx // a role is told to stop and has its grace when ctx ends; see the end of this function
	// Pipes of our own rather than exec's, which are closed at the child's end with its last words still in them.
	said, saidIn, err := os.Pipe()
	if err != nil {
		return false, fmt.Errorf("make a pipe: %w", err)
	}
	defer said.Close()
	logged, loggedIn, err := os.Pipe()
	if err != nil {
		_ = saidIn.Close()
		return false, fmt.Errorf("make a pipe: %w", err)
	}
	defer logged.Close()
	cmd.Stdout, cmd.Stderr = saidIn, loggedIn
	p, err := child.Start(cmd)
	_ = saidIn.Close()
	_ = loggedIn.Close()
	if err != nil {
		return false, err
	}
	read := make(chan struct{}, 2)
	go func() { show(c.name, logged, file, s.screen); read <- struct{}{} }()
	go func() { s.listen(c, said, file); read <- struct{}{} }()
	if err := pki.WriteFile(s.pidFile(c.name), []byte(strconv.Itoa(p.PID())+"\n"), 0o600); err != nil {
		s.log.Warn("pid file could not be written", "role", c.name, "err", err)
	}
	defer os.Remove(s.pidFile(c.name))
	select {
	case <-p.Done():
		<-read
		<-read
		if p.Err() == nil {
			return true, fmt.Errorf("%s %w", c.name, errByItself)
		}
		return true, p.Err()
	case <-ctx.Done():
		err := p.Stop(context.WithoutCancel(ctx), c.grace)
		<-read
		<-read
		return false, err
	}
}

// listen passes lines of standard output on.
func (s *supervisor) listen(c supervised, from io.Reader, file io.Writer) {
	if c.said == nil {
		show(c.name, from, file, s.screen)
		return
	}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		c.said(strings.TrimSpace(lines.Text()))
	}
}

// lastWords are the last lines of a child's log, for an error that ends everything.
func (s *supervisor) lastWords(name string) string {
	text, err := os.ReadFile(s.logFile(name))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
