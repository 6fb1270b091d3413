// Package login is `ingot login`, `ingot logout` and `ingot auth token`: a person's way in where the site has an OpenID Connect issuer.
//
// It owns the person's kubeconfig entries and the file with the tokens (mode 0600, in the user's cache folder). The kubeconfig holds no token: kubectl and this program ask
// `ingot auth token` for one, which renews it. It refuses to speak OpenID Connect: package signin does.
//
// Invariants: tokens are in that file, in answers to who asks for them on standard output, and nowhere else; a login that fails changes nothing.
package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/signin"
	"github.com/ingotmetal/ingot/matrix"
)

// options are the flags of login.
type options struct {
	issuer, clientID, issuerCA string
	scopes                     []string
	server, serverCA, name     string
	device                     bool
	browser                    string
	timeout                    time.Duration
}

// Command is `ingot login`.
func Command(s *session.Session) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "login",
		Short: "Log in at the site's issuer, by the browser or on another device",
		Long: "Gets tokens from the OpenID Connect issuer that the API server was told of (--oidc-issuer), keeps them in a file of yours alone, and writes a context into the kubeconfig that uses them. " +
			"Without --server the context is for the cluster of the current one.",
		Example: "  ingot login --issuer https://login.example.org --client-id ingot --server https://ingot.example.org:6443 --certificate-authority ca.pem\n" +
			"  ingot login --device      # again, with the issuer of the current context, from a machine without a browser",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.login(cmd.Context(), s) },
	}
	s.AddServerFlags(c)
	f := c.Flags()
	f.StringVar(&o.issuer, "issuer", "", "URL of the issuer (default: that of the current context's login)")
	f.StringVar(&o.clientID, "client-id", "", "client ID that the issuer knows Ingot by (default: that of the current context's login)")
	f.StringVar(&o.issuerCA, "issuer-ca", "", "PEM file that verifies the issuer's certificate (default: the system's roots)")
	f.StringSliceVar(&o.scopes, "scope", []string{"profile", "email", "groups"}, "scopes to ask for beside openid and offline_access")
	f.StringVar(&o.server, "server", "", "URL of the API server, for a new cluster in the kubeconfig")
	f.StringVar(&o.serverCA, "certificate-authority", "", "PEM file that verifies the API server's certificate, with --server")
	f.StringVar(&o.name, "name", "", "name of the context (default: login@CLUSTER)")
	f.BoolVar(&o.device, "device", false, "log in on another device, with a code that is shown here")
	f.StringVar(&o.browser, "browser", os.Getenv("BROWSER"), "program that is given the page's address, like xdg-open (default: $BROWSER; none: the address is shown only)")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long to wait for the person")
	return c
}

func (o *options) login(ctx context.Context, s *session.Session) error {
	config, err := s.Kubeconfig()
	if err != nil {
		return err
	}
	issuer, err := o.who(config)
	if err != nil {
		return err
	}
	cluster, err := o.cluster(&config)
	if err != nil {
		return err
	}
	store, err := openStore()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("%s passed without an answer", o.timeout))
	defer cancel()
	client, err := signin.Open(ctx, issuer, s.Bound().DialContext(matrix.OperatorToIssuer))
	if err != nil {
		return err
	}
	tokens, err := o.tokens(ctx, s, client)
	if err != nil {
		return err
	}
	unlock, err := store.lock(issuer.URL, issuer.ClientID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := store.write(stored{Issuer: issuer, tokens: tokens}); err != nil {
		return err
	}
	name, err := o.enter(&config, cluster, issuer)
	if err != nil {
		return err
	}
	if err := s.WriteKubeconfig(config); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "Logged in at %s; context %q is the current one. `ingot auth whoami` says who you are.\n", issuer.URL, name)
	return nil
}

