package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/test/login/provider"
)

// claims are those of an ID token for us.
func (w *world) claims(sub string, change func(c map[string]any)) string {
	now := time.Now()
	c := map[string]any{"iss": w.issuer.URL, "aud": []string{"ingot"}, "sub": sub, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix()}
	if change != nil {
		change(c)
	}
	text, _ := json.Marshal(c)
	return string(text)
}

func (w *world) who(t *testing.T, token string) (authenticationv1.UserInfo, error) {
	t.Helper()
	review, err := w.bearer(t, token).AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	return review.Status.UserInfo, nil
}

// TestPeople is a person's whole way, on one site.
func TestPeople(t *testing.T) {
	w := site(t)
	t.Run("TokensThatAreNotForUs", func(t *testing.T) { tokensThatAreNotForUs(t, w) })
	t.Run("NobodyIsNamedLikeAComponent", func(t *testing.T) { nobodyIsNamedLikeAComponent(t, w) })
	t.Run("ByTheBrowser", func(t *testing.T) { byTheBrowser(t, w) })
	t.Run("OnAnotherDevice", func(t *testing.T) { onAnotherDevice(t, w) })
	t.Run("StolenCode", func(t *testing.T) { stolenCode(t, w) })
	t.Run("ForgedAnswer", func(t *testing.T) { forgedAnswer(t, w) })
	t.Run("Tokens", func(t *testing.T) { tokens(t, w) })
}

// tokensThatAreNotForUs: the API server refuses each, and takes the one that differs from them in nothing else.
func tokensThatAreNotForUs(t *testing.T, w *world) {
	set := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	good := w.issuer.Do(t, "mint %s", w.claims("alice", nil))
	if who, err := w.who(t, good); err != nil || who.Username != "oidc:alice" {
		t.Fatalf("a good token is %q, %v", who.Username, err)
	}
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	foreign := provider.Start(t)
	other := w.claims("alice", nil)
	for name, token := range map[string]string{
		"another audience":            w.issuer.Do(t, "mint %s", w.claims("alice", set("aud", []string{"grafana"}))),
		"another issuer":              w.issuer.Do(t, "mint %s", w.claims("alice", set("iss", "https://login.example.org"))),
		"ended":                       w.issuer.Do(t, "mint %s", w.claims("alice", set("exp", time.Now().Add(-time.Minute).Unix()))),
		"without an end":              w.issuer.Do(t, "mint %s", w.claims("alice", func(c map[string]any) { delete(c, "exp") })),
		"nobody's":                    w.issuer.Do(t, "mint %s", w.claims("", nil)),
		"algorithm none":              none,
		"algorithm none with its sum": none + parts[2],
		"without its signature":       parts[0] + "." + parts[1] + ".",
		"signed by another issuer":    foreign.Do(t, "mint %s", other),
		"of another issuer":           foreign.Do(t, "mint %s", (&world{issuer: foreign}).claims("alice", nil)),
		"with another body":           parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(w.claims("bob", nil))) + "." + parts[2],
	} {
		if who, err := w.who(t, token); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: taken for %q, %v", name, who.Username, err)
		}
	}
}

// nobodyIsNamedLikeAComponent: whatever the issuer says gets its prefix.
func nobodyIsNamedLikeAComponent(t *testing.T, w *world) {
	token := w.issuer.Do(t, "mint %s", w.claims("ingot:operator:eve", func(c map[string]any) {
		c["groups"] = []string{"ingot:operator", "system:masters", "ingot:partition"}
	}))
	who, err := w.who(t, token)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(who.Groups, who.Username) {
		if !strings.HasPrefix(name, "oidc:") && name != "ingot:people" && name != "system:authenticated" {
			t.Errorf("a token gives the name %q", name)
		}
	}
	if _, err := w.bearer(t, token).CoreV1().Secrets("ingot-bmc").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("Secrets for a group's name: %v", err)
	}
	single := w.issuer.Do(t, "mint %s", w.claims("dora", func(c map[string]any) { c["groups"] = "watch" }))
	if who, err := w.who(t, single); err != nil || !strings.Contains(strings.Join(who.Groups, " "), "oidc:watch") {
		t.Errorf("one group that is no list: %v %v", who.Groups, err)
	}
}

