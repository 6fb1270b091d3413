package test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// token is one of the issuer's, for somebody of a group.
func (o *office) token(t *testing.T, name, group string) string {
	t.Helper()
	now := time.Now()
	text, err := json.Marshal(map[string]any{
		"iss": o.issuer.URL, "aud": []string{"ingot"}, "sub": name, "groups": []string{group}, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return o.issuer.Do(t, "mint %s", text)
}

// loggedIn is a kubeconfig like the one that ` + "`ingot login`" + ` writes: a plugin gives the token, and there is no certificate. It returns when the API server knows the person.
func (o *office) loggedIn(t *testing.T, name, token string) string {
	t.Helper()
	dir := filepath.Join(o.dir, "issuers-"+name)
	credential := filepath.Join(dir, "credential.json")
	text, err := json.Marshal(map[string]any{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": map[string]any{"token": token}})
	if err != nil {
		t.Fatal(err)
	}
	c := api.NewConfig()
	c.Clusters["lab"] = &api.Cluster{Server: o.cp.URL, CertificateAuthorityData: o.ca.CertPEM()}
	c.AuthInfos["lab"] = &api.AuthInfo{Exec: &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: "cat", Args: []string{credential}, InteractiveMode: api.NeverExecInteractiveMode}}
	c.Contexts["lab"] = &api.Context{Cluster: "lab", AuthInfo: "lab"}
	c.CurrentContext = "lab"
	file := filepath.Join(dir, "kubeconfig")
	if err := errors.Join(os.Mkdir(dir, 0o700), pki.WriteFile(credential, text, 0o600), clientcmd.WriteToFile(*c, file)); err != nil {
		t.Fatal(err)
	}
	as, err := kubernetes.NewForConfig(&rest.Config{Host: o.cp.URL, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: o.ca.CertPEM()}})
	if err != nil {
		t.Fatal(err)
	}
	// It asks the issuer for its keys in the background.
	o.until("the API server knows "+name, func(ctx context.Context) error {
		_, err := as.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		return err
	})
	return file
}

// people log in by the site's issuer: they have a token and no certificate, and go as far as their own rights go. Bob may create shells and keys and may not expel; carol may look.
func (o *office) people(t *testing.T, gate *firewall) {
	t.Helper()
	bob, carol := o.token(t, "bob", "ops"), o.token(t, "carol", "watch")
	before := o.config
	defer func() { o.config = before }()

	o.config = o.loggedIn(t, "bob", bob)
	out, problem, code := o.ingot("said at the desk\n", visit("id -un; cat; exit 7")...)
	if out != "root\nsaid at the desk\n" || code != 7 {
		t.Errorf("who may: %q, %q, exit code %d", out, problem, code)
	}
	const name = "oidc:bob"
	if log := gate.heard(t); !strings.Contains(log, `ID "`+name+`"`) && !strings.Contains(log, "ID "+name) {
		t.Errorf("sshd does not say who came: %s", log)
	}
	signed := &process{log: filepath.Join(o.dir, "console.log")}
	if !signed.said(`"who":"`+name+`"`) || !o.serve.said(`"to":"`+name+`"`) {
		t.Error("the logs do not say to whom a certificate and a key were given")
	}
	o.nothingLeft(t)

	o.config = o.loggedIn(t, "carol", carol)
	o.refuses(t, "you may not create machines/shell of "+namespace+"/edge", visit("echo", "in")...)
	o.othersKeys(t, bob, carol)
}

// tokens asks for keys with what is in the Authorization header; empty: nothing.
func (o *office) tokens(t *testing.T, header string) *meshkey.Client {
	t.Helper()
	c, err := meshkey.NewClient("https://"+coreIP+":8450", &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: o.ca.Pool(), MinVersion: tls.VersionTLS13}, DisableKeepAlives: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Authorization = secret.New(header)
	return c
}

// othersKeys: a token is given no machine's key and no other person's, and none for who may not have one. What was asked for in vain is not spent.
func (o *office) othersKeys(t *testing.T, bob, carol string) {
	t.Helper()
	keys := map[string]*ingot.MeshKey{}
	for name, spec := range map[string]ingot.MeshKeySpec{"bobs": operatorSpec("oidc:bob"), "carols": operatorSpec("oidc:carol"), "alices": operatorSpec("oidc:alice"), "machines": firewallSpec("other")} {
		keys[name] = &ingot.MeshKey{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.SystemNamespace, Name: name}, Spec: spec}
		o.create(keys[name])
	}
	for _, c := range []struct{ what, header, key string }{
		{"another person's", "Bearer " + bob, "alices"}, {"a machine's", "Bearer " + bob, "machines"}, {"without the right", "Bearer " + carol, "carols"},
		{"with an invented token", "Bearer " + bob + "x", "bobs"}, {"with nothing", "", "bobs"},
	} {
		if _, err := o.tokens(t, c.header).Mint(t.Context(), ingot.SystemNamespace, c.key); !errors.Is(err, meshkey.ErrForbidden) {
			t.Errorf("a key, %s: %v, want %v", c.what, err, meshkey.ErrForbidden)
		}
	}
	if _, err := o.tokens(t, "Bearer "+bob).Mint(t.Context(), ingot.SystemNamespace, "absent"); !errors.Is(err, meshkey.ErrUnknown) {
		t.Errorf("a key that nobody asked for: %v", err)
	}
	if _, err := o.tokens(t, "Bearer "+bob).Mint(t.Context(), ingot.SystemNamespace, "bobs"); err != nil {
		t.Errorf("their own key after all that: %v", err)
	}
	for name, key := range keys {
		if err := o.api.Get(t.Context(), client.ObjectKeyFromObject(key), key); err != nil {
			t.Fatal(err)
		}
		if minted := key.Status.MintedAt != nil; minted != (name == "bobs") {
			t.Errorf("the key %s was made: %v", name, minted)
		}
		if err := o.api.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	o.nothingLeft(t)
}
