// Package issuer is the OpenID Connect issuer by which a site knows its people: the flags that name it, what they must say, and the API server's configuration made of them.
//
// It owns the shape of names: everything that the issuer says gets a prefix, so that nobody can be called what a component or Kubernetes itself is called, and everybody who
// shows a token of the issuer is in the group ingot:people. It refuses an issuer without TLS. It speaks to nobody: the API server checks tokens, package signin gets them.
//
// The configuration is Kubernetes' AuthenticationConfiguration (apiserver.config.k8s.io/v1), which the API server reads again when the file changes.
package issuer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/matrix/access"
)

// Options are the flags. Without URL and File there is no issuer, and people have certificates only.
type Options struct {
	// URL is the issuer's, as in its tokens: https, without query.
	URL string
	// ClientID is Ingot's at the issuer: tokens must be for it.
	ClientID string
	// CAFile is the PEM of who signed the issuer's certificate; empty: the system's roots.
	CAFile string
	// UsernameClaim and GroupsClaim are the claims that names and groups are read from, Prefix is put before both.
	UsernameClaim, GroupsClaim, Prefix string
	// Admins, Editors and Viewers are the issuer's groups that have the provider's roles.
	Admins, Editors, Viewers []string
	// File is an AuthenticationConfiguration of the site's own, instead of all of the above but the groups, which are then written with their prefix.
	File string
}

// identifier is a name that CEL takes as it stands.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// AddFlags adds them, with their defaults.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.URL, "oidc-issuer", "", "URL of the OpenID Connect issuer whose tokens people log in with (https; default: none, certificates only)")
	f.StringVar(&o.ClientID, "oidc-client-id", "", "client ID that the issuer knows Ingot by (required with --oidc-issuer)")
	f.StringVar(&o.CAFile, "oidc-ca", "", "PEM file that verifies the issuer's certificate (default: the system's roots)")
	f.StringVar(&o.UsernameClaim, "oidc-username-claim", "sub", "claim that a person is called by; email must be a verified one")
	f.StringVar(&o.GroupsClaim, "oidc-groups-claim", "groups", "claim with a person's groups")
	f.StringVar(&o.Prefix, "oidc-prefix", "oidc:", "put before names and groups of the issuer")
	f.StringSliceVar(&o.Admins, "oidc-admin-group", nil, "group of the issuer that has the role provider:admin; may be repeated")
	f.StringSliceVar(&o.Editors, "oidc-editor-group", nil, "group of the issuer that has the role provider:editor; may be repeated")
	f.StringSliceVar(&o.Viewers, "oidc-viewer-group", nil, "group of the issuer that has the role provider:viewer; may be repeated")
	f.StringVar(&o.File, "authentication-config", "", "file with an AuthenticationConfiguration (apiserver.config.k8s.io) of your own, read again when it changes, instead of --oidc-issuer")
}

// Args are the flags as a command line, for a program that this one starts.
func (o *Options) Args() []string {
	var all []string
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	var defaults Options
	defaults.AddFlags(f)
	add := func(name, value string) {
		// What is empty was not given: Complete refuses an empty value where one is needed.
		if value != "" && value != f.Lookup(name).DefValue {
			all = append(all, "--"+name+"="+value)
		}
	}
	add("oidc-issuer", o.URL)
	add("oidc-client-id", o.ClientID)
	add("oidc-ca", o.CAFile)
	add("oidc-username-claim", o.UsernameClaim)
	add("oidc-groups-claim", o.GroupsClaim)
	add("oidc-prefix", o.Prefix)
	add("authentication-config", o.File)
	for name, groups := range map[string][]string{"oidc-admin-group": o.Admins, "oidc-editor-group": o.Editors, "oidc-viewer-group": o.Viewers} {
		for _, g := range groups {
			all = append(all, "--"+name+"="+g)
		}
	}
	return all
}

// Configured says whether there is an issuer.
func (o *Options) Configured() bool { return o.URL != "" || o.File != "" }

