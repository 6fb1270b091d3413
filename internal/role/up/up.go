package up

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/install"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

const (
	apiServerStart = 5 * time.Minute
	apiServerGrace = 30 * time.Second
	// roleGrace is for a role that has calls of BMCs under way on a busy machine; with apiServerGrace it stays below the 90 s that systemd gives a service.
	roleGrace = 45 * time.Second
)

const (
	apiServerName  = "apiserver"
	controllerName = "controller"
	auditorName    = "auditor"
	consoleName    = "console"
)

// Run is the whole site until ctx ends.
func Run(ctx context.Context, o Options) error {
	lock, err := lockDataDir(o.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	s := &site{o: o, screen: &screen{out: o.Log, verbose: o.Verbose}}
	s.log = slog.New(slog.NewJSONHandler(lineWriter{s.screen}, nil))
	s.supervisor = &supervisor{dataDir: o.DataDir, screen: s.screen, log: s.log}
	return s.run(ctx)
}

type site struct {
	o          Options
	screen     *screen
	supervisor *supervisor
	log        *slog.Logger
	// admin is the kubeconfig for people.
	admin string
}

// run starts in order and stops in the reverse one: the API server's context ends after the roles have.
func (s *site) run(ctx context.Context) error {
	roles, stopRoles := context.WithCancelCause(ctx)
	defer stopRoles(nil)
	server, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()

	var running sync.WaitGroup
	var problem error
	if s.o.Kubeconfig == "" {
		ready, ended := make(chan struct{}), make(chan struct{})
		running.Go(func() {
			defer close(ended)
			if err := s.apiServer(server, ready); err != nil {
				problem = err
				stopRoles(err)
			}
		})
		select {
		case <-ready:
		case <-ended:
		case <-roles.Done():
		case <-time.After(apiServerStart):
			stopRoles(fmt.Errorf("the API server was not ready within %s: see %s", apiServerStart, s.supervisor.logFile(apiServerName)))
		}
	}
	err := s.roles(roles)
	stopServer()
	running.Wait()
	if cause := context.Cause(roles); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if problem != nil && !errors.Is(err, problem) {
		err = errors.Join(err, problem)
	}
	return err
}

// apiServer supervises the embedded API server. Its first start must succeed; later it is started again as often as it takes, at the address that it had.
func (s *site) apiServer(ctx context.Context, ready chan struct{}) error {
	bind := s.o.Bind
	var once sync.Once
	first := true
	return s.supervisor.run(ctx, supervised{
		name: apiServerName, program: s.o.APIServerProgram, grace: apiServerGrace,
		args: func() []string {
			args := append([]string{"--data-dir", s.o.DataDir, "--bind", bind}, s.o.People.Args()...)
			if s.o.Matrix != "" {
				args = append(args, "--matrix", s.o.Matrix)
			}
			if s.o.AuditPolicy != "" {
				args = append(args, "--audit-policy", s.o.AuditPolicy)
			}
			for _, host := range s.o.Advertise {
				args = append(args, "--advertise", host)
			}
			return args
		},
		said: func(line string) {
			address, ok := strings.CutPrefix(line, "ready https://")
			if !ok {
				return
			}
			once.Do(func() {
				if strings.HasSuffix(bind, ":0") {
					bind = address
				}
				first = false
				close(ready)
			})
		},
		died: func(err error) error {
			if first {
				return fmt.Errorf("the API server did not start: %w: %s", err, s.supervisor.lastWords(apiServerName))
			}
			return nil
		},
	})
}

// roles installs, issues identities and runs the roles until ctx ends.
func (s *site) roles(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // told to stop before the roles began: an ordinary end
	}
	ids, err := s.prepare(ctx)
	if err != nil && ctx.Err() != nil {
		// Told to stop meanwhile: what was under way could not end otherwise. Where it was the API server's end, run says so.
		s.log.Info("told to stop while it started", "err", err)
		return nil //nolint:nilerr // an ordinary end
	}
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { ids.keep(ctx) })
	problems := make(chan error, len(ids.roles)+1)
	if s.o.AuditTo != "" {
		running.Go(func() {
			problems <- s.supervisor.run(ctx, supervised{name: auditorName, program: s.o.RoleProgram, grace: roleGrace, args: s.auditorArguments})
		})
	}
	for role := range ids.roles {
		running.Go(func() {
			problems <- s.supervisor.run(ctx, supervised{
				name: role, program: s.program(role), grace: roleGrace,
				args: func() []string { return s.arguments(role, ids) },
			})
		})
	}
	s.hello(ids)
	running.Wait()
	close(problems)
	var all []error
	for err := range problems {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// prepare installs everything into the API and writes the roles' files.
func (s *site) prepare(ctx context.Context) (*identities, error) {
	s.admin = s.o.Kubeconfig
	if s.admin == "" {
		s.admin = filepath.Join(s.o.DataDir, "admin.kubeconfig")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", s.admin)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", s.admin, err)
	}
	cfg.Dial = socket.Bind(matrix.Operator, matrix.Builtin(), kernel.Network{}).DialContext(matrix.OperatorToAPIServer)
	if err := install.Apply(ctx, cfg, install.Options{Partition: s.o.partition(), ProviderGroups: s.o.People.ProviderGroups()}); err != nil {
		return nil, err
	}
	ids, err := s.identities(cfg)
	if err != nil {
		return nil, err
	}
	return ids, errors.Join(s.issueFirmware(time.Now()), ids.issueAll(ctx, time.Now()))
}

