// Package session is what every command shares: which API server, which namespace, which output format, and where answers and messages go.
//
// It owns the global flags and the one client. It refuses commands. Invariants: standard output carries the answer and nothing else; a
// missing or wrong kubeconfig is an error that says where it was looked for.
package session

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

// Session is one call of the program.
type Session struct {
	Out io.Writer
	Err io.Writer

	kubeconfig    string
	context       string
	namespace     string
	allNamespaces bool
	output        string
}

// New makes a session that writes to out and errOut.
func New(out, errOut io.Writer) *Session { return &Session{Out: out, Err: errOut} }

// AddFlags adds the flags that say which API server and how to print.
func (s *Session) AddFlags(c *cobra.Command) {
	s.AddServerFlags(c)
	f := c.PersistentFlags()
	f.StringVarP(&s.namespace, "namespace", "n", "", "namespace (default: the context's)")
	f.BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "look in every namespace")
	f.StringVarP(&s.output, "output", "o", string(print.Table), "table, wide, json or yaml")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(print.Formats(), cobra.ShellCompDirectiveNoFileComp))
}

// AddServerFlags adds the flags that say which API server, for commands with namespaces and formats of their own.
func (s *Session) AddServerFlags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)")
	f.StringVar(&s.context, "context", "", "kubeconfig context")
}

// Format is the value of -o.
func (s *Session) Format() (print.Format, error) { return print.ParseFormat(s.output) }

// Scheme knows every kind that the program reads or writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, metal3.AddToScheme, ingot.AddToScheme, calico.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register the API kinds: %w", err)
		}
	}
	return scheme, nil
}

func (s *Session) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context})
}

// RESTConfig reads the kubeconfig. The API server is dialed as the operator's end of its flow.
func (s *Session) RESTConfig() (*rest.Config, error) {
	config, err := s.loader().ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w; give one with --kubeconfig or KUBECONFIG (`ingot up` writes its own to %s)",
			err, filepath.Join("DATA-DIR", "admin.kubeconfig"))
	}
	config.Dial = socket.Bind(matrix.Operator, matrix.Builtin(), kernel.Network{}).DialContext(matrix.OperatorToAPIServer)
	return config, nil
}

// Client connects to the API server.
func (s *Session) Client() (client.WithWatch, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the API server %s: %w", config.Host, err)
	}
	return c, nil
}

// Namespace is the namespace asked for; with -A it is empty, which means all.
func (s *Session) Namespace() (string, error) {
	if s.allNamespaces {
		return "", nil
	}
	if s.namespace != "" {
		return s.namespace, nil
	}
	namespace, _, err := s.loader().Namespace()
	if err != nil {
		return "", fmt.Errorf("read the namespace from the kubeconfig: %w", err)
	}
	return namespace, nil
}

// ShowNamespace says whether lists need a namespace column.
func (s *Session) ShowNamespace() bool { return s.allNamespaces }

// Interactive says whether messages go to a terminal, on which lines may be redrawn.
func (s *Session) Interactive() bool {
	f, ok := s.Err.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
