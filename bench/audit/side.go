package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/test/meter"
)

const namespace, objects = "audited", 64

// side is one of the two servers.
type side struct {
	server *controlplanetest.Server
	// admin is a person, role the partition role.
	admin, role client.Client
	// wrote counts writes, so that each changes something.
	wrote int
}

func newSide(ctx context.Context, server *controlplanetest.Server) (*side, error) {
	scheme, err := session.Scheme()
	if err != nil {
		return nil, err
	}
	s := &side{server: server}
	if s.admin, err = client.New(server.Admin, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	config, err := partition(server)
	if err != nil {
		return nil, err
	}
	if s.role, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	all := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}}
	for i := range objects {
		meta := metav1.ObjectMeta{Namespace: namespace, Name: name(i)}
		h := &metal3.BareMetalHost{ObjectMeta: meta}
		h.Spec.BMC = metal3.BMCDetails{Address: fmt.Sprintf("redfish-virtualmedia://10.0.0.%d/redfish/v1/Systems/1", i), CredentialsName: "bmc"}
		all = append(all, h, &corev1.ConfigMap{ObjectMeta: meta}, &corev1.Secret{ObjectMeta: meta})
	}
	for _, o := range all {
		if err := s.admin.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("make what is written to: %w", err)
		}
	}
	return s, nil
}

// partition is the partition role's identity.
func partition(server *controlplanetest.Server) (*rest.Config, error) {
	ca, err := pki.OpenCA(filepath.Join(server.DataDir, "pki"), "", time.Now())
	if err != nil {
		return nil, err
	}
	id, err := ca.NewIdentity(pki.RoleProfile(string(matrix.Partition), "bench"), time.Now())
	if err != nil {
		return nil, err
	}
	return &rest.Config{Host: server.URL, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: ca.CertPEM(), CertData: id.CertPEM, KeyData: []byte(id.KeyPEM.Reveal())}}, nil
}

func name(i int) string { return fmt.Sprintf("o-%d", i%objects) }

// kind is a kind of write.
type kind struct {
	name string
	// judged: the target is for it.
	judged bool
	write  func(ctx context.Context, s *side, i int) error
}

func kinds() []kind {
	host := func(ctx context.Context, s *side, i int) error {
		return patch(ctx, s.admin, &metal3.BareMetalHost{}, i, fmt.Sprintf(`{"spec":{"description":"write %d","image":{"url":"https://images.example/debian-%d.raw","checksum":"%064d"}}}`, i, i, i))
	}
	config := func(ctx context.Context, s *side, i int) error {
		return patch(ctx, s.admin, &corev1.ConfigMap{}, i, fmt.Sprintf(`{"data":{"n":"%d"}}`, i))
	}
	status := func(ctx context.Context, s *side, i int) error {
		o := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name(i)}}
		text := fmt.Sprintf(`{"status":{"poweredOn":%t,"errorCount":%d,"operationalStatus":"OK","errorMessage":"","provisioning":{"state":"available","ID":"%d"}}}`, i%2 == 0, i, i)
		return s.role.Status().Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(text)))
	}
	const period, hostAt, configAt = 10, 3, 7
	return []kind{
		{"a host, by a person: on the disk first", false, host},
		{"a Secret, by a person: likewise", false, func(ctx context.Context, s *side, i int) error {
			return patch(ctx, s.admin, &corev1.Secret{}, i, fmt.Sprintf(`{"stringData":{"n":"%d"}}`, i))
		}},
		{"a ConfigMap, by a person", false, config},
		{"a host's status, by a role", false, status},
		{"8 of status, a host, a ConfigMap", true, func(ctx context.Context, s *side, i int) error {
			switch i % period {
			case hostAt:
				return host(ctx, s, i)
			case configAt:
				return config(ctx, s, i)
			}
			return status(ctx, s, i)
		}},
	}
}

func patch(ctx context.Context, c client.Client, o client.Object, i int, text string) error {
	o.SetNamespace(namespace)
	o.SetName(name(i))
	return c.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(text)))
}

// round writes, and measures the server meanwhile.
func (s *side) round(ctx context.Context, k kind, f flags) (result, error) {
	before, err := meter.Of("", s.server.PID())
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([]time.Duration, f.writes)
	var all sync.WaitGroup
	for c := range f.clients {
		all.Go(func() {
			for i := c; i < f.writes && ctx.Err() == nil; i += f.clients {
				begun := time.Now()
				if err := k.write(ctx, s, s.wrote+i); err != nil {
					cancel(err)
				}
				took[i] = time.Since(begun)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return result{}, err
	}
	s.wrote += f.writes
	after, err := meter.Of("", s.server.PID())
	if err != nil {
		return result{}, err
	}
	slices.Sort(took)
	return result{cpu: (after.CPU - before.CPU) / time.Duration(f.writes), median: took[len(took)/2], slow: took[len(took)*99/100]}, nil
}
