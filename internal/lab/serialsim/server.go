package serialsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Server is a BMC's SSH server, which is its machine's serial console and nothing else.
type Server struct {
	machine  Machine
	listener net.Listener
	config   *ssh.ServerConfig
	taken    atomic.Bool
	end      context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

var errWrongPassword = errors.New("wrong user or password")

// Start opens a server at a free port of a loopback address. check says whether a password is right.
func Start(host string, key ssh.Signer, m Machine, check func(user, password string) bool) (*Server, error) {
	ctx, end := context.WithCancel(context.Background())
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		end()
		return nil, fmt.Errorf("listen for SSH on %s: %w", host, err)
	}
	s := &Server{machine: m, listener: l, end: end, conns: map[net.Conn]bool{}, config: &ssh.ServerConfig{
		PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if !check(c.User(), string(password)) {
				return nil, errWrongPassword
			}
			return nil, nil
		},
	}}
	s.config.AddHostKey(key)
	s.running.Go(func() { s.serve(ctx) })
	return s, nil
}

// Port is where the server is.
func (s *Server) Port() int {
	return s.listener.Addr().(*net.TCPAddr).Port // a TCP listener's address
}

// Drop cuts the connections of those who watch.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Close ends the server.
func (s *Server) Close() error {
	s.end()
	err := s.listener.Close()
	s.Drop()
	s.running.Wait()
	return err
}

func (s *Server) serve(ctx context.Context) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		if ctx.Err() != nil {
			_ = conn.Close()
		}
		s.running.Go(func() {
			s.connection(ctx, conn)
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *Server) connection(ctx context.Context, conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		if asked.ChannelType() != "session" {
			_ = asked.Reject(ssh.UnknownChannelType, "a serial console only")
			continue
		}
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		s.session(ctx, channel, requests)
		_ = channel.Close()
	}
}

// session is one watcher.
func (s *Server) session(ctx context.Context, c ssh.Channel, requests <-chan *ssh.Request) {
	for r := range requests {
		switch r.Type {
		case "pty-req", "env":
			_ = r.Reply(true, nil)
		case "shell":
			free := s.taken.CompareAndSwap(false, true)
			_ = r.Reply(free, nil)
			if !free {
				return
			}
			defer s.taken.Store(false)
			go ssh.DiscardRequests(requests)
			s.carry(ctx, c)
			return
		default:
			_ = r.Reply(false, nil)
		}
	}
}

func (s *Server) carry(ctx context.Context, c ssh.Channel) {
	const look = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		buffer := make([]byte, 1024)
		for {
			n, err := c.Read(buffer)
			if t, is := s.machine.(Typist); is && n > 0 {
				_ = t.Type(buffer[:n]) // what a machine does not hear is lost
			}
			if err != nil {
				return
			}
		}
	}()
	tail, ticks, buffer := NewTail(s.machine), time.NewTicker(look), make([]byte, 16<<10)
	defer ticks.Stop()
	for {
		for n := tail.Read(buffer); n > 0; n = tail.Read(buffer) {
			if _, err := c.Write(buffer[:n]); err != nil {
				return
			}
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}
