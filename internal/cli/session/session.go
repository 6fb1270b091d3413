// Package session is what every command shares: which API server, which namespace, which output format, and where answers and messages go.
//
// It owns the global flags and the one client. It refuses commands. Invariants: standard output carries the answer and nothing else; a
// missing or wrong kubeconfig is an error that says where it was looked for.
package session

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/table"
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
	// timeout bounds each request; 0 for none.
	timeout time.Duration
}

// New makes a session that writes to out and errOut.
func New(out, errOut io.Writer) *Session { return &Session{Out: out, Err: errOut} }

// AddFlags adds the flags that say which API server and how to print.
func (s *Session) AddFlags(c *cobra.Command) {
	s.AddServerFlags(c)
	f := c.PersistentFlags()
	f.StringVarP(&s.namespace, "namespace", "n", "", "namespace (default: the context's)")
	f.BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "look in every namespace")
	s.addOutput(c, f)
}

// AddOutput gives a command -o whose parents have formats of their own, or none.
func (s *Session) AddOutput(c *cobra.Command) { s.addOutput(c, c.Flags()) }

func (s *Session) addOutput(c *cobra.Command, f *pflag.FlagSet) {
	f.StringVarP(&s.output, "output", "o", string(print.Table), print.Help)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(print.Formats(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
}

// AddServerFlags adds the flags that say which API server, for commands with namespaces and formats of their own.
func (s *Session) AddServerFlags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)")
	f.StringVar(&s.context, "context", "", "kubeconfig context")
}

// Format is the value of -o. From then on, what is written to Out is laid out as Markdown where that is asked for, and whole after Close.
func (s *Session) Format() (print.Format, error) {
	f, err := print.ParseFormat(s.output)
	if _, is := s.Out.(*print.Page); f == print.Markdown && !is {
		s.Out = print.NewPage(s.Out)
	}
	return f, err
}

// Close writes what is left of the answer.
func (s *Session) Close() error {
	p, is := s.Out.(*print.Page)
	if !is {
		return nil
	}
	if err := p.Close(); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

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
	// A person's program asks in bursts; the API server shares itself out among its clients (priority and fairness).
	config.QPS = -1
	config.Timeout = s.timeout
	// Between two processes of one machine, compression costs more than what it saves.
	config.DisableCompression = onThisMachine(config.Host)
	config.Dial = socket.Bind(matrix.Operator, matrix.Builtin(), kernel.Network{}).DialContext(matrix.OperatorToAPIServer)
	return config, nil
}

// onThisMachine says whether a server's URL names a loopback address.
func onThisMachine(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
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

// Tables connects to the API server for lists as tables.
func (s *Session) Tables() (*table.Reader, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	return table.New(config)
}

// Hurried is the same session for answers that nobody waits longer for than limit; what it is asked for is printed nowhere.
func (s *Session) Hurried(limit time.Duration) *Session {
	h := *s
	h.Out, h.Err, h.timeout = io.Discard, io.Discard, limit
	return &h
}

// Server names whom the session asks as whom, as far as files tell: one text for one context of one kubeconfig.
func (s *Session) Server() string {
	config, err := s.loader().RawConfig()
	if err != nil {
		return ""
	}
	name := s.context
	if name == "" {
		name = config.CurrentContext
	}
	c := config.Contexts[name]
	if c == nil {
		return ""
	}
	server := ""
	if cluster := config.Clusters[c.Cluster]; cluster != nil {
		server = cluster.Server
	}
	return strings.Join([]string{server, c.AuthInfo, name}, " ")
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

// OneNamespace is the namespace asked for where there must be one: what is to be done is done to one thing, which what names.
func (s *Session) OneNamespace(what string) (string, error) {
	namespace, err := s.Namespace()
	if err == nil && namespace == "" {
		err = fmt.Errorf("-A is no namespace: say with -n in which one the %s is", what)
	}
	return namespace, err
}

// ShowNamespace says whether lists need a namespace column.
func (s *Session) ShowNamespace() bool { return s.allNamespaces }

// Screen is the size of the terminal that answers go to; ok is false where they go to a file or another program.
func (s *Session) Screen() (columns, lines int, ok bool) {
	f, isFile := s.Out.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}

// Interactive says whether messages go to a terminal, on which lines may be redrawn.
func (s *Session) Interactive() bool {
	f, ok := s.Err.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
