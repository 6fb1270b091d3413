package machine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/one"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// order are the flags of `create`.
type order struct {
	role, size, host, partition, image, userData, layout, failureDomain string
	networks, keys, tags, tolerations, dns, ntp                         []string
	off, wait                                                           bool
	timeout                                                             time.Duration
}

func createCommand(s *session.Session) *cobra.Command {
	var o order
	c := &cobra.Command{
		Use:   "create MACHINE --size SIZE --partition PARTITION --image IMAGE",
		Short: "Claim a machine of a size, or a host by its name",
		Example: "  ingot machine create web-1 --size c1-large --partition fra --image debian-12 --network internet/public --ssh-key ~/.ssh/id_ed25519.pub --wait\n" +
			"  ingot machine create db-1 --host racks/r1-07 --image debian-12 --network db=db-1-address --placement-tag db",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.Client()
			if err != nil {
				return err
			}
			namespace, err := s.Namespace()
			if err != nil {
				return err
			}
			m, err := o.machine(namespace, args[0])
			if err != nil {
				return err
			}
			if err := c.Create(cmd.Context(), m); err != nil {
				return fmt.Errorf("create machine %s/%s: %w", namespace, args[0], err)
			}
			fmt.Fprintf(s.Err, "machine %s/%s is asked for\n", namespace, args[0])
			if !o.wait {
				return nil
			}
			return await(cmd.Context(), s, c, m, ready, o.timeout)
		},
	}
	f := c.Flags()
	f.StringVar(&o.role, "role", string(ingot.RoleMachine), "Machine or Firewall")
	f.StringVar(&o.size, "size", "", "size that the host is to have")
	f.StringVar(&o.host, "host", "", "host to have instead, as NAMESPACE/NAME")
	f.StringVar(&o.partition, "partition", "", "site at which the host is to be")
	f.StringVar(&o.failureDomain, "failure-domain", "", "failure domain (rack) in which the host is to be")
	f.StringVar(&o.image, "image", "", "image, or a shorthand such as debian-12")
	f.StringVar(&o.layout, "filesystem-layout", "", "filesystem layout, for images that are archives")
	f.StringArrayVar(&o.networks, "network", nil, "network as NAME or NAMESPACE/NAME, with =IP,IP for addresses that are there already; may be repeated")
	f.StringArrayVar(&o.keys, "ssh-key", nil, "SSH public key, or a file with some; may be repeated")
	f.StringVar(&o.userData, "user-data", "", "name of the Secret with user data")
	f.StringSliceVar(&o.tags, "placement-tag", nil, "spread machines with this tag over racks; may be repeated")
	f.StringSliceVar(&o.tolerations, "tolerate", nil, "taint that the host may have, as KEY or KEY=VALUE; may be repeated")
	f.StringSliceVar(&o.dns, "dns", nil, "name server of the installed system; may be repeated")
	f.StringSliceVar(&o.ntp, "ntp", nil, "time server of the installed system; may be repeated")
	f.BoolVar(&o.off, "off", false, "leave it off")
	f.BoolVar(&o.wait, "wait", false, "wait until it is ready")
	f.DurationVar(&o.timeout, "timeout", time.Hour, "with --wait: give up after this time")
	cobra.CheckErr(c.MarkFlagRequired("image"))
	cobra.CheckErr(c.RegisterFlagCompletionFunc("size", complete.Names(s, &ingot.SizeList{})))
	cobra.CheckErr(c.RegisterFlagCompletionFunc("partition", complete.Names(s, &ingot.PartitionList{})))
	cobra.CheckErr(c.RegisterFlagCompletionFunc("image", complete.Names(s, &ingot.ImageList{})))
	return c
}

// machine is the object that the flags mean.
func (o order) machine(namespace, name string) (*ingot.Machine, error) {
	m := &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: ingot.MachineSpec{
		Role: ingot.MachineRole(o.role), Size: o.size, Partition: o.partition, FailureDomain: o.failureDomain, Image: o.image, FilesystemLayout: o.layout, PlacementTags: o.tags,
		DNSServers: o.dns, NTPServers: o.ntp, Online: ptr.To(!o.off),
	}}
	if o.host != "" {
		space, host, ok := strings.Cut(o.host, "/")
		if !ok {
			return nil, fmt.Errorf("--host %s: write it as NAMESPACE/NAME", o.host)
		}
		m.Spec.Host = &ingot.MachineHost{Namespace: space, Name: host}
	}
	if o.userData != "" {
		m.Spec.UserData = &ingot.MachineSecret{Name: o.userData}
	}
	for _, text := range o.networks {
		where, ips, given := strings.Cut(text, "=")
		n := ingot.MachineNetwork{Name: where}
		if space, network, other := strings.Cut(where, "/"); other {
			n.Namespace, n.Name = space, network
		}
		if given {
			n.Addresses = strings.Split(ips, ",")
		}
		m.Spec.Networks = append(m.Spec.Networks, n)
	}
	for _, text := range o.tolerations {
		key, value, _ := strings.Cut(text, "=")
		m.Spec.Tolerations = append(m.Spec.Tolerations, ingot.MachineToleration{Key: key, Value: value})
	}
	for _, text := range o.keys {
		keys, err := keysOf(text)
		if err != nil {
			return nil, err
		}
		m.Spec.SSHPublicKeys = append(m.Spec.SSHPublicKeys, keys...)
	}
	return m, nil
}

