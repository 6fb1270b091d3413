// Package auditor is the process that sends the audit trail to where it is kept apart: `ingot auditor`.
//
// It owns the flags and the choice of a sink by the archive's URL. It refuses to be a part of the API server, whose memory and time an archive must not cost, and has no identity there: it
// reads files. Invariant: no socket is opened but through socket.Bound.
package auditor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/internal/ship"
	"github.com/ingotmetal/ingot/internal/ship/postgres"
	"github.com/ingotmetal/ingot/internal/ship/web"
	"github.com/ingotmetal/ingot/matrix"
)

// Options are the flags.
type Options struct {
	Dir, To, Name, SecretFile string
	CA, Cert, Key             string
	Matrix                    string
}

// The pauses of ship.Options.
const (
	pause = 500 * time.Millisecond
	first = time.Second
	most  = time.Minute
)

// Command is `ingot auditor`.
func Command() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:   "auditor",
		Short: "Run the auditor role: send the audit trail to where it is kept apart",
		Long: "Reads the files of the API server's audit trail and sends them, each record at least once and in order, to an archive: https://… gets them as lines of JSON by POST, " +
			"postgres://… as rows of the table ingot_audit, which is a hypertable where TimescaleDB is. How far it is stands beside the trail, so that nothing is lost when either side is " +
			"started again; files that were not sent yet are kept longer.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return Run(c.Context(), o, slog.New(slog.NewJSONHandler(c.ErrOrStderr(), nil)))
		},
	}
	s := c.Flags()
	s.StringVar(&o.Dir, "dir", "", "folder of the trail's files, like DATA-DIR/audit (required)")
	s.StringVar(&o.To, "to", "", "URL of the archive: https://HOST/PATH, or postgres://USER@HOST/DATABASE?sslmode=verify-full (required)")
	s.StringVar(&o.Name, "name", "archive", "name of the archive, in the file that remembers how far it is; another one begins anew")
	s.StringVar(&o.SecretFile, "secret-file", "", "file of the bearer token, or of the database's password; read for each connection")
	s.StringVar(&o.CA, "tls-ca", "", "PEM file that verifies the HTTPS archive's certificate (default: the system's roots; for postgres: sslrootcert in its URL)")
	s.StringVar(&o.Cert, "tls-cert", "", "PEM file of the certificate that is shown to the HTTPS archive")
	s.StringVar(&o.Key, "tls-key", "", "PEM file of its key")
	s.StringVar(&o.Matrix, "matrix", "", declared.Usage)
	_ = c.MarkFlagRequired("dir")
	_ = c.MarkFlagRequired("to")
	return c
}

// Run sends until ctx ends.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	rows, err := declared.Rows(o.Matrix)
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.Dir); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	sink, err := o.sink(socket.Bind(matrix.Auditor, rows, kernel.Network{}))
	if err != nil {
		return err
	}
	log.Info("auditor started", "dir", o.Dir, "archive", o.Name)
	return ship.Run(ctx, ship.Options{Dir: o.Dir, Name: o.Name, Sink: sink, Log: log, Pause: pause, First: first, Most: most, Now: time.Now})
}

func (o Options) sink(b *socket.Bound) (ship.Sink, error) {
	target, err := url.Parse(o.To)
	if err != nil {
		return nil, errors.New("--to: it is no URL") // the error would repeat a password
	}
	switch target.Scheme {
	case "https", "http":
		transport, err := o.transport(b)
		if err != nil {
			return nil, err
		}
		sink, err := web.New(target, o.SecretFile, transport)
		if err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
		return sink, nil
	case "postgres", "postgresql":
		if o.CA != "" || o.Cert != "" || o.Key != "" {
			return nil, errors.New("--tls-ca, --tls-cert and --tls-key are for an HTTPS archive: write sslrootcert, sslcert and sslkey into the postgres URL")
		}
		if _, has := target.User.Password(); has {
			return nil, errors.New("--to holds a password, which stands in lists of processes: put it into --secret-file")
		}
		sink, err := postgres.New(o.To, o.SecretFile, b.DialContext(matrix.AuditorToArchiveDatabase))
		if err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
		return sink, nil
	}
	return nil, fmt.Errorf("--to begins with %q: write an https:// or postgres:// URL", target.Scheme)
}

func (o Options) transport(b *socket.Bound) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		roots, err := pki.Authorities(o.CA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = roots
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("--tls-cert and --tls-key go together: give both or none")
	}
	if o.Cert != "" {
		// Read for each connection, so that a renewed one is taken up.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
			if err != nil {
				return nil, fmt.Errorf("--tls-cert: %w", err)
			}
			return &pair, nil
		}
	}
	return &http.Transport{DialContext: b.DialContext(matrix.AuditorToArchive), TLSClientConfig: config, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}, nil
}
