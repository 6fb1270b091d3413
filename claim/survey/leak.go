package survey

import (
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// CopiesAnnotation on a host are the claims ("namespace/name", with commas between) of whose Secrets copies lie beside the host, or lay. A claim is written there before they are made, and taken out once they are deleted:
// Secrets of one type cannot be listed without listing all, which the controller role has no right to.
const CopiesAnnotation = "ingot.dev/claim-secrets"

// Copies are the claims that a host is marked with, sorted.
func Copies(h *metal3.BareMetalHost) []types.NamespacedName {
	var all []types.NamespacedName
	for text := range strings.SplitSeq(h.Annotations[CopiesAnnotation], ",") {
		if namespace, name, is := strings.Cut(text, "/"); is {
			all = append(all, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	return all
}

// Mark writes on a host that copies of a claim's Secrets lie beside it, and Unmark that they do not any more.
func Mark(h *metal3.BareMetalHost, key types.NamespacedName) {
	mark(h, append(slices.DeleteFunc(Copies(h), func(k types.NamespacedName) bool { return k == key }), key))
}

// Unmark is the end of what Mark began.
func Unmark(h *metal3.BareMetalHost, key types.NamespacedName) {
	mark(h, slices.DeleteFunc(Copies(h), func(k types.NamespacedName) bool { return k == key }))
}

func mark(h *metal3.BareMetalHost, all []types.NamespacedName) {
	if len(all) == 0 {
		delete(h.Annotations, CopiesAnnotation)
		return
	}
	words := make([]string, len(all))
	for i, k := range all {
		words[i] = k.String()
	}
	slices.Sort(words)
	metav1.SetMetaDataAnnotation(&h.ObjectMeta, CopiesAnnotation, strings.Join(words, ","))
}

// Strays are the claims that a host is marked with and that it is not held for.
func Strays(h *metal3.BareMetalHost) []types.NamespacedName {
	holder, claimed := ClaimOf(h)
	return slices.DeleteFunc(Copies(h), func(k types.NamespacedName) bool { return claimed && k == holder })
}

// Lost says why a host is not its claim's any more; empty: it is. k is nil where the claim is gone.
func Lost(h *metal3.BareMetalHost, key types.NamespacedName, k *metal3.HostClaim) string {
	switch {
	case k == nil:
		return fmt.Sprintf("the host is held for the claim %s, which is gone", key)
	case k.Status.BareMetalHost != nil && !hasHost(k, h):
		return fmt.Sprintf("the host is held for the claim %s, which has host %s/%s", key, k.Status.BareMetalHost.Namespace, k.Status.BareMetalHost.Name)
	}
	return ""
}

// Stray says why copies of a claim's Secrets beside a host are nobody's; empty: the claim has another host there, beside which they are right, or this one.
func Stray(h *metal3.BareMetalHost, key types.NamespacedName, k *metal3.HostClaim) string {
	switch {
	case k == nil:
		return fmt.Sprintf("copies of the Secrets of the claim %s lie in the host's namespace, and the claim is gone", key)
	case k.Status.BareMetalHost == nil || k.Status.BareMetalHost.Namespace != h.Namespace:
		return fmt.Sprintf("copies of the Secrets of the claim %s lie in the host's namespace, where the claim has no host", key)
	}
	return ""
}

func hasHost(k *metal3.HostClaim, h *metal3.BareMetalHost) bool {
	return k.Status.BareMetalHost != nil && k.Status.BareMetalHost.Namespace == h.Namespace && k.Status.BareMetalHost.Name == h.Name
}

// MadeFor is the Machine for which an IP was made, that goes with it; nil: for none.
func MadeFor(ip *ingot.IP) *metav1.OwnerReference {
	if ip.Spec.Type == ingot.StaticIP {
		return nil
	}
	for i := range ip.OwnerReferences {
		if o := &ip.OwnerReferences[i]; o.Kind == "Machine" && o.APIVersion == ingot.GroupVersion.String() {
			return o
		}
	}
	return nil
}

// LostAddress says that the Machine of an IP is gone.
func LostAddress(ip *ingot.IP, ref *metav1.OwnerReference) string {
	return fmt.Sprintf("the address is held for the Machine %s/%s, which is gone", ip.Namespace, ref.Name)
}
