package up

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/issuer"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/internal/role/traces"
)

// Options are the flags.
type Options struct {
	// DataDir holds everything: the store, keys, logs, certificates, pid files.
	DataDir string
	// Kubeconfig is an administrator's, of an existing cluster; empty: the embedded API server.
	Kubeconfig string
	// Bind is the embedded API server's address, Advertise the names that clients know it by.
	Bind      string
	Advertise []string

	Partition string
	// PartitionNetwork and BootNetwork are what each role takes for --provisioning-network.
	PartitionNetwork, BootNetwork string
	AgentBind, OperatorBind       string
	MediaBind, HTTPBind           string
	// HTTPSBind is UEFI HTTP boot's, HTTPBootEndpoint the URL that firmware reaches it by; empty: there is none.
	HTTPSBind, HTTPBootEndpoint               string
	AgentEndpoint, MediaEndpoint, OperatorURL string
	// ConsoleBind and ConsoleSSHBind are the console role's loopback addresses; ConsoleBind empty: there is none. The endpoints are what people reach them by, through the mesh.
	ConsoleBind, ConsoleSSHBind, ConsoleEndpoint, ConsoleSSHEndpoint string
	// Mesh has the mesh's coordinator and relay started as well.
	Mesh Mesh
	// WebBind is the loopback address of the web page; empty: there is none. WebEndpoint is the URL that people reach it by.
	WebBind, WebEndpoint string
	BMCCA                string
	// People is the issuer of the embedded API server.
	People issuer.Options
	// Matrix is the file of the site's communication matrix, which each role takes its ports from; empty: none.
	Matrix string
	// AuditPolicy is the file that says what the embedded API server's audit trail keeps; empty: the default. AuditTo is the URL of the archive that gets it, AuditSecret the file of
	// its token or password, AuditCA of its CA; empty: there is none, and the trail stays in its files.
	AuditPolicy, AuditTo, AuditSecret, AuditCA string
	// Traces are the partition and the boot role's.
	Traces traces.Flags
	// Artifacts is the folder of the agent's kernel, ramdisk and medium.
	Artifacts string
	// DHCP is the Partition's, used only when it is made.
	DHCP DHCP
	// PartitionArgs and BootArgs are added to the roles' command lines as they are.
	PartitionArgs, BootArgs []string
	Verbose                 bool

	// APIServerProgram and RoleProgram are the executables.
	APIServerProgram, RoleProgram string
	// Out is for people, Log for the lines of the roles.
	Out, Log io.Writer
}

// DHCP is what the boot role gives to machines.
type DHCP struct {
	Mode, CIDR, RangeStart, RangeEnd, Gateway string
}

// flags that are not options as they stand.
type flags struct {
	network string
	lab     string
}

