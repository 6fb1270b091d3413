package web

import (
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// TestEachFlowIsOnTheMatrixPage: every row once, with four cells that say something, between parties that the page can be asked for.
func TestEachFlowIsOnTheMatrixPage(t *testing.T) {
	m, err := chosen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	b, rows := flowsOf(m, nil, true)
	parties := map[string]bool{string(matrix.AnyRole): true}
	for _, r := range b.Roles {
		parties[r.Name] = true
	}
	seen := map[string]bool{}
	for _, row := range rows {
		r := row.(MatrixRow)
		if seen[r.ID] || !parties[r.From] || !parties[r.To] || r.Wire == "" || len(r.Cells) != 4 || r.Live == nil || r.Live.State != "not enforced" {
			t.Errorf("row %q: %+v", r.ID, r)
		}
		seen[r.ID] = true
		for _, cell := range r.Cells {
			if cell.State == string(matrix.Excepted) && (cell.How == "" || cell.Bound == "") {
				t.Errorf("row %s: %s is an exception without reason or bound", r.ID, cell.Name)
			}
		}
	}
	for _, r := range matrix.Own().Rows {
		if !seen[r.ID] {
			t.Errorf("row %s is not on the page", r.ID)
		}
	}
}

// TestWhatHostsSayOfAFlow: on the page where the person may know it, with each host's part.
func TestWhatHostsSayOfAFlow(t *testing.T) {
	since, last := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), metav1.NewTime(time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC))
	own := matrix.Own()
	row := own.Rows[0].ID
	endpoints := []calico.HostEndpoint{{
		ObjectMeta: metav1.ObjectMeta{Name: "a.eth0", Labels: map[string]string{calico.MatrixLabel: own.Name}}, Spec: calico.HostEndpointSpec{Node: "a"},
		Status: calico.HostEndpointStatus{Phase: calico.PhaseConfirmed, Rows: []calico.RowTraffic{{Matrix: own.Name, Row: row, Since: metav1.NewTime(since), Last: &last}}},
	}}
	b, rows := flowsOf(own, endpoints, true)
	l := rows[0].(MatrixRow).Live
	want := MatrixHost{"a", "seen", "", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"}
	if b.Hosts != 1 || b.Hidden || l == nil || l.State != "seen" || l.Last != want.Last || len(l.Hosts) != 1 || l.Hosts[0] != want {
		t.Errorf("%d hosts, row %+v", b.Hosts, l)
	}
	if b, rows = flowsOf(own, nil, false); !b.Hidden || rows[0].(MatrixRow).Live != nil {
		t.Errorf("without rights: %+v, %+v", b, rows[0])
	}
}

// TestWhichMatrixIsShown: the one that is named; Ingot's own as it is on the site, where it is there.
func TestWhichMatrixIsShown(t *testing.T) {
	own := matrix.Own()
	applied := own
	applied.Title = "as applied"
	var objects []ingot.CommunicationMatrix
	for _, o := range document.Objects(applied) {
		objects = append(objects, *o)
	}
	if m, err := chosen("", objects); err != nil || m.Title != "as applied" {
		t.Errorf("%q, %v", m.Title, err)
	}
	if _, err := chosen("else", objects); !apierrors.IsNotFound(err) {
		t.Errorf("one that is not there: %v", err)
	}
	objects[0].Spec.Zones = nil
	if _, err := chosen(own.Name, objects); !apierrors.IsBadRequest(err) {
		t.Errorf("one without a meaning: %v", err)
	}
}