func (s *site) identities(cfg *rest.Config) (*identities, error) {
	ids := &identities{
		dir: filepath.Join(s.o.DataDir, "roles"), partition: s.o.Partition, log: s.log,
		roles: map[string][]string{
			"partition":    hostsOf(s.o.AgentBind, s.o.AgentEndpoint, s.o.OperatorBind, s.o.OperatorURL),
			"boot":         hostsOf(s.o.MediaBind, s.o.MediaEndpoint, s.o.HTTPBind),
			controllerName: hostsOf(s.o.WebEndpoint),
		},
	}
	if s.o.ConsoleBind != "" {
		ids.roles[consoleName] = hostsOf(s.o.ConsoleEndpoint)
	}
	maps.Copy(ids.roles, s.o.Mesh.hosts())
	var err error
	// With the embedded API server this is its own CA, which it made before it was ready.
	if ids.ca, err = pki.OpenCA(filepath.Join(s.o.DataDir, "pki"), "ingot site", time.Now()); err != nil {
		return nil, err
	}
	if err := rest.LoadTLSFiles(cfg); err != nil {
		return nil, fmt.Errorf("read the CA that the kubeconfig %s names: %w", s.admin, err)
	}
	ids.cluster = kubeconfig.Cluster{Name: "ingot", URL: cfg.Host, CA: cfg.CAData}
	if s.o.Kubeconfig != "" {
		ids.foreign = cfg
	}
	return ids, nil
}

// auditorArguments are those of the role that reads the trail's files and has no identity.
func (s *site) auditorArguments() []string {
	args := []string{auditorName, "--dir", filepath.Join(s.o.DataDir, "audit"), "--to", s.o.AuditTo}
	for name, value := range map[string]string{"--secret-file": s.o.AuditSecret, "--tls-ca": s.o.AuditCA, "--matrix": s.o.Matrix} {
		if value != "" {
			args = append(args, name, value)
		}
	}
	return args
}

// apiServerOutside is the URL of the embedded API server by the first name that clients on other machines know it by; empty where it has none.
func (s *site) apiServerOutside(ids *identities) string {
	if s.o.Kubeconfig != "" {
		return ""
	}
	u, err := url.Parse(ids.cluster.URL)
	if err != nil {
		return ""
	}
	for _, name := range s.o.Advertise {
		// The first name is what the roles beside it use, and that may be loopback.
		if a, err := netip.ParseAddr(name); name != "localhost" && (err != nil || !a.IsLoopback()) {
			return "https://" + net.JoinHostPort(name, u.Port())
		}
	}
	return ""
}

