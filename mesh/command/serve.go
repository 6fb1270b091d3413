package command

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/mesh"
	"github.com/ingotmetal/ingot/mesh/command/joining"
	"github.com/ingotmetal/ingot/mesh/coordinator"
	"github.com/ingotmetal/ingot/mesh/keeper"
	"github.com/ingotmetal/ingot/mesh/release"
)

// serveOptions are the flags of `ingot-mesh serve`.
type serveOptions struct {
	identity.Flags
	dir, url, bind, keysBind, v4, v6, minimum string
	relays                                    []string
	grace, keepKeys                           time.Duration
	verbose                                   bool
}

func serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the mesh role: coordinate the mesh, by the MeshKeys and MeshNodes of the API",
		Long: "Runs the coordinator of the mesh. Who may join is a MeshKey, who has joined is a MeshNode, who reaches whom is the communication matrix. Its own store (SQLite) has the nodes' public keys and " +
			"addresses: keep its folder, since without it everybody joins anew. While it is away, members go on with the last map of the mesh; nobody new joins and nobody is expelled.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.CheckCentral(); err != nil {
				return err
			}
			return serve(c.Context(), o, joining.Logger(c.ErrOrStderr(), o.verbose))
		},
	}
	f := c.Flags()
	o.AddCentral(f)
	f.StringVar(&o.dir, "data-dir", "/var/lib/ingot-mesh", "folder of the coordinator's store")
	f.StringVar(&o.url, "url", "", "URL that members join at, by an address: https://192.0.2.1:8449 (required)")
	f.StringVar(&o.bind, "bind", "", "address and port that members are answered at (required)")
	f.StringVar(&o.keysBind, "keys-bind", "", "address and port that keys are handed out at, and relays are answered (required)")
	f.StringArrayVar(&o.relays, "relay", nil, "a relay, as HOST:PORT/STUN-PORT; at least one")
	f.StringVar(&o.v4, "prefix-v4", "100.64.0.0/10", "addresses of members")
	f.StringVar(&o.v6, "prefix-v6", "fd7a:115c:a1e0::/48", "IPv6 addresses of members")
	f.StringVar(&o.minimum, "minimum-version", "1.80.0", "the oldest program of members that is let in; older ones reach nothing until they are updated")
	f.DurationVar(&o.grace, "ephemeral-grace", 5*time.Minute, "how long an ephemeral node may be away before it leaves the mesh")
	f.DurationVar(&o.keepKeys, "keep-keys", time.Hour, "how long a MeshKey stays that nobody can join by, after it expired or was used, once nobody who joined by it is in the mesh")
	f.BoolVar(&o.verbose, "verbose", false, "log more")
	for _, required := range []string{"url", "bind", "keys-bind", "relay"} {
		_ = c.MarkFlagRequired(required)
	}
	return c
}

// parts are the words of the flags, understood.
type parts struct {
	bind, keysBind netip.AddrPort
	minimum        release.Version
	matrix         matrix.Matrix
	coordinator    coordinator.Options
}

func (o serveOptions) understand(log *slog.Logger) (p parts, err error) {
	if err := coordinator.CheckURL(o.url); err != nil {
		return p, fmt.Errorf("--url: %w", err)
	}
	if p.bind, err = addrPort("bind", o.bind); err != nil {
		return p, err
	}
	if p.keysBind, err = addrPort("keys-bind", o.keysBind); err != nil {
		return p, err
	}
	if p.minimum, err = release.Parse(o.minimum); err != nil {
		return p, fmt.Errorf("--minimum-version: %w", err)
	}
	p.coordinator = coordinator.Options{Dir: o.dir, URL: o.url, EphemeralGrace: o.grace, Log: log}
	if p.coordinator.V4, err = netip.ParsePrefix(o.v4); err != nil {
		return p, fmt.Errorf("--prefix-v4: %w", err)
	}
	if p.coordinator.V6, err = netip.ParsePrefix(o.v6); err != nil {
		return p, fmt.Errorf("--prefix-v6: %w", err)
	}
	for _, text := range o.relays {
		r, err := parseRelay(text)
		if err != nil {
			return p, err
		}
		p.coordinator.Relays = append(p.coordinator.Relays, r)
	}
	p.matrix = matrix.Own()
	p.matrix.Rows, err = declared.Rows(o.Matrix)
	return p, err
}

func parseRelay(text string) (coordinator.Relay, error) {
	problem := fmt.Errorf("--relay %q: HOST:PORT/STUN-PORT is needed, like 192.0.2.1:8451/3478", text)
	address, stun, _ := strings.Cut(text, "/")
	i := strings.LastIndex(address, ":")
	if i <= 0 {
		return coordinator.Relay{}, problem
	}
	port, err := strconv.ParseUint(address[i+1:], 10, 16)
	if err != nil || port == 0 {
		return coordinator.Relay{}, problem
	}
	stunPort, err := strconv.ParseUint(stun, 10, 16)
	if err != nil || stunPort == 0 {
		return coordinator.Relay{}, problem
	}
	return coordinator.Relay{Host: strings.Trim(address[:i], "[]"), Port: uint16(port), STUN: uint16(stunPort)}, nil
}

