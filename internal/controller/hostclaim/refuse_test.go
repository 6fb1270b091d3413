package hostclaim_test

import (
	"context"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
)

const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// TestBadObjectsAreRefused: each is refused before it is stored, by a message that begins with the field and says what to do.
func TestBadObjectsAreRefused(t *testing.T) {
	// What CEL cannot parse it refuses in its own words.
	w := newWorld(t)
	for name, c := range map[string]struct{ kind, spec, field string }{
		"user data of another namespace":    {"HostClaim", `{userData: {name: a, namespace: kube-system}}`, "spec.userData.namespace"},
		"network data of another namespace": {"HostClaim", `{networkData: {name: a, namespace: kube-system}}`, "spec.networkData.namespace"},
		"metadata of another namespace":     {"HostClaim", `{metaData: {name: a, namespace: kube-system}}`, "spec.metaData.namespace"},
		"user data without a name":          {"HostClaim", `{userData: {name: ""}}`, "spec.userData, spec.networkData, spec.metaData"},
		"network data with a path":          {"HostClaim", `{networkData: {name: ../bmc}}`, "spec.userData, spec.networkData, spec.metaData"},
		"image and custom deploy":           {"HostClaim", `{image: {url: "https://i.test/a", checksum: ` + digest + `}, customDeploy: {method: x}}`, "spec.customDeploy"},
		"custom deploy of nothing":          {"HostClaim", `{customDeploy: {method: ""}}`, "spec.customDeploy.method"},
		"image is no URL":                   {"HostClaim", `{image: {url: debian, checksum: ` + digest + `}}`, "spec.image.url"},
		"image is a file":                   {"HostClaim", `{image: {url: "file:///etc/shadow", checksum: ` + digest + `}}`, "spec.image.url"},
		"image without a host":              {"HostClaim", `{image: {url: "https:///a", checksum: ` + digest + `}}`, "spec.image.url"},
		"image of the metadata service":     {"HostClaim", `{image: {url: "http://169.254.169.254/", checksum: ` + digest + `}}`, "spec.image.url"},
		"image with a password":             {"HostClaim", `{image: {url: "https://u:p@i.test/a", checksum: ` + digest + `}}`, "spec.image.url"},
		"image without a checksum":          {"HostClaim", `{image: {url: "https://i.test/a"}}`, "spec.image.checksum"},
		"checksum is a word":                {"HostClaim", `{image: {url: "https://i.test/a", checksum: abc}}`, "spec.image.checksum"},
		"checksum is a file":                {"HostClaim", `{image: {url: "https://i.test/a", checksum: "file:///sums"}}`, "spec.image.checksum"},
		"format":                            {"HostClaim", `{image: {url: "https://i.test/a", checksum: ` + digest + `, format: iso}}`, "spec.image.format"},
		"pull Secret for HTTP":              {"HostClaim", `{image: {url: "https://i.test/a", checksum: ` + digest + `, ociAuthSecretName: bmc}}`, "spec.image.ociAuthSecretName"},
		"pull Secret elsewhere":             {"HostClaim", `{image: {url: "oci://i.test/a", ociAuthSecretName: kube-system/x}}`, "spec.image.ociAuthSecretName"},
		"label's name":                      {"HostClaim", `{hostSelector: {matchLabels: {"a b": x}}}`, "spec.hostSelector.matchLabels"},
		"label's value":                     {"HostClaim", `{hostSelector: {matchLabels: {a: "x y"}}}`, "spec.hostSelector.matchLabels"},
		"expression's key":                  {"HostClaim", `{hostSelector: {matchExpressions: [{key: "", operator: Exists, values: []}]}}`, "spec.hostSelector.matchExpressions.key"},
		"unknown operator":                  {"HostClaim", `{hostSelector: {matchExpressions: [{key: a, operator: Near, values: [x]}]}}`, "spec.hostSelector.matchExpressions.operator"},
		"in nothing":                        {"HostClaim", `{hostSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}`, "spec.hostSelector.matchExpressions.values"},
		"exists with a value":               {"HostClaim", `{hostSelector: {matchExpressions: [{key: a, operator: exists, values: [x]}]}}`, "spec.hostSelector.matchExpressions.values"},
		"equal to two":                      {"HostClaim", `{hostSelector: {matchExpressions: [{key: a, operator: "=", values: [x, z]}]}}`, "spec.hostSelector.matchExpressions.values"},
		"greater than a word":               {"HostClaim", `{hostSelector: {matchExpressions: [{key: a, operator: gt, values: [many]}]}}`, "spec.hostSelector.matchExpressions.values"},
		"in several namespaces":             {"HostClaim", `{hostSelector: {inNamespace: "a,b"}}`, "spec.hostSelector.inNamespace"},
		"failure domain":                    {"HostClaim", `{failureDomain: "rack 1"}`, "spec.failureDomain"},
		"power is a word":                   {"HostClaim", `{poweredOn: "yes"}`, "spec.poweredOn"},
		"a policy for nobody":               {"HostDeployPolicy", `{}`, "spec.hostClaimNamespaces"},
		"a policy of empty lists":           {"HostDeployPolicy", `{hostClaimNamespaces: {names: [], nameMatches: ""}}`, "spec.hostClaimNamespaces"},
		"a pattern among the names":         {"HostDeployPolicy", `{hostClaimNamespaces: {names: ["team-*"]}}`, "spec.hostClaimNamespaces.names"},
		"a name in capitals":                {"HostDeployPolicy", `{hostClaimNamespaces: {names: [Team]}}`, "spec.hostClaimNamespaces.names"},
		"no expression":                     {"HostDeployPolicy", `{hostClaimNamespaces: {nameMatches: "team-["}}`, "error parsing regexp"},
		"a pattern that breaks out":         {"HostDeployPolicy", `{hostClaimNamespaces: {nameMatches: "a)|(?:b"}}`, "error parsing regexp"},
		"a very long pattern":               {"HostDeployPolicy", `{hostClaimNamespaces: {nameMatches: "` + strings.Repeat("a", 257) + `"}}`, "spec.hostClaimNamespaces.nameMatches"},
		"a label's name in a policy":        {"HostDeployPolicy", `{hostClaimNamespaces: {hasLabels: [{name: "a b"}]}}`, "spec.hostClaimNamespaces.hasLabels.name"},
		"a label's value in a policy":       {"HostDeployPolicy", `{hostClaimNamespaces: {hasLabels: [{name: a, value: "x y"}]}}`, "spec.hostClaimNamespaces.hasLabels.value"},
		"an image that nobody would boot":   {"PreprovisioningImage", `{architecture: x86_64, acceptFormats: [iso]}`, "spec"},
		"an image of an unknown format":     {"PreprovisioningImage", `{acceptFormats: [qcow2]}`, "spec.acceptFormats"},
	} {
		t.Run(name, func(t *testing.T) {
			err := w.admin.Create(t.Context(), object(t, c.kind, w.tenant, c.spec))
			if err == nil || !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), c.field) {
				t.Fatalf("want it refused for %s, have %v", c.field, err)
			}
			_, ours, isOurs := strings.Cut(err.Error(), "denied request: ")
			if !isOurs || strings.Contains(ours, "expression") && strings.Contains(ours, "resulted in error") {
				return
			}
			field, rest, _ := strings.Cut(ours, ": ")
			if field != c.field || !strings.Contains(rest, ": ") {
				t.Errorf("%q does not begin with %s and say what to do", ours, c.field)
			}
		})
	}
	for kind, spec := range map[string]string{
		"HostClaim": `{poweredOn: false, image: {url: "oci://i.test/a:1", ociAuthSecretName: pull, format: raw}, userData: {name: u, namespace: ` + w.tenant + `}, failureDomain: rack-1,
			hostSelector: {inNamespace: racks, matchLabels: {a.test/b: ""}, matchExpressions: [{key: a, operator: Gt, values: ["-1"]}, {key: b, operator: DoesNotExist, values: []}, {key: c, operator: notin, values: [x, z]}]}}`,
		"HostDeployPolicy": `{hostClaimNamespaces: {names: [a, b-1], nameMatches: "(team|group)-[a-z]+", hasLabels: [{name: a.test/tier}, {name: b, value: c}]}}`,
	} {
		if err := w.admin.Create(t.Context(), object(t, kind, w.tenant, spec)); err != nil {
			t.Errorf("a good %s: %v", kind, err)
		}
	}
}

