package matrix

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
	"github.com/ingotmetal/ingot/matrix/markdown"
	"github.com/ingotmetal/ingot/matrix/mesh"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// file is one compiled output.
type file struct {
	name string
	text []byte
}

// compiling is a call of compile.
type compiling struct {
	session  *session.Session
	to       string
	host     string
	all      bool
	populate bool
	reading  string
	output   string
}

// targets are the values of --to.
var targets = []string{"nft", "calico", "rbac", "certs", "headscale", "markdown"}

func compileCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	o := compiling{session: s}
	c := &cobra.Command{
		Use:   "compile [FILE...] --to FORM",
		Short: "Compile a matrix to rulesets, policies, rights, certificate profiles, a mesh policy or a table",
		Long: "Compile a matrix:\n\n" +
			"  nft        rulesets for `nft -f`, one per host (--host NAME, or --all with -o DIR)\n" +
			"  calico     Calico v3 manifests: endpoints, sets, tiers and policies\n" +
			"  rbac       ClusterRoles, Roles and bindings of every role, and the three roles for people\n" +
			"  certs      certificate profiles: names, usages, lifetimes, signers\n" +
			"  headscale  the mesh's policy: tag owners, rules and assertions\n" +
			"  markdown   the published table",
		Example: "  ingot matrix compile site.yaml --to nft --host node1 > node1.nft\n" +
			"  ingot matrix compile site.yaml --to calico -o manifests/",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(targets, o.to) {
				return fmt.Errorf("--to %q is not known: use one of %s", o.to, strings.Join(targets, ", "))
			}
			m, err := src.load(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			files, err := o.compile(m)
			if err != nil {
				return err
			}
			return o.write(files)
		},
	}
	src.addFlags(c)
	c.Flags().StringVar(&o.to, "to", "", "what to compile to: "+strings.Join(targets, ", "))
	c.Flags().StringVar(&o.host, "host", "", "compile the ruleset of this host (nft)")
	c.Flags().BoolVar(&o.all, "all", false, "compile the rulesets of all hosts (nft)")
	c.Flags().BoolVar(&o.populate, "populate", false, "make up hosts and addresses where the matrix has none: to look at and to test, not to install (nft, calico)")
	c.Flags().StringVar(&o.reading, "reading", "", "the reading of a document that contradicts itself")
	c.Flags().StringVarP(&o.output, "output", "o", "", "the folder to write into (default: standard output)")
	_ = c.MarkFlagRequired("to")
	c.MarkFlagsMutuallyExclusive("host", "all")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(targets, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("output")
	src.complete(c)
	return c
}

func (o compiling) compile(m matrix.Matrix) ([]file, error) {
	if o.to != "nft" && (o.host != "" || o.all) {
		return nil, fmt.Errorf("--host and --all choose rulesets: --to %s has one output for the whole matrix", o.to)
	}
	if o.populate && o.to != "nft" && o.to != "calico" {
		return nil, fmt.Errorf("--populate makes up hosts: --to %s needs none", o.to)
	}
	switch o.to {
	case "markdown":
		return []file{{m.Name + ".md", markdown.Export(m)}}, nil
	case "rbac":
		text, err := identity.RBAC(m).YAML()
		return []file{{"rbac.yaml", text}}, err
	case "certs":
		text, err := identity.YAML(identity.Profiles(m))
		return []file{{"certificates.yaml", text}}, err
	}
	m, err := reading(m, o.reading)
	if err != nil {
		return nil, err
	}
	if o.to == "headscale" {
		text, err := mesh.Policy(m)
		return []file{{"headscale.json", text}}, err
	}
	if o.populate {
		m = policy.Populate(m)
	}
	compiled, err := policy.Compile(m)
	if err != nil {
		return nil, err
	}
	for _, l := range compiled.Left {
		fmt.Fprintf(o.session.Err, "row %s: %s\n", l.Row, l.Why)
	}
	if o.to == "calico" {
		text, err := policy.YAML(compiled.Objects)
		return []file{{"policies.yaml", text}}, err
	}
	return o.rulesets(m, compiled)
}

// rulesets compiles the hosts that are asked for, as ingot-node would.
func (o compiling) rulesets(m matrix.Matrix, c policy.Compiled) ([]file, error) {
	hosts, err := o.hosts(m)
	if err != nil {
		return nil, err
	}
	site, err := c.Site()
	if err != nil {
		return nil, err
	}
	var files []file
	for _, h := range hosts {
		var interfaces []firewall.Interface
		for _, i := range h.Interfaces {
			interfaces = append(interfaces, firewall.Interface{Name: i.Name, Addresses: i.Addresses})
		}
		rules := ruleset.Compile(site, site.Host(h.Name, interfaces), ruleset.Options{Generation: 1, Refused: true, Seen: true})
		files = append(files, file{h.Name + ".nft", []byte(rules.Install(nil))})
	}
	return files, nil
}

// hosts are those that are asked for.
func (o compiling) hosts(m matrix.Matrix) ([]matrix.Host, error) {
	names := hostNames(m)
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("the matrix %s names no hosts, and a ruleset is one host's: list them under spec.hosts, or look at made-up ones with --populate", m.Name)
	case o.all || o.host == "" && len(names) == 1:
		return m.Hosts, nil
	case o.host == "":
		return nil, fmt.Errorf("a ruleset is one host's: choose one with --host, or all with --all -o DIR; the hosts are: %s", strings.Join(names, ", "))
	}
	i := slices.Index(names, o.host)
	if i < 0 {
		return nil, fmt.Errorf("the matrix %s has no host %q; it has: %s", m.Name, o.host, strings.Join(names, ", "))
	}
	return m.Hosts[i : i+1], nil
}

func (o compiling) write(files []file) error {
	if o.output == "" {
		if len(files) > 1 {
			return errors.New("there is more than one output: give a folder with -o DIR")
		}
		_, err := o.session.Out.Write(files[0].text)
		return err
	}
	for _, f := range files {
		if err := writeInto(o.output, f.name, f.text); err != nil {
			return err
		}
		fmt.Fprintf(o.session.Err, "%s/%s\n", strings.TrimSuffix(o.output, "/"), f.name)
	}
	return nil
}
