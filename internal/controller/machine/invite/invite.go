// Package invite has the key made by which a machine joins the mesh, and keeps what its first-boot data says of it.
//
// It owns the Machine's MeshKey, the Secret beside the Machine that has the key until the system has joined, the private key of the machine's SSH server, and the end of what an earlier installation had. It refuses to let
// anybody in: a MeshKey is an intent, the mesh role makes its key once (package meshkey), and the coordinator lets in.
//
// A key is asked for right when the first-boot data is put together, and is written into the Secret next. What was made and not written, since the process died or the answer was lost, is given up: the next call for that
// MeshKey fails as spent, it is deleted, which voids its key, and another one is made. So no key is ever handed to two, and none is left that somebody could use.
//
// Invariants: the key stands in Secrets alone, like passwords in user data; each installation has a key of its own, and the node of the one before it is expelled before there is another.
package invite

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firstboot"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/sshcert"
)

// Options are what a Keeper works with.
type Options struct {
	// Live is a client without a cache.
	Live   client.Client
	Minter meshkey.Minter
	// CA is PEM, of the coordinator and its relays.
	CA string
	// SecretType is that of the Secrets that the role may make.
	SecretType corev1.SecretType
	Now        func() time.Time
	Log        *slog.Logger
}

// Keeper invites machines.
type Keeper struct{ Options }

// New makes one.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{o}
}

// askTime bounds a question to the coordinator: the reconciler that waits for it looks after other machines too.
const askTime = 15 * time.Second

// dataKey is where the Secret has an invitation.
const dataKey = "invitation"

// invitation is what one installation joins by.
type invitation struct {
	MeshKey     string    `json:"meshKey"`
	Request     string    `json:"request"`
	Expires     time.Time `json:"expires"`
	Coordinator string    `json:"coordinator"`
	Key         string    `json:"key"`
	// HostKey is the private key of the machine's SSH server, HostPublic the other half as in authorized_keys.
	HostKey    string `json:"hostKey"`
	HostPublic string `json:"hostPublic"`
}

// SecretName is the Secret's.
func SecretName(machine string) string { return "machine-" + machine + "-mesh" }

// Invited says whether a machine joins the mesh: firewalls do.
func Invited(m *ingot.Machine) bool { return m.Spec.Role == ingot.RoleFirewall }

// For gives the part of the first-boot data by which a machine joins, and its SSH server's public key. problem says why there is none yet, in words for the tenant.
func (k *Keeper) For(ctx context.Context, m *ingot.Machine) (part firstboot.Part, hostKey, problem string, err error) {
	s, have, problem, err := k.kept(ctx, m)
	if problem != "" || err != nil {
		return part, "", problem, err
	}
	holds := false
	if have != nil {
		if holds, err = k.holds(ctx, m, have); err != nil {
			return part, "", "", err
		}
	}
	if !holds {
		if have, problem, err = k.invite(ctx, m, s); problem != "" || err != nil {
			return part, "", problem, err
		}
	}
	told := firstboot.Mesh{Hostname: m.Name, Coordinator: have.Coordinator, Key: have.Key, CA: k.CA, HostKey: have.HostKey}
	if told.Authority, err = k.authority(ctx); err != nil {
		return part, "", "", err
	}
	if told.Authority != "" {
		told.Principal = sshcert.Principal("root", string(m.UID))
	}
	part, err = firstboot.Join(told)
	return part, have.HostPublic, "", err
}

// kept reads the Secret; both are nil where there is none.
func (k *Keeper) kept(ctx context.Context, m *ingot.Machine) (*corev1.Secret, *invitation, string, error) {
	s := &corev1.Secret{}
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: SecretName(m.Name)}, s)
	if apierrors.IsNotFound(err) {
		return nil, nil, "", nil
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("read how machine %s joins the mesh: %w", m.Name, err)
	}
	if s.Type != k.SecretType || !metav1.IsControlledBy(s, m) {
		return nil, nil, fmt.Sprintf("there is a Secret %s already that is not this machine's: delete it", s.Name), nil
	}
	i := &invitation{}
	// What somebody changed is none: another one is made.
	if unread := json.Unmarshal(s.Data[dataKey], i); unread != nil || i.Key == "" {
		i = nil
	}
	return s, i, "", nil
}

// holds says whether an invitation is still the one to be told: of this installation, and not run out unused.
func (k *Keeper) holds(ctx context.Context, m *ingot.Machine, i *invitation) (bool, error) {
	if i.Request != m.Status.InstallRequest {
		return false, nil
	}
	key := &ingot.MeshKey{}
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: i.MeshKey}, key)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read MeshKey %s/%s: %w", m.Namespace, i.MeshKey, err)
	}
	return key.DeletionTimestamp == nil && (key.Status.State == ingot.MeshKeyUsed || k.Now().Before(i.Expires)), nil
}