func object(t *testing.T, kind, namespace, spec string) *unstructured.Unstructured {
	t.Helper()
	var parsed map[string]any
	if err := yaml.Unmarshal([]byte(spec), &parsed); err != nil {
		t.Fatal(err)
	}
	if _, given := parsed["poweredOn"]; kind == "HostClaim" && !given {
		parsed["poweredOn"] = true
	}
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": metal3.GroupVersion.String(), "kind": kind, "spec": parsed}}
	o.SetNamespace(namespace)
	o.SetGenerateName("x-")
	return o
}

// The role's rights are wide where RBAC is coarse; policies keep it to what it is for.
func TestTheRoleIsHeldToItsPart(t *testing.T) {
	w := newWorld(t)
	role, err := client.New(w.role, client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.secret(w.racks, "bmc", "calvin")
	w.host("free", nil)
	w.host("others", func(h *metal3.BareMetalHost) {
		h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: "x/v1", Kind: "Metal3Machine", Name: "m"}
	})
	w.host("ours", func(h *metal3.BareMetalHost) {
		h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: metal3.GroupVersion.String(), Kind: "HostClaim", Namespace: "x", Name: "c"}
	})
	ctx := t.Context()
	write := func(name string, change func(*metal3.BareMetalHost)) func() error {
		return func() error {
			h := w.hostNow(name)
			change(h)
			return role.Update(ctx, h)
		}
	}
	bmcSecret := func() *corev1.Secret {
		s := &corev1.Secret{}
		if err := w.admin.Get(ctx, client.ObjectKey{Namespace: w.racks, Name: "bmc"}, s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		try   func() error
		field string
	}{
		"change a BMC's Secret": {func() error { s := bmcSecret(); s.Data = nil; return role.Update(ctx, s) }, "type:"},
		"delete a BMC's Secret": {func() error { return role.Delete(ctx, bmcSecret()) }, "type:"},
		"make a plain Secret": {func() error {
			return role.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "x"}})
		}, "type:"},
		"make a copy of its own": {func() error { return copyOf(ctx, role, w.racks) }, ""},
		"change a BMC's login":   {write("ours", func(h *metal3.BareMetalHost) { h.Spec.BMC.CredentialsName = "mine" }), "spec:"},
		"drop the root hints":    {write("ours", func(h *metal3.BareMetalHost) { h.Spec.RootDeviceHints = &metal3.RootDeviceHints{Model: "x"} }), "spec:"},
		"write a host of nobody": {write("free", func(h *metal3.BareMetalHost) { h.Spec.Online = true }), "spec.consumerRef:"},
		"take another's host":    {write("others", func(h *metal3.BareMetalHost) { h.Spec.ConsumerRef.Kind = "HostClaim" }), "spec.consumerRef:"},
		"pass a host on":         {write("ours", func(h *metal3.BareMetalHost) { h.Spec.ConsumerRef.Name = "d" }), "spec.consumerRef:"},
		"turn cleaning off":      {write("ours", func(h *metal3.BareMetalHost) { h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled }), "spec.automatedCleaningMode:"},
		"label a host":           {write("ours", func(h *metal3.BareMetalHost) { h.Labels = map[string]string{"a": "b"} }), "metadata.labels:"},
		"turn a claimed host on": {write("ours", func(h *metal3.BareMetalHost) { h.Spec.Online = true }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.try()
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "denied request: "+c.field) {
				t.Errorf("want it refused for %q, have %v", c.field, err)
			}
		})
	}
}

// copyOf makes and deletes a Secret as the role does.
func copyOf(ctx context.Context, role client.Client, namespace string) error {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "mine"}, Type: hostclaim.SecretType}
	if err := role.Create(ctx, s); err != nil {
		return err
	}
	return role.Delete(ctx, s)
}