// byTheBrowser logs in, works, loses a group, is forgotten, logs in again and out.
func byTheBrowser(t *testing.T, w *world) {
	w.issuer.Do(t, "groups alice ops")
	alice := w.person(t, "alice")
	out, err := alice.login(t, w.byBrowser(t, "alice"))
	if err != nil || !strings.Contains(out, "Logged in") {
		t.Fatalf("%s %v", out, err)
	}
	says := func(want string, args ...string) {
		t.Helper()
		await(t, fmt.Sprintf("%v says %s", args, want), func(context.Context) (bool, error) {
			out, err := alice.run(t, args...)
			if session.ExitCode(err) > 1 {
				return false, err
			}
			return strings.Contains(out, want), nil
		})
	}
	says("oidc:alice", "auth", "whoami")
	says("ingot:people", "auth", "whoami")
	says("yes", "auth", "can", "create", "partitions")
	says("no", "auth", "can", "get", "secrets", "x")
	says("baremetalhosts", "auth", "can", "--list")
	differs, err := alice.run(t, "auth", "verify")
	if err != nil || !strings.Contains(differs, "ingot:provider:admin to Group oidc:ops") || !strings.Contains(differs, "as declared") {
		t.Errorf("auth verify: %s %v", differs, err)
	}
	nothingSecretIsLeftAround(t, alice)

	// From here on each use renews the token, since it has less than 30 s left, and the API server hears of the groups as they are.
	w.issuer.Do(t, "lifetime 25s")
	w.issuer.Do(t, "groups alice none")
	expire(t, alice)
	says("oidc:none", "auth", "whoami")
	says("no", "auth", "can", "create", "partitions")
	w.issuer.Do(t, "forget alice")
	if out, err := alice.run(t, "auth", "whoami"); err == nil {
		t.Errorf("who was forgotten is still %s", out)
	}
	w.issuer.Do(t, "lifetime 1h")
	if _, err := alice.login(t, w.byBrowser(t, "alice")); err != nil {
		t.Fatalf("log in again: %v", err)
	}
	says("oidc:alice", "auth", "whoami")
	out, err = alice.run(t, "logout")
	if err != nil || !strings.Contains(out, "removed and revoked") {
		t.Errorf("logout: %s %v", out, err)
	}
	if out, err := alice.run(t, "auth", "whoami"); err == nil {
		t.Errorf("after the logout: %s", out)
	}
}

// expire makes the stored token one that has to be renewed.
func expire(t *testing.T, p *person) {
	t.Helper()
	for _, name := range stored(t, p) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var f map[string]any
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		f["expires"] = time.Now().Add(-time.Hour).Format(time.RFC3339)
		if text, err = json.Marshal(f); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func stored(t *testing.T, p *person) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(p.home, "cache", "ingot", "tokens", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no stored login: %v", err)
	}
	return names
}

