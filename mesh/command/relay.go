package command

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/mesh/command/joining"
	"github.com/ingotmetal/ingot/mesh/relay"
)

type relayOptions struct {
	tls                             pki.Files
	dir, bind, stun, coordinator, m string
	verbose                         bool
}

func relayCommand() *cobra.Command {
	var o relayOptions
	c := &cobra.Command{
		Use:   "relay",
		Short: "Carry the mesh's packets between members that do not reach each other, and tell members the address they are seen by",
		Long: "Runs a relay (DERP over TLS, and STUN). It asks the coordinator who may use it, and goes by what that said last while it is away: what is relayed lives on without the coordinator. " +
			"It cannot read what it carries.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runRelay(c.Context(), o, joining.Logger(c.ErrOrStderr(), o.verbose))
		},
	}
	f := c.Flags()
	f.StringVar(&o.tls.Cert, "tls-cert", "", "PEM file of the relay's certificate (required)")
	f.StringVar(&o.tls.Key, "tls-key", "", "PEM file of the certificate's key (required)")
	f.StringVar(&o.tls.CA, "tls-ca", "", "PEM file of the CA that signed it (required)")
	f.StringVar(&o.dir, "data-dir", "/var/lib/ingot-relay", "folder of the relay's key, and of whom it let in")
	f.StringVar(&o.bind, "bind", "", "address and port of the relay (required)")
	f.StringVar(&o.stun, "stun-bind", "", "address and port of STUN (required)")
	f.StringVar(&o.coordinator, "coordinator", "", "URL of the coordinator's listener for keys and relays, like https://192.0.2.1:8450 (required)")
	f.StringVar(&o.m, "matrix", "", declared.Usage)
	f.BoolVar(&o.verbose, "verbose", false, "log more")
	for _, required := range []string{"tls-cert", "tls-key", "tls-ca", "bind", "stun-bind", "coordinator"} {
		_ = c.MarkFlagRequired(required)
	}
	return c
}

func runRelay(ctx context.Context, o relayOptions, log *slog.Logger) error {
	rows, err := declared.Rows(o.m)
	if err != nil {
		return err
	}
	bound := socket.Bind(matrix.Relay, rows, kernel.Network{})
	certificate, err := pki.NewReloader(o.tls)
	if err != nil {
		return err
	}
	at, err := addrPort("bind", o.bind)
	if err != nil {
		return err
	}
	stunAt, err := addrPort("stun-bind", o.stun)
	if err != nil {
		return err
	}
	ask, err := asker(o.coordinator, bound, certificate)
	if err != nil {
		return err
	}
	l, err := bound.Listen(ctx, matrix.NodeToRelay, at)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	packets, err := bound.ListenPacket(ctx, matrix.NodeToRelaySTUN, stunAt, socket.PacketOptions{})
	if err != nil {
		return err
	}
	config := certificate.ServerConfig(tls.NoClientCert)
	config.NextProtos = []string{"http/1.1"}
	log.Info("relay open", "address", l.Addr().String(), "stun", stunAt.String())
	return relay.Run(ctx, relay.Options{Dir: o.dir, Listener: tls.NewListener(l, config), Packets: packets, Ask: ask, Log: log})
}

// asker asks the coordinator who is in the mesh.
func asker(coordinator string, bound *socket.Bound, certificate *pki.Reloader) (func(context.Context, string) (bool, error), error) {
	base, err := url.Parse(coordinator)
	if err != nil || base.Scheme != "https" || base.Hostname() == "" {
		return nil, fmt.Errorf("--coordinator %q: a URL like https://192.0.2.1:8450 is needed", coordinator)
	}
	h := &http.Client{Transport: &http.Transport{
		DialContext: bound.DialContext(matrix.RelayToMesh), TLSClientConfig: certificate.ClientConfig(base.Hostname()), IdleConnTimeout: time.Minute,
	}}
	target := base.JoinPath(verifyPath).String()
	return func(ctx context.Context, nodeKey string) (bool, error) {
		text, err := json.Marshal(question{NodeKey: nodeKey})
		if err != nil {
			return false, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(text))
		if err != nil {
			return false, err
		}
		res, err := h.Do(req)
		if err != nil {
			return false, fmt.Errorf("ask the coordinator who is in the mesh: %w", err)
		}
		defer res.Body.Close()
		const mostBody = 4 << 10
		answer, err := io.ReadAll(io.LimitReader(res.Body, mostBody))
		if err != nil {
			return false, fmt.Errorf("ask the coordinator who is in the mesh: %w", err)
		}
		if res.StatusCode != http.StatusOK {
			return false, fmt.Errorf("ask the coordinator who is in the mesh: it answered %d: %s", res.StatusCode, answer)
		}
		var q question
		if err := json.Unmarshal(answer, &q); err != nil || q.NodeKey != nodeKey {
			return false, fmt.Errorf("ask the coordinator who is in the mesh: its answer is about something else: %w", err)
		}
		return q.Member, nil
	}, nil
}
