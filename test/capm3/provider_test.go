package capm3_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// The names that CAPM3 and Cluster API use on hosts and beside them.
const (
	infrastructure  = "infrastructure.cluster.x-k8s.io/v1beta2"
	clusterLabel    = "cluster.x-k8s.io/cluster-name"
	nodeReuseLabel  = "infrastructure.cluster.x-k8s.io/node-reuse"
	hostAnnotation  = "metal3.io/BareMetalHost"
	pausedByCAPM3   = "metal3.io/capm3"
	unhealthyHost   = "capm3.metal3.io/unhealthy"
	clusterSecret   = "cluster.x-k8s.io/secret"
	remediationHold = metal3.RebootAnnotationPrefix + "/metal3-remediation-"
)

// errWaiting is CAPM3's "requeue": nothing is wrong, it looks again.
var errWaiting = errors.New("CAPM3 waits")

// machine is what CAPM3 knows of a Metal3Machine, its Machine and its template.
type machine struct {
	namespace, name, cluster string
	// reuse is the label value under which the host is kept for the next machine of the same deployment; empty: the template has nodeReuse false.
	reuse string
	// cleaning is the template's automatedCleaningMode; empty: the host keeps its own.
	cleaning metal3.AutomatedCleaningMode
	image    metal3.Image
	selector client.MatchingLabels
	userData string
	// fastTrack is CAPM3's environment variable of this name: a host that is cleaned is to stay on when the machine goes.
	fastTrack bool
}

// provider does to hosts what CAPM3 does.
type provider struct {
	client client.WithWatch
}

// object is the Metal3Machine in the API server.
func (p provider) object(ctx context.Context, m machine) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(infrastructure)
	u.SetKind("Metal3Machine")
	return u, p.client.Get(ctx, client.ObjectKey{Namespace: m.namespace, Name: m.name}, u)
}

// hostOf is the host that the Metal3Machine's annotation names.
func (p provider) hostOf(ctx context.Context, m machine) (*metal3.BareMetalHost, error) {
	u, err := p.object(ctx, m)
	if err != nil {
		return nil, err
	}
	name := u.GetAnnotations()[hostAnnotation]
	if name == "" {
		return nil, fmt.Errorf("the Metal3Machine %s has no host: %w", m.name, errWaiting)
	}
	h := &metal3.BareMetalHost{}
	// "<namespace>/<name>", and the namespace is the machine's.
	return h, p.client.Get(ctx, client.ObjectKey{Namespace: m.namespace, Name: name[len(m.namespace)+1:]}, h)
}

// patch writes the difference as CAPM3's patch helper does: a merge patch without a lock.
func (p provider) patch(ctx context.Context, h *metal3.BareMetalHost, change func(*metal3.BareMetalHost)) error {
	before := h.DeepCopy()
	change(h)
	return p.client.Patch(ctx, h, client.MergeFrom(before))
}

// free says whether CAPM3 would take the host for the machine. A host that is kept for a machine deployment is for its machines only.
func free(h *metal3.BareMetalHost, m machine) bool {
	_, paused := h.Annotations[metal3.PausedAnnotation]
	_, unhealthy := h.Annotations[unhealthyHost]
	kept, reused := h.Labels[nodeReuseLabel]
	state := h.Status.Provisioning.State
	return h.Spec.ConsumerRef == nil && h.DeletionTimestamp.IsZero() && h.Status.ErrorMessage == "" && !paused && !unhealthy &&
		(!reused || kept == m.reuse) && (state == metal3.StateReady || state == metal3.StateAvailable)
}

// rank puts a host that is booked already before those that are kept for the machine, and these before all others.
func rank(h *metal3.BareMetalHost) int {
	switch {
	case h.Spec.ConsumerRef != nil:
		return 0
	case h.Labels[nodeReuseLabel] != "":
		return 1
	}
	return 2
}

