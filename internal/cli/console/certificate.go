package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/consolerole"
	server "github.com/ingotmetal/ingot/internal/server/console"
	"github.com/ingotmetal/ingot/sshcert"
)

func certificateCommand(s *session.Session, f *flags) *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "certificate",
		Short: "Get a certificate for consoles by your own ssh, good for ten minutes",
		Long: "Has a public key signed by the site's SSH authority, writes the certificate beside it (KEY-cert.pub, where ssh finds it), and prints the line for known_hosts that verifies the " +
			"server, and how to connect. A console that was opened stays open after the certificate's end.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := os.ReadFile(key)
			if err != nil {
				return fmt.Errorf("--public-key: %w", err)
			}
			at, err := find(cmd.Context(), s, f.partition)
			if err != nil {
				return err
			}
			got, err := certificate(cmd.Context(), at, server.CertificateRequest{PublicKey: string(text)})
			if err != nil {
				return err
			}
			path := strings.TrimSuffix(key, ".pub") + "-cert.pub"
			if err := os.WriteFile(path, []byte(got.Certificate), 0o600); err != nil {
				return fmt.Errorf("keep the certificate: %w", err)
			}
			return explain(s, at.Partition.Status.ConsoleSSHEndpoint, path, got)
		},
	}
	c.Flags().StringVar(&key, "public-key", "", "file of your public key, like ~/.ssh/id_ed25519.pub (required)")
	_ = c.MarkFlagRequired("public-key")
	return c
}

// certificate has a public key signed.
func certificate(ctx context.Context, at *consolerole.Role, wanted server.CertificateRequest) (got server.CertificateAnswer, err error) {
	body, err := json.Marshal(wanted)
	if err != nil {
		return got, fmt.Errorf("ask for a certificate: %w", err)
	}
	answer, err := ask(ctx, at, http.MethodPost, bytes.NewReader(body), "v1", "ssh", "certificate")
	if err != nil {
		return got, err
	}
	defer func() { _ = answer.Close() }()
	if err := json.NewDecoder(answer).Decode(&got); err != nil {
		return got, fmt.Errorf("read the certificate: %w", err)
	}
	return got, nil
}

// ShellCertificate has a public key signed by the console role of a partition, for a shell on one machine. partition is empty for the only one.
func ShellCertificate(ctx context.Context, s *session.Session, partition string, key ssh.PublicKey, shell server.Shell) (*ssh.Certificate, error) {
	at, err := find(ctx, s, partition)
	if err != nil {
		return nil, err
	}
	got, err := certificate(ctx, at, server.CertificateRequest{PublicKey: string(ssh.MarshalAuthorizedKey(key)), Shell: &shell})
	if err != nil {
		return nil, err
	}
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Certificate)) // only the key is wanted
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	c, is := parsed.(*ssh.Certificate)
	if !is {
		return nil, errors.New("read the certificate: it is a plain key")
	}
	return c, nil
}

func explain(s *session.Session, endpoint, path string, got server.CertificateAnswer) error {
	authority, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Authority)) // only the key is wanted
	if err != nil {
		return errors.New("the console role names no authority")
	}
	if endpoint == "" {
		return errors.New("the certificate is in " + path + ", but the partition publishes no SSH server for consoles (--console-ssh-endpoint)")
	}
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return fmt.Errorf("the partition publishes %q as its SSH server: %w", endpoint, err)
	}
	_, _ = fmt.Fprintf(s.Err, "certificate in %s, good until %s\nadd this line to known_hosts, and connect with: ssh -p %s machine.NAMESPACE.NAME@%s\n",
		path, got.Expires.Format("15:04:05 MST"), port, host)
	_, err = fmt.Fprintln(s.Out, sshcert.KnownHosts("["+host+"]:"+port, authority))
	return err
}
