package live_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/live"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func site() matrix.Matrix {
	at := func(r matrix.Role, z matrix.Zone) matrix.Endpoint { return matrix.Endpoint{Role: r, Zone: z} }
	host := func(name string, z matrix.Zone, roles ...matrix.Role) matrix.Host {
		return matrix.Host{Name: name, Interfaces: []matrix.Interface{{Name: "eth0", Zone: z, Roles: roles}}}
	}
	egress := matrix.Row{ID: "1.4", From: at("web", "front"), To: at("db", "back"), Enforced: matrix.EnforcedEgress}
	anybody := matrix.Row{ID: "1.5", From: matrix.Anybody, To: matrix.Anybody, Failsafe: true}
	return matrix.Matrix{
		Name: "site", Zones: []matrix.ZoneDefinition{{Name: "front"}, {Name: "back"}, {Name: "office", Outside: true}},
		Roles: []matrix.RoleDefinition{{Name: "web"}, {Name: "db"}, {Name: "operator", Outside: true}},
		Hosts: []matrix.Host{host("web1", "front", "web"), host("web2", "front", "web"), host("db1", "back", "db")},
		Rows: []matrix.Row{
			{ID: "1.1", From: matrix.Anybody, To: at("web", "front")}, {ID: "1.2", From: at("web", "front"), To: at("db", "back")},
			{ID: "1.3", From: at("operator", "office"), To: at("operator", "office")}, egress, anybody, {ID: "1.6", From: at("operator", "office"), To: at("*", "back")},
		},
	}
}

func met(row string, last time.Duration) calico.RowTraffic {
	r := calico.RowTraffic{Matrix: "site", Row: row, Since: metav1.NewTime(now.Add(-24 * time.Hour))}
	if last > 0 {
		r.Last = &metav1.Time{Time: now.Add(-last)}
	}
	return r
}

func endpoint(node, of string, s calico.HostEndpointStatus) calico.HostEndpoint {
	return calico.HostEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: node + ".eth0", Labels: map[string]string{calico.MatrixLabel: of}, Annotations: map[string]string{calico.RevisionAnnotation: "r2"}},
		Spec:       calico.HostEndpointSpec{Node: node, InterfaceName: "eth0"}, Status: s,
	}
}

func confirmed(rows ...calico.RowTraffic) calico.HostEndpointStatus {
	return calico.HostEndpointStatus{Phase: calico.PhaseConfirmed, Revision: "r2", Rows: rows}
}

// said is a row in one line: its state, when, and each host's.
func said(r live.Row) string {
	words := []string{r.ID + " " + string(r.State)}
	if !r.Last.IsZero() {
		words = append(words, "last "+now.Sub(r.Last).String())
	}
	if r.Why != "" {
		words = append(words, "("+r.Why+")")
	}
	for _, h := range r.Hosts {
		words = append(words, h.Name+"="+string(h.State))
	}
	return strings.Join(words, " ")
}