// arguments of a role's process.
func (s *site) arguments(role string, ids *identities) []string {
	if role == meshName || role == relayName {
		return s.meshArguments(role, ids)
	}
	tls, file := ids.files(role)
	command := role
	if role == consoleName {
		command = "console-server" // `ingot console` is people's
	}
	args := []string{command, "--kubeconfig", file, "--tls-cert", tls.Cert, "--tls-key", tls.Key, "--tls-ca", tls.CA}
	if role != controllerName {
		args = append(args, "--partition", s.o.Partition)
	}
	add := func(name, value string) {
		if value != "" {
			args = append(args, name, value)
		}
	}
	add("--matrix", s.o.Matrix)
	switch role {
	case "partition":
		add("--provisioning-network", s.o.PartitionNetwork)
		add("--data-dir", filepath.Join(s.o.DataDir, role))
		add("--agent-bind", s.o.AgentBind)
		add("--agent-endpoint", s.o.AgentEndpoint)
		add("--operator-bind", s.o.OperatorBind)
		add("--operator-endpoint", s.o.OperatorURL)
		add("--media-endpoint", s.mediaEndpoint())
		if s.o.HTTPSBind != "" {
			add("--uefi-http-endpoint", s.httpBootEndpoint())
			add("--uefi-http-ca", s.firmwareTLS().Cert)
		}
		add("--firewall-api-server", s.apiServerOutside(ids))
		add("--bmc-ca", s.o.BMCCA)
		args = append(args, s.o.Traces.Arguments()...)
		add("--console-endpoint", s.consoleEndpoint())
		if s.o.ConsoleBind != "" {
			add("--console-ssh-endpoint", cmp.Or(s.o.ConsoleSSHEndpoint, s.o.ConsoleSSHBind))
		}
		// Only one partition role is ever started here, and a killed one's lease would hold up its successor.
		args = append(append(args, "--leader-elect=false"), s.o.PartitionArgs...)
	case controllerName:
		args = append(args, s.controllerArguments()...)
	case consoleName:
		add("--data-dir", filepath.Join(s.o.DataDir, role))
		args = append(args, "--bind", s.o.ConsoleBind, "--ssh-bind", s.o.ConsoleSSHBind)
		if host, _, err := net.SplitHostPort(s.o.ConsoleSSHEndpoint); err == nil {
			add("--ssh-name", host)
		}
	case "boot":
		add("--provisioning-network", s.o.BootNetwork)
		add("--artifacts", s.o.Artifacts)
		add("--media-bind", s.o.MediaBind)
		add("--http-bind", s.o.HTTPBind)
		if s.o.HTTPSBind != "" {
			add("--https-bind", s.o.HTTPSBind)
			add("--https-tls-cert", s.firmwareTLS().Cert)
			add("--https-tls-key", s.firmwareTLS().Key)
		}
		args = append(append(args, s.o.Traces.Arguments()...), s.o.BootArgs...)
	}
	if s.o.Verbose {
		args = append(args, "--verbose")
	}
	return args
}

func (s *site) controllerArguments() []string {
	// As the partition role: only one is ever started here.
	args := []string{"--leader-elect=false"}
	add := func(name, value string) {
		if value != "" {
			args = append(args, name, value)
		}
	}
	add("--mesh-keys", s.o.Mesh.keysURL())
	if s.o.WebBind == "" {
		return args
	}
	args = append(args, "--web-bind", s.o.WebBind, "--web-tickets", s.tickets(), "--web-endpoint", s.webEndpoint())
	add("--web-issuers", s.webIssuers())
	return args
}

func (s *site) mediaEndpoint() string {
	switch {
	case s.o.MediaBind == "":
		return ""
	case s.o.MediaEndpoint != "":
		return s.o.MediaEndpoint
	}
	return "https://" + s.o.MediaBind
}

func (s *site) consoleEndpoint() string {
	if s.o.ConsoleBind == "" || s.o.ConsoleEndpoint != "" {
		return s.o.ConsoleEndpoint
	}
	return "https://" + s.o.ConsoleBind
}

func (s *site) httpBootEndpoint() string {
	if s.o.HTTPBootEndpoint != "" {
		return s.o.HTTPBootEndpoint
	}
	return "https://" + s.o.HTTPSBind
}

// firmwareTLS is what the boot role shows to firmware.
func (s *site) firmwareTLS() pki.Files {
	return pki.FilesIn(filepath.Join(s.o.DataDir, "roles", "boot"), "firmware")
}

// issueFirmware makes it. It is no role's identity: firmware knows few kinds of certificate, and BMCs keep what they were told to trust.
func (s *site) issueFirmware(now time.Time) error {
	if s.o.HTTPSBind == "" {
		return nil
	}
	return pki.IssueFirmware(s.firmwareTLS(), "ingot boot server "+s.o.Partition, now, hostsOf(s.httpBootEndpoint())...)
}

// lockDataDir keeps a second ingot up away: two of them would start every role twice.
func lockDataDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "run", "up.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the data directory %s is in use by another ingot up: stop it, or give another --data-dir: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// lineWriter prints our own log lines like a role's.
type lineWriter struct{ screen *screen }

func (w lineWriter) Write(p []byte) (int, error) {
	w.screen.print("up", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
