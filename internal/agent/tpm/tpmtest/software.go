// Package tpmtest is TPMs in software for tests: swtpm processes, each another TPM.
//
// It owns the process and the way to it. It refuses the commands (package tpm), and to do without swtpm: a test that needs a TPM fails where there is none.
package tpmtest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// patience is how long a process may take to listen on a busy host.
const patience = time.Minute

// TPM is one TPM, made new.
type TPM struct {
	t      testing.TB
	socket string
}

// New starts a TPM that lives as long as the test.
func New(t testing.TB) *TPM {
	t.Helper()
	program, err := exec.LookPath("swtpm")
	if err != nil {
		t.Fatalf("%v: install Debian's package swtpm", err)
	}
	// A short path, since a unix socket's is at most 107 bytes.
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &TPM{t: t, socket: filepath.Join(dir, "s")}
	ctx, cancel := context.WithCancel(context.Background())
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+s.socket, "--flags", "not-need-init,startup-clear")
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { cancel(); <-ended })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		// The socket is there a moment before anybody listens at it.
		if s.answers() {
			return s
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("swtpm ended: %s", stderr.String())
		case <-limit:
			t.Fatalf("swtpm did not listen within %s", patience)
		}
	}
}

// answers says whether the TPM does a command.
func (s *TPM) answers() bool {
	conn, err := s.Connect()
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_, err = tpm2.GetRandom{BytesRequested: 8}.Execute(conn)
	return err == nil
}

// Connect is a way to the TPM.
func (s *TPM) Connect() (transport.TPMCloser, error) { return linuxudstpm.Open(s.socket) }

// Extend measures something into a register, as firmware does.
func (s *TPM) Extend(pcr int, digest []byte) {
	s.t.Helper()
	s.do(func(c transport.TPM) error {
		_, err := tpm2.PCRExtend{
			PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
			Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: digest}}},
		}.Execute(c)
		return err
	})
}

// Keep stores bytes in the TPM's memory, as its maker does with the certificate of its endorsement key; index is 0x01c0000a for that of ECC P-256.
func (s *TPM) Keep(index uint32, content []byte) {
	s.t.Helper()
	s.do(func(c transport.TPM) error {
		public := tpm2.TPMSNVPublic{
			NVIndex: tpm2.TPMHandle(index), NameAlg: tpm2.TPMAlgSHA256, DataSize: uint16(len(content)),
			Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, AuthRead: true, AuthWrite: true, NT: tpm2.TPMNTOrdinary, NoDA: true},
		}
		owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Name: tpm2.HandleName(tpm2.TPMRHOwner), Auth: tpm2.PasswordAuth(nil)}
		if _, err := (tpm2.NVDefineSpace{AuthHandle: owner, PublicInfo: tpm2.New2B(public)}).Execute(c); err != nil {
			return err
		}
		area, err := tpm2.NVReadPublic{NVIndex: public.NVIndex}.Execute(c)
		if err != nil {
			return err
		}
		for at := 0; at < len(content); {
			part := content[at:min(at+512, len(content))]
			_, err := tpm2.NVWrite{
				AuthHandle: tpm2.AuthHandle{Handle: public.NVIndex, Name: area.NVName, Auth: tpm2.PasswordAuth(nil)}, NVIndex: tpm2.NamedHandle{Handle: public.NVIndex, Name: area.NVName},
				Data: tpm2.TPM2BMaxNVBuffer{Buffer: part}, Offset: uint16(at),
			}.Execute(c)
			if err != nil {
				return err
			}
			at += len(part)
			if area, err = (tpm2.NVReadPublic{NVIndex: public.NVIndex}).Execute(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetEndorsementPassword is what an owner may leave behind.
func (s *TPM) SetEndorsementPassword(password string) {
	s.t.Helper()
	s.do(func(c transport.TPM) error {
		_, err := tpm2.HierarchyChangeAuth{
			AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Name: tpm2.HandleName(tpm2.TPMRHEndorsement), Auth: tpm2.PasswordAuth(nil)},
			NewAuth:    tpm2.TPM2BAuth{Buffer: []byte(password)},
		}.Execute(c)
		return err
	})
}

func (s *TPM) do(f func(transport.TPM) error) {
	s.t.Helper()
	c, err := s.Connect()
	if err == nil {
		err = f(c)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		s.t.Fatal(err)
	}
}
