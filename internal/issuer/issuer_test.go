package issuer_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/ingotmetal/ingot/internal/issuer"
)

func parse(t *testing.T, args ...string) *issuer.Options {
	t.Helper()
	var o issuer.Options
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &o
}

// TestBadFlags: each is refused with what to write.
func TestBadFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const good = "--oidc-issuer=https://login.example.org"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"plain http":            {[]string{"--oidc-issuer=http://login.example.org", "--oidc-client-id=x"}, "https://"},
		"query":                 {[]string{"--oidc-issuer=https://login.example.org?x=1", "--oidc-client-id=x"}, "without query"},
		"no host":               {[]string{"--oidc-issuer=https:///x", "--oidc-client-id=x"}, "https://"},
		"no client":             {[]string{good}, "--oidc-client-id is missing"},
		"no prefix":             {[]string{good, "--oidc-client-id=x", "--oidc-prefix="}, "like oidc:"},
		"a component's prefix":  {[]string{good, "--oidc-client-id=x", "--oidc-prefix=ingot:"}, "named like a component"},
		"Kubernetes' prefix":    {[]string{good, "--oidc-client-id=x", "--oidc-prefix=system:"}, "named like a component"},
		"a quote":               {[]string{good, "--oidc-client-id=x", "--oidc-prefix='"}, "no quotes"},
		"no claim":              {[]string{good, "--oidc-client-id=x", "--oidc-username-claim="}, "must not be empty"},
		"a claim of many words": {[]string{good, "--oidc-client-id=x", "--oidc-groups-claim=https://x/groups"}, "--authentication-config"},
		"no issuer":             {[]string{"--oidc-admin-group=ops"}, "--oidc-issuer is missing"},
		"no CA":                 {[]string{good, "--oidc-client-id=x", "--oidc-ca=" + file + ".gone"}, "no such file"},
		"file and issuer":       {[]string{good, "--authentication-config=" + file}, "one of them"},
		"file and client":       {[]string{"--oidc-client-id=x", "--authentication-config=" + file}, "itself"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := parse(t, c.args...).Complete(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, have %v", c.want, err)
			}
		})
	}
	if err := parse(t).Complete(); err != nil {
		t.Errorf("without any flag: %v", err)
	}
	o := parse(t, good, "--oidc-client-id=x", "--oidc-ca="+file)
	if err := o.Complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Configuration(); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a CA file without a certificate: %v", err)
	}
}

// TestArgsSayTheSame: a program that is started with them has the same options.
func TestArgsSayTheSame(t *testing.T) {
	o := parse(t, "--oidc-issuer=https://login.example.org", "--oidc-client-id=ingot", "--oidc-prefix=corp:", "--oidc-groups-claim=roles", "--oidc-admin-group=ops", "--oidc-viewer-group=a", "--oidc-viewer-group=b")
	if again := parse(t, o.Args()...); !reflect.DeepEqual(o, again) {
		t.Errorf("have %+v, want %+v", again, o)
	}
	if args := parse(t).Args(); len(args) > 0 {
		t.Errorf("defaults are written out: %v", args)
	}
	groups := o.ProviderGroups()
	if !slices.Equal(groups["admin"], []string{"corp:ops"}) || len(groups["editor"]) > 0 || !slices.Equal(groups["viewer"], []string{"corp:a", "corp:b"}) {
		t.Errorf("groups %v", groups)
	}
}
