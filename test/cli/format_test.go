package cli_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/cli/auth"
	"github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/internal/cli/object"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// TestFormatsOfOne: what is no list has the formats of lists: an object, a report about it, and rows that stand among words.
func TestFormatsOfOne(t *testing.T) {
	k := site(t, "formats")
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "formats", Name: "one", Labels: map[string]string{"rack": "7"}}}
	h.Spec.BootMACAddress = "52:54:00:00:77:01"
	if err := k.Create(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	run, contains := terminal(t, func(s *session.Session) *cobra.Command {
		c := &cobra.Command{Use: "ingot", SilenceErrors: true}
		c.AddCommand(host.Command(s), object.Describe(s), auth.Command(s))
		return c
	})
	of := []string{"-n", "formats", "-o"}
	for _, c := range []struct{ command, format, want string }{
		{"host get one", "name", "one\n"},
		{"host get one", "template={{.host.spec.bootMACAddress}} in rack {{.host.metadata.labels.rack}}", "52:54:00:00:77:01 in rack 7\n"},
		{"describe baremetalhost one", "name", "one\n"},
		{"describe baremetalhost one", "template={{.kind}} {{.spec.bootMACAddress}}{{with .status}} has a status{{end}}", "BareMetalHost 52:54:00:00:77:01\n"},
		{"auth whoami", "template={{index .groups 0}}", "ingot:operator\n"},
	} {
		if out, said := run(0, append(append(strings.Fields(c.command), of...), c.format)...); out != c.want {
			t.Errorf("ingot %s -o %s: %q, want %q\n%s", c.command, c.format, out, c.want, said)
		}
	}
	out, _ := run(0, append([]string{"host", "get", "one"}, append(of, "markdown")...)...)
	contains(out, "| Field | Value |\n| --- | --- |\n| Host | formats/one |\n")
	out, _ = run(0, append([]string{"host", "plan", "one"}, append(of, "markdown")...)...)
	contains(out, "| # | STAGE | ACTION | WHAT |\n| --- |")
	out, _ = run(0, append([]string{"describe", "baremetalhost", "one"}, append(of, "markdown")...)...)
	contains(out, "```\n# BareMetalHost formats/one", "\n  bootMACAddress: 52:54:00:00:77:01\n", "\n```\n")
	out, _ = run(0, "auth", "can", "--list", "--as", "tenant:viewer", "-o", "markdown")
	contains(out, "| --- |", "| machines")
	run(1, append([]string{"host", "explain", "one"}, append(of, "xml")...)...)
}
