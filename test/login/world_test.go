package login

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/cli/auth"
	"github.com/ingotmetal/ingot/internal/cli/login"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/token"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/login/provider"
)

// patience bounds every wait for a condition.
const patience = 8 * time.Minute

// TestMain is also the program, and the credential plugin: the kubeconfig names the program that logged in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"auth", "token", "logout"}, os.Args[1]) {
		err := cli(context.Background(), os.Stdout, os.Stderr, os.Args[1:]...)
		if err != nil && err.Error() != "" {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(session.ExitCode(err))
	}
	os.Exit(m.Run())
}

// cli runs one command of the program.
func cli(ctx context.Context, out, errOut io.Writer, args ...string) error {
	s := session.New(out, errOut)
	root := &cobra.Command{Use: "ingot", SilenceErrors: true, SilenceUsage: true}
	root.SetOut(out)
	root.SetErr(errOut)
	root.AddCommand(login.Command(s), login.LogoutCommand(s), auth.Command(s), token.Command(s))
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// world is a site with an issuer.
type world struct {
	cp     *controlplanetest.Server
	issuer *provider.Provider
	ca     string
	admin  *kubernetes.Clientset
}

// site starts both. People of the group ops are the provider's admins, those of watch its viewers.
func site(t *testing.T) *world {
	t.Helper()
	w := &world{issuer: provider.Start(t)}
	w.cp = controlplanetest.Start(t, "--oidc-issuer", w.issuer.URL, "--oidc-client-id", "ingot", "--oidc-ca", w.issuer.CA, "--oidc-admin-group", "ops", "--oidc-viewer-group", "watch")
	w.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(w.ca, w.cp.Admin.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.admin, err = kubernetes.NewForConfig(w.cp.Admin); err != nil {
		t.Fatal(err)
	}
	// The API server asks the issuer for its keys in the background.
	good := w.bearer(t, w.issuer.Do(t, "mint %s", w.claims("alice", nil)))
	await(t, "the API server knows the issuer (its log says why not)", func(ctx context.Context) (bool, error) {
		_, err := good.Discovery().RESTClient().Get().AbsPath("/api").DoRaw(ctx)
		return err == nil, nil
	})
	return w
}

// bearer is a client with a token and nothing else.
func (w *world) bearer(t *testing.T, token string) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(&rest.Config{Host: w.cp.URL, BearerToken: token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: w.cp.Admin.CAData}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func await(t *testing.T, what string, condition wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// person is somebody's machine: a folder with a kubeconfig and a cache.
type person struct {
	w    *world
	name string
	home string
}

func (w *world) person(t *testing.T, name string) *person {
	t.Helper()
	return &person{w: w, name: name, home: t.TempDir()}
}

// run runs a command on the person's machine, in a process of its own, as people do. The error has the exit code, and what was said.
func (p *person) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	p.enter(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	run := exec.CommandContext(t.Context(), self, args...)
	run.Stdout, run.Stderr = &out, &problems
	err = run.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = &session.Exit{Code: ended.ExitCode(), Err: errors.New(problems.String())}
	}
	return out.String(), err
}

func (p *person) enter(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(p.home, "cache"))
	t.Setenv("KUBECONFIG", filepath.Join(p.home, "config"))
	t.Setenv("BROWSER", "")
}

func (p *person) loginArgs() []string {
	return []string{"login", "--issuer", p.w.issuer.URL, "--client-id", "ingot", "--issuer-ca", p.w.issuer.CA, "--server", p.w.cp.URL, "--certificate-authority", p.w.ca, "--timeout", patience.String()}
}

// login runs a login to its end; meet is given each line that the person is shown, and does what a person would.
func (p *person) login(t *testing.T, meet func(line string) error, more ...string) (string, error) {
	t.Helper()
	p.enter(t)
	read, write := io.Pipe()
	said := make(chan error, 1)
	go func() {
		var err error
		for lines := bufio.NewScanner(read); lines.Scan(); {
			if err == nil {
				err = meet(lines.Text())
			}
		}
		said <- err
	}()
	var out bytes.Buffer
	err := cli(t.Context(), &out, write, append(p.loginArgs(), more...)...)
	_ = write.Close()
	return out.String(), errors.Join(err, <-said)
}

// browser is a browser with cookies that trusts the issuer, and stops at the first address that has stop in front.
func (w *world) browser(t *testing.T, stop string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(w.issuer.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if stop != "" && strings.HasPrefix(r.URL.String(), stop) {
				return http.ErrUseLastResponse
			}
			return nil
		}}
}

// visit opens the page of a login and types in a name and the password; it gives the answer that the browser ended at.
func visit(ctx context.Context, browser *http.Client, page, name string) (answer, error) {
	response, err := fetch(ctx, browser, http.MethodGet, page, nil)
	if err != nil {
		return answer{}, err
	}
	at := response.at
	id := at.Query().Get("authRequestID")
	if id == "" {
		return answer{}, fmt.Errorf("the issuer shows no login page but %s", at.Redacted())
	}
	return fetch(ctx, browser, http.MethodPost, at.Scheme+"://"+at.Host+"/login/username", url.Values{"id": {id}, "username": {name}, "password": {"good"}})
}

// answer is what a browser ended at.
type answer struct {
	code     int
	status   string
	location string
	at       *url.URL
	text     string
}

// fetch does a request and reads the answer.
func fetch(ctx context.Context, browser *http.Client, method, where string, form url.Values) (answer, error) {
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(ctx, method, where, body)
	if err != nil {
		return answer{}, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Status, response.Header.Get("Location"), response.Request.URL, string(text)}, err
}

// byBrowser is what a person does with the address that login shows.
func (w *world) byBrowser(t *testing.T, name string) func(string) error {
	t.Helper()
	browser := w.browser(t, "")
	return func(line string) error {
		if !strings.HasPrefix(line, "https://") {
			return nil
		}
		response, err := visit(t.Context(), browser, line, name)
		if err == nil && response.code != http.StatusOK {
			err = fmt.Errorf("the browser ended with %s at %s: %s", response.status, response.at.Redacted(), response.text)
		}
		return err
	}
}
