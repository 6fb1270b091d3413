package up

import (
	"bufio"
	"context"
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
		err := s.once(ctx, c, file)
		if ctx.Err() != nil {
			return err
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

// once is one life of a child.
func (s *supervisor) once(ctx context.Context, c supervised, file io.Writer) error {
	cmd := exec.Command(c.program, c.args()...) //nolint:noctx // a role is told to stop and has its grace when ctx ends; see the end of this function
	// Pipes of our own rather than exec's, which are closed at the child's end with its last words still in them.
	said, saidIn, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer said.Close()
	logged, loggedIn, err := os.Pipe()
	if err != nil {
		_ = saidIn.Close()
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer logged.Close()
	cmd.Stdout, cmd.Stderr = saidIn, loggedIn
	p, err := child.Start(cmd)
	_ = saidIn.Close()
	_ = loggedIn.Close()
	if err != nil {
		return err
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
			return fmt.Errorf("%s ended by itself", c.name)
		}
		return p.Err()
	case <-ctx.Done():
		err := p.Stop(context.WithoutCancel(ctx), c.grace)
		<-read
		<-read
		return err
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
