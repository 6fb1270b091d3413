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
		Long: "Compile a matrix, wholly, or one host's part of it (--host NAME), or each host's (--all with -o DIR):\n\n" +
			"  form       of the whole matrix                              of a host\n" +
			"  nft        (a ruleset is one host's)                        its ruleset, for `nft -f`\n" +
			"  calico     Calico v3 endpoints, sets, tiers and policies    those that decide about its packets\n" +
			"  rbac       what every role may do, and people's roles       what its roles may do\n" +
			"  certs      certificate profiles of every role               those of its roles\n" +
			"  headscale  the mesh's policy                                (the mesh's coordinator has one for all)\n" +
			"  markdown   the published table                              the rows that it is an end of",
		Example: "  ingot matrix compile site.yaml --to nft --host node1 > node1.nft\n" +
			"  ingot matrix compile site.yaml --to calico -o manifests/\n" +
			"  ingot matrix compile site.yaml --to markdown --all -o hosts/",
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
	c.Flags().StringVar(&o.host, "host", "", "compile the part of this host")
	c.Flags().BoolVar(&o.all, "all", false, "compile the part of each host, a file each")
	c.Flags().BoolVar(&o.populate, "populate", false, "make up hosts and addresses where the matrix has none: to look at and to test, not to install")
	c.Flags().StringVar(&o.reading, "reading", "", "the reading of a document that contradicts itself")
	c.Flags().StringVarP(&o.output, "output", "o", "", "the folder to write into (default: standard output)")
	_ = c.MarkFlagRequired("to")
	c.MarkFlagsMutuallyExclusive("host", "all")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(targets, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("output")
	src.complete(c)
	return c
}

// compile makes the output of the whole matrix, or one of each host that is asked for.
func (o compiling) compile(m matrix.Matrix) ([]file, error) {
	perHost := o.host != "" || o.all || o.to == "nft"
	if o.to == "headscale" && perHost {
		return nil, errors.New("--host and --all choose hosts' parts, and a mesh has one policy, which its coordinator holds for all hosts: leave them out")
	}
	if o.populate && !perHost && o.to != "calico" {
		return nil, fmt.Errorf("--populate makes up hosts: --to %s of the whole matrix needs none", o.to)
	}
	if o.populate || o.reading != "" || slices.Contains([]string{"nft", "calico", "headscale"}, o.to) {
		var err error
		if m, err = reading(m, o.reading); err != nil {
			return nil, err
		}
	}
	if o.populate {
		m = policy.Populate(m)
	}
	hosts, err := o.hosts(m, perHost)
	if err != nil {
		return nil, err
	}
	switch o.to {
	case "markdown":
		return o.tables(m, hosts), nil
	case "rbac":
		return o.rights(m, hosts)
	case "certs":
		return o.profiles(m, hosts)
	case "headscale":
		return o.mesh(m)
	}
	compiled, err := policy.Compile(m)
	if err != nil {
		return nil, err
	}
	for _, l := range compiled.Left {
		o.say("row %s: %s", l.Row, l.Why)
	}
	if o.to == "calico" {
		return o.policies(m, compiled.Objects, hosts)
	}
	return rulesets(compiled, hosts)
}

// say is for what the output does not have.
func (o compiling) say(format string, args ...any) { fmt.Fprintf(o.session.Err, format+"\n", args...) }

// rulesets compiles the hosts that are asked for, as ingot-node would.
func rulesets(c policy.Compiled, hosts []matrix.Host) ([]file, error) {
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

// hosts are those that are asked for; none where the whole matrix is.
func (o compiling) hosts(m matrix.Matrix, perHost bool) ([]matrix.Host, error) {
	names := hostNames(m)
	switch {
	case !perHost:
		return nil, nil
	case len(names) == 0:
		return nil, fmt.Errorf("the matrix %s names no hosts, and there is one output a host: list them under spec.hosts, or look at made-up ones with --populate", m.Name)
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
