package controlplane

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/controlplane/auditing"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/trail"
	"github.com/ingotmetal/ingot/internal/version"
)

const (
	storeStart  = 30 * time.Second
	serverStart = 60 * time.Second
	// renewEvery is how often the control plane looks whether its own certificates are due.
	renewEvery = 10 * time.Minute
)

// Options start a control plane.
type Options struct {
	// DataDir is made if it is not there. An absolute path.
	DataDir string
	// Listener is the bound socket; TLS is put on top of it here. The control plane closes it.
	Listener net.Listener
	// Hosts are the names and addresses that clients know the server by, beside the listener's own. The first one goes into the kubeconfig.
	Hosts []string
	// Prepare is called with a client configuration once the API answers and before the control plane says that it is ready.
	Prepare func(context.Context, *rest.Config) error
	// People says who people are by tokens; the zero value: nobody but by certificates.
	People People
	// Audit says what is recorded, and AuditDir where; empty: in DataDir. Without a trail that can be written the control plane does not start.
	Audit    audit.Policy
	AuditDir string
	// Register adds metrics to the API server's own at /metrics; nil: there are none of ours.
	Register func(...prometheus.Collector)
	Log      *slog.Logger
}

func (o Options) auditDir() string {
	if o.AuditDir != "" {
		return o.AuditDir
	}
	return Layout{Dir: o.DataDir}.Audit()
}

// Server is a running control plane.
type Server struct {
	// URL is where clients dial.
	URL    string
	layout Layout
	ca     *pki.CA
	hosts  []string
	trail  *trail.Trail
	log    *slog.Logger
	done   chan error
}

// Start brings up store, API server and controllers, and returns when the API answers and Prepare is through. It goes on until ctx is cancelled; Wait waits for the end.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{layout: Layout{Dir: o.DataDir}, log: o.Log, done: make(chan error, 1)}
	lock, err := s.layout.prepare()
	if err != nil {
		return nil, errors.Join(err, o.Listener.Close())
	}
	keys, err := s.openPKI(o)
	if err != nil {
		return nil, errors.Join(err, o.Listener.Close(), lock.Close())
	}
	if s.trail, err = s.openTrail(o); err != nil {
		return nil, errors.Join(err, o.Listener.Close(), lock.Close())
	}
	storeCtx, cancel := context.WithTimeout(ctx, storeStart)
	defer cancel()
	store, err := startStore(storeCtx, s.layout)
	if err != nil {
		return nil, errors.Join(err, o.Listener.Close(), s.trail.Close(), lock.Close())
	}
	if err := s.run(ctx, o, keys, store, lock); err != nil {
		return nil, err
	}
	return s, nil
}

// openTrail goes on with the audit trail, before anything is served.
func (s *Server) openTrail(o Options) (*trail.Trail, error) {
	key, err := trail.OpenKey(s.layout.PKI())
	if err != nil {
		return nil, err
	}
	name := make([]byte, 8)
	if _, err := rand.Read(name); err != nil {
		return nil, fmt.Errorf("draw a name for the writer of the audit trail: %w", err)
	}
	return trail.Open(trail.Options{
		Dir: o.auditDir(), Key: key, Retention: o.Audit.Retention, Writer: hex.EncodeToString(name), Version: version.Get().String(), Now: time.Now, Log: o.Log,
	})
}

// Wait waits for the end of the control plane and says why it ended; nil after a cancelled context.
func (s *Server) Wait() error { return <-s.done }

