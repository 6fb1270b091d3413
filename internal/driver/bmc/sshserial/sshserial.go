// Package sshserial opens a serial console at a BMC's SSH server.
//
// It owns the login, the verification of the server's key, and the bytes. It refuses to find out where that server is: the driver of the BMC's protocol reads it from the BMC.
//
// Invariant: the password is sent to no server but the one whose key is known, or where the host says in so many words that none is verified.
package sshserial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// Options say which server, and how to get in.
type Options struct {
	// Dial opens the connection.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Address string
	User    string

	Password secret.String
	// HostKey is the fingerprint of the server's key ("SHA256:…"). TrustsAny is the host's word that none is verified.
	HostKey   string
	TrustsAny bool
	// Entry is typed first; empty: the server is the console itself.
	Entry string
}

// Wrap makes the caller's error of what went wrong.
type Wrap func(kind step.FailureKind, fix string, err error) error

// fault is what went wrong, before it is the caller's error.
type fault struct {
	kind step.FailureKind
	fix  string
	err  error
}

func faultf(kind step.FailureKind, format string, a ...any) *fault {
	return &fault{kind: kind, err: fmt.Errorf(format, a...)}
}

func (f *fault) withFix(fix string) *fault { f.fix = fix; return f }
func (f *fault) Error() string             { return f.err.Error() }
func (f *fault) Unwrap() error             { return f.err }

// Open logs in and attaches; ctx bounds that, and not what follows.
func Open(ctx context.Context, o Options, wrap Wrap) (*Serial, error) {
	s, err := open(ctx, o, wrap)
	if err != nil {
		if f, is := errors.AsType[*fault](err); is {
			return nil, wrap(f.kind, f.fix, f.err)
		}
		return nil, wrap(step.Internal, "", err)
	}
	return s, nil
}

func open(ctx context.Context, o Options, wrap Wrap) (*Serial, error) {
	if o.HostKey == "" && !o.TrustsAny {
		// Nothing is dialed: the key is the operator's to read, over a way that they trust.
		return nil, faultf(step.Denied, "the console is at the BMC's SSH server %s, whose key is not known", o.Address).
			withFix("annotate the host with " + ingot.BMCSSHHostKeyAnnotation + "=SHA256:…, the fingerprint of that server's key")
	}
	conn, err := o.Dial(ctx, "tcp", o.Address)
	if err != nil {
		return nil, &fault{kind: step.Unreachable, err: err}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := handshake(conn, o)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	opened, err := shell(client, o, wrap)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	if ctx.Err() != nil {
		_ = opened.Close()
		return nil, &fault{kind: step.Timeout, err: ctx.Err()}
	}
	return opened, nil
}

func handshake(conn net.Conn, o Options) (*ssh.Client, error) {
	password := o.Password.Reveal()
	var unknown *fault
	config := &ssh.ClientConfig{
		User: o.User,
		Auth: []ssh.AuthMethod{
			ssh.Password(password),
			ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = password
				}
				return answers, nil
			}),
		},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if got := ssh.FingerprintSHA256(key); !o.TrustsAny && got != o.HostKey {
				unknown = faultf(step.Denied, "the SSH server shows the key %s, and the host's annotation %s says %s", got, ingot.BMCSSHHostKeyAnnotation, o.HostKey).
					withFix("find out why it changed; if that is right, correct the annotation")
				return unknown
			}
			return nil
		},
	}
	way, channels, requests, err := ssh.NewClientConn(conn, o.Address, config)
	switch {
	case unknown != nil:
		return nil, unknown
	case err != nil:
		return nil, faultf(step.Denied, "log in at the SSH server %s: %w", o.Address, err).withFix("check that the BMC's user may use SSH and the serial console")
	}
	return ssh.NewClient(way, channels, requests), nil
}

// The terminal that the BMC is told: nothing is drawn on it by us.
const (
	terminal      = "xterm"
	rows, columns = 24, 80
	terminalSpeed = 115200
)

func shell(client *ssh.Client, o Options, wrap Wrap) (*Serial, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, faultf(step.Busy, "the SSH server gives no session: %w", err).withFix("end the other session, or wait for its end")
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("the console's keyboard: %w", err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("the console's screen: %w", err)
	}
	if err := session.RequestPty(terminal, rows, columns, ssh.TerminalModes{ssh.TTY_OP_ISPEED: terminalSpeed, ssh.TTY_OP_OSPEED: terminalSpeed}); err != nil {
		return nil, faultf(step.Busy, "the SSH server gives no terminal: %w", err)
	}
	if err := session.Shell(); err != nil {
		return nil, faultf(step.Busy, "somebody watches the console already, or it is disabled: %w", err).withFix("end the other session, or wait for its end")
	}
	if o.Entry != "" {
		if _, err := io.WriteString(in, o.Entry+"\r"); err != nil {
			return nil, faultf(step.Unreachable, "enter the console by %q: %w", o.Entry, err)
		}
	}
	return &Serial{wrap: wrap, client: client, in: in, out: out}, nil
}

// Serial is an open console. It implements bmc.Serial.
type Serial struct {
	wrap   Wrap
	client *ssh.Client
	in     io.Writer
	out    io.Reader

	mu     sync.Mutex
	closed bool
}

// Read implements io.Reader.
func (s *Serial) Read(p []byte) (int, error) {
	n, err := s.out.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !s.closed {
		return n, s.wrap(step.Unreachable, "", fmt.Errorf("the BMC ended the console: %w", err))
	}
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// Write implements io.Writer.
func (s *Serial) Write(p []byte) (int, error) { return s.in.Write(p) }

// Close implements io.Closer.
func (s *Serial) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	if err := s.client.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the serial console: %w", err)
	}
	return nil
}
