package up

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAuditFlags(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("rules: [{name: x, keep: Sometimes}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"audit log of its own":  {Kubeconfig: "x", AuditTo: "https://a.example/"},
		"an audit log of its":   {Kubeconfig: "x", AuditPolicy: "y"},
		"give --audit-to":       {AuditSecret: "x"},
		"no-such-policy":        {AuditPolicy: "/no-such-policy.yaml"},
		"keep is \"Sometimes\"": {AuditPolicy: bad},
	} {
		if err := o.audit(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	good := Options{AuditPolicy: "../../../examples/audit/policy.yaml", AuditTo: "https://a.example/", AuditSecret: "token", AuditCA: "ca", DataDir: "/data"}
	if err := good.audit(); err != nil || !filepath.IsAbs(good.AuditPolicy) {
		t.Errorf("policy %q: %v", good.AuditPolicy, err)
	}
	args := (&site{o: good}).auditorArguments()
	for _, want := range [][2]string{{"--dir", "/data/audit"}, {"--to", "https://a.example/"}, {"--secret-file", "token"}, {"--tls-ca", "ca"}} {
		if i := slices.Index(args, want[0]); args[0] != "auditor" || i < 0 || args[i+1] != want[1] {
			t.Errorf("arguments %v lack %s %s", args, want[0], want[1])
		}
	}
}
