package hostclaim_test

import (
	"fmt"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
)

const image = "oci://registry.test/debian:13"

func withImage(c *metal3.HostClaim) {
	c.Spec.Image = &metal3.Image{URL: image, OCIAuthSecretName: ptr.To("pull")}
	c.Spec.UserData = &corev1.SecretReference{Name: "user"}
	c.Spec.NetworkData = &corev1.SecretReference{Name: "net"}
	c.Spec.MetaData = &corev1.SecretReference{Name: "meta"}
}

func (w *world) secret(namespace, name, text string) {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"value": text}})
}

// copies are the Secrets of our type in a namespace, by what they say.
func (w *world) copies(namespace string) map[string]string {
	w.t.Helper()
	var all corev1.SecretList
	if err := w.admin.List(w.t.Context(), &all, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	found := map[string]string{}
	for _, s := range all.Items {
		if s.Type == hostclaim.SecretType {
			found[s.Name] = string(s.Data["value"])
		}
	}
	return found
}

// A claim's whole life: bound, carried, followed, turned off, rebooted, released once its wipe is proved; and no Secret is left or goes the other way.
func TestTheLifeOfAClaim(t *testing.T) {
	w := newWorld(t)
	w.open("gold", metal3.HostClaimNamespaces{HasLabels: []metal3.NameValuePair{{Name: "tier", Value: "gold"}}})
	w.host("a", nil)
	w.secret(w.racks, "bmc", "calvin")
	w.secret(w.racks, "pull", "the racks' own")
	w.start()
	w.claim("c", withImage)
	w.bound("c", "a")
	w.says("c", metal3.SynchronizedCondition, metav1.ConditionFalse, metal3.BadUserDataSecretReason, "no Secret user")
	if w.hostNow("a").Spec.Image != nil {
		t.Error("the image was carried without its Secrets")
	}
	for _, name := range []string{"user", "net", "meta", "pull"} {
		w.secret(w.tenant, name, "the tenant's "+name)
	}
	w.says("c", metal3.SynchronizedCondition, metav1.ConditionTrue, metal3.ConfigurationSyncedReason, "")
	h := w.hostNow("a")
	if h.Spec.Image == nil || h.Spec.Image.URL != image || !h.Spec.Online || h.Spec.ConsumerRef == nil || h.Spec.ConsumerRef.Name != "c" || h.Spec.ConsumerRef.Namespace != w.tenant {
		t.Fatalf("the host has %+v", h.Spec)
	}
	copies := w.copies(w.racks)
	for name, ref := range map[string]string{"user": h.Spec.UserData.Name, "net": h.Spec.NetworkData.Name, "meta": h.Spec.MetaData.Name, "pull": *h.Spec.Image.OCIAuthSecretName} {
		if copies[ref] != "the tenant's "+name {
			t.Errorf("the copy of %s says %q", name, copies[ref])
		}
	}
	w.record("a", false)
	w.state("a", metal3.StateProvisioned, image)
	w.until("the host's state is seen", func() error {
		if c := w.claimNow("c"); !c.Status.PoweredOn || condition(c, metal3.ReadyCondition).Status != metav1.ConditionTrue {
			return fmt.Errorf("%+v", c.Status)
		}
		return nil
	})
	if text := fmt.Sprint(w.claimNow("c").Status); strings.Contains(text, "10.0.0.5") {
		t.Errorf("a tenant reads of the BMC: %s", text)
	}

	edit(w, &metal3.HostClaim{}, w.tenant, "c", func(c *metal3.HostClaim) {
		c.Spec.PoweredOn, c.Spec.MetaData = false, nil
		c.Annotations = map[string]string{metal3.RebootAnnotationPrefix: "", metal3.RebootAnnotationPrefix + "/hold": `{"mode":"hard"}`}
	})
	w.until("the wishes are carried", func() error {
		h, c := w.hostNow("a"), w.claimNow("c")
		_, once := h.Annotations[metal3.RebootAnnotationPrefix]
		_, still := c.Annotations[metal3.RebootAnnotationPrefix]
		if h.Spec.Online || !once || still || h.Annotations[metal3.RebootAnnotationPrefix+"/hostclaim-hold"] == "" || h.Spec.MetaData != nil || len(w.copies(w.racks)) != 3 {
			return fmt.Errorf("host %+v, claim %v, copies %v", h.Annotations, c.Annotations, w.copies(w.racks))
		}
		return nil
	})
	edit(w, &metal3.HostClaim{}, w.tenant, "c", func(c *metal3.HostClaim) { c.Annotations = nil })
	w.until("the machine is no longer held", func() error {
		if _, held := w.hostNow("a").Annotations[metal3.RebootAnnotationPrefix+"/hostclaim-hold"]; held {
			return fmt.Errorf("it is")
		}
		return nil
	})
	w.release("c", "a")
	if n := w.copies(w.tenant); len(n) != 0 {
		t.Errorf("Secrets came into the tenant's namespace: %v", n)
	}
}

// release deletes a claim and holds its host to the proof of the wipe: step by step as the partition role would.
func (w *world) release(claim, host string) {
	w.t.Helper()
	edit(w, &metal3.BareMetalHost{}, w.racks, host, func(h *metal3.BareMetalHost) { h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled })
	if err := w.admin.Delete(w.t.Context(), w.claimNow(claim)); err != nil {
		w.t.Fatal(err)
	}
	w.says(claim, metal3.SynchronizedCondition, metav1.ConditionFalse, metal3.HostClaimDeletingReason, "provisioned")
	if h := w.hostNow(host); h.Spec.Image != nil || h.Spec.UserData != nil || h.Spec.ConsumerRef == nil || h.Spec.AutomatedCleaningMode != metal3.CleaningModeMetadata {
		w.t.Errorf("the host being released has %+v", h.Spec)
	}
	w.state(host, metal3.StateDeprovisioning, image)
	w.says(claim, metal3.SynchronizedCondition, metav1.ConditionFalse, metal3.HostClaimDeletingReason, "deprovisioning")
	w.state(host, metal3.StateAvailable, "")
	w.says(claim, metal3.SynchronizedCondition, metav1.ConditionFalse, metal3.HostClaimDeletingReason, "not proved")
	if h := w.hostNow(host); h.Spec.ConsumerRef == nil || len(w.copies(w.racks)) == 0 {
		w.t.Errorf("the host was let go of without a proof: %+v, %v", h.Spec, w.copies(w.racks))
	}
	w.record(host, true)
	w.until("the claim is gone", func() error {
		if c := w.claimNow(claim); c != nil {
			return fmt.Errorf("%+v", c.Status)
		}
		return nil
	})
	if h := w.hostNow(host); h.Spec.ConsumerRef != nil || len(w.copies(w.racks)) != 0 {
		w.t.Errorf("left behind: %+v, %v", h.Spec.ConsumerRef, w.copies(w.racks))
	}
}

func condition(c *metal3.HostClaim, kind string) metav1.Condition {
	for _, x := range c.Status.Conditions {
		if x.Type == kind {
			return x
		}
	}
	return metav1.Condition{}
}

// A claim gets no host that is not open to its namespace, whatever name looks alike, and says of each other one why not; a policy that opens later wakes it.
func TestAClaimThatFindsNoHost(t *testing.T) {
	w := newWorld(t)
	w.host("a", nil)
	w.host("dirty", func(h *metal3.BareMetalHost) { h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled })
	w.host("other", func(h *metal3.BareMetalHost) {
		h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: "x/v1", Kind: "Metal3Machine", Namespace: "secret-project", Name: "m"}
	})
	w.host("unproved", nil)
	w.record("unproved", false)
	near := w.tenant[:len(w.tenant)-1]
	w.open("near", metal3.HostClaimNamespaces{Names: []string{near, w.tenant + "x"}})
	w.open("part", metal3.HostClaimNamespaces{NameMatches: near})
	w.open("tail", metal3.HostClaimNamespaces{NameMatches: w.tenant[1:]})
	w.open("label", metal3.HostClaimNamespaces{HasLabels: []metal3.NameValuePair{{Name: "tier", Value: "gol"}}})
	w.start()
	w.claim("c", func(c *metal3.HostClaim) { c.Spec.HostSelector.MatchLabels = map[string]string{"gpu": "yes"} })
	w.says("c", metal3.AssociatedCondition, metav1.ConditionFalse, metal3.NoBareMetalHostReason, "namespaces that no HostDeployPolicy opens")
	if text := condition(w.claimNow("c"), metal3.AssociatedCondition).Message; strings.Contains(text, w.racks+"/") || strings.Contains(text, "secret-project") {
		t.Errorf("it tells of hosts that are closed to it: %s", text)
	}
	w.open("right", metal3.HostClaimNamespaces{NameMatches: "x|" + w.tenant})
	w.says("c", metal3.AssociatedCondition, metav1.ConditionFalse, metal3.NoBareMetalHostReason, "a: it has not the label gpu=yes")
	w.says("c", metal3.AssociatedCondition, metav1.ConditionFalse, metal3.NoBareMetalHostReason, "dirty: it is not ready: it is not cleaned")
	w.says("c", metal3.AssociatedCondition, metav1.ConditionFalse, metal3.NoBareMetalHostReason, "other: somebody has it")
	edit(w, &metal3.BareMetalHost{}, w.racks, "unproved", func(h *metal3.BareMetalHost) { h.Labels = map[string]string{"gpu": "yes"} })
	w.says("c", metal3.AssociatedCondition, metav1.ConditionFalse, metal3.NoBareMetalHostReason, "unproved: it is not ready: its disks are not proved")
	edit(w, &metal3.BareMetalHost{}, w.racks, "a", func(h *metal3.BareMetalHost) { h.Labels = map[string]string{"gpu": "yes"} })
	w.bound("c", "a")

	// What closes later takes nothing away; who is taken away gets no second one.
	if err := w.admin.DeleteAllOf(t.Context(), &metal3.HostDeployPolicy{}, client.InNamespace(w.racks)); err != nil {
		t.Fatal(err)
	}
	w.host("b", func(h *metal3.BareMetalHost) { h.Labels = map[string]string{"gpu": "yes"} })
	edit(w, &metal3.HostClaim{}, w.tenant, "c", func(c *metal3.HostClaim) { c.Spec.PoweredOn = false })
	w.until("it is still served", func() error {
		if w.hostNow("a").Spec.Online {
			return fmt.Errorf("on")
		}
		return nil
	})
	edit(w, &metal3.BareMetalHost{}, w.racks, "a", func(h *metal3.BareMetalHost) { h.Spec.ConsumerRef = nil })
	w.says("c", metal3.AssociatedCondition, metav1.ConditionFalse, metal3.MissingBareMetalHostReason, "somebody took host")
	if w.hostNow("b").Spec.ConsumerRef != nil {
		t.Error("it took a second host")
	}
	if err := w.admin.Delete(t.Context(), w.claimNow("c")); err != nil {
		t.Fatal(err)
	}
	w.until("it can go", func() error {
		if w.claimNow("c") != nil {
			return fmt.Errorf("it is there")
		}
		return nil
	})
}