// associate chooses a host and books it. CAPM3 chooses at random among those that are free, after those that are kept for the machine; here it is the first by name.
func (p provider) associate(ctx context.Context, m machine) error {
	var all metal3.BareMetalHostList
	if err := p.client.List(ctx, &all, client.InNamespace(m.namespace), m.selector); err != nil {
		return err
	}
	hosts := slices.DeleteFunc(all.Items, func(h metal3.BareMetalHost) bool {
		c := h.Spec.ConsumerRef
		return !free(&h, m) && (c == nil || c.Kind != "Metal3Machine" || c.Name != m.name)
	})
	if len(hosts) == 0 {
		return fmt.Errorf("no host is free for %s: %w", m.name, errWaiting)
	}
	slices.SortFunc(hosts, func(a, b metal3.BareMetalHost) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(a.Name, b.Name))
	})
	h := &hosts[0]
	owner, err := p.object(ctx, m)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{}
	if err := p.client.Get(ctx, h.CredentialsKey(), secret); err != nil {
		return err
	}
	metav1.SetMetaDataLabel(&secret.ObjectMeta, clusterLabel, m.cluster)
	if err := p.client.Update(ctx, secret); err != nil {
		return err
	}
	err = p.patch(ctx, h, func(h *metal3.BareMetalHost) {
		metav1.SetMetaDataLabel(&h.ObjectMeta, clusterLabel, m.cluster)
		delete(h.Labels, nodeReuseLabel)
		p.book(h, owner)
	})
	if err != nil {
		return err
	}
	before := owner.DeepCopy()
	annotations := owner.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[hostAnnotation] = h.Namespace + "/" + h.Name
	owner.SetAnnotations(annotations)
	return p.client.Patch(ctx, owner, client.MergeFrom(before))
}

// book makes the Metal3Machine the host's consumer and owner. The owner may have another UID since it was moved to another cluster.
func (p provider) book(h *metal3.BareMetalHost, owner *unstructured.Unstructured) {
	h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: infrastructure, Kind: "Metal3Machine", Namespace: owner.GetNamespace(), Name: owner.GetName()}
	ref := metav1.OwnerReference{APIVersion: infrastructure, Kind: "Metal3Machine", Name: owner.GetName(), UID: owner.GetUID(), Controller: ptr.To(true)}
	h.OwnerReferences = append(slices.DeleteFunc(h.OwnerReferences, func(r metav1.OwnerReference) bool { return r.Kind == ref.Kind && r.Name == ref.Name }), ref)
}