// invite has a key made, and keeps it in the Secret, which is s where there is one.
func (k *Keeper) invite(ctx context.Context, m *ingot.Machine, s *corev1.Secret) (*invitation, string, error) {
	if err := k.expel(ctx, m); err != nil {
		return nil, "", err
	}
	key, err := k.intent(ctx, m)
	if err != nil {
		return nil, "", err
	}
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	minted, err := k.Minter.Mint(asking, key.Namespace, key.Name)
	switch {
	case errors.Is(err, meshkey.ErrSpent):
		// Its key was made and lost: it is given up with the MeshKey.
		return nil, "the key by which the machine joins the mesh was lost on its way: another one is made", k.delete(ctx, key)
	case errors.Is(err, meshkey.ErrRefused):
		return nil, fmt.Sprintf("the machine gets no key of the mesh: %v", err), nil
	case err != nil:
		k.Log.Warn("no key of the mesh", "machine", m.Namespace+"/"+m.Name, "err", err)
		return nil, "the mesh's coordinator gives no key now: its log, and the controller role's, say why; it is asked again", nil
	}
	i := &invitation{MeshKey: key.Name, Request: m.Status.InstallRequest, Expires: minted.ExpiresAt, Coordinator: minted.Coordinator, Key: minted.Key.Reveal()}
	if i.HostKey, i.HostPublic, err = hostKey(m.Name); err != nil {
		return nil, "", err
	}
	return i, "", k.keep(ctx, m, s, i)
}

// intent is a MeshKey of the machine whose key nobody asked for yet. All others of it are given up.
func (k *Keeper) intent(ctx context.Context, m *ingot.Machine) (*ingot.MeshKey, error) {
	var all ingot.MeshKeyList
	if err := k.Live.List(ctx, &all, client.InNamespace(m.Namespace)); err != nil {
		return nil, fmt.Errorf("list the MeshKeys of machine %s: %w", m.Name, err)
	}
	var pending *ingot.MeshKey
	for i := range all.Items {
		key := &all.Items[i]
		switch {
		case !metav1.IsControlledBy(key, m) || key.DeletionTimestamp != nil:
		case key.Status.MintedAt == nil && pending == nil:
			pending = key
		default:
			if err := k.delete(ctx, key); err != nil {
				return nil, err
			}
		}
	}
	if pending != nil {
		return pending, nil
	}
	key := &ingot.MeshKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, GenerateName: "machine-" + m.Name + "-", OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(m, ingot.GroupVersion.WithKind("Machine")),
		}},
		Spec: ingot.MeshKeySpec{MeshMember: ingot.MeshMember{Machine: m.Name, Tags: []string{string(matrix.Firewall)}}},
	}
	if err := k.Live.Create(ctx, key); err != nil {
		return nil, fmt.Errorf("make a MeshKey for machine %s: %w", m.Name, err)
	}
	return key, nil
}

func (k *Keeper) delete(ctx context.Context, o client.Object) error {
	uid := o.GetUID()
	if err := k.Live.Delete(ctx, o, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %T %s/%s: %w", o, o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// expel ends the machine's nodes of earlier installations.
func (k *Keeper) expel(ctx context.Context, m *ingot.Machine) error {
	var all ingot.MeshNodeList
	if err := k.Live.List(ctx, &all, client.InNamespace(m.Namespace)); err != nil {
		return fmt.Errorf("list the MeshNodes of machine %s: %w", m.Name, err)
	}
	for i := range all.Items {
		if n := &all.Items[i]; meshkey.OwnedBy(n, m.UID) && n.DeletionTimestamp == nil {
			if err := k.delete(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep writes the Secret, over the one that was read.
func (k *Keeper) keep(ctx context.Context, m *ingot.Machine, s *corev1.Secret, i *invitation) error {
	text, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("write how machine %s joins the mesh: %w", m.Name, err)
	}
	if s != nil {
		s.Data = map[string][]byte{dataKey: text}
		err = k.Live.Update(ctx, s)
	} else {
		err = k.Live.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: SecretName(m.Name), OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(m, ingot.GroupVersion.WithKind("Machine"))}},
			Type:       k.SecretType, Data: map[string][]byte{dataKey: text},
		})
	}
	if err != nil {
		return fmt.Errorf("write how machine %s joins the mesh: %w", m.Name, err)
	}
	return nil
}

// Drop expels a machine that is given up, and voids its keys. Its Secret goes with the others.
func (k *Keeper) Drop(ctx context.Context, m *ingot.Machine) error {
	if err := k.expel(ctx, m); err != nil {
		return err
	}
	var all ingot.MeshKeyList
	if err := k.Live.List(ctx, &all, client.InNamespace(m.Namespace)); err != nil {
		return fmt.Errorf("list the MeshKeys of machine %s: %w", m.Name, err)
	}
	for i := range all.Items {
		if key := &all.Items[i]; metav1.IsControlledBy(key, m) {
			if err := k.delete(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// authority is the public key of the site's SSH authority; empty where the site has none, since no console role runs.
func (k *Keeper) authority(ctx context.Context) (string, error) {
	s := &corev1.Secret{}
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: ingot.ConsoleNamespace, Name: ingot.SSHAuthoritySecret}, s)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the site's SSH authority: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(s.Data[ingot.SSHAuthorityKey])
	if err != nil {
		return "", errors.New("read the site's SSH authority: the Secret has no SSH key") // the cause could quote it
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}

// hostKey makes the key of a machine's SSH server.
func hostKey(machine string) (private, public string, err error) {
	key, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, machine)
	if err != nil {
		return "", "", fmt.Errorf("encode the SSH host key of machine %s: %w", machine, err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return "", "", fmt.Errorf("make the SSH host key of machine %s: %w", machine, err)
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}
