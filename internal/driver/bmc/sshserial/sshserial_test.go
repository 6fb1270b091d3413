package sshserial_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/internal/driver/bmc/sshserial"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/lab/serialsim"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/sshcert"
	"github.com/ingotmetal/ingot/step"
)

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	private, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// told is what the driver makes of a failure.
type told struct {
	kind step.FailureKind
	fix  string
	error
}

func wrap(kind step.FailureKind, fix string, err error) error { return &told{kind, fix, err} }

// TestWhoGetsThePassword: only the server whose key is known, or any where that was said.
func TestWhoGetsThePassword(t *testing.T) {
	key, m := newKey(t), machinetest.New(machinetest.Hardware("4c4c4544-0050-3010-8051-b9c04f4d3533"))
	var asked atomic.Int64
	server, err := serialsim.Start("127.0.0.1", key, m, func(user, password string) bool {
		asked.Add(1)
		return user == "admin" && password == "right"
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	for name, c := range map[string]struct {
		hostKey, password string
		any               bool
		says, fix         string
		asked             bool
	}{
		"known":              {ssh.FingerprintSHA256(key.PublicKey()), "right", false, "", "", true},
		"unknown":            {"", "right", false, "not known", "annotate", false},
		"another":            {ssh.FingerprintSHA256(newKey(t).PublicKey()), "right", false, "shows the key SHA256:", "annotation", false},
		"any":                {"", "right", true, "", "", true},
		"the wrong password": {ssh.FingerprintSHA256(key.PublicKey()), "wrong-one", false, "log in", "may use SSH", true},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s, err := sshserial.Open(ctx, sshserial.Options{
				Dial: new(net.Dialer).DialContext, Address: fmt.Sprintf("127.0.0.1:%d", server.Port()), User: "admin", Password: secret.New(c.password), HostKey: c.hostKey, TrustsAny: c.any,
			}, wrap)
			if (asked.Load() > 0) != c.asked {
				t.Errorf("the server was given %d passwords", asked.Load())
			}
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				closes(t, s)
				return
			}
			f, is := errors.AsType[*told](err)
			if !is || f.kind != step.Denied || !strings.Contains(f.Error(), c.says) || !strings.Contains(f.fix, c.fix) || strings.Contains(f.Error(), c.password) {
				t.Errorf("%v", err)
			}
		})
	}
}

// closes: a console that is closed reads as ended, and the next one may be opened.
func closes(t *testing.T, s *sshserial.Serial) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, s); ended <- err }()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the end by its own close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