func (o *options) tokens(ctx context.Context, s *session.Session, client *signin.Client) (signin.Tokens, error) {
	if o.device {
		return client.Device(ctx, func(p signin.Prompt) {
			fmt.Fprintf(s.Err, "Open %s and enter the code %s (until %s).\n", p.URL, p.Code, p.Until.Format(time.TimeOnly))
			if p.Direct != "" {
				fmt.Fprintf(s.Err, "With the code in it: %s\n", p.Direct)
			}
		})
	}
	var listener net.Listener
	listener, err := s.Bound().Listen(ctx, matrix.BrowserToLogin, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return signin.Tokens{}, fmt.Errorf("wait for the browser: %w", err)
	}
	return client.Browser(ctx, listener, func(page string) {
		fmt.Fprintf(s.Err, "Open this page in a browser of this machine:\n%s\n", page)
		if o.browser == "" {
			return
		}
		// What is in the address is good for this login only, and only here.
		if err := exec.CommandContext(ctx, o.browser, page).Start(); err != nil {
			fmt.Fprintf(s.Err, "The browser did not start: %v\n", err)
		}
	})
}

// who is the issuer of the flags, or of the context's earlier login.
func (o *options) who(config api.Config) (signin.Issuer, error) {
	i := signin.Issuer{URL: o.issuer, ClientID: o.clientID, Scopes: o.scopes}
	if o.issuer == "" || o.clientID == "" {
		earlier, ok := issuerOf(config)
		if !ok {
			return i, errors.New("--issuer and --client-id are needed: the current context has no login that they could be taken from")
		}
		if store, err := openStore(); err == nil && o.issuer == "" && o.issuerCA == "" {
			if l, err := store.read(earlier.URL, earlier.ClientID); err == nil {
				earlier.CA = l.CA
			}
		}
		if o.issuer == "" {
			i.URL, i.CA = earlier.URL, earlier.CA
		}
		if o.clientID == "" {
			i.ClientID = earlier.ClientID
		}
	}
	if o.issuerCA != "" {
		text, err := os.ReadFile(o.issuerCA)
		if err != nil {
			return i, fmt.Errorf("--issuer-ca: %w", err)
		}
		i.CA = string(text)
	}
	return i, nil
}

// cluster is the name of the cluster that the context is for; a new one with --server.
func (o *options) cluster(config *api.Config) (string, error) {
	if o.server == "" {
		current, ok := config.Contexts[config.CurrentContext]
		if !ok || config.Clusters[current.Cluster] == nil {
			return "", errors.New("--server is needed: the kubeconfig has no current context to take a cluster from")
		}
		return current.Cluster, nil
	}
	u, err := url.Parse(o.server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("--server %q: write the API server's URL, https://HOST:PORT", o.server)
	}
	cluster := api.NewCluster()
	cluster.Server = o.server
	if o.serverCA != "" {
		if cluster.CertificateAuthorityData, err = os.ReadFile(o.serverCA); err != nil {
			return "", fmt.Errorf("--certificate-authority: %w", err)
		}
	}
	config.Clusters[u.Hostname()] = cluster
	return u.Hostname(), nil
}

// enter writes user and context. The user's name is the issuer's, so that two logins do not share one.
func (o *options) enter(config *api.Config, cluster string, issuer signin.Issuer) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program's own file, which kubectl is to ask for tokens: %w", err)
	}
	user := "login@" + issuer.URL + "#" + issuer.ClientID
	info := api.NewAuthInfo()
	info.Exec = &api.ExecConfig{
		APIVersion: credentialVersion, Command: self, Args: []string{"auth", "token", "--issuer", issuer.URL, "--client-id", issuer.ClientID},
		InteractiveMode: api.NeverExecInteractiveMode, InstallHint: "ingot is needed, which logged in here: `ingot login`",
	}
	config.AuthInfos[user] = info
	name := o.name
	if name == "" {
		name = "login@" + cluster
	}
	c := api.NewContext()
	if old := config.Contexts[name]; old != nil {
		c.Namespace = old.Namespace
	}
	c.Cluster, c.AuthInfo = cluster, user
	config.Contexts[name] = c
	config.CurrentContext = name
	return name, nil
}

// issuerOf reads it back from the command that the context's user has.
func issuerOf(config api.Config) (signin.Issuer, bool) {
	c := config.Contexts[config.CurrentContext]
	if c == nil || config.AuthInfos[c.AuthInfo] == nil || config.AuthInfos[c.AuthInfo].Exec == nil {
		return signin.Issuer{}, false
	}
	a := config.AuthInfos[c.AuthInfo].Exec.Args
	if len(a) != 6 || a[0] != "auth" || a[1] != "token" || a[2] != "--issuer" || a[4] != "--client-id" {
		return signin.Issuer{}, false
	}
	return signin.Issuer{URL: a[3], ClientID: a[5]}, true
}
