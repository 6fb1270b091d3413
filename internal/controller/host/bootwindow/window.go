// Package bootwindow opens and closes the time in which a machine may boot, and trades the boot's one-time token.
//
// It owns BootWindow objects, the Secrets with their tokens, and the addresses that a window leases. It refuses BMCs, agents and decisions. The token's text stands
// only in a Secret of the boot namespace, where the boot role reads it to put it on the medium; the window holds its hash, against which the agents' server checks. The Secret is made
// before the window, so that a window that can be seen can be served; a crash between the two leaves a Secret that the next Open of the same boot takes up.
//
// Invariants: one open window for agents per host; no address in two windows; a token is traded for one key only, whatever the number of requests
// and processes (optimistic concurrency on the window's status decides).
package bootwindow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/tracing"
)

// HostIndex is the cache's field index of BootWindows by spec.host.uid.
const HostIndex = "spec.host.uid"

// Labels on windows and their Secrets.
const (
	labelHost      = "ingot.dev/host-uid"
	labelPartition = "ingot.dev/partition"
)

// tokenBytes and mediaNameBytes are entropy: nobody guesses 256 bits, and 128 bits hide a URL that is useless after its window.
const (
	tokenBytes     = 32
	mediaNameBytes = 16
)

// Keeper keeps the windows of one partition.
type Keeper struct {
	// cached reads windows and sees its own writes; live goes to the API server and is used for Secrets and for what must not be stale.
	cached, live client.Client
	leases       *leases

	loadMu sync.Mutex
	loaded bool
}

// New gives a keeper. cached has HostIndex.
func New(cached, live client.Client) *Keeper {
	return &Keeper{cached: cached, live: live, leases: newLeases()}
}

// Request is what a window is made from.
type Request struct {
	BootID    string
	Host      *metal3.BareMetalHost
	Purpose   ingot.BootPurpose
	Method    ingot.BootMethod
	ClosesIn  time.Duration
	Partition *ingot.Partition
	// MACAddresses are the host's known ones, the booting one first.
	MACAddresses  []string
	AgentEndpoint string
	// HTTPBootEndpoint is the base URL of UEFI HTTP boot.
	HTTPBootEndpoint string
	CABundle         []byte
	NetworkData      []byte
	FirmwareMode     metal3.BootMode
	Architecture     string
	// TPM is what is asked of the machine's TPM; without a use, nothing is.
	TPM ingot.TPMDemand
	// Trace is the stage of work that the boot belongs to; zero: what is served is not traced.
	Trace tracing.Parent
}

// Open makes the window, or gives the one that stands under this boot's ID. Other windows of the host are deleted first.
func (k *Keeper) Open(ctx context.Context, r Request, now time.Time) (*ingot.BootWindow, *step.Failure, error) {
	if err := k.load(ctx, r.Partition.Name); err != nil {
		return nil, nil, err
	}
	if err := k.Close(ctx, r.Host.UID, r.BootID); err != nil {
		return nil, nil, err
	}
	if w, failure, err := k.standing(ctx, k.cached, r); w != nil || failure != nil || err != nil {
		return w, failure, err
	}
	w := r.window(now)
	if r.Partition.Spec.ProvisioningNetwork.DHCPMode == ingot.DHCPServer && len(r.MACAddresses) > 0 {
		given, failure := k.leases.give(w.Name, r.MACAddresses, r.Partition.Spec.ProvisioningNetwork)
		if failure != nil {
			return nil, failure, nil
		}
		w.Spec.Leases = given
	}
	err := k.create(ctx, w, r.HTTPBootEndpoint)
	if err == nil {
		return w, nil, nil
	}
	k.leases.release(w.Name)
	if !apierrors.IsAlreadyExists(err) {
		return nil, nil, err
	}
	old, failure, lookErr := k.standing(ctx, k.live, r)
	switch {
	case lookErr != nil || failure != nil:
		return nil, failure, lookErr
	case old == nil:
		return nil, nil, err
	}
	k.leases.adopt(old)
	return old, nil, nil
}

// standing is the window of this boot, nil while there is none.
func (k *Keeper) standing(ctx context.Context, from client.Reader, r Request) (*ingot.BootWindow, *step.Failure, error) {
	old := &ingot.BootWindow{}
	switch err := from.Get(ctx, key(r.BootID), old); {
	case apierrors.IsNotFound(err):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("look for boot window %s: %w", r.BootID, err)
	case old.Spec.Host.UID != string(r.Host.UID):
		return nil, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("boot %s belongs to another host (%s/%s)", r.BootID, old.Spec.Host.Namespace, old.Spec.Host.Name)}, nil
	}
	return old, nil, nil
}

func (k *Keeper) create(ctx context.Context, w *ingot.BootWindow, httpBoot string) error {
	if w.Spec.Purpose == ingot.PurposeAgent {
		hash, err := k.token(ctx, w)
		if err != nil {
			return err
		}
		w.Spec.TokenSecretName, w.Spec.TokenHash = w.Name, hash
		if w.Spec.Method == ingot.MethodVirtualMedia || w.Spec.Method == ingot.MethodUEFIHTTP {
			w.Spec.MediaName = hex.EncodeToString(random(mediaNameBytes))
		}
		if w.Spec.Method == ingot.MethodUEFIHTTP {
			w.Spec.BootURI = httpBoot + "/media/" + w.Spec.MediaName + ".iso"
		}
	}
	if err := k.cached.Create(ctx, w); err != nil {
		return fmt.Errorf("create boot window %s: %w", w.Name, err)
	}
	return nil
}

