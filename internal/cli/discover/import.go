package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// importer is one import.
type importer struct {
	partition      string
	format         string
	accept, online bool
	dryRun         bool
	// leases is a DHCP server's lease file, in the place of a list; in are the BMCs' addresses in it.
	leases string
	in     []string
}

const importHelp = `Reads a list of machines and makes a DiscoveredHost of each. Nothing is made of any of them if one line is wrong: each such line is told with its number and the reason.
A machine that stands in the namespace already, with the same words, is left as it is: a list can be imported again.

CSV has the titles of its columns in the first line; YAML (or JSON) is a list of maps, alone or under the key "hosts". Each column may be left out:

  name             the object's name, and that of the host that is made of it (default: made of the address)
  bmcAddress       the BMC, as in a BareMetalHost: redfish-virtualmedia://10.0.0.5
  credentialsName  Secret of the namespace with the BMC's username and password; a list holds no password
  bootMACAddress   the network card that boots
  macAddresses     the other cards; in CSV with spaces between them, in YAML a list
  serialNumber     the machine's
  bootMode         UEFI, UEFISecureBoot or legacy

With --leases the file is one of a DHCP server, dnsmasq's or Kea's CSV, and has BMCs in it: which addresses are theirs is said by --in, or by the ranges that the Partition declares (spec.discovery.bmcScan). What a BMC speaks is not in
such a file: it is asked by the partition role where its address is in a declared range, else give accept the address by --bmc-address.`

func importCommand(s *session.Session) *cobra.Command {
	var i importer
	c := &cobra.Command{
		Use:     "import FILE",
		Short:   "Read a list of machines from a CSV or YAML file (- for standard input), or a DHCP server's leases",
		Long:    importHelp,
		Example: "  ingot discover import rack7.csv\n  ingot discover import rack7.yaml --accept\n  ingot discover import --leases /var/lib/misc/dnsmasq.leases --in 10.0.8.0/24",
		Args: func(cmd *cobra.Command, args []string) error {
			if i.leases != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"csv", "yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if i.leases != "" {
				return i.importLeases(cmd.Context(), s, cmd.InOrStdin())
			}
			entries, err := i.read(s.Err, args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return i.run(cmd.Context(), s, args[0], entries)
		},
	}
	f := c.Flags()
	f.StringVar(&i.partition, "partition", "", "Partition that the machines are at (default: the only one)")
	f.StringVar(&i.format, "format", "", "csv or yaml (default: by the file's name)")
	f.BoolVar(&i.accept, "accept", false, "accept all of them: they become hosts")
	f.BoolVar(&i.online, "online", false, "with --accept: the hosts are to be on")
	f.StringVar(&i.leases, "leases", "", "lease file of dnsmasq or Kea with BMCs in it (- for standard input), in the place of a list")
	f.StringSliceVar(&i.in, "in", nil, "with --leases: the BMCs' addresses, like 10.0.8.0/24 or 10.0.8.10-10.0.8.99 (default: the Partition's ranges)")
	f.BoolVar(&i.dryRun, "dry-run", false, "check the list, by the API server too, and write nothing")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// read reads the file and tells what is wrong with it.
func (i importer) read(errOut io.Writer, name string, stdin io.Reader) ([]discovery.Entry, error) {
	if i.online && !i.accept {
		return nil, errors.New("--online is about hosts, and none is made without --accept")
	}
	format := strings.TrimPrefix(filepath.Ext(name), ".")
	switch format = cmp.Or(i.format, format); format {
	case "csv", "yaml", "yml", "json":
	default:
		return nil, fmt.Errorf("%s: its name does not say whether it is CSV or YAML: give --format", name)
	}
	text, err := bounded(name, stdin)
	if err != nil {
		return nil, err
	}
	check := func(address string) error { _, err := bmc.ParseAddress(address); return err }
	list := discovery.ReadYAML
	if format == "csv" {
		list = discovery.ReadCSV
	}
	l := list(text, check)
	if i.accept {
		for _, e := range l.Entries {
			l.Problems = append(l.Problems, e.Acceptable()...)
		}
	}
	return l.Entries, tell(errOut, name, l.Problems)
}

// bounded reads a file as far as is looked at.
func bounded(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the list: %w", err)
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, discovery.MaxListBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the list %s: %w", name, err)
	}
	return text, nil
}

