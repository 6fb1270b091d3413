package web

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/login/provider"
	"github.com/ingotmetal/ingot/test/port"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// TestPeopleOfTheIssuerInABrowser runs web/test/issuer.test.mjs: people log in at a real issuer, on a site that was told of it.
func TestPeopleOfTheIssuerInABrowser(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	install(ctx, t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: `make packages` installs it", err)
	}
	issuer := provider.Start(t)
	address := port.Free(t)
	issuer.Do(t, "groups alice ops")
	issuer.Do(t, "lifetime 30m")
	issuer.Do(t, "redirect https://%s/login/callback", address)
	s, err := site.Start(ctx, site.Options{
		Dir: t.TempDir(), Lab: lab.Options{Machines: 1, Disks: 1, DiskBytes: 64 << 20, Namespace: "default"}, Log: t.Output(),
		Args: []string{"--web-bind", address, "--oidc-issuer", issuer.URL, "--oidc-client-id", "ingot", "--oidc-ca", issuer.CA, "--oidc-admin-group", "ops"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	command(ctx, t, []string{
		"INGOT_CHROMIUM=" + chromium, "INGOT_WEB_URL=https://" + address, "INGOT_WEB_ISSUER=" + issuer.URL,
		"INGOT_WEB_SPKI=" + key(t, filepath.Join(s.DataDir, "roles", "controller", "tls.crt")) + "," + key(t, issuer.CA),
	}, "node", "--test", "--test-concurrency=1", "--test-reporter=spec", "test/issuer.test.mjs")
}