// token makes the window's Secret, or takes up the one that an interrupted Open left, and gives the token's hash.
func (k *Keeper) token(ctx context.Context, w *ingot.BootWindow) (hash string, err error) {
	immutable := true
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: w.Name, Labels: w.Labels},
		Immutable:  &immutable,
		Data:       map[string][]byte{ingot.BootTokenKey: []byte(base64.RawURLEncoding.EncodeToString(random(tokenBytes)))},
	}
	err = k.live.Create(ctx, s)
	if apierrors.IsAlreadyExists(err) {
		err = k.live.Get(ctx, key(w.Name), s)
	}
	if err != nil {
		return "", fmt.Errorf("make the Secret of boot window %s: %w", w.Name, err)
	}
	return hashOf(string(s.Data[ingot.BootTokenKey])), nil
}

func (r Request) window(now time.Time) *ingot.BootWindow {
	w := &ingot.BootWindow{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ingot.BootNamespace,
			Name:      r.BootID,
			Labels:    map[string]string{labelHost: string(r.Host.UID), labelPartition: r.Partition.Name},
		},
		Spec: ingot.BootWindowSpec{
			Partition:    r.Partition.Name,
			Host:         ingot.HostReference{Namespace: r.Host.Namespace, Name: r.Host.Name, UID: string(r.Host.UID)},
			Purpose:      r.Purpose,
			MACAddresses: r.MACAddresses,
			OpensAt:      metav1.NewTime(now),
			ClosesAt:     metav1.NewTime(now.Add(r.ClosesIn)),
			Architecture: r.Architecture,
			TraceParent:  r.Trace.String(),
		},
	}
	if r.Purpose == ingot.PurposeAgent {
		w.Spec.Method = r.Method
		w.Spec.AgentEndpoint, w.Spec.CABundle = r.AgentEndpoint, r.CABundle
		w.Spec.NetworkData, w.Spec.FirmwareMode = r.NetworkData, string(r.FirmwareMode)
		if r.TPM.Use != "" {
			w.Spec.TPM = &r.TPM
		}
	}
	return w
}

// Close deletes the host's windows with their Secrets, all but one.
func (k *Keeper) Close(ctx context.Context, host types.UID, except string) error {
	var all ingot.BootWindowList
	if err := k.cached.List(ctx, &all, client.InNamespace(ingot.BootNamespace), client.MatchingFields{HostIndex: string(host)}); err != nil {
		return fmt.Errorf("list boot windows of host %s: %w", host, err)
	}
	for i := range all.Items {
		if all.Items[i].Name == except {
			continue
		}
		if err := k.delete(ctx, &all.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// delete takes the window first: from then on the token is worth nothing, whatever happens to the Secret.
func (k *Keeper) delete(ctx context.Context, w *ingot.BootWindow) error {
	if err := k.cached.Delete(ctx, w); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete boot window %s: %w", w.Name, err)
	}
	if w.Spec.TokenSecretName != "" {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: w.Spec.TokenSecretName}}
		if err := k.live.Delete(ctx, s); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the Secret of boot window %s: %w", w.Name, err)
		}
	}
	k.leases.release(w.Name)
	return nil
}

// Get is the window of that name, nil for none.
func (k *Keeper) Get(ctx context.Context, name string) (*ingot.BootWindow, error) {
	w := &ingot.BootWindow{}
	err := k.cached.Get(ctx, key(name), w)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read boot window %s: %w", name, err)
	}
	return w, nil
}

// Sweep deletes windows of hosts that are gone without their finalizer having been honoured. present says whether a host still exists.
func (k *Keeper) Sweep(ctx context.Context, partition string, present func(ingot.HostReference) (bool, error)) error {
	var all ingot.BootWindowList
	if err := k.cached.List(ctx, &all, client.InNamespace(ingot.BootNamespace), client.MatchingLabels{labelPartition: partition}); err != nil {
		return fmt.Errorf("list boot windows of partition %s: %w", partition, err)
	}
	for i := range all.Items {
		there, err := present(all.Items[i].Spec.Host)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if err := k.delete(ctx, &all.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// load takes over the leases that an earlier process gave, once.
func (k *Keeper) load(ctx context.Context, partition string) error {
	k.loadMu.Lock()
	defer k.loadMu.Unlock()
	if k.loaded {
		return nil
	}
	var all ingot.BootWindowList
	if err := k.live.List(ctx, &all, client.InNamespace(ingot.BootNamespace), client.MatchingLabels{labelPartition: partition}); err != nil {
		return fmt.Errorf("list boot windows of partition %s: %w", partition, err)
	}
	for i := range all.Items {
		k.leases.adopt(&all.Items[i])
	}
	k.loaded = true
	return nil
}

// MACs are a host's known MAC addresses, lower case, the booting one first, none twice.
func MACs(host *metal3.BareMetalHost, hardware *metal3.HardwareDetails) []string {
	const most = 64
	var out []string
	seen := map[string]bool{}
	add := func(mac string) {
		mac = strings.ToLower(strings.TrimSpace(mac))
		if mac != "" && !seen[mac] && len(out) < most {
			seen[mac] = true
			out = append(out, mac)
		}
	}
	add(host.Spec.BootMACAddress)
	if hardware != nil {
		for _, n := range hardware.NIC {
			add(n.MAC)
		}
	}
	return out
}

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: ingot.BootNamespace, Name: name}
}

// random gives bytes that nobody can guess; the system's source does not fail.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
