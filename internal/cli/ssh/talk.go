package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// leave is how long the mesh's member may take to leave.
const leave = 10 * time.Second

// terminal is where a person sits; no terminal where descriptor is -1.
type terminal struct {
	in         io.Reader
	out, err   io.Writer
	descriptor int
}

func terminalOf(in io.Reader, out, errOut io.Writer) terminal {
	t := terminal{in, out, errOut, -1}
	if f, is := in.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		t.descriptor = int(f.Fd())
	}
	return t
}

// connection is a way as what the SSH library asks for. It has no addresses, and ends with the way.
type connection struct{ io.ReadWriteCloser }

type nowhere struct{}

func (nowhere) Network() string { return "mesh" }
func (nowhere) String() string  { return "mesh" }

func (connection) LocalAddr() net.Addr              { return nowhere{} }
func (connection) RemoteAddr() net.Addr             { return nowhere{} }
func (connection) SetDeadline(time.Time) error      { return nil }
func (connection) SetReadDeadline(time.Time) error  { return nil }
func (connection) SetWriteDeadline(time.Time) error { return nil }

// talk logs in over a way, and runs a command or a shell until it ends. hostKey is the only one that is taken.
func talk(ctx context.Context, way io.ReadWriteCloser, signer ssh.Signer, hostKey ssh.PublicKey, t terminal, command []string) error {
	defer context.AfterFunc(ctx, func() { _ = way.Close() })()
	conn, channels, requests, err := ssh.NewClientConn(connection{way}, "machine", &ssh.ClientConfig{
		User: login, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(hostKey), HostKeyAlgorithms: []string{hostKey.Type()},
	})
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	c := ssh.NewClient(conn, channels, requests)
	defer func() { _ = c.Close() }()
	s, err := c.NewSession()
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	defer func() { _ = s.Close() }()
	s.Stdout, s.Stderr = t.out, t.err
	// Not s.Stdin: Wait would wait for a keyboard that says nothing any more.
	in, err := s.StdinPipe()
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	go func() {
		_, _ = io.Copy(in, t.in)
		_ = in.Close()
	}()
	if len(command) > 0 {
		return ended(s.Run(strings.Join(command, " ")))
	}
	if t.descriptor >= 0 {
		back, err := t.become(s)
		if err != nil {
			return err
		}
		defer back()
	}
	if err := s.Shell(); err != nil {
		return fmt.Errorf("open a shell: %w", err)
	}
	return ended(s.Wait())
}

// become asks for a terminal like this one, and lets each key through. back gives this one back as it was.
func (t terminal) become(s *ssh.Session) (back func(), err error) {
	width, height, err := term.GetSize(t.descriptor)
	if err != nil {
		return nil, fmt.Errorf("read the terminal's size: %w", err)
	}
	kind := os.Getenv("TERM")
	if kind == "" {
		kind = "xterm"
	}
	if err := s.RequestPty(kind, height, width, ssh.TerminalModes{}); err != nil {
		return nil, fmt.Errorf("ask for a terminal: %w", err)
	}
	before, err := term.MakeRaw(t.descriptor)
	if err != nil {
		return nil, fmt.Errorf("make the terminal raw: %w", err)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-resized:
				if w, h, err := term.GetSize(t.descriptor); err == nil {
					_ = s.WindowChange(h, w) // the session may be over
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(resized)
		close(done)
		_ = term.Restore(t.descriptor, before)
	}, nil
}

// ended gives a command's exit code as this program's.
func ended(err error) error {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.Signal() == "":
		return &session.Exit{Code: exit.ExitStatus()}
	default:
		return fmt.Errorf("the session ended: %w", err)
	}
}

func isExit(err error) bool {
	var exit *session.Exit
	return errors.As(err, &exit)
}

// tail keeps the last of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const mostTail = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > mostTail {
		t.text = t.text[len(t.text)-mostTail:]
	}
	return len(p), nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.text...)
}
