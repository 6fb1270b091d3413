package console

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/caller"
	"github.com/ingotmetal/ingot/internal/server/console/line"
	"github.com/ingotmetal/ingot/sshcert"
)

// The bounds of SSH connections.
const (
	sshHandshake = 30 * time.Second
	sshMost      = 256
)

// sshServer is the SSH endpoint while it runs.
type sshServer struct {
	*Server

	key    ssh.Signer
	places chan struct{}

	mu     sync.Mutex
	config *ssh.ServerConfig
	made   time.Time
}

// ServeSSH serves SSH until ctx ends. Its host key lives as long as the process: who it is stands in the certificate that the site's authority gives it.
func (s *Server) ServeSSH(ctx context.Context, l net.Listener) error {
	private, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return fmt.Errorf("make the SSH server's key: %w", err)
	}
	v := &sshServer{Server: s, key: key, places: make(chan struct{}, sshMost)}
	if _, err := v.current(); err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("SSH server: %w", err)
		}
		if err != nil {
			// Too many open files, say: it passes.
			s.o.Log.Warn("SSH connection not accepted", "err", err)
			continue
		}
		select {
		case v.places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		running.Go(func() {
			defer func() { <-v.places }()
			v.connection(ctx, conn)
		})
	}
}

// current is the configuration, with a certificate that is less than half through.
func (v *sshServer) current() (*ssh.ServerConfig, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.o.Now()
	if v.config != nil && now.Sub(v.made) < sshcert.HostLifetime/2 {
		return v.config, nil
	}
	serial := make([]byte, 8)
	_, _ = rand.Read(serial) // never fails (crypto/rand, since Go 1.24)
	c, err := v.o.Authority.Host(v.key.PublicKey(), "ingot:console:"+v.o.Partition, v.o.SSHNames, binary.BigEndian.Uint64(serial), now, rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewCertSigner(c, v.key)
	if err != nil {
		return nil, fmt.Errorf("use the SSH server's certificate: %w", err)
	}
	const tries = 6
	config := &ssh.ServerConfig{PublicKeyCallback: v.admit, MaxAuthTries: tries, ServerVersion: "SSH-2.0-ingot"}
	config.AddHostKey(signer)
	v.config, v.made = config, now
	return config, nil
}

// identityKey has who the person is in a connection's permissions.
const identityKey = "ingot-identity"

// admit verifies a certificate. Rights are asked for afterwards, when the login name says at what.
func (v *sshServer) admit(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	var from netip.Addr
	if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		from = at.Addr()
	}
	who, err := sshcert.UserChecker{Authority: v.o.Authority.PublicKey(), Purpose: sshcert.ForConsole, Now: v.o.Now}.Check(key, "", from)
	if err != nil {
		v.o.Log.Info("SSH login refused", "from", conn.RemoteAddr().String(), "err", err)
		return nil, err
	}
	text, err := json.Marshal(who)
	if err != nil {
		return nil, fmt.Errorf("keep who logs in: %w", err)
	}
	return &ssh.Permissions{Extensions: map[string]string{identityKey: string(text)}}, nil
}

func (v *sshServer) connection(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	config, err := v.current()
	if err != nil {
		v.o.Log.Error("SSH server has no certificate", "err", err)
		return
	}
	_ = conn.SetDeadline(time.Now().Add(sshHandshake)) // fails with the handshake
	way, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	go ssh.DiscardRequests(requests)
	var who sshcert.Identity
	if err := json.Unmarshal([]byte(way.Permissions.Extensions[identityKey]), &who); err != nil {
		return
	}
	person := caller.Caller{Username: who.Username, UID: who.UID, Groups: who.Groups, Extra: who.Extra}
	busy := false
	for asked := range channels {
		if asked.ChannelType() != "session" || busy {
			_ = asked.Reject(ssh.Prohibited, "one session with a console, and nothing else")
			continue
		}
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		busy = true
		go func() {
			defer cancel()
			v.session(ctx, channel, requests, person, way.User(), wish{from: way.RemoteAddr().String(), kick: cancel})
		}()
	}
}

// session waits for the word that begins it, and carries it.
func (v *sshServer) session(ctx context.Context, c ssh.Channel, requests <-chan *ssh.Request, who caller.Caller, login string, want wish) {
	defer func() { _ = c.Close() }()
	if !begin(requests, &want) {
		return
	}
	go refuseAll(requests)
	if err := v.carry(ctx, c, who, login, want); err != nil {
		text := err.Error()
		if !isRefusal(err) {
			v.o.Log.Error("console not opened", "who", who.Username, "err", err)
			_, text = status(err)
		}
		v.line(c, text)
		exit(c, 1)
		return
	}
	exit(c, 0)
}

// begin answers requests until the shell, or a command of one word, is asked for.
func begin(requests <-chan *ssh.Request, want *wish) bool {
	for r := range requests {
		switch r.Type {
		case "shell":
			_ = r.Reply(true, nil)
			return true
		case "exec":
			var command struct{ Text string }
			known := ssh.Unmarshal(r.Payload, &command) == nil
			switch command.Text {
			case "take-over":
				want.takeOver = true
			case "look":
				want.lookOnly = true
			default:
				known = false
			}
			_ = r.Reply(known, nil)
			if known {
				return true
			}
		case "pty-req", "window-change":
			// A serial line has no size.
			_ = r.Reply(true, nil)
		default:
			_ = r.Reply(false, nil)
		}
	}
	return false
}

func refuseAll(requests <-chan *ssh.Request) {
	for r := range requests {
		_ = r.Reply(r.Type == "window-change", nil)
	}
}

func exit(c ssh.Channel, code uint32) {
	_, _ = c.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{code})) // a client that is gone needs no word
}

func (v *sshServer) carry(ctx context.Context, c ssh.Channel, who caller.Caller, login string, want wish) error {
	target, err := console.ParseLogin(login)
	if err != nil {
		return refusal{console.Verdict{Message: err.Error()}}
	}
	asking, stop := context.WithTimeout(ctx, askTime)
	defer stop()
	visit, err := v.enter(asking, who, target, want)
	if err != nil {
		return err
	}
	defer v.leave(visit, target)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		buffer := make([]byte, 1024)
		for {
			n, err := c.Read(buffer)
			if n > 0 {
				visit.typed(ctx, buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	v.line(c, fmt.Sprintf("console of %s; recorded as %s; leave with Enter ~ .", target, visit.recorder.ID))
	for {
		i, err := visit.seat.Next(ctx)
		if err != nil {
			return nil // the person left
		}
		switch {
		case i.Kind == line.BytesItem:
			_, err = c.Write(i.Bytes)
		case i.Text != "":
			_ = visit.recorder.Mark(i.Text) // bytes of the console fail with the same file
			v.line(c, i.Text)
		}
		if i.Kind == line.EndItem {
			return refusal{console.Verdict{Message: "the session is over"}}
		}
		if err != nil {
			return nil // the person left
		}
	}
}

// line writes a line of ours between the machine's.
func (v *sshServer) line(w io.Writer, text string) {
	_, _ = io.WriteString(w, "\r\n[ingot: "+strings.ReplaceAll(text, "\n", " ")+"]\r\n") // a client that is gone needs no word
}
