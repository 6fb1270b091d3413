package matrix_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// large is a matrix of n roles, each with flows to others, in one zone of ours with a bastion for management.
func large(name string, roles, flows int) matrix.Matrix {
	holds := matrix.Property{State: matrix.Holds, How: "TLS"}
	m := matrix.Matrix{Name: name, Title: name, Zones: []matrix.ZoneDefinition{{Name: "z"}, {Name: "office", Outside: true}}, Roles: []matrix.RoleDefinition{{Name: "bastion", Outside: true}}}
	row := func(id int, from, to matrix.Endpoint, port uint16) matrix.Row {
		return matrix.Row{
			ID: fmt.Sprint(id), Name: matrix.FlowName(fmt.Sprintf("f%d", id)), From: from, To: to, Protocol: matrix.TCP, Ports: matrix.Port(port), Application: "TLS",
			Confidential: holds, Integrity: holds, Authenticated: holds, Trusted: holds, Purpose: "test",
		}
	}
	at := func(i int) matrix.Endpoint {
		return matrix.Endpoint{Role: matrix.Role(fmt.Sprintf("r%d", i%roles)), Zone: "z"}
	}
	for i := range roles {
		m.Roles = append(m.Roles, matrix.RoleDefinition{Name: at(i).Role})
	}
	ssh := row(0, matrix.Endpoint{Role: "bastion", Zone: "office"}, matrix.Endpoint{Role: "*", Zone: "z"}, 22)
	ssh.Management = true
	m.Rows = append(m.Rows, ssh)
	for i := 1; i < flows; i++ {
		m.Rows = append(m.Rows, row(i, at(i), at(i+1+i/roles), uint16(1024+i/roles)))
	}
	return m
}

// TestKilledControllersConverge: controllers die in the middle of their work, and the last one ends up where one alone would have.
func TestKilledControllersConverge(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, controlplanetest.Shared(t))
	for round := range 6 {
		m := large("killed", 40, 200+20*round)
		w.put(document.Objects(m)...)
		stop := w.start(false)
		// Between no request and the middle of the writing: what a process has done when it is killed is a number of requests.
		limit := w.calls.Load() + int64(random.IntN(60))
		w.eventually("some requests, or the end of the work", func() error {
			m := w.matrix("killed")
			done := meta.FindStatusCondition(m.Status.Conditions, "Compiled")
			if now := w.calls.Load(); now < limit && (done == nil || done.ObservedGeneration != m.Generation) {
				return fmt.Errorf("%d of %d", now, limit)
			}
			return nil
		})
		stop()
	}
	w.start(false)
	w.condition("killed", "Compiled", metav1.ConditionTrue, "Compiled")
	got := w.made("killed")
	w.put(document.Objects(large("alone", 40, 300))...)
	w.condition("alone", "Compiled", metav1.ConditionTrue, "Compiled")
	if want := w.made("alone"); len(got) != len(want) || len(got) < 40 {
		t.Errorf("%d objects behind six killed controllers, %d from one that lived", len(got), len(want))
	}
}

// TestOneLeads: of two controllers one works; the other takes over when it ends.
func TestOneLeads(t *testing.T) {
	w := newWorld(t, controlplanetest.Start(t))
	first := w.start(true)
	leader := func() string {
		lease := &coordinationv1.Lease{}
		if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: ingot.SystemNamespace, Name: "controller"}, lease); err != nil || lease.Spec.HolderIdentity == nil {
			return ""
		}
		return *lease.Spec.HolderIdentity
	}
	w.eventually("a leader", func() error {
		if leader() == "" {
			return fmt.Errorf("nobody leads")
		}
		return nil
	})
	before := leader()
	w.start(true)
	w.apply(siteText("lead"))
	w.condition("lead", "Compiled", metav1.ConditionTrue, "Compiled")
	if now := leader(); now != before {
		t.Errorf("%s leads, and %s did, which still runs", now, before)
	}
	first()
	w.put(document.Objects(large("second", 5, 20))...)
	w.condition("second", "Compiled", metav1.ConditionTrue, "Compiled")
	if now := leader(); now == before {
		t.Errorf("%s is said to lead, and has ended", now)
	}
}

// TestALargeMatrix is one of several objects: the number of requests is asserted, since it is what would grow if something were written twice. How long the 1,000 roles and
// 20,000 flows take that a site may have is bench/matrix's matter.
func TestALargeMatrix(t *testing.T) {
	w := newWorld(t, controlplanetest.Start(t))
	objects := document.Objects(large("large", 250, 6000))
	if len(objects) < 2 {
		t.Fatalf("%d objects, want several", len(objects))
	}
	w.put(objects...)
	began := time.Now()
	w.start(false)
	w.condition("large", "Compiled", metav1.ConditionTrue, "Compiled")
	whole, took := w.calls.Load(), time.Since(began)
	made := len(w.made("large"))
	t.Logf("%d objects of the matrix became %d objects in %s, with %d requests", len(objects), made, took.Round(time.Millisecond), whole)
	if made < 250 || whole > int64(made)+200 {
		t.Errorf("%d requests made %d objects", whole, made)
	}
	// One row changes: two policies are written, and the status.
	last := w.matrix(objects[len(objects)-1].Name)
	last.Spec.Flows[len(last.Spec.Flows)-1].Ports = []ingot.MatrixPort{ingot.ParseMatrixPort("9999")}
	before := w.calls.Load()
	began = time.Now()
	w.put(last)
	w.eventually("the change", func() error {
		for _, obj := range w.made("large") {
			if obj.GetGeneration() > 1 {
				return nil
			}
		}
		return fmt.Errorf("no policy changed")
	})
	t.Logf("a changed row was in the API after %s, with %d requests", time.Since(began).Round(time.Millisecond), w.calls.Load()-before)
	if calls := w.calls.Load() - before; calls > 30 {
		t.Errorf("a changed row took %d requests", calls)
	}
}
