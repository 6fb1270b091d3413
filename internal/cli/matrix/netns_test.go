package matrix_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/matrix"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

const web = `apiVersion: ingot.dev/v1alpha1
kind: CommunicationMatrix
metadata: {name: web}
spec:
  zones: [{name: front}]
  roles: [{name: web}]
  hosts: [{name: here, interfaces: [{name: eth0, zone: front, roles: [web]}]}]
  flows: [{id: "1.1", name: all-to-web, from: "*@*", to: web@front, protocol: tcp, ports: [8443]}]
`

// TestVerifyLooksAtTheKernel holds real sockets, in a namespace of the test's own, to a matrix.
func TestVerifyLooksAtTheKernel(t *testing.T) {
	space, err := netns.New()
	if err != nil {
		t.Fatalf("%v: the test needs root", err)
	}
	t.Cleanup(func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte(web), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func() (int, string) {
		var out, messages bytes.Buffer
		c := matrix.Command(session.New(&out, &messages))
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs([]string{"verify", file, "--host", "here", "--netns", space.Path(), "-o", "json"})
		code := session.ExitCode(c.ExecuteContext(context.Background()))
		if !json.Valid(out.Bytes()) {
			t.Fatalf("the answer is no JSON: %s%s", out.String(), messages.String())
		}
		return code, out.String()
	}
	listen := func(address string) net.Listener {
		var l net.Listener
		if err := space.Do(func() (err error) {
			l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if code, text := verify(); code != 0 || !bytes.Contains([]byte(text), []byte("unused")) {
		t.Errorf("nothing listens: ended with %d: %s", code, text)
	}
	declared := listen("0.0.0.0:8443")
	t.Cleanup(func() {
		if err := declared.Close(); err != nil {
			t.Error(err)
		}
	})
	if code, text := verify(); code != 0 || bytes.Contains([]byte(text), []byte("unused")) {
		t.Errorf("the declared port is open: ended with %d: %s", code, text)
	}
	undeclared := listen("0.0.0.0:8080")
	if code, text := verify(); code != 1 || !bytes.Contains([]byte(text), []byte("tcp 8080")) {
		t.Errorf("an undeclared port is open: ended with %d: %s", code, text)
	}
	if err := undeclared.Close(); err != nil {
		t.Fatal(err)
	}
	if code, text := verify(); code != 0 {
		t.Errorf("it is closed again: ended with %d: %s", code, text)
	}
}