// tell prints problems, and is an error if there are any.
func tell(w io.Writer, name string, problems []discovery.Problem) error {
	for _, p := range problems {
		fmt.Fprintf(w, "%s: %s\n", name, p)
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d problems: nothing was imported", name, len(problems))
}

func (i importer) run(ctx context.Context, s *session.Session, name string, entries []discovery.Entry) error {
	c, namespace, err := connect(s)
	if err != nil {
		return err
	}
	if namespace == "" {
		return errors.New("-A is every namespace, and machines are put into one: give it with -n")
	}
	partition, err := partitionOf(ctx, c, i.partition)
	if err != nil {
		return err
	}
	made, known, problems, err := i.sort(ctx, c, namespace, partition, entries)
	if err != nil {
		return err
	}
	if err := tell(s.Err, name, problems); err != nil {
		return err
	}
	if i.dryRun {
		_, err := fmt.Fprintf(s.Out, "%s: %d machines are new, %d are there already; nothing was written\n", name, len(made), len(known))
		return err
	}
	if err := create(ctx, c, made); err != nil {
		return fmt.Errorf("%s: nothing was imported: %w", name, err)
	}
	accepted := 0
	if i.accept {
		for _, o := range append(made, known...) {
			if o.Status.Host != nil || o.Spec.Accept != nil {
				continue
			}
			before := o.DeepCopy()
			o.Spec.Accept = &ingot.DiscoveryAcceptance{Online: i.online}
			if err := c.Patch(ctx, o, client.MergeFrom(before)); err != nil {
				return fmt.Errorf("%s: all machines are recorded, and %d accepted; accept %s: %w; run the command again, which goes on where it stood", name, accepted, o.Name, err)
			}
			accepted++
		}
	}
	_, err = fmt.Fprintf(s.Out, "%s: %d machines imported, %d were there already, %d accepted: `ingot discover list -n %s`\n", name, len(made), len(known), accepted, namespace)
	return err
}

// partitionOf is the partition that is named, or the only one.
func partitionOf(ctx context.Context, c client.Client, name string) (string, error) {
	var all ingot.PartitionList
	if err := c.List(ctx, &all); err != nil {
		return "", fmt.Errorf("list partitions: %w", err)
	}
	var names []string
	for i := range all.Items {
		if all.Items[i].Name == name {
			return name, nil
		}
		names = append(names, all.Items[i].Name)
	}
	switch {
	case name != "":
		return "", fmt.Errorf("--partition: there is no Partition %q: there are %s", name, cmp.Or(strings.Join(names, ", "), "none"))
	case len(names) == 1:
		return names[0], nil
	}
	return "", fmt.Errorf("--partition: say where the machines are: there are %s", cmp.Or(strings.Join(names, ", "), "no Partitions yet"))
}

// sort tells new machines from those that are there, and asks the API server what it would refuse.
func (i importer) sort(ctx context.Context, c client.Client, namespace, partition string, entries []discovery.Entry) (made, known []*ingot.DiscoveredHost, problems []discovery.Problem, err error) {
	var all ingot.DiscoveredHostList
	if err := c.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		return nil, nil, nil, fmt.Errorf("list discovered hosts: %w", err)
	}
	there := map[string]*ingot.DiscoveredHost{}
	for n := range all.Items {
		there[all.Items[n].Name] = &all.Items[n]
	}
	for _, e := range entries {
		o := e.Object(namespace, partition)
		if old, ok := there[o.Name]; ok {
			same := old.DeepCopy()
			same.Spec.Accept, same.Spec.Ignore = nil, false
			switch {
			case !equality.Semantic.DeepEqual(same.Spec, o.Spec):
				problems = append(problems, discovery.Problem{Line: e.Line, Reason: fmt.Sprintf("discovered host %s is there already and says something else: delete it, edit it, or give this one another name", o.Name)})
			case i.accept && old.Spec.Ignore:
				problems = append(problems, discovery.Problem{Line: e.Line, Reason: fmt.Sprintf("discovered host %s is ignored: `ingot discover ignore --undo %s`, or take the line out", o.Name, o.Name)})
			default:
				known = append(known, old)
			}
			continue
		}
		if err := c.Create(ctx, o.DeepCopy(), client.DryRunAll); err != nil {
			problems = append(problems, discovery.Problem{Line: e.Line, Reason: fmt.Sprintf("the API server refuses it: %v", err)})
			continue
		}
		made = append(made, o)
	}
	return made, known, problems, nil
}

// create makes all objects, or takes back those that it made. None of them is accepted yet, so that nothing came of them.
func create(ctx context.Context, c client.Client, objects []*ingot.DiscoveredHost) error {
	for n, o := range objects {
		err := c.Create(ctx, o)
		if err == nil {
			continue
		}
		for _, done := range objects[:n] {
			if back := c.Delete(context.WithoutCancel(ctx), done, client.Preconditions{UID: &done.UID}); client.IgnoreNotFound(back) != nil {
				err = errors.Join(err, fmt.Errorf("take %s back: %w", done.Name, back))
			}
		}
		return fmt.Errorf("record %s: %w", o.Name, err)
	}
	return nil
}
