package machine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"golang.org/x/crypto/ssh"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/machine"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/secret"
)

// coordinator makes keys as the mesh role does: once for each MeshKey, written down before the answer. The keys let nobody in.
type coordinator struct {
	w  *world
	mu sync.Mutex
	// away answers nobody; lose is how many answers are lost on their way.
	away bool
	lose int
	// given are all keys that were made, by the UIDs of their MeshKeys.
	given []string
	of    map[types.UID]bool
}

func (c *coordinator) Mint(ctx context.Context, namespace, name string) (meshkey.Minted, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return meshkey.Minted{}, errors.New("connection refused")
	}
	key := &ingot.MeshKey{}
	if err := c.w.admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, key); err != nil {
		return meshkey.Minted{}, meshkey.ErrUnknown
	}
	if c.of[key.UID] {
		return meshkey.Minted{}, meshkey.ErrSpent
	}
	now := metav1.Now()
	key.Status.State, key.Status.MintedAt = ingot.MeshKeyMinted, &now
	if err := c.w.admin.Status().Update(ctx, key); err != nil {
		return meshkey.Minted{}, err
	}
	c.of[key.UID] = true
	text := fmt.Sprintf("hskey-auth-%s-%d", key.UID, len(c.given))
	c.given = append(c.given, text)
	if c.lose > 0 {
		c.lose--
		return meshkey.Minted{}, errors.New("connection reset by peer")
	}
	return meshkey.Minted{Key: secret.New(text), Coordinator: "https://192.0.2.1:8449", ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (c *coordinator) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = false
}

func (c *coordinator) keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.given)
}

func (w *world) meshKeys(namespace string) []ingot.MeshKey {
	w.t.Helper()
	var all ingot.MeshKeyList
	if err := w.admin.List(w.t.Context(), &all, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	return all.Items
}

// A firewall is told a key of the mesh by its first-boot data. It waits while the coordinator is away; a key whose answer was lost is never told, and its MeshKey is given up; each installation has a key and an SSH host key
// of its own, and the node of the one before it is expelled; the key is in no object but Secrets. Another machine is told of no mesh.
func TestAFirewallIsInvitedIntoTheMesh(t *testing.T) {
	w := newWorld(t)
	w.site()
	c := &coordinator{w: w, away: true, lose: 1, of: map[types.UID]bool{}}
	w.mesh = &machine.Mesh{Minter: c, CA: "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"}
	w.host("h", nil)
	w.start()
	w.machine(w.a, "edge", func(m *ingot.Machine) { m.Spec.Role = ingot.RoleFirewall })
	w.says(w.a, "edge", ingot.MachineInstalledCondition, "CannotBeTold", "gives no key now")
	c.back()
	m := w.phase(w.a, "edge", ingot.MachineReady)
	keys := c.keys()
	if len(keys) != 2 {
		t.Fatalf("%d keys were made, want one that was lost and one that was told", len(keys))
	}
	w.invited(m, keys[1], keys[0])
	w.keyIsInNoObject(keys...)
	w.machineJoins(m)
	edit(w, &ingot.Machine{}, w.a, "edge", func(m *ingot.Machine) { m.Spec.InstallRequest = "again" })
	w.until("the firewall is installed anew", func() error {
		now := w.machineNow(w.a, "edge")
		if now.Status.Phase != ingot.MachineReady || now.Status.InstallRequest != "again" || now.Status.SSHHostKey == m.Status.SSHHostKey {
			return fmt.Errorf("%+v", now.Status)
		}
		m = now
		return nil
	})
	again := c.keys()
	if len(again) != 3 {
		t.Fatalf("%d keys were made, want another one for the new installation", len(again))
	}
	w.invited(m, again[2], again[0], again[1])
	var nodes ingot.MeshNodeList
	if err := w.admin.List(t.Context(), &nodes, client.InNamespace(w.a)); err != nil || len(nodes.Items) != 0 {
		t.Errorf("nodes of the earlier installation: %+v (%v)", nodes.Items, err)
	}

	w.host("h2", nil)
	w.machine(w.b, "plain", nil)
	if plain := w.phase(w.b, "plain", ingot.MachineReady); plain.Status.SSHHostKey != "" || len(w.meshKeys(w.b)) != 0 || len(c.keys()) != 3 {
		t.Errorf("a machine that is no firewall was invited: %+v", plain.Status)
	}

	if err := w.admin.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.gone(w.a, "edge")
	if left, copies := w.meshKeys(w.a), w.copies(w.a); len(left) != 0 || len(copies) != 0 {
		t.Errorf("left of the firewall: %+v, %d Secrets", left, len(copies))
	}
}

// invited holds what a firewall's host is told to its key, and to none of the others.
func (w *world) invited(m *ingot.Machine, key string, others ...string) {
	w.t.Helper()
	told := w.copies(w.racks)["user"]
	for _, word := range []string{key, "https://192.0.2.1:8449", "MII=", "ListenAddress 127.0.0.1:22"} {
		if !strings.Contains(told, word) {
			w.t.Errorf("%q is not in the user data %q", word, told)
		}
	}
	for _, other := range others {
		if strings.Contains(told, other) {
			w.t.Errorf("the user data has another key, %s", other)
		}
	}
	_, rest, _ := strings.Cut(told, "-----BEGIN OPENSSH")
	text, _, _ := strings.Cut(rest, "END-OF-INGOT-FILE")
	signer, err := ssh.ParsePrivateKey([]byte("-----BEGIN OPENSSH" + text))
	if err != nil || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) != m.Status.SSHHostKey {
		w.t.Errorf("status.sshHostKey %q is not the other half of what the system is told (%v)", m.Status.SSHHostKey, err)
	}
	left := w.meshKeys(w.a)
	if len(left) != 1 || !strings.Contains(key, string(left[0].UID)) || !metav1.IsControlledBy(&left[0], m) || left[0].Spec.Machine != m.Name || !slices.Equal(left[0].Spec.Tags, []string{"firewall"}) {
		w.t.Errorf("MeshKeys: %+v", left)
	}
}

// keyIsInNoObject looks through what the controller writes.
func (w *world) keyIsInNoObject(keys ...string) {
	w.t.Helper()
	for _, list := range []client.ObjectList{&ingot.MachineList{}, &ingot.MeshKeyList{}, &ingot.MeshNodeList{}, &metal3.HostClaimList{}, &metal3.BareMetalHostList{}, &ingot.HostLifecycleList{}} {
		if err := w.admin.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		text, err := json.Marshal(list)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, key := range keys {
			if strings.Contains(string(text), key) {
				w.t.Errorf("a key is in a %T", list)
			}
		}
	}
}

// machineJoins writes what the mesh role does when a machine has joined.
func (w *world) machineJoins(m *ingot.Machine) {
	w.t.Helper()
	key := w.meshKeys(m.Namespace)[0]
	w.create(&ingot.MeshNode{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: "n-1", OwnerReferences: []metav1.OwnerReference{{APIVersion: ingot.GroupVersion.String(), Kind: "Machine", Name: m.Name, UID: m.UID}}},
		Spec:       ingot.MeshNodeSpec{MeshMember: key.Spec.MeshMember, MachineKey: "mkey:" + strings.Repeat("a", 64)},
	})
	w.until("the MeshKey is used", func() error {
		if err := w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(&key), &key); apierrors.IsNotFound(err) {
			w.t.Fatal("the MeshKey of a machine that joined is gone")
		} else if err != nil {
			return err
		}
		key.Status.State, key.Status.Node = ingot.MeshKeyUsed, "n-1"
		return w.admin.Status().Update(w.t.Context(), &key)
	})
}