func serve(ctx context.Context, o serveOptions, log *slog.Logger) error {
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
	p, err := o.understand(log)
	if err != nil {
		return err
	}
	bound, err := o.Bind(matrix.Mesh, log)
	if err != nil {
		return err
	}
	cfg, err := o.RESTConfig(bound, matrix.MeshToAPIServer)
	if err != nil {
		return err
	}
	certificate, err := pki.NewReloader(o.TLS)
	if err != nil {
		return err
	}
	policy, err := mesh.Policy(p.matrix)
	if err != nil {
		return fmt.Errorf("compile the mesh's policy from the communication matrix: %w", err)
	}
	c, err := coordinator.Open(p.coordinator, policy)
	if err != nil {
		return err
	}
	objects, live, err := clients(cfg)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	k, err := keeper.New(keeper.Options{
		Cached: objects, Live: live, Mesh: c, Matrix: p.matrix, URL: o.url, Minimum: p.minimum, EphemeralGrace: o.grace, KeepKeys: o.keepKeys, Log: log, Now: time.Now,
	})
	if err != nil {
		return errors.Join(err, c.Close())
	}
	var ready atomic.Bool
	err = together(ctx,
		objects.Start,
		func(ctx context.Context) error { return keep(ctx, objects, k, &ready) },
		func(ctx context.Context) error { return members(ctx, bound, certificate, p.bind, c, log) },
		func(ctx context.Context) error { return keys(ctx, bound, certificate, p.keysBind, c, k, log) },
		func(ctx context.Context) error {
			h := identity.Health{Flow: matrix.HealthOfMesh, Bind: o.HealthBind, Metrics: prometheus.DefaultGatherer, Log: log, Ready: func() error {
				if !ready.Load() {
					return errors.New("the objects of the mesh were not read yet")
				}
				return c.Ready(ctx)
			}}
			return h.Start(ctx, bound)
		},
	)
	return errors.Join(err, c.Close())
}

// clients are the cache of MeshKeys and MeshNodes, and the way to the API server itself.
func clients(cfg *rest.Config) (cache.Cache, client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(ingot.AddToScheme(scheme), authenticationv1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme)); err != nil {
		return nil, nil, fmt.Errorf("register kinds: %w", err)
	}
	h, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("client of the API server: %w", err)
	}
	live, err := client.New(cfg, client.Options{HTTPClient: h, Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("client of the API server: %w", err)
	}
	objects, err := cache.New(cfg, cache.Options{HTTPClient: h, Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("cache of the mesh's objects: %w", err)
	}
	return objects, live, nil
}

// keep runs the keeper once the objects were read. Members are answered before that; nobody gets tags.
func keep(ctx context.Context, objects cache.Cache, k *keeper.Keeper, ready *atomic.Bool) error {
	for _, kind := range []client.Object{&ingot.MeshKey{}, &ingot.MeshNode{}} {
		informer, err := objects.GetInformer(ctx, kind)
		if err != nil {
			return fmt.Errorf("watch the mesh's objects: %w", err)
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { k.Wake() }, UpdateFunc: func(any, any) { k.Wake() }, DeleteFunc: func(any) { k.Wake() },
		})
		if err != nil {
			return fmt.Errorf("watch the mesh's objects: %w", err)
		}
	}
	if !objects.WaitForCacheSync(ctx) {
		return ctx.Err()
	}
	ready.Store(true)
	return k.Run(ctx)
}

func members(ctx context.Context, b *socket.Bound, certificate *pki.Reloader, at netip.AddrPort, c *coordinator.Coordinator, log *slog.Logger) error {
	l, err := b.Listen(ctx, matrix.NodeToMesh, at)
	if err != nil {
		return err
	}
	config := certificate.ServerConfig(tls.NoClientCert)
	config.NextProtos = []string{"http/1.1"} // a member's stream takes the connection over
	log.Info("members are answered", "address", l.Addr().String())
	return web(ctx, tls.NewListener(l, config), c.Handler(), log)
}

// keys answers who has a certificate of the CA: with keys, and relays with who is in the mesh. People may show a token in its place; whoever shows neither is refused.
func keys(ctx context.Context, b *socket.Bound, certificate *pki.Reloader, at netip.AddrPort, c *coordinator.Coordinator, k *keeper.Keeper, log *slog.Logger) error {
	l, err := b.Listen(ctx, matrix.ControllerToMeshKeys, at)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/namespaces/", meshkey.Handler(k, people{k.Live}, log))
	mux.HandleFunc("POST "+verifyPath, func(w http.ResponseWriter, r *http.Request) { verify(w, r, c) })
	log.Info("keys are handed out", "address", l.Addr().String())
	return web(ctx, tls.NewListener(l, certificate.ServerConfig(tls.VerifyClientCertIfGiven)), mux, log)
}

const verifyPath = "/v1/members/verify"

// question is a relay's, and its answer.
type question struct {
	NodeKey string `json:"nodeKey"`
	Member  bool   `json:"member"`
}

func verify(w http.ResponseWriter, r *http.Request, c *coordinator.Coordinator) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || r.TLS.PeerCertificates[0].Subject.CommonName != pki.RoleName(string(matrix.Relay), "") {
		http.Error(w, "only relays are told who is in the mesh", http.StatusForbidden)
		return
	}
	const mostBody = 4 << 10
	var q question
	if err := json.NewDecoder(io.LimitReader(r.Body, mostBody)).Decode(&q); err != nil {
		http.Error(w, "the question is no JSON", http.StatusBadRequest)
		return
	}
	known, err := c.Knows(q.NodeKey)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q.Member = known
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(q)
}
