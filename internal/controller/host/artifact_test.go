package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// An image in a registry waits for its pull secret, and the machine gets the one entry of it that is for this registry.
func TestImageFromARegistry(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", func(h *metal3.BareMetalHost) {
		h.Spec.Image = &metal3.Image{URL: "oci://registry.test/os/debian:12", OCIAuthSecretName: ptr.To("pull")}
		h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "ROOT"}
	})
	waits := func(text string) {
		t.Helper()
		w.until("a says "+text, func() bool { return strings.Contains(w.host("a").Status.ErrorMessage, text) })
	}
	waits("Secret pull does not exist")
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "pull"}, StringData: map[string]string{".dockerconfigjson": `{"auths":{"other.test":{"username":"u","password":"not-ours"}}}`}})
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "again" })
	waits("no entry for the registry registry.test")
	w.setSecret("pull", map[string]string{".dockerconfigjson": `{"auths":{"other.test":{"username":"u","password":"not-ours"},"registry.test/os":{"username":"robot","password":"pull-pass-w0rd"}}}`})
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "twice" })
	w.untilState("a", metal3.StateProvisioned)
	m.mu.Lock()
	asked := m.asked
	m.mu.Unlock()
	if l := asked.Image.Login; l == nil || l.Username != "robot" || l.Password != "pull-pass-w0rd" || asked.Image.Checksum != "" {
		t.Errorf("the machine was told %+v", asked.Image)
	}
	for what, object := range map[string]any{"host": w.host("a"), "record": w.record("a"), "print": fmt.Sprintf("%+v %v %#v", asked.Image, asked.Image.Login, *asked.Image.Login)} {
		b, err := json.Marshal(object)
		if err != nil || strings.Contains(string(b), "pull-pass-w0rd") || strings.Contains(string(b), "not-ours") {
			t.Errorf("the %s has a password: %s, %v", what, b, err)
		}
	}
}
