package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/report"
)

// finding is one thing that verify compared.
type finding struct {
	// Where is the host, or the interface of one.
	Where string `json:"where,omitempty"`
	// Kind is "listener", "flow", "row", "endpoint" or "drift".
	Kind string `json:"kind"`
	What string `json:"what"`
	// Rows are those of the matrix that it belongs to.
	Rows []string `json:"rows,omitempty"`
	// Verdict is "declared", "unused", or what is wrong.
	Verdict string `json:"verdict"`
	// Wrong findings make the answer no.
	Wrong bool `json:"wrong"`
}

// verifying is a call of verify.
type verifying struct {
	session *session.Session
	cluster bool
	roles   []string
	host    string
	netns   string
	reading string
	quiet   bool
	output  string
}

func verifyCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	o := verifying{session: s}
	c := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Compare the running system with a matrix: this host's listeners and flows, or with --cluster what the hosts report",
		Long: "On a host: every listening socket and every tracked flow has to be a row's, of the roles that the host has (its entry under spec.hosts, or --role).\n" +
			"What listens on loopback only is nobody's to reach, and is left out. Root sees all processes, and the flows.\n\n" +
			"With --cluster: every HostEndpoint has to enforce what it was compiled to, without drift; and each row is told as seen, unseen, violated, or not enforced by any host.\n" +
			"--name takes one matrix.\n\n" +
			"Ends with 0 when all is as declared, with 1 when something is not, and with 2 when there is no answer.",
		Example: "  sudo ingot matrix verify site.yaml\n" +
			"  sudo ingot matrix verify --role partition,boot\n" +
			"  ingot matrix verify --cluster --name site",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := known(o.output, "table", "json"); err != nil {
				return noAnswer(err)
			}
			findings, err := o.look(cmd, src, args)
			if err != nil {
				return noAnswer(err)
			}
			return o.tell(findings)
		},
	}
	src.addFlags(c)
	f := c.Flags()
	f.BoolVar(&o.cluster, "cluster", false, "ask the API server what the hosts enforce, instead of looking at this host")
	f.StringSliceVar(&o.roles, "role", nil, "the roles that this host has (default: those of its entry in the matrix)")
	f.StringVar(&o.host, "host", "", "the host's name in the matrix (default: this host's name)")
	f.StringVar(&o.netns, "netns", "", "look into this network namespace (/run/netns/NAME, /proc/PID/ns/net)")
	f.StringVar(&o.reading, "reading", "", "the reading of a document that contradicts itself")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show only what is wrong")
	formats(c, &o.output, "table", "json")
	src.complete(c)
	return c
}

// look gathers the findings.
func (o verifying) look(cmd *cobra.Command, src source, args []string) ([]finding, error) {
	ctx := cmd.Context()
	if o.cluster {
		if len(args) > 0 || src.builtin || len(o.roles) > 0 || o.host != "" || o.netns != "" {
			return nil, errors.New("--cluster asks the API server: of the other flags only --name and -o go with it")
		}
		return o.endpoints(ctx, src.name)
	}
	m, err := src.load(ctx, args, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	if m, err = reading(m, o.reading); err != nil {
		return nil, err
	}
	p, err := o.place(m)
	if err != nil {
		return nil, err
	}
	return o.onHost(ctx, p)
}

// place is what the matrix says of this host.
func (o verifying) place(m matrix.Matrix) (place, error) {
	name := o.host
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return place{}, fmt.Errorf("ask for this host's name: %w; give one with --host", err)
		}
	}
	p := place{matrix: m, host: name}
	if len(o.roles) > 0 {
		for _, r := range o.roles {
			if _, ok := m.Role(matrix.Role(r)); !ok {
				return p, fmt.Errorf("the matrix %s has no role %q; it has: %s", m.Name, r, strings.Join(report.Roles(m), ", "))
			}
			p.ends = append(p.ends, matrix.Endpoint{Role: matrix.Role(r), Zone: matrix.AnyZone})
		}
		return p, nil
	}
	i := slices.IndexFunc(m.Hosts, func(h matrix.Host) bool { return h.Name == name })
	if i < 0 {
		return p, fmt.Errorf("the matrix %s has no host %q: say which roles it has with --role, or which of the matrix's hosts it is with --host (%s)",
			m.Name, name, orNone(strings.Join(hostNames(m), ", ")))
	}
	p.ends = endsOf(m.Hosts[i])
	return p, nil
}

func orNone(s string) string {
	if s == "" {
		return "it lists none"
	}
	return s
}

// onHost reads the host and compares.
func (o verifying) onHost(ctx context.Context, p place) (findings []finding, err error) {
	host, err := linux.In(o.netns)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	sockets, err := host.Listening(ctx)
	if err != nil {
		return nil, err
	}
	interfaces, err := host.Interfaces(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		p.own = append(p.own, i.Addresses...)
	}
	findings = p.listeners(sockets)
	flows, unseen := host.Flows(ctx)
	if unseen != nil {
		// Listeners are worth their answer without the flows; an answer that is not whole says so.
		fmt.Fprintf(o.session.Err, "the tracked flows are left out: %v; run as root to see them\n", unseen)
		return findings, nil
	}
	return append(findings, p.flows(flows)...), nil
}

// tell writes the findings and the verdict over all.
func (o verifying) tell(findings []finding) error {
	wrong := 0
	shown := []finding{}
	for _, f := range findings {
		if f.Wrong {
			wrong++
		}
		if f.Wrong || !o.quiet {
			shown = append(shown, f)
		}
	}
	if o.output == "json" {
		text, err := json.MarshalIndent(shown, "", "  ")
		if err != nil {
			return noAnswer(fmt.Errorf("write the findings as JSON: %w", err))
		}
		fmt.Fprintf(o.session.Out, "%s\n", text)
	} else {
		tellTable(o.session.Out, shown)
		fmt.Fprintf(o.session.Out, "%d compared, %d not as declared\n", len(findings), wrong)
	}
	if wrong > 0 {
		return no()
	}
	return nil
}

func tellTable(w io.Writer, shown []finding) {
	if len(shown) == 0 {
		return
	}
	var rows [][]string
	for _, f := range shown {
		rows = append(rows, []string{f.Where, f.Kind, f.What, strings.Join(f.Rows, ", "), f.Verdict})
	}
	for _, line := range report.Lines([]string{"where", "kind", "what", "rows", "verdict"}, rows, report.DefaultWidth) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
}