func TestJoin(t *testing.T) {
	silent := calico.HostEndpointStatus{}
	other := met("1.1", time.Minute)
	other.Matrix = "else"
	unnamed := met("1.1", time.Minute)
	unnamed.Matrix = ""
	drifted := confirmed(met("1.1", time.Hour), met("1.2", 0))
	drifted.Drift = []calico.Drift{{Kind: "Listener", What: "nothing listens", Row: "1.1"}, {Kind: "Unused", What: "met nothing", Row: "1.2"}, {Kind: "Kernel", What: "a rule is gone"}}
	older := confirmed(met("1.1", time.Hour))
	older.Revision = "r1"
	for name, c := range map[string]struct {
		endpoints []calico.HostEndpoint
		want      []string
	}{
		"nobody": {nil, []string{
			"1.1 not enforced (web1: has no HostEndpoint of this matrix) web1=not enforced web2=not enforced",
			"1.3 not enforced (neither end is a host of the matrix)",
			"1.4 not enforced (web1: has no HostEndpoint of this matrix) web1=not enforced web2=not enforced",
			"1.5 not enforced (db1: has no HostEndpoint of this matrix) db1=not enforced web1=not enforced web2=not enforced",
			"1.6 not enforced (db1: has no HostEndpoint of this matrix) db1=not enforced",
		}},
		"seen on one of two": {
			[]calico.HostEndpoint{endpoint("web1", "site", confirmed(met("1.1", time.Hour), met("1.2", 0))), endpoint("web2", "site", confirmed(met("1.1", 0), met("1.2", 0))), endpoint("db1", "site", silent)},
			[]string{
				"1.1 seen last 1h0m0s web1=seen web2=unseen",
				"1.2 unseen db1=not enforced web1=unseen web2=unseen",
				"1.4 not enforced (web1: has no rule for it) web1=not enforced web2=not enforced",
				"1.6 not enforced (db1: unknown: ingot-node has not reported; is it running on the host?) db1=not enforced",
			},
		},
		"the latest": {
			[]calico.HostEndpoint{endpoint("web1", "site", confirmed(met("1.1", time.Hour))), endpoint("web2", "site", confirmed(met("1.1", time.Minute)))},
			[]string{"1.1 seen last 1m0s web1=seen web2=seen"},
		},
		"another matrix's": {
			[]calico.HostEndpoint{endpoint("web1", "site", confirmed(other)), endpoint("web2", "else", confirmed(met("1.1", time.Minute)))},
			[]string{"1.1 not enforced (web1: has no rule for it) web1=not enforced web2=not enforced"},
		},
		"of policies that name no matrix": {[]calico.HostEndpoint{endpoint("web1", "site", confirmed(unnamed))}, []string{"1.1 seen last 1m0s web1=seen web2=not enforced"}},
		"violated though seen; unused is none": {
			[]calico.HostEndpoint{endpoint("web1", "site", drifted)},
			[]string{"1.1 violated last 1h0m0s (web1: nothing listens) web1=violated web2=not enforced", "1.2 unseen db1=not enforced web1=unseen web2=not enforced"},
		},
		"what ruled before still does": {
			[]calico.HostEndpoint{endpoint("web1", "site", older)},
			[]string{"1.1 seen last 1h0m0s web1=seen web2=not enforced", "1.2 not enforced (db1: has no HostEndpoint of this matrix) db1=not enforced web1=not enforced web2=not enforced"},
		},
		"open": {
			[]calico.HostEndpoint{endpoint("db1", "site", calico.HostEndpointStatus{Phase: calico.PhaseNone, Rows: []calico.RowTraffic{met("1.6", time.Hour)}})},
			[]string{"1.6 not enforced (db1: open: no rules are there) db1=not enforced"},
		},
	} {
		rows := live.Join(site(), c.endpoints)
		if len(rows) != len(site().Rows) {
			t.Fatalf("%s: %d rows", name, len(rows))
		}
		all := map[string]string{}
		for i, r := range rows {
			if r.ID != site().Rows[i].ID {
				t.Errorf("%s: row %d is %s", name, i, r.ID)
			}
			all[r.ID] = said(r)
			if enforced := r.State == live.Seen || r.State == live.Unseen; enforced && r.Since.IsZero() || enforced != (r.Why == "") && r.State != live.Violated {
				t.Errorf("%s: %+v", name, r)
			}
		}
		for _, want := range c.want {
			id, _, _ := strings.Cut(want, " ")
			if all[id] != want {
				t.Errorf("%s:\n%s, want\n%s", name, all[id], want)
			}
		}
	}
}

// TestAMatrixWithoutHosts is Ingot's own where nobody applied it.
func TestAMatrixWithoutHosts(t *testing.T) {
	for _, r := range live.Join(matrix.Own(), nil) {
		if r.State != live.NotEnforced || r.Why != "no host enforces this matrix" || len(r.Hosts) > 0 {
			t.Errorf("%+v", r)
		}
	}
}