// Command is `ingot up`.
func Command() *cobra.Command {
	var o Options
	var f flags
	c := &cobra.Command{
		Use:   "up",
		Short: "Run a whole site on this machine: API server, controller, partition, boot and console role",
		Long: "Starts the embedded API server (or uses the cluster of --kubeconfig), installs kinds, validation and permissions, gives each role an identity of its own, and runs " +
			"the roles as child processes. A child that dies is started again. Ctrl-C stops everything; starting again goes on where it stood.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Log = c.OutOrStdout(), c.ErrOrStderr()
			if err := o.complete(f); err != nil {
				return err
			}
			return Run(c.Context(), o)
		},
	}
	s := c.Flags()
	s.StringVar(&o.DataDir, "data-dir", "", "folder of everything that is kept (default: ~/.ingot)")
	s.StringVar(&o.Kubeconfig, "kubeconfig", "", "run the roles against this existing cluster instead of the embedded API server; an administrator's rights are needed")
	s.StringVar(&o.Bind, "bind", "127.0.0.1:6443", "address of the embedded API server")
	s.StringSliceVar(&o.Advertise, "advertise", nil, "names and addresses that clients know the embedded API server by")
	s.StringVar(&o.Partition, "partition", "default", "name of the Partition; made if it is not there")
	s.StringVar(&f.network, "provisioning-network", "kernel", `where machines boot: "kernel", "kernel:<interface>", or "lab:<switch socket>"`)
	s.StringVar(&f.lab, "lab", "", "data directory of a running 'ingot lab': sets the networks, the BMCs' CA and the Partition's DHCP from its lab.json")
	s.StringVar(&o.AgentBind, "agent-bind", "127.0.0.1:8443", "address for agents, on the provisioning network")
	s.StringVar(&o.AgentEndpoint, "agent-endpoint", "", "URL that machines reach --agent-bind by (default: its address)")
	s.StringVar(&o.OperatorBind, "operator-bind", "127.0.0.1:8444", "address of the partition role for operators")
	s.StringVar(&o.OperatorURL, "operator-endpoint", "", "URL that operators reach --operator-bind by (default: its address)")
	s.StringVar(&o.MediaBind, "media-bind", "127.0.0.1:8081", "address of the virtual media, as BMCs reach it; empty: no virtual media")
	s.StringVar(&o.MediaEndpoint, "media-endpoint", "", "URL that BMCs reach --media-bind by (default: its address)")
	s.StringVar(&o.HTTPBind, "http-bind", "127.0.0.1:8080", "address of the boot files, on the provisioning network")
	s.StringVar(&o.HTTPSBind, "https-bind", "", "address of UEFI HTTP boot, on the provisioning network; empty: none")
	s.StringVar(&o.HTTPBootEndpoint, "uefi-http-endpoint", "", "URL that firmware reaches --https-bind by (default: its address)")
	s.StringVar(&o.ConsoleBind, "console-bind", "127.0.0.1:8452", "loopback address of the console role, which people see serial consoles by; empty: there is no console role")
	s.StringVar(&o.ConsoleSSHBind, "console-ssh-bind", "127.0.0.1:8453", "loopback address of the console role's SSH server; empty: none")
	s.StringVar(&o.ConsoleEndpoint, "console-endpoint", "", "URL that people reach --console-bind by (default: its address)")
	s.StringVar(&o.ConsoleSSHEndpoint, "console-ssh-endpoint", "", "host and port that people reach --console-ssh-bind by (default: its address)")
	s.StringVar(&o.WebBind, "web-bind", "127.0.0.1:8455", "loopback address of the web page; empty: none")
	s.StringVar(&o.WebEndpoint, "web-endpoint", "", "URL that people reach --web-bind by (default: its address)")
	s.StringVar(&o.BMCCA, "bmc-ca", "", "PEM file that verifies the BMCs' certificates (default: the system's roots)")
	s.StringVar(&o.Artifacts, "artifacts", "", "folder of the agent's boot artifacts, from 'ingot image build-agent' (default: <data-dir>/artifacts)")
	s.StringVar(&o.Matrix, "matrix", "", declared.Usage)
	s.StringVar(&o.AuditPolicy, "audit-policy", "", "file that says what the audit trail keeps, and what is refused when it cannot be written (default: every change and every read of a Secret)")
	s.StringVar(&o.AuditTo, "audit-to", "", "URL of an archive that the audit trail is sent to as well, https:// or postgres://; empty: none")
	s.StringVar(&o.AuditSecret, "audit-secret-file", "", "file of the archive's token or password")
	s.StringVar(&o.AuditCA, "audit-tls-ca", "", "PEM file that verifies an HTTPS archive's certificate (default: the system's roots)")
	o.Traces.Add(s)
	s.StringVar(&o.DHCP.Mode, "dhcp-mode", "off", "what the boot role answers, for a Partition that is made now: server, proxy or off")
	s.StringVar(&o.DHCP.CIDR, "dhcp-cidr", "", "subnet of the provisioning network, with --dhcp-mode server")
	s.StringVar(&o.DHCP.RangeStart, "dhcp-range-start", "", "first address for machines")
	s.StringVar(&o.DHCP.RangeEnd, "dhcp-range-end", "", "last address for machines")
	s.StringVar(&o.DHCP.Gateway, "dhcp-gateway", "", "router that machines are told")
	s.StringArrayVar(&o.PartitionArgs, "partition-arg", nil, "further argument for the partition role, like --partition-arg=--workers=16; may be repeated")
	s.StringArrayVar(&o.BootArgs, "boot-arg", nil, "further argument for the boot role; may be repeated")
	o.People.AddFlags(s)
	o.Mesh.addFlags(s)
	s.BoolVarP(&o.Verbose, "verbose", "v", false, "show everything that the roles log, and let them log more")
	return c
}

