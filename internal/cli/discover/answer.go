package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// pollEvery is how often an object is looked at while its partition is waited for.
const pollEvery = 100 * time.Millisecond

// ignoreWait is short: nothing hangs on what the partition says to that.
const ignoreWait = 5 * time.Second

func acceptCommand(s *session.Session) *cobra.Command {
	var a ingot.DiscoveryAcceptance
	var wait time.Duration
	var trust bool
	c := &cobra.Command{
		Use:   "accept NAME...",
		Short: "Make hosts of machines that were found",
		Long: "Says yes to machines that were found. The partition role then makes a BareMetalHost of each, in the same namespace, and from then on looks after it: it logs into the BMC with the Secret " +
			"that is named here or was named by the list. What is not given here is as it was found. The command waits until each is a host, or says why not.\n\n" +
			"A BMC must show a certificate that the site's CA signed. With --trust-certificate it must show the one that it was found with, which is printed: compare it with what the BMC's own pages say.",
		Example:           "  ingot discover accept bmc-10-0-0-5 --name web1 --credentials web1-bmc --trust-certificate",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: names(s, ingot.DiscoveryFound, ingot.DiscoveryIgnored, ingot.DiscoveryRefused),
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) > 1 && (a.Name != "" || a.BMCAddress != "" || a.BootMACAddress != "") {
				return errors.New("--name, --bmc-address and --boot-mac are of one machine: accept one at a time with them")
			}
			if a.BMCAddress != "" {
				if _, err := bmc.ParseAddress(a.BMCAddress); err != nil {
					return fmt.Errorf("--bmc-address: %w", err)
				}
			}
			return answer(cmd.Context(), s, names, wait, func(o *ingot.DiscoveredHost) error {
				o.Spec.Accept, o.Spec.Ignore = a.DeepCopy(), false
				if !trust {
					return nil
				}
				return trusted(s, o)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&a.Name, "name", "", "the host's name (default: as it was found)")
	f.StringVar(&a.CredentialsName, "credentials", "", "Secret of this namespace with the BMC's username and password")
	f.StringVar(&a.BMCAddress, "bmc-address", "", "the BMC's address, like redfish-virtualmedia://10.0.0.5")
	f.StringVar(&a.BootMACAddress, "boot-mac", "", "MAC address of the network card that boots")
	f.BoolVar(&trust, "trust-certificate", false, "the BMC is known by the certificate that it was found with")
	f.StringVar(&a.BMCCertificate, "bmc-certificate", "", "the BMC is known by the certificate with this digest, sha256:HEX")
	f.BoolVar(&a.DisableCertificateVerification, "disable-certificate-verification", false, "whoever answers at the BMC's address is taken for it, and gets its password")
	c.MarkFlagsMutuallyExclusive("trust-certificate", "bmc-certificate", "disable-certificate-verification")
	f.BoolVar(&a.Online, "online", false, "the host is to be on")
	f.DurationVar(&wait, "timeout", 30*time.Second, "how long to wait for the partition; 0: not at all")
	return c
}

// trusted pins the certificate that a BMC was found with, and says which one that is.
func trusted(s *session.Session, o *ingot.DiscoveredHost) error {
	b := o.Status.BMC
	if b == nil || b.CertificateSHA256 == "" {
		return fmt.Errorf("--trust-certificate: the BMC of %s showed no certificate yet: look with `ingot discover get %s`, or give --bmc-certificate", o.Name, o.Name)
	}
	o.Spec.Accept.BMCCertificate = "sha256:" + b.CertificateSHA256
	if _, err := fmt.Fprintf(s.Out, "%s: its BMC at %s is known by the certificate %s\n", o.Name, b.IPAddress, o.Spec.Accept.BMCCertificate); err != nil {
		return fmt.Errorf("say which certificate is trusted: %w", err)
	}
	return nil
}

func ignoreCommand(s *session.Session) *cobra.Command {
	var undo bool
	c := &cobra.Command{
		Use:               "ignore NAME...",
		Short:             "Keep machines as known and nobody's, so that they are not offered again",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: names(s),
		RunE: func(cmd *cobra.Command, names []string) error {
			return answer(cmd.Context(), s, names, ignoreWait, func(o *ingot.DiscoveredHost) error {
				o.Spec.Accept, o.Spec.Ignore = nil, !undo
				return nil
			})
		},
	}
	c.Flags().BoolVar(&undo, "undo", false, "offer them again")
	return c
}

// answer changes objects, all or none as far as they exist, and says what became of each.
func answer(ctx context.Context, s *session.Session, names []string, wait time.Duration, change func(*ingot.DiscoveredHost) error) error {
	c, namespace, err := connect(s)
	if err != nil {
		return err
	}
	objects := make([]*ingot.DiscoveredHost, len(names))
	for i, name := range names {
		if objects[i], err = load(ctx, c, namespace, name); err != nil {
			return err
		}
		if h := objects[i].Status.Host; h != nil {
			return fmt.Errorf("%s became host %s already: change or delete that one", name, reference(h))
		}
	}
	before := make([]*ingot.DiscoveredHost, len(objects))
	for i, o := range objects {
		before[i] = o.DeepCopy()
		if err := change(o); err != nil {
			return err
		}
	}
	for i, o := range objects {
		if err := c.Patch(ctx, o, client.MergeFromWithOptions(before[i], client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("write discovered host %s: %w", o.Name, err)
		}
	}
	var failed error
	for _, o := range objects {
		failed = errors.Join(failed, follow(ctx, s, c, o, wait))
	}
	return failed
}

// follow waits for what the partition says of an object, and prints it.
func follow(ctx context.Context, s *session.Session, c client.Client, o *ingot.DiscoveredHost, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !current(o, o.Status) {
		select {
		case <-ctx.Done():
			_, err := fmt.Fprintf(s.Out, "%s: written; partition %s has not acted on it yet: `ingot discover get %s`\n", o.Name, o.Spec.Partition, o.Name)
			return err
		case <-tick.C:
			if err := c.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil && ctx.Err() == nil {
				return fmt.Errorf("read discovered host %s: %w", o.Name, err)
			}
		}
	}
	if o.Status.Phase == ingot.DiscoveryRefused {
		return fmt.Errorf("%s: %s", o.Name, o.Status.Message)
	}
	_, err := fmt.Fprintf(s.Out, "%s: %s\n", o.Name, o.Status.Message)
	return err
}
