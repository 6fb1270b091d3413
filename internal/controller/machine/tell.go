package machine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firstboot"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/controller/machine/invite"
)

// SecretType is that of HostClaims' copies: the one type that an admission policy lets the role make, change and delete.
const SecretType corev1.SecretType = "ingot.dev/hostclaim"

// The Secrets that are made for a Machine, beside it; the claim names them.
const (
	partUserData    = "user-data"
	partNetworkData = "network-data"
	partMetaData    = "meta-data"
	// partMesh is package invite's: no claim names it.
	partMesh = "mesh"
)

func secretName(m *ingot.Machine, part string) string { return "machine-" + m.Name + "-" + part }

// tell writes the Secrets by which the installed system learns who it is, and says which there are. problem says why it cannot be told, in words for the tenant.
func (r *Reconciler) tell(ctx context.Context, m *ingot.Machine, h *metal3.BareMetalHost) (parts []string, problem string, err error) {
	if m.Spec.FilesystemLayout != "" && m.Status.Image.Format != string(ingot.ImageTar) {
		return nil, fmt.Sprintf("spec.filesystemLayout is for images that are archives, and %s is a disk's content: remove it, or name another image", m.Status.Image.Name), nil
	}
	site := &ingot.Partition{}
	if err := r.cached.Get(ctx, client.ObjectKey{Name: cmp.Or(m.Spec.Partition, h.Labels[ingot.PartitionLabel])}, site); client.IgnoreNotFound(err) != nil {
		return nil, "", fmt.Errorf("read the machine's partition: %w", err)
	}
	var more []firstboot.Part
	if r.mesh != nil && invite.Invited(m) {
		part, hostKey, problem, err := r.mesh.For(ctx, m)
		if problem != "" || err != nil {
			return nil, problem, err
		}
		more, m.Status.SSHHostKey = append(more, part), hostKey
	}
	user, problem, err := r.userData(ctx, m, site, more)
	if problem != "" || err != nil {
		return nil, problem, err
	}
	metadata, err := firstboot.Metadata(m.Name, m.Spec.SSHPublicKeys)
	if err != nil {
		return nil, "", err
	}
	if metadata, err = firewallOf(m, metadata); err != nil {
		return nil, "", err
	}
	network, problem, err := r.network(ctx, m, h, site)
	if problem != "" || err != nil {
		return nil, problem, err
	}
	texts := map[string][]byte{partNetworkData: network, partMetaData: metadata}
	if len(user) > 0 {
		texts[partUserData] = user
	}
	for _, part := range slices.Sorted(maps.Keys(texts)) {
		if problem, err := r.secret(ctx, m, part, texts[part]); problem != "" || err != nil {
			return nil, problem, err
		}
		parts = append(parts, part)
	}
	return parts, "", nil
}

// userData is the tenant's, with time servers beside it, the machine's own, or else the partition's, and with parts of ours.
func (r *Reconciler) userData(ctx context.Context, m *ingot.Machine, site *ingot.Partition, more []firstboot.Part) (text []byte, problem string, err error) {
	var user []byte
	if ref := m.Spec.UserData; ref != nil {
		s := &corev1.Secret{}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: ref.Name}, s)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Sprintf("there is no Secret %s in namespace %s: make it; it is looked for every %s", ref.Name, m.Namespace, r.recheck), nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("read Secret %s/%s: %w", m.Namespace, ref.Name, err)
		}
		found := false
		for _, key := range []string{"userData", "value"} {
			if v, ok := s.Data[key]; ok && !found {
				user, found = v, true
			}
		}
		if !found {
			return nil, fmt.Sprintf("the Secret %s has neither a key userData nor a key value: put the data under one of them", ref.Name), nil
		}
	}
	ntp := m.Spec.NTPServers
	if len(ntp) == 0 {
		ntp = site.Spec.NTPServers
	}
	text, joined, err := firstboot.UserData(user, ntp, more...)
	if err != nil {
		return nil, "", err
	}
	if !joined && len(more) > 0 {
		return nil, "user data that is neither a cloud-config nor a script leaves no room for what the machine joins the mesh by: write it as one of those", nil
	}
	// The site's servers are an offer: who gives user data that nothing can stand beside goes without.
	if !joined && len(m.Spec.NTPServers) > 0 {
		return nil, "spec.ntpServers cannot be joined with user data that is neither a cloud-config nor a script: put the servers into the user data, and remove spec.ntpServers", nil
	}
	return text, "", nil
}

// dns is the machine's own name servers, or else the partition's, or else its networks'.
func dns(m *ingot.Machine, site *ingot.Partition) []netip.Addr {
	names := m.Spec.DNSServers
	if len(names) == 0 {
		names = site.Spec.DNSServers
	}
	if len(names) == 0 {
		for _, a := range m.Status.Addresses {
			names = append(names, a.DNSServers...)
		}
	}
	var all []netip.Addr
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// secret writes one of the Machine's Secrets.
func (r *Reconciler) secret(ctx context.Context, m *ingot.Machine, part string, text []byte) (problem string, err error) {
	want := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: secretName(m, part), OwnerReferences: []metav1.OwnerReference{owner(m)}},
		Type: SecretType, Data: map[string][]byte{"value": text}}
	have := &corev1.Secret{}
	err = r.live.Get(ctx, client.ObjectKeyFromObject(want), have)
	if apierrors.IsNotFound(err) {
		if err := r.live.Create(ctx, want); err != nil {
			return "", fmt.Errorf("make Secret %s/%s: %w", want.Namespace, want.Name, err)
		}
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read Secret %s/%s: %w", want.Namespace, want.Name, err)
	}
	if have.Type != SecretType || !metav1.IsControlledBy(have, m) {
		return fmt.Sprintf("there is a Secret %s already that is not this machine's: delete it", want.Name), nil
	}
	if equality.Semantic.DeepEqual(have.Data, want.Data) {
		return "", nil
	}
	have.Data = want.Data
	if err := r.live.Update(ctx, have); err != nil {
		return "", fmt.Errorf("write Secret %s/%s: %w", want.Namespace, want.Name, err)
	}
	return "", nil
}

// dropSecrets deletes the Machine's Secrets, and what it has in the mesh.
func (r *Reconciler) dropSecrets(ctx context.Context, m *ingot.Machine) error {
	if r.mesh != nil && invite.Invited(m) {
		if err := r.mesh.Drop(ctx, m); err != nil {
			return err
		}
	}
	for _, part := range []string{partUserData, partNetworkData, partMetaData, partMesh} {
		s := &corev1.Secret{}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: secretName(m, part)}, s)
		if err == nil && s.Type == SecretType && metav1.IsControlledBy(s, m) {
			err = r.live.Delete(ctx, s, client.Preconditions{UID: &s.UID})
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete Secret %s/%s: %w", m.Namespace, secretName(m, part), err)
		}
	}
	return nil
}

// firewallOf tells the machine of a Firewall whose it is: by that it asks for its identity.
func firewallOf(m *ingot.Machine, metadata []byte) ([]byte, error) {
	o := metav1.GetControllerOf(m)
	if m.Spec.Role != ingot.RoleFirewall || o == nil || o.Kind != "Firewall" || o.APIVersion != ingot.GroupVersion.String() {
		return metadata, nil
	}
	metadata, err := firstboot.With(metadata, configdrive.FirewallKey, m.Namespace+"/"+o.Name)
	if err != nil {
		return nil, err
	}
	return firstboot.With(metadata, configdrive.MachineKey, m.Name)
}