// keysOf reads a key, or a file of keys. A private key is refused before it goes anywhere.
func keysOf(text string) ([]string, error) {
	if strings.Contains(text, " ") {
		return []string{strings.TrimSpace(text)}, nil
	}
	content, err := os.ReadFile(text) // a file that the user names
	if err != nil {
		return nil, fmt.Errorf("--ssh-key: %s is neither a public key nor a file: %w", text, err)
	}
	if strings.Contains(string(content), "PRIVATE KEY") {
		return nil, fmt.Errorf("--ssh-key: %s is a private key: name the file that ends with .pub", text)
	}
	var all []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("--ssh-key: there is no key in %s", text)
	}
	return all, nil
}

func deleteCommand(s *session.Session) *cobra.Command {
	var wait bool
	var timeout time.Duration
	c := kind().Command(s, "delete MACHINE", "Give a machine back: its host is wiped, and the machine is gone once that is proved", func(cmd *cobra.Command, name string) error {
		c, m, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		if err := c.Delete(cmd.Context(), m, client.Preconditions{UID: &m.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete machine %s/%s: %w", m.Namespace, m.Name, err)
		}
		fmt.Fprintf(s.Err, "machine %s/%s is being given back\n", m.Namespace, m.Name)
		if !wait {
			return nil
		}
		return await(cmd.Context(), s, c, m, deleted, timeout)
	})
	c.Flags().BoolVar(&wait, "wait", false, "wait until it is gone")
	c.Flags().DurationVar(&timeout, "timeout", time.Hour, "with --wait: give up after this time")
	return c
}

func reinstallCommand(s *session.Session) *cobra.Command {
	var image string
	var yes bool
	c := kind().Command(s, "reinstall MACHINE", "Wipe a machine and install it anew; all that is on its disks is lost", func(cmd *cobra.Command, name string) error {
		if !yes {
			return fmt.Errorf("all that is on the disks of %s is lost: say --yes to wipe and install it anew", name)
		}
		c, m, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		before := m.DeepCopy()
		if image != "" {
			m.Spec.Image = image
		}
		m.Spec.InstallRequest = time.Now().UTC().Format(time.RFC3339Nano)
		if err := c.Patch(cmd.Context(), m, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("ask for a new installation of %s/%s: %w", m.Namespace, m.Name, err)
		}
		fmt.Fprintf(s.Err, "machine %s/%s is wiped and installed anew with %s\n", m.Namespace, m.Name, m.Spec.Image)
		return nil
	})
	c.Flags().StringVar(&image, "image", "", "another image; without it what spec.image means now")
	c.Flags().BoolVar(&yes, "yes", false, "say that the disks may be wiped")
	cobra.CheckErr(c.RegisterFlagCompletionFunc("image", complete.Names(s, &ingot.ImageList{})))
	return c
}

func waitCommand(s *session.Session) *cobra.Command {
	var until string
	var timeout time.Duration
	c := kind().Command(s, "wait MACHINE", "Wait until a machine is ready, or gone", func(cmd *cobra.Command, name string) error {
		holds, known := map[string]one.Goal[*ingot.Machine]{"ready": ready, "deleted": deleted}[until]
		if !known {
			return fmt.Errorf("--for %s: wait for ready or deleted", until)
		}
		c, m, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		return await(cmd.Context(), s, c, m, holds, timeout)
	})
	c.Flags().StringVar(&until, "for", "ready", "ready or deleted")
	c.Flags().DurationVar(&timeout, "timeout", time.Hour, "give up after this time")
	return c
}

func ready(m *ingot.Machine) (bool, string) {
	switch {
	case m == nil:
		return false, "the machine is gone"
	case m.Status.Phase == ingot.MachineLost:
		return false, "the machine lost its host"
	case !m.DeletionTimestamp.IsZero():
		return false, "the machine is being deleted"
	}
	x := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineReadyCondition)
	return x != nil && x.Status == metav1.ConditionTrue && x.ObservedGeneration == m.Generation && m.Status.InstallRequest == m.Spec.InstallRequest, ""
}

func deleted(m *ingot.Machine) (bool, string) { return m == nil, "" }

// await follows a machine until a goal is reached, and tells of each step.
func await(ctx context.Context, s *session.Session, c client.WithWatch, m *ingot.Machine, goal one.Goal[*ingot.Machine], timeout time.Duration) error {
	_, err := kind().Await(ctx, s, c, m, step, goal, timeout)
	return err
}

// step is what a machine does now, in a line.
func step(m *ingot.Machine) string {
	text := string(m.Status.Phase)
	if x := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineReadyCondition); x != nil && x.Message != "" {
		text += ": " + x.Message
	}
	return text
}