// nothingSecretIsLeftAround: the tokens are in their file alone, which nobody else may read; a file that others may read is not used.
func nothingSecretIsLeftAround(t *testing.T, p *person) {
	t.Helper()
	name := stored(t, p)[0]
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has the mode %v, %v", name, info.Mode(), err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ IDToken, RefreshToken string }
	if err := json.Unmarshal(text, &f); err != nil || f.IDToken == "" || f.RefreshToken == "" {
		t.Fatalf("the stored login has no tokens: %v", err)
	}
	config, err := os.ReadFile(filepath.Join(p.home, "config"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{f.IDToken, f.RefreshToken} {
		if bytes.Contains(config, []byte(secret)) {
			t.Error("a token is in the kubeconfig")
		}
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := p.run(t, "auth", "whoami"); err == nil {
		t.Errorf("a file that others may read is used: %s", out)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
}

// onAnotherDevice types the code in at the issuer's page, after the program has asked in vain at least once.
func onAnotherDevice(t *testing.T, w *world) {
	w.issuer.Do(t, "groups bob watch")
	bob := w.person(t, "bob")
	browser := w.browser(t, "")
	_, err := bob.login(t, func(line string) error {
		_, rest, ok := strings.Cut(line, "enter the code ")
		if !ok {
			return nil
		}
		code, _, _ := strings.Cut(rest, " ")
		form := url.Values{"user_code": {code}, "username": {"bob"}, "password": {"good"}}
		if _, err := fetch(t.Context(), browser, http.MethodPost, w.issuer.URL+"/device/login", form); err != nil {
			return err
		}
		response, err := fetch(t.Context(), browser, http.MethodGet, w.issuer.URL+"/device/confirm?action=allowed", nil)
		if err != nil {
			return err
		}
		if !strings.Contains(response.text, "allowed") {
			return fmt.Errorf("the issuer says %s", response.text)
		}
		return nil
	}, "--device")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := bob.run(t, "auth", "whoami"); err != nil || !strings.Contains(out, "oidc:watch") {
		t.Errorf("%s %v", out, err)
	}
	if out, err := bob.run(t, "auth", "can", "create", "partitions"); session.ExitCode(err) != 1 || !strings.Contains(out, "no") {
		t.Errorf("a viewer makes partitions: %s %v", out, err)
	}
	// Who denies, is denied.
	if _, err := w.person(t, "bob").login(t, func(line string) error {
		_, rest, ok := strings.Cut(line, "enter the code ")
		if !ok {
			return nil
		}
		code, _, _ := strings.Cut(rest, " ")
		if _, err := fetch(t.Context(), browser, http.MethodPost, w.issuer.URL+"/device/login", url.Values{"user_code": {code}, "username": {"bob"}, "password": {"good"}}); err != nil {
			return err
		}
		_, err := fetch(t.Context(), browser, http.MethodGet, w.issuer.URL+"/device/confirm?action=denied", nil)
		return err
	}, "--device"); err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("who was denied: %v", err)
	}
}

// stolenCode: who reads the code on its way to the loopback gets nothing for it.
func stolenCode(t *testing.T, w *world) {
	carol := w.person(t, "carol")
	_, err := carol.login(t, func(line string) error {
		if !strings.HasPrefix(line, "https://") {
			return nil
		}
		response, err := visit(t.Context(), w.browser(t, "http://127.0.0.1:"), line, "carol")
		if err != nil {
			return err
		}
		back, err := url.Parse(response.location)
		if err != nil || back.Query().Get("code") == "" {
			return fmt.Errorf("the issuer sends no code: %s %w", response.status, err)
		}
		redirect := back.Scheme + "://" + back.Host + back.Path
		for name, verifier := range map[string][]string{"without a verifier": nil, "with a guessed one": {strings.Repeat("x", 43)}} {
			form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "client_id": {"ingot"}}
			if verifier != nil {
				form["code_verifier"] = verifier
			}
			response, err := fetch(t.Context(), w.browser(t, ""), http.MethodPost, w.issuer.URL+"/oauth/token", form)
			if err != nil {
				return err
			}
			if response.code == http.StatusOK || strings.Contains(response.text, "id_token") {
				t.Errorf("a code %s: %s %s", name, response.status, response.text)
			}
		}
		_, err = fetch(t.Context(), w.browser(t, ""), http.MethodGet, back.String(), nil)
		return err
	})
	// Whether the code is still good for its owner is the issuer's to say; nobody else got a token for it.
	t.Logf("the owner's login afterwards: %v", err)
}

// forgedAnswer: an answer with another state ends nothing; the issuer's refusal does.
func forgedAnswer(t *testing.T, w *world) {
	alice := w.person(t, "alice")
	_, err := alice.login(t, func(line string) error {
		if !strings.HasPrefix(line, "https://") {
			return nil
		}
		page, err := url.Parse(line)
		if err != nil {
			return err
		}
		back, browser := page.Query().Get("redirect_uri"), w.browser(t, "")
		response, err := fetch(t.Context(), browser, http.MethodGet, back+"?code=mine&state=guessed", nil)
		if err != nil {
			return err
		}
		if response.code != http.StatusBadRequest {
			t.Errorf("an answer with another state: %s", response.status)
		}
		_, err = fetch(t.Context(), browser, http.MethodGet, back+"?error=access_denied&error_description=no%1b%5B2J&state="+url.QueryEscape(page.Query().Get("state")), nil)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("want the issuer's refusal, printable: %v", err)
	}
	if _, err := os.Stat(filepath.Join(alice.home, "config")); err == nil {
		t.Error("a login that failed wrote a kubeconfig")
	}
}
