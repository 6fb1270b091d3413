// Package ssh is `ingot ssh`: a shell on a machine that is in the mesh, and nowhere else.
//
// It owns the way there: which node of the mesh the machine is, the certificate that opens it, the key that its server must prove, and the terminal. It refuses to decide who may (the console role does, which signs the
// certificate, and the mesh role, which lets operators in), and every other address: a machine that is not in the mesh is not reached.
//
// Invariants: a machine is found by its UID, never by a name that it chose; its host key is the one that it was told at its first boot, and no other is taken; the terminal is given back as it was.
package ssh

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/console"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/vpn"
	"github.com/ingotmetal/ingot/internal/meshkey"
	server "github.com/ingotmetal/ingot/internal/server/console"
)

// login is the one that a machine is told at its first boot.
const login = "root"

// Command is `ingot ssh`.
func Command(s *session.Session, in io.Reader) *cobra.Command {
	var o vpn.Options
	var partition string
	c := &cobra.Command{
		Use:   "ssh MACHINE|FIREWALL [COMMAND...]",
		Short: "Log in on a machine or a firewall, through the mesh",
		Long: "Joins the mesh for as long as it runs, without root and without a network interface, and opens a shell on a machine that is in it, or runs a command there and ends with its exit code. You are known by a " +
			"certificate that lives for ten minutes, the machine by the host key that it was told at its first boot. A machine that is not in the mesh is not reached: no other address is tried.\n\n" +
			"Who may is who may create machines/shell of the machine, and may have a key of the mesh.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.Name(s, &ingot.MachineList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return visit(cmd.Context(), s, in, o, partition, args[0], args[1:])
		},
	}
	c.Flags().SetInterspersed(false) // what follows the machine is the command's
	s.AddFlags(c)
	o.AddFlags(c)
	c.Flags().StringVar(&partition, "partition", "", "partition whose console role signs the certificate (default: the machine's, or the only one)")
	return c
}

// visit goes to a machine.
func visit(ctx context.Context, s *session.Session, in io.Reader, o vpn.Options, partition, name string, command []string) (err error) {
	c, err := s.Client()
	if err != nil {
		return err
	}
	namespace, err := s.Namespace()
	if err != nil {
		return err
	}
	m, err := machine(ctx, c, client.ObjectKey{Namespace: namespace, Name: name})
	if err != nil {
		return err
	}
	var nodes ingot.MeshNodeList
	if err := c.List(ctx, &nodes, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("look for machine %s/%s in the mesh: %w", namespace, m.Name, err)
	}
	node, hostKey, err := target(m, nodes.Items)
	if err != nil {
		return err
	}
	signer, err := certificate(ctx, s, cmp.Or(partition, m.Spec.Partition), server.Shell{Namespace: namespace, Machine: m.Name, Login: login})
	if err != nil {
		return err
	}
	pass, err := vpn.Open(ctx, s, o, vpn.Operator())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pass.Close(ctx)) }()
	program, err := pass.Command("connect", strings.TrimPrefix(node.Status.NodeKey, "nodekey:")+":22")
	if err != nil {
		return err
	}
	way, err := through(program)
	if err != nil {
		return err
	}
	defer func() { _ = way.Close() }()
	if err := talk(ctx, way, signer, hostKey, terminalOf(in, s.Out, s.Err), command); err != nil {
		if said := way.said(); said != "" && !isExit(err) {
			err = fmt.Errorf("%w; the mesh's member says: %s", err, said)
		}
		return err
	}
	return nil
}

// machine is the one of a name. A Firewall's name means the machine that it has now, which after a replacement has another name.
func machine(ctx context.Context, c client.Reader, key client.ObjectKey) (*ingot.Machine, error) {
	f := &ingot.Firewall{}
	switch err := c.Get(ctx, key, f); {
	case err == nil:
		key.Name = cmp.Or(f.Status.Machine, f.Name)
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
		return nil, fmt.Errorf("read firewall %s: %w", key, err)
	}
	m := &ingot.Machine{}
	err := c.Get(ctx, key, m)
	if apierrors.IsNotFound(err) {
		if f.Name != "" {
			return nil, session.Missing(fmt.Errorf("firewall %s/%s has no machine yet: `ingot firewall describe %s -n %s` says what it waits for", f.Namespace, f.Name, f.Name, f.Namespace))
		}
		return nil, session.Missing(fmt.Errorf("there is no machine %s, and no firewall of that name: `ingot machine list` and `ingot firewall list` show them", key))
	}
	if err != nil {
		return nil, fmt.Errorf("read machine %s: %w", key, err)
	}
	return m, nil
}

// target is the node of the mesh that a machine is, and the key that its server must prove.
func target(m *ingot.Machine, nodes []ingot.MeshNode) (*ingot.MeshNode, ssh.PublicKey, error) {
	where := m.Namespace + "/" + m.Name
	if m.Status.SSHHostKey == "" {
		return nil, nil, fmt.Errorf("machine %s was told of no mesh at its first boot: nobody logs in there by `ingot ssh`", where)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(m.Status.SSHHostKey)) // only the key is wanted
	if err != nil {
		return nil, nil, fmt.Errorf("status.sshHostKey of machine %s: %w", where, err)
	}
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n ingot.MeshNode) bool {
		return !meshkey.OwnedBy(&n, m.UID) || n.DeletionTimestamp != nil || n.Status.NodeKey == "" || !meta.IsStatusConditionTrue(n.Status.Conditions, ingot.MeshReadyCondition)
	})
	switch len(nodes) {
	case 0:
		return nil, nil, fmt.Errorf("machine %s has not joined the mesh, or is not admitted there: `kubectl get meshkeys,meshnodes -n %s` says how far it is; no other address is tried", where, m.Namespace)
	case 1:
		return &nodes[0], key, nil
	default:
		return nil, nil, fmt.Errorf("machine %s has %d nodes in the mesh, and one can be meant: delete the MeshNode that is not the machine's", where, len(nodes))
	}
}

// certificate makes a key for this call and has it signed.
func certificate(ctx context.Context, s *session.Session, partition string, shell server.Shell) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an SSH key: %w", err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("make an SSH key: %w", err)
	}
	signed, err := console.ShellCertificate(ctx, s, partition, key.PublicKey(), shell)
	if err != nil {
		return nil, err
	}
	return ssh.NewCertSigner(signed, key)
}

// member is the mesh's member as one connection: its input and output are a port of the peer.
type member struct {
	io.WriteCloser
	out     io.ReadCloser
	process *child.Process
	words   *tail
}

func through(cmd *exec.Cmd) (*member, error) {
	// Pipes of our own rather than exec's, which are closed at the program's end with its last words still in them.
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the mesh's member: %w", err)
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the mesh's member: %w", errors.Join(err, in.Close()))
	}
	defer theirOut.Close()
	words := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, words
	p, err := child.Start(cmd)
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	return &member{in, out, p, words}, nil
}

// Read implements io.Reader.
func (m *member) Read(p []byte) (int, error) { return m.out.Read(p) }

// Close ends the member. It may be called twice.
func (m *member) Close() error {
	_ = m.WriteCloser.Close()
	err := m.process.Stop(context.Background(), leave)
	_ = m.out.Close()
	return err
}

// said is the member's last line.
func (m *member) said() string {
	lines := bytes.Split(bytes.TrimSpace(m.words.bytes()), []byte("\n"))
	return string(lines[len(lines)-1])
}