// render makes the Secrets that a Metal3Data has by a template with names, an interface's MAC address, a static address and a name server.
func (p provider) render(ctx context.Context, m machine, address string) error {
	h, err := p.hostOf(ctx, m)
	if err != nil {
		return err
	}
	owner, err := p.object(ctx, m)
	if err != nil {
		return err
	}
	if h.Status.HardwareDetails == nil || len(h.Status.HardwareDetails.NIC) == 0 {
		return fmt.Errorf("host %s has no list of interfaces", h.Name)
	}
	nic := h.Status.HardwareDetails.NIC[0]
	meta, err := yaml.Marshal(map[string]string{
		"local-hostname": m.name, "metal3-name": h.Name, "mac": nic.MAC, "rack": h.Labels["rack"], "providerid": fmt.Sprintf("%s/%s/%s", m.namespace, h.Name, m.name),
	})
	if err != nil {
		return err
	}
	network, err := yaml.Marshal(map[string]any{
		"links":    []any{map[string]any{"type": "phy", "id": nic.Name, "mtu": 1500, "ethernet_mac_address": nic.MAC}},
		"networks": []any{map[string]any{"type": "ipv4", "id": "baremetal", "link": nic.Name, "netmask": "255.255.255.0", "ip_address": address, "routes": []any{}}},
		"services": []any{map[string]any{"type": "dns", "address": "192.0.2.53"}},
	})
	if err != nil {
		return err
	}
	for suffix, data := range map[string]map[string][]byte{"-metadata": {"metaData": meta}, "-networkdata": {"networkData": network}} {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: m.namespace, Name: m.name + suffix, Labels: map[string]string{clusterLabel: m.cluster},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: infrastructure, Kind: "Metal3Machine", Name: owner.GetName(), UID: owner.GetUID(), Controller: ptr.To(true)}},
			},
			Type: clusterSecret, Data: data,
		}
		if err := p.client.Create(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// update gives the host what it is to run. Only a host without an image takes one.
func (p provider) update(ctx context.Context, m machine) error {
	h, err := p.hostOf(ctx, m)
	if err != nil {
		return err
	}
	owner, err := p.object(ctx, m)
	if err != nil {
		return err
	}
	return p.patch(ctx, h, func(h *metal3.BareMetalHost) {
		p.book(h, owner)
		delete(h.Labels, nodeReuseLabel)
		if h.Spec.Image == nil && h.Spec.CustomDeploy == nil {
			h.Spec.Image = m.image.DeepCopy()
			h.Spec.UserData = &corev1.SecretReference{Namespace: m.namespace, Name: m.userData}
			h.Spec.MetaData = &corev1.SecretReference{Namespace: m.namespace, Name: m.name + "-metadata"}
			h.Spec.NetworkData = &corev1.SecretReference{Namespace: m.namespace, Name: m.name + "-networkdata"}
		}
		if m.cleaning != "" {
			h.Spec.AutomatedCleaningMode = m.cleaning
		}
		h.Spec.Online = true
	})
}

// addresses are what CAPM3 reports of a machine: its interfaces' addresses and its name.
func addresses(h *metal3.BareMetalHost) []string {
	var found []string
	if h.Status.HardwareDetails == nil {
		return nil
	}
	for _, n := range h.Status.HardwareDetails.NIC {
		if n.IP != "" {
			found = append(found, n.IP)
		}
	}
	if name := h.Status.HardwareDetails.Hostname; name != "" {
		found = append(found, name)
	}
	return found
}

// release is one look at a Metal3Machine that is deleted: the host's wishes are taken back, and once it is free of the image it is let go.
func (p provider) release(ctx context.Context, m machine) error {
	h, err := p.hostOf(ctx, m)
	if err != nil {
		return err
	}
	online := m.fastTrack && h.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled
	if h.Spec.Image != nil || h.Spec.Online != online || h.Spec.UserData != nil || h.Spec.MetaData != nil || h.Spec.NetworkData != nil {
		err := p.patch(ctx, h, func(h *metal3.BareMetalHost) {
			h.Spec.Image, h.Spec.UserData, h.Spec.MetaData, h.Spec.NetworkData, h.Spec.Online = nil, nil, nil, nil, online
		})
		return errors.Join(err, errWaiting)
	}
	switch state := h.Status.Provisioning.State; state {
	case metal3.StateNone, metal3.StateUnmanaged, metal3.StateRegistering, metal3.StateMatchProfile, metal3.StateInspecting, metal3.StateReady, metal3.StateAvailable:
	default:
		return fmt.Errorf("host %s is %s: %w", h.Name, state, errWaiting)
	}
	return p.patch(ctx, h, func(h *metal3.BareMetalHost) {
		if m.reuse != "" {
			metav1.SetMetaDataLabel(&h.ObjectMeta, nodeReuseLabel, m.reuse)
		}
		h.Spec.ConsumerRef = nil
		h.OwnerReferences = slices.DeleteFunc(h.OwnerReferences, func(r metav1.OwnerReference) bool { return r.Kind == "Metal3Machine" && r.Name == m.name })
		delete(h.Labels, clusterLabel)
		if h.Annotations[metal3.PausedAnnotation] == pausedByCAPM3 {
			delete(h.Annotations, metal3.PausedAnnotation)
		}
	})
}

// hold keeps the machine off, the first half of a remediation by reboot.
func (p provider) hold(ctx context.Context, m machine, remediation string) error {
	h, err := p.hostOf(ctx, m)
	if err != nil {
		return err
	}
	mode, err := json.Marshal(metal3.RebootAnnotationArguments{Mode: metal3.RebootModeHard})
	if err != nil {
		return err
	}
	return p.patch(ctx, h, func(h *metal3.BareMetalHost) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, remediationHold+remediation, string(mode))
	})
}

// letStart is the other half.
func (p provider) letStart(ctx context.Context, m machine, remediation string) error {
	h, err := p.hostOf(ctx, m)
	if err != nil {
		return err
	}
	return p.patch(ctx, h, func(h *metal3.BareMetalHost) { delete(h.Annotations, remediationHold+remediation) })
}

// pause is what CAPM3 does to a host whose cluster is paused: it writes the status into an annotation, without the hardware, which the HardwareData has.
func (p provider) pause(ctx context.Context, m machine) error {
	h, err := p.hostOf(ctx, m)
	if err != nil {
		return err
	}
	if _, paused := h.Annotations[metal3.PausedAnnotation]; paused {
		return nil
	}
	text, err := json.Marshal(h.Status)
	if err != nil {
		return err
	}
	status := map[string]any{}
	if err := json.Unmarshal(text, &status); err != nil {
		return err
	}
	delete(status, "hardware")
	if text, err = json.Marshal(status); err != nil {
		return err
	}
	return p.patch(ctx, h, func(h *metal3.BareMetalHost) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, metal3.PausedAnnotation, pausedByCAPM3)
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, metal3.StatusAnnotation, string(text))
	})
}

// resume takes the pause off again.
func (p provider) resume(ctx context.Context, m machine) error {
	h, err := p.hostOf(ctx, m)
	if err != nil || h.Annotations[metal3.PausedAnnotation] != pausedByCAPM3 {
		return err
	}
	return p.patch(ctx, h, func(h *metal3.BareMetalHost) { delete(h.Annotations, metal3.PausedAnnotation) })
}