// run starts what needs the store. Whatever it started ends when the API server does; the store goes last, the lock after it.
func (s *Server) run(ctx context.Context, o Options, keys keyFiles, store *embed.Etcd, lock *os.File) error {
	egress, err := startEgress(s.layout, o.People)
	if err != nil {
		store.Close()
		return errors.Join(err, o.Listener.Close(), s.trail.Close(), lock.Close())
	}
	auditor := auditing.New(o.Audit, s.trail, o.Log)
	if o.Register != nil {
		o.Register(auditing.Collector{Dir: o.auditDir(), Trail: s.trail, Auditor: auditor, Log: o.Log})
	}
	api, err := newAPIServer(ctx, o, keys, auditor)
	if err != nil {
		egress.close()
		store.Close()
		return errors.Join(err, o.Listener.Close(), s.trail.Close(), lock.Close())
	}
	ctx, stop := context.WithCancelCause(ctx)
	served := make(chan error, 1)
	go func() {
		prepared, err := api.chain.PrepareRun()
		if err == nil {
			err = prepared.Run(ctx)
		}
		stop(fmt.Errorf("the API server ended: %w", errors.Join(err, context.Canceled)))
		served <- err
	}()
	controllersEnded := func() {}
	finish := func() error {
		err := <-served
		controllersEnded()
		egress.close()
		store.Close()
		return errors.Join(err, s.trail.Close(), lock.Close())
	}
	err = func() error {
		if err := waitReady(ctx, api.loopback); err != nil {
			return err
		}
		if controllersEnded, err = startControllers(ctx, api.loopback, keys, s.ca); err != nil {
			return err
		}
		if o.Prepare != nil {
			if err := o.Prepare(ctx, api.loopback); err != nil {
				return err
			}
		}
		return s.writeAdmin(time.Now())
	}()
	if err != nil {
		stop(err)
		return errors.Join(err, finish())
	}
	go s.renew(ctx, keys)
	go func() {
		select {
		case err := <-store.Err():
			stop(fmt.Errorf("the store ended: %w", err))
		case <-ctx.Done():
		}
		s.done <- finish()
	}()
	return nil
}

// waitReady waits until every part of the API server says that it is ready.
func waitReady(ctx context.Context, loopback *rest.Config) error {
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return fmt.Errorf("make a client for the control plane itself: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, serverStart, true, func(ctx context.Context) (bool, error) {
		_, last = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the API server was not ready within %s: %w", serverStart, errors.Join(err, context.Cause(ctx), last))
	}
	return nil
}

func (s *Server) openPKI(o Options) (keyFiles, error) {
	now := time.Now()
	ca, err := pki.OpenCA(s.layout.PKI(), "ingot control plane", now)
	if err != nil {
		return keyFiles{}, err
	}
	s.ca = ca
	keys, err := makeKeys(s.layout)
	if err != nil {
		return keyFiles{}, err
	}
	bound, err := netip.ParseAddrPort(o.Listener.Addr().String())
	if err != nil {
		return keyFiles{}, fmt.Errorf("the control plane's listener has the address %s: an IP address and port are needed: %w", o.Listener.Addr(), err)
	}
	s.hosts = append(s.hosts, o.Hosts...)
	if !bound.Addr().IsUnspecified() {
		s.hosts = append(s.hosts, bound.Addr().Unmap().String())
	}
	s.hosts = append(s.hosts, "127.0.0.1", "::1", "localhost")
	s.URL = "https://" + net.JoinHostPort(s.hosts[0], fmt.Sprint(bound.Port()))
	return keys, ca.Issue(keys.serving, pki.ServerProfile("ingot-apiserver", s.hosts...), now)
}

func (s *Server) writeAdmin(now time.Time) error {
	user, err := s.ca.NewIdentity(pki.OperatorProfile("admin"), now)
	if err != nil {
		return err
	}
	return kubeconfig.Write(s.layout.AdminKubeconfig(), kubeconfig.Cluster{Name: "ingot", URL: s.URL, CA: s.ca.CertPEM()}, user)
}

// renew keeps the serving certificate and the administrator's kubeconfig fresh. The API server looks at its certificate files once a minute.
func (s *Server) renew(ctx context.Context, keys keyFiles) {
	due := time.Now().Add(min(pki.ServingLifetime, pki.OperatorLifetime) / 2)
	wait.UntilWithContext(ctx, func(context.Context) {
		now := time.Now()
		if now.Before(due) {
			return
		}
		err := errors.Join(s.ca.Issue(keys.serving, pki.ServerProfile("ingot-apiserver", s.hosts...), now), s.writeAdmin(now))
		if err != nil {
			s.log.Error("certificates could not be renewed; they are tried again", "err", err)
			return
		}
		due = now.Add(min(pki.ServingLifetime, pki.OperatorLifetime) / 2)
	}, renewEvery)
}
