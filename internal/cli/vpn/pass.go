package vpn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/consolerole"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/matrix"
)

// KeysVariable is the environment variable of --mesh-keys.
const KeysVariable = "INGOT_MESH_KEYS"

// Options say where the mesh is.
type Options struct {
	// Keys is the URL of the mesh role's listener for keys; CA the file of the site's CA, empty: what the partitions publish.
	Keys, CA string
}

// AddFlags adds them.
func (o *Options) AddFlags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&o.Keys, "mesh-keys", os.Getenv(KeysVariable), "URL at which the mesh role hands out keys, like https://192.0.2.1:8450 (default: $"+KeysVariable+")")
	f.StringVar(&o.CA, "mesh-ca", "", "PEM file of the site's CA (default: the one that the partitions publish)")
}

// Pass is one membership that has not begun yet.
type Pass struct {
	// Dir is a folder of the person's alone, with the file of the one-time key and of the CA.
	Dir, KeyFile, CAFile string
	Coordinator          string

	key    *ingot.MeshKey
	client client.Client
}

// askTime bounds the questions before a membership, and those after it.
const askTime = 30 * time.Second

// Open has a key made for whom the kubeconfig is of, for a member that leaves when it ends. The caller closes the pass.
func Open(ctx context.Context, s *session.Session, o Options, spec ingot.MeshKeySpec) (p *Pass, err error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	p = &Pass{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close(ctx))
		}
	}()
	live, err := s.Client()
	if err != nil {
		return p, err
	}
	p.client = live
	ca, err := authority(ctx, p.client, o.CA)
	if err != nil {
		return p, err
	}
	minter, err := minter(ctx, s, o.Keys, config, ca)
	if err != nil {
		return p, err
	}
	if spec.Server == "" {
		if spec.Person, err = whoami(ctx, config); err != nil {
			return p, err
		}
	}
	key := &ingot.MeshKey{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.SystemNamespace, GenerateName: "operator-"}, Spec: spec}
	if err := p.client.Create(ctx, key); err != nil {
		return p, fmt.Errorf("ask for a key of the mesh: %w", err)
	}
	p.key = key
	minted, err := minter.Mint(ctx, key.Namespace, key.Name)
	if err != nil {
		return p, fmt.Errorf("get a key of the mesh: %w", err)
	}
	p.Coordinator = minted.Coordinator
	return p, p.write(minted, ca)
}

func (p *Pass) write(minted meshkey.Minted, ca []byte) (err error) {
	if p.Dir, err = os.MkdirTemp("", "ingot-mesh-"); err != nil {
		return fmt.Errorf("keep the key of the mesh: %w", err)
	}
	p.KeyFile, p.CAFile = filepath.Join(p.Dir, "key"), filepath.Join(p.Dir, "ca.crt")
	return errors.Join(os.WriteFile(p.KeyFile, []byte(minted.Key.Reveal()+"\n"), 0o600), os.WriteFile(p.CAFile, ca, 0o600))
}

// Close voids the key, expels whoever joined by it, and removes the folder.
func (p *Pass) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	var problems []error
	if p.key != nil {
		now := &ingot.MeshKey{}
		err := p.client.Get(ctx, client.ObjectKeyFromObject(p.key), now)
		if err == nil && now.Status.Node != "" {
			problems = append(problems, p.expel(ctx, now))
		}
		problems = append(problems, client.IgnoreNotFound(err), client.IgnoreNotFound(p.client.Delete(ctx, p.key)))
	}
	if p.Dir != "" {
		problems = append(problems, os.RemoveAll(p.Dir))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("leave the mesh: %w", err)
	}
	return nil
}

// expel takes out who joined by a key. Not all who may join may expel: an ephemeral node leaves by itself when its program ends, and a few minutes later if that was killed.
func (p *Pass) expel(ctx context.Context, key *ingot.MeshKey) error {
	err := client.IgnoreNotFound(p.client.Delete(ctx, &ingot.MeshNode{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Status.Node}}))
	if apierrors.IsForbidden(err) && key.Spec.Ephemeral {
		return nil
	}
	return err
}

// Command is the member's program with a verb of it.
func (p *Pass) Command(verb string, more ...string) (*exec.Cmd, error) {
	const program = "ingot-mesh-member"
	file := ""
	if self, err := os.Executable(); err == nil {
		file = filepath.Join(filepath.Dir(self), program)
	}
	if _, err := os.Stat(file); err != nil {
		if file, err = exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("the mesh's member is a program of its own: put %s beside ingot or onto PATH ('make build' makes it): %w", program, err)
		}
	}
	args := append([]string{verb, "--dir", filepath.Join(p.Dir, "member"), "--coordinator", p.Coordinator, "--ca", p.CAFile, "--key-file", p.KeyFile}, more...)
	return exec.Command(file, args...), nil //nolint:noctx // our own program, which the caller ends
}

// authority is the CA of the mesh: a file's, or what the partitions publish through the API server.
func authority(ctx context.Context, c client.Client, file string) ([]byte, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--mesh-ca: %w", err)
		}
		return text, nil
	}
	var all ingot.PartitionList
	if err := c.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list partitions, for the site's CA: %w", err)
	}
	for i := range all.Items {
		if text := all.Items[i].Status.CABundle; len(text) > 0 {
			return text, nil
		}
	}
	return nil, errors.New("no partition publishes the site's CA: give it with --mesh-ca")
}

// minter asks for keys with the kubeconfig's certificate, or with its token where it has none.
func minter(ctx context.Context, s *session.Session, where string, config *rest.Config, ca []byte) (meshkey.Minter, error) {
	if where == "" {
		return nil, errors.New("say where the mesh's keys are handed out, by --mesh-keys or " + KeysVariable)
	}
	at, err := url.Parse(where)
	if err != nil {
		return nil, fmt.Errorf("--mesh-keys: %w", err)
	}
	ours, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate of the kubeconfig: %w", err)
	}
	header, err := consolerole.Credentials(ctx, config)
	if err != nil {
		return nil, err
	}
	token := header.Get("Authorization")
	if token == "" && (ours == nil || len(ours.Certificates) == 0 && ours.GetClientCertificate == nil) {
		return nil, &session.Exit{Code: session.NotAllowed, Err: errors.New("keys of the mesh are given to who shows a certificate or a token, and the kubeconfig has neither: run `ingot login`")}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("the site's CA has no certificate in it")
	}
	secure := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13, ServerName: at.Hostname()}
	if ours != nil {
		secure.Certificates, secure.GetClientCertificate = ours.Certificates, ours.GetClientCertificate
	}
	asking, err := meshkey.NewClient(where, &http.Client{Timeout: askTime, Transport: &http.Transport{
		TLSClientConfig: secure, DialContext: s.Bound().DialContext(matrix.OperatorToMeshKeys), DisableKeepAlives: true,
	}})
	if err != nil {
		return nil, err
	}
	// Also beside a certificate: client-go has a plugin asked for one in the handshake whether it has one or not.
	asking.Authorization = secret.New(token)
	return asking, nil
}

// whoami asks the API server.
func whoami(ctx context.Context, config *rest.Config) (string, error) {
	c, err := authentication.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("ask the API server who you are: %w", err)
	}
	review, err := c.SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the API server who you are: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}

// Operator is what a person's key is for. It may be used for some minutes, and the member leaves when it is away.
func Operator() ingot.MeshKeySpec {
	const lifetime = 5 * time.Minute
	return ingot.MeshKeySpec{MeshMember: ingot.MeshMember{Tags: []string{string(matrix.Operator)}}, Ephemeral: true, LifetimeSeconds: int32(lifetime / time.Second)}
}