// complete fills in what follows from other flags.
func (o *Options) complete(f flags) error {
	if err := o.Traces.Check(); err != nil {
		return err
	}
	if o.DataDir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return fmt.Errorf("no --data-dir, and no home directory to take for it: %w", err)
		}
		o.DataDir = filepath.Join(home, ".ingot")
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return fmt.Errorf("--data-dir %q: %w", o.DataDir, err)
	}
	o.DataDir = dir
	if o.Artifacts == "" {
		o.Artifacts = filepath.Join(dir, "artifacts")
	}
	if _, err := os.Stat(o.Artifacts); err != nil {
		return fmt.Errorf("--artifacts: the agent that machines boot is not there; build it with 'ingot image build-agent': %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file, to start the roles from it: %w", err)
	}
	o.RoleProgram = self
	o.APIServerProgram = filepath.Join(filepath.Dir(self), "ingot-apiserver")
	if o.Kubeconfig == "" {
		if _, err := os.Stat(o.APIServerProgram); err != nil {
			return fmt.Errorf("the embedded API server is a program of its own beside this one; build cmd/ingot-apiserver, or give --kubeconfig: %w", err)
		}
	}
	if o.Matrix, err = o.siteMatrix(); err != nil {
		return err
	}
	if err := o.audit(); err != nil {
		return err
	}
	if o.Kubeconfig != "" && o.People.Configured() {
		return errors.New("--oidc-issuer and --authentication-config are for the embedded API server: the cluster of --kubeconfig has an issuer of its own")
	}
	if err := o.People.Complete(); err != nil {
		return err
	}
	if o.Partition == "" {
		return errors.New("--partition is empty: give the site a name")
	}
	if err := o.Mesh.complete(filepath.Dir(self)); err != nil {
		return err
	}
	return o.networks(f)
}

// audit checks what is said about the audit trail before anything starts.
func (o *Options) audit() error {
	if o.Kubeconfig != "" && (o.AuditPolicy != "" || o.AuditTo != "") {
		return errors.New("--audit-policy and --audit-to are about the embedded API server's trail: with --kubeconfig the cluster has an audit log of its own")
	}
	if o.AuditTo == "" && (o.AuditSecret != "" || o.AuditCA != "") {
		return errors.New("--audit-secret-file and --audit-tls-ca are for the archive: give --audit-to")
	}
	if o.AuditPolicy == "" {
		return nil
	}
	text, err := os.ReadFile(o.AuditPolicy)
	if err != nil {
		return fmt.Errorf("--audit-policy: %w", err)
	}
	if _, err := audit.ParsePolicy(text); err != nil {
		return fmt.Errorf("--audit-policy %s: %w", o.AuditPolicy, err)
	}
	o.AuditPolicy, err = filepath.Abs(o.AuditPolicy)
	return err
}

// siteMatrix is the file's full path. It is read here too, so that what is wrong with it is said once and before anything starts.
func (o *Options) siteMatrix() (string, error) {
	if o.Matrix == "" {
		return "", nil
	}
	if _, err := declared.Rows(o.Matrix); err != nil {
		return "", err
	}
	return filepath.Abs(o.Matrix)
}

// partition is the object that is made when there is none.
func (o *Options) partition() *ingot.Partition {
	p := &ingot.Partition{}
	p.Name = o.Partition
	p.Spec.ProvisioningNetwork = ingot.ProvisioningNetwork{
		DHCPMode: ingot.DHCPMode(o.DHCP.Mode), CIDR: o.DHCP.CIDR, RangeStart: o.DHCP.RangeStart, RangeEnd: o.DHCP.RangeEnd, Gateway: o.DHCP.Gateway,
	}
	return p
}
