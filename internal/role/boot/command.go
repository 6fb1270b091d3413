package boot

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/role/traces"
)

// Options are the flags.
type Options struct {
	identity.Flags
	// Artifacts is the directory that bootmedia.Build made.
	Artifacts string
	// MediaBind is the address of the virtual media's HTTPS server, towards the BMCs; empty: no virtual media.
	MediaBind string
	// HTTPSBind is the address of the HTTPS server for UEFI HTTP boot, on the provisioning network; empty: no UEFI HTTP boot over HTTPS.
	HTTPSBind string
	// HTTPSTLS is the certificate of that server with its key: what the machines' BMCs were told to trust.
	HTTPSTLS pki.Files
	// HTTPBind is the address of the boot files' HTTP server on the provisioning network. Its port goes into the URLs that machines are told.
	HTTPBind string
	// NetworkBoot is off where no server of the provisioning network may be started, whatever the Partition says.
	NetworkBoot bool
	// Traces are where spans of what was served go.
	Traces traces.Flags
	// Verbose logs at debug level: every packet that is not answered, with the reason.
	Verbose bool
}

// Command is `ingot boot`.
func Command() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:   "boot",
		Short: "Run the boot role: let machines boot in their boot windows",
		Long: "Runs the role that lets the machines of one Partition boot the agent: virtual media for their BMCs, and DHCP, TFTP and HTTP on the provisioning network as " +
			"the Partition's dhcpMode says. It answers only machines whose boot window is open. It keeps no state: run as many as you like.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return Run(c.Context(), o, identity.Logger(o.Verbose))
		},
	}
	o.Add(c.Flags())
	f := c.Flags()
	f.StringVar(&o.Artifacts, "artifacts", "", "folder of the boot artifacts, from 'ingot image build-agent' (required)")
	f.StringVar(&o.MediaBind, "media-bind", "", "address of the virtual media's HTTPS server as BMCs reach it, like 10.1.0.2:8081; without it there is no virtual media")
	f.StringVar(&o.HTTPSBind, "https-bind", "", "address of the HTTPS server for UEFI HTTP boot on the provisioning network, like 10.0.0.2:8082; without it there is none")
	f.StringVar(&o.HTTPSTLS.Cert, "https-tls-cert", "", "PEM file of that server's certificate, RSA where firmware knows no elliptic curves (required with --https-bind)")
	f.StringVar(&o.HTTPSTLS.Key, "https-tls-key", "", "PEM file of its key (required with --https-bind)")
	f.StringVar(&o.HTTPBind, "http-bind", "0.0.0.0:8080", "address of the boot files' HTTP server on the provisioning network")
	f.BoolVar(&o.NetworkBoot, "network-boot", true, "serve the provisioning network when the Partition's dhcpMode says so; off: virtual media only")
	o.Traces.Add(f)
	f.BoolVar(&o.Verbose, "verbose", false, "log every request that is not answered, with the reason")
	return c
}

func (o *Options) check() error {
	if err := o.Check(); err != nil {
		return err
	}
	if err := o.Traces.Check(); err != nil {
		return err
	}
	if o.Artifacts == "" {
		return errors.New("--artifacts is required")
	}
	if o.MediaBind == "" && o.HTTPSBind == "" && !o.NetworkBoot {
		return errors.New("without --media-bind and --https-bind, and with --network-boot=false there is nothing to serve")
	}
	if o.HTTPSBind != "" && (o.HTTPSTLS.Cert == "" || o.HTTPSTLS.Key == "") {
		return errors.New("--https-bind needs --https-tls-cert and --https-tls-key")
	}
	return nil
}
