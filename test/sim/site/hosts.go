package site

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
)

// Enrol makes the Secret and the host of a lab's machine, to be provisioned with the site's image. edit may change the host before it is made.
func (s *Site) Enrol(ctx context.Context, m lab.Machine, edit func(*metal3.BareMetalHost)) error {
	h := s.Host(m)
	if edit != nil {
		edit(h)
	}
	state := s.Lab.State()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name + "-bmc"},
		StringData: map[string]string{"username": state.Username, "password": state.Password},
	}
	if err := s.Client.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the BMC Secret of %s: %w", m.Name, err)
	}
	if err := s.Client.Create(ctx, h); err != nil {
		return fmt.Errorf("create host %s: %w", m.Name, err)
	}
	return nil
}

// Host is a machine's host, with the site's image and hints for its first disk.
func (s *Site) Host(m lab.Machine) *metal3.BareMetalHost {
	return &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name},
		Spec: metal3.BareMetalHostSpec{
			Online: true, BootMACAddress: m.MACAddress, BootMode: metal3.UEFI, AutomatedCleaningMode: metal3.CleaningModeMetadata,
			BMC:             metal3.BMCDetails{Address: m.BMCAddress, CredentialsName: m.Name + "-bmc"},
			RootDeviceHints: &metal3.RootDeviceHints{SerialNumber: m.Disks[0].SerialNumber},
			Image:           &metal3.Image{URL: s.ImageURL, Checksum: s.ImageDigest, ChecksumType: metal3.SHA256, DiskFormat: ptr.To("raw")},
		},
	}
}

// tryAgain is the pause before an API server that did not answer is asked anew.
const tryAgain = 200 * time.Millisecond

// Await watches the hosts of a namespace until holds says so. It is a watch because a list in a loop would cost the API server more than the hosts themselves do. An API server that
// does not answer for a while (it may have been killed) is waited for.
func (s *Site) Await(ctx context.Context, namespace string, holds func([]metal3.BareMetalHost) bool) error {
	for {
		done, err := s.follow(ctx, namespace, holds)
		if done {
			return nil
		}
		select {
		case <-time.After(tryAgain):
		case <-s.up.Done():
			return fmt.Errorf("ingot up ended while hosts were waited for: %w", s.up.Err())
		case <-ctx.Done():
			return fmt.Errorf("%w (last answer of the API server: %v)\n%s", context.Cause(ctx), err, s.Describe(context.WithoutCancel(ctx), namespace)) //nolint:errorlint // err is nil where the server answered
		}
	}
}

// look is how often holds is asked while hosts change; it copies all of them.
const look = 100 * time.Millisecond

// follow watches until holds says so, or the watch ends.
func (s *Site) follow(ctx context.Context, namespace string, holds func([]metal3.BareMetalHost) bool) (bool, error) {
	var list metal3.BareMetalHostList
	if err := s.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return false, err
	}
	from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}}
	changes, err := s.Client.Watch(ctx, &metal3.BareMetalHostList{}, client.InNamespace(namespace), from)
	if err != nil {
		return false, err
	}
	defer changes.Stop()
	known := map[string]metal3.BareMetalHost{}
	for _, h := range list.Items {
		known[h.Name] = h
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for changed := true; ; {
		select {
		case event, open := <-changes.ResultChan():
			if !open {
				return false, nil
			}
			h, ok := event.Object.(*metal3.BareMetalHost)
			if !ok {
				return false, apierrors.FromObject(event.Object)
			}
			changed = true
			known[h.Name] = *h
			if event.Type == watch.Deleted {
				delete(known, h.Name)
			}
		case <-tick.C:
			if changed && holds(slices.Collect(maps.Values(known))) {
				return true, nil
			}
			changed = false
		case <-s.up.Done():
			return false, s.up.Err()
		}
	}
}

// Provisioned says whether all of n hosts are provisioned.
func Provisioned(n int) func([]metal3.BareMetalHost) bool {
	return func(all []metal3.BareMetalHost) bool {
		done := 0
		for _, h := range all {
			if h.Status.Provisioning.State == metal3.StateProvisioned {
				done++
			}
		}
		return done == n
	}
}

// Describe says where the hosts that are not provisioned are, for failed tests.
func (s *Site) Describe(ctx context.Context, namespace string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var all metal3.BareMetalHostList
	if err := s.Client.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		return err.Error()
	}
	text := ""
	for _, h := range all.Items {
		if h.Status.Provisioning.State == metal3.StateProvisioned {
			continue
		}
		l := &ingot.HostLifecycle{}
		_ = s.Client.Get(ctx, client.ObjectKeyFromObject(&h), l)
		o := l.Status.Outcome
		text += fmt.Sprintf("%s: %q, error %q %q; %s %s: %s\n", h.Name, h.Status.Provisioning.State, h.Status.ErrorType, h.Status.ErrorMessage, o.Kind, o.Reason, o.Message)
	}
	return text
}
