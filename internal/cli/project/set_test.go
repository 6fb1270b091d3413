package project_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/project"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// Each flag is one bound; those that are not given stay, and any takes one away.
func TestQuotaSet(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := session.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	const namespace = "quota-set"
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		s := session.New(&out, &out)
		root := &cobra.Command{Use: "ingot", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(project.QuotaCommand(s))
		root.SetArgs(append([]string{"quota"}, append(args, "--kubeconfig", filepath.Join(cp.DataDir, "admin.kubeconfig"))...))
		root.SetOut(&out)
		root.SetErr(&out)
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	n := func(i int32) *int32 { return &i }
	for _, step := range []struct {
		args []string
		want ingot.QuotaSpec
	}{
		{[]string{"--ipv4", "32", "--ipv6", "8", "--networks", "2"}, ingot.QuotaSpec{Addresses: &ingot.AddressQuota{IPv4: n(32), IPv6: n(8)}, Networks: n(2)}},
		{[]string{"--machines", "10", "--ipv6", "0"}, ingot.QuotaSpec{Machines: n(10), Addresses: &ingot.AddressQuota{IPv4: n(32), IPv6: n(0)}, Networks: n(2)}},
		{[]string{"--firewalls", "1", "--addresses", "40", "--networks", "any"}, ingot.QuotaSpec{Machines: n(10), Firewalls: n(1), Addresses: &ingot.AddressQuota{Total: n(40), IPv4: n(32), IPv6: n(0)}}},
		{[]string{"--ipv4", "any", "--ipv6", "any", "--addresses", "any"}, ingot.QuotaSpec{Machines: n(10), Firewalls: n(1)}},
	} {
		if out, err := run(append([]string{"set", "q", "-n", namespace}, step.args...)...); err != nil {
			t.Fatalf("%v: %v\n%s", step.args, err, out)
		}
		q := &ingot.Quota{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "q"}, q); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(step.want, q.Spec); d != "" {
			t.Errorf("%v: %s", step.args, d)
		}
	}
	for want, args := range map[string][]string{
		"nothing is to be set":              {"set", "q", "-n", namespace},
		"write a number from 0 to 1000000":  {"set", "q", "-n", namespace, "--ipv4", "-1"},
		"or any for no bound":               {"set", "q", "-n", namespace, "--networks", "many"},
		"-A is no namespace":                {"set", "q", "-A", "--networks", "1"},
		"it bounds nothing: give machines,": {"set", "q", "-n", namespace, "--machines", "any", "--firewalls", "any"},
	} {
		if out, err := run(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q\n%s", args, err, want, out)
		}
	}
	out, err := run("list", "-n", namespace, "-o", "wide")
	if err != nil || !strings.Contains(out, "0 of 10") || !strings.Contains(out, "0 of any") {
		t.Errorf("%v\n%s", err, out)
	}
}