// Complete checks what was given, and makes the files' paths whole.
func (o *Options) Complete() error {
	groups := len(o.Admins)+len(o.Editors)+len(o.Viewers) > 0
	for _, file := range []*string{&o.CAFile, &o.File} {
		if *file == "" {
			continue
		}
		full, err := filepath.Abs(*file)
		if err != nil {
			return fmt.Errorf("find the file %q: %w", *file, err)
		}
		if _, err := os.Stat(full); err != nil {
			return fmt.Errorf("--oidc-ca, --authentication-config: %w", err)
		}
		*file = full
	}
	switch {
	case o.URL != "" && o.File != "":
		return errors.New("--oidc-issuer and --authentication-config: give one of them; the file has the issuers itself")
	case !o.Configured() && (groups || o.ClientID != "" || o.CAFile != ""):
		return errors.New("--oidc-issuer is missing: the other --oidc flags say nothing without it")
	case o.File != "" && (o.ClientID != "" || o.CAFile != ""):
		return errors.New("--authentication-config has client IDs and CAs itself: leave --oidc-client-id and --oidc-ca away")
	case o.URL == "":
		return o.checkPrefix(o.File != "")
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("--oidc-issuer %q: write it as in the issuer's tokens, like https://login.example.org/realms/site, without query", o.URL)
	}
	if o.ClientID == "" {
		return errors.New("--oidc-client-id is missing: without it any token of the issuer would do, whatever program it was made for")
	}
	if o.UsernameClaim == "" || !identifier.MatchString(o.GroupsClaim) {
		return fmt.Errorf("--oidc-username-claim %q and --oidc-groups-claim %q must not be empty, and that of groups a word: sub and groups are the defaults; for other names write an --authentication-config",
			o.UsernameClaim, o.GroupsClaim)
	}
	return o.checkPrefix(false)
}

// checkPrefix keeps people from being called what components are. In a file of the site's own, Kubernetes refuses "system:" alone.
func (o *Options) checkPrefix(own bool) error {
	if own {
		return nil
	}
	if o.Prefix == "" || strings.HasPrefix(o.Prefix, "ingot:") || strings.HasPrefix(o.Prefix, "system:") || strings.ContainsAny(o.Prefix, "'\"\\\n") {
		return fmt.Errorf("--oidc-prefix %q: give one like oidc: that begins with neither ingot: nor system: and has no quotes, so that nobody at the issuer can be named like a component", o.Prefix)
	}
	return nil
}

// ProviderGroups are the groups of each provider role, as the API server calls them.
func (o *Options) ProviderGroups() map[string][]string {
	with := func(groups []string) []string {
		var all []string
		for _, g := range groups {
			if o.File == "" {
				g = o.Prefix + g
			}
			all = append(all, g)
		}
		return all
	}
	return map[string][]string{"admin": with(o.Admins), "editor": with(o.Editors), "viewer": with(o.Viewers)}
}

// Configuration is the API server's, with the content of the CA's file in it; nil without an issuer.
func (o *Options) Configuration() ([]byte, error) {
	if o.File != "" || o.URL == "" {
		return nil, nil
	}
	where := map[string]any{"url": o.URL, "audiences": []string{o.ClientID}, "egressSelectorType": "controlplane"}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--oidc-ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--oidc-ca %s: no certificate in it: PEM is needed", o.CAFile)
		}
		where["certificateAuthority"] = string(text)
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
		"anonymous": map[string]any{"enabled": false},
		"jwt": []any{map[string]any{
			"issuer": where,
			"claimMappings": map[string]any{
				"username": map[string]any{"claim": o.UsernameClaim, "prefix": o.Prefix},
				"groups":   map[string]any{"expression": groupsExpression(o.GroupsClaim, o.Prefix)},
			},
			"userValidationRules": []any{map[string]any{
				"expression": fmt.Sprintf("user.username.size() > %d", len(o.Prefix)), "message": "the token names nobody",
			}},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("write the API server's authentication configuration: %w", err)
	}
	return text, nil
}

// groupsExpression is CEL: the claim may be missing, one group, or a list; everybody is one of the people.
func groupsExpression(claim, prefix string) string {
	const people = "['" + access.PeopleGroup + "']"
	c, p := "dyn(claims."+claim+")", "'"+prefix+"'"
	return fmt.Sprintf("!has(claims.%[1]s) ? %[2]s : type(%[3]s) == string ? [%[4]s + %[3]s] + %[2]s : %[3]s.map(g, %[4]s + g) + %[2]s", claim, people, c, p)
}
