package login

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/account"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
)

// The Secret's keys, and the annotations of when and at whose word its password was stored. annotationHost names the host for people.
const (
	keyUsername = "username"
	keyPassword = "password"
	keyPrevious = "previous"

	annotationSetAt = "ingot.dev/set-at"
	annotationHost  = "ingot.dev/host"
)

// storedIn reads a Secret. A time that somebody spoilt reads as long ago: the password is rotated then.
func storedIn(s *corev1.Secret) *account.Stored {
	at, err := time.Parse(time.RFC3339, s.Annotations[annotationSetAt])
	if err != nil {
		at = time.Time{}
	}
	return &account.Stored{SetAt: at, Asked: s.Annotations[ingot.RotateBMCAccountAnnotation], HasPrevious: len(s.Data[keyPrevious]) > 0}
}

func secretKey(host types.UID) client.ObjectKey {
	return client.ObjectKey{Namespace: ingot.BMCNamespace, Name: "host-" + string(host)}
}

// load looks for the host's account, once.
func (k *Keeper) load(ctx context.Context, host *metal3.BareMetalHost) error {
	if k.snapshot(host.UID).known {
		return nil
	}
	s := &corev1.Secret{}
	err := k.o.Live.Get(ctx, secretKey(host.UID), s)
	switch {
	case apierrors.IsNotFound(err):
		s = nil
	case err != nil:
		return fmt.Errorf("read the Secret of the BMC account of host %s/%s: %w", host.Namespace, host.Name, err)
	case len(s.Data[keyUsername]) == 0 || len(s.Data[keyPassword]) == 0:
		return fmt.Errorf("the Secret %s of the BMC account of host %s/%s lacks %q or %q: delete it to have the account made anew", secretKey(host.UID), host.Namespace, host.Name, keyUsername, keyPassword)
	}
	k.with(host.UID, func(e *entry) {
		if !e.known {
			e.secret, e.known = s, true
		}
	})
	return nil
}

// reload reads the account again, and says whether another process has changed it.
func (k *Keeper) reload(ctx context.Context, host *metal3.BareMetalHost) (changed bool, err error) {
	was := k.snapshot(host.UID)
	k.with(host.UID, func(e *entry) { e.known = false })
	if err := k.load(ctx, host); err != nil {
		return false, err
	}
	now := k.snapshot(host.UID)
	if was.secret != nil && now.secret != nil && was.secret.ResourceVersion == now.secret.ResourceVersion {
		return false, nil
	}
	k.with(host.UID, func(e *entry) { e.trial = account.Trial{} })
	return true, nil
}

// store writes a new password beside the one before it, or in the place of one that the BMC does not take. Another process that did so meanwhile makes it fail: what it stored is then read at the next use.
func (k *Keeper) store(ctx context.Context, host *metal3.BareMetalHost, password secret.String, asked string, act account.Act) error {
	was := k.snapshot(host.UID).secret
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ingot.BMCNamespace, Name: secretKey(host.UID).Name, Labels: map[string]string{ingot.PartitionLabel: k.o.Partition},
			Annotations: map[string]string{annotationHost: host.Namespace + "/" + host.Name},
		},
		Type: ingot.BMCAccountSecretType,
		Data: map[string][]byte{keyUsername: []byte(account.Name(host.Namespace, host.Name))},
	}
	write := func() error { return k.o.Live.Create(ctx, s) }
	if was != nil {
		s = was.DeepCopy()
		s.Data = maps.Clone(was.Data)
		if act != account.Replace {
			s.Data[keyPrevious] = was.Data[keyPassword]
		}
		write = func() error { return k.o.Live.Update(ctx, s) }
	}
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	s.Data[keyPassword] = []byte(password.Reveal())
	s.Annotations[annotationSetAt] = k.o.Now().UTC().Format(time.RFC3339)
	s.Annotations[ingot.RotateBMCAccountAnnotation] = asked
	if err := write(); err != nil {
		k.with(host.UID, func(e *entry) { e.known = false })
		return fmt.Errorf("store a password in Secret %s: %w", secretKey(host.UID), err)
	}
	k.with(host.UID, func(e *entry) { e.secret, e.known, e.trial = s, true, e.trial.Stored(act, k.o.Now()) })
	return nil
}

// drop deletes the Secret.
func (k *Keeper) drop(ctx context.Context, host types.UID) error {
	key := secretKey(host)
	err := k.o.Live.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Secret %s: %w", key, err)
	}
	k.with(host, func(e *entry) { *e = entry{known: true} })
	return nil
}

// Sweep deletes the Secrets of hosts that are gone without having been let go of, as those that were moved to another cluster are. Their account stays at the BMC: it is that cluster's by now.
func (k *Keeper) Sweep(ctx context.Context, exists func(ingot.HostReference) (bool, error)) error {
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := k.o.Live.List(ctx, &all, client.InNamespace(ingot.BMCNamespace), client.MatchingLabels{ingot.PartitionLabel: k.o.Partition}); err != nil {
		return fmt.Errorf("list the Secrets of BMC accounts: %w", err)
	}
	for _, s := range all.Items {
		host, ok := hostOf(&s)
		if !ok {
			continue
		}
		if there, err := exists(host); err != nil || there {
			if err != nil {
				return err
			}
			continue
		}
		if err := k.drop(ctx, types.UID(host.UID)); err != nil {
			return err
		}
		k.Forget(types.UID(host.UID))
	}
	return nil
}

// hostOf is the host that a Secret is of.
func hostOf(s *metav1.PartialObjectMetadata) (ingot.HostReference, bool) {
	namespace, name, named := strings.Cut(s.Annotations[annotationHost], "/")
	uid, ours := strings.CutPrefix(s.Name, "host-")
	return ingot.HostReference{Namespace: namespace, Name: name, UID: uid}, named && ours
}
