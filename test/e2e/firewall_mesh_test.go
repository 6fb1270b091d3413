package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// keysAt is where the mesh's keys are handed out: to the site alone.
const keysAt = "127.0.0.1:8450"

// Where machines join the mesh, and its relay.
var (
	meshAt  = netip.AddrPortFrom(visitor.Addr(), 8449)
	relayAt = netip.AddrPortFrom(visitor.Addr(), 8451)
	stunAt  = netip.AddrPortFrom(visitor.Addr(), 3478)
)

// meshArguments are what `ingot up` gets for a mesh that machines of the outside reach.
func meshArguments() []string {
	return []string{"--mesh", "--mesh-bind", meshAt.String(), "--mesh-keys-bind", keysAt, "--relay-bind", relayAt.String(), "--relay-stun-bind", stunAt.String()}
}

// ways forwards the machine's way to the site, as a site's routers do: to its API server, its mesh and the mesh's relay, and nowhere else. STUN is not forwarded: what follows is relayed.
func (w *firewallWorld) ways(ctx context.Context, t *testing.T) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", w.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	api, err := netip.ParseAddrPort(strings.TrimPrefix(config.Host, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.AddrPort{api, meshAt, relayAt} {
		serve(ctx, t, w.outside, visitor.Addr(), to.Port(), func(c net.Conn) {
			server, err := new(net.Dialer).DialContext(ctx, "tcp", to.String())
			if err != nil {
				t.Logf("the way to %s: %v", to, err)
				return
			}
			defer func() { _ = server.Close() }()
			go func() { _, _ = io.Copy(server, c); _ = server.Close() }()
			_, _ = io.Copy(c, server)
		})
	}
}

// joins waits until the firewall's machine is in the mesh.
func (w *firewallWorld) joins(ctx context.Context, t *testing.T) {
	t.Helper()
	w.Until(ctx, t, "the firewall in the mesh", func(ctx context.Context) error {
		var nodes ingot.MeshNodeList
		if err := w.Client.List(ctx, &nodes, client.InNamespace(w.key.Namespace)); err != nil {
			return err
		}
		if len(nodes.Items) != 1 || !meta.IsStatusConditionTrue(nodes.Items[0].Status.Conditions, ingot.MeshReadyCondition) {
			return fmt.Errorf("%+v", nodes.Items)
		}
		return nil
	})
}

// shell runs a command on the firewall by `ingot ssh`, until it answers.
func (w *firewallWorld) shell(ctx context.Context, t *testing.T, want string, command ...string) {
	t.Helper()
	w.Until(ctx, t, "a command by SSH", func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, filepath.Join(binDir(t), "ingot"), append([]string{"ssh", "-n", w.key.Namespace, w.key.Name}, command...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+w.Kubeconfig, "INGOT_MESH_KEYS=https://"+keysAt)
		var said, wrong bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &wrong
		// What is waited for is an answer: an error may be a machine that is not that far.
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w: %s", err, wrong.String())
		}
		if said.String() != want {
			t.Fatalf("%v says %q, want %q", command, said.String(), want)
		}
		return nil
	})
}
