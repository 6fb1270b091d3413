package web

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/live"
	"github.com/ingotmetal/ingot/matrix/report"
)

// MatrixBody is who the flows are between. Ingot's own matrix, which this program was built from, needs no rights, since it says nothing of the site; those of the site, and what hosts report, do.
type MatrixBody struct {
	Name  string       `json:"name"`
	Title string       `json:"title"`
	Roles []MatrixRole `json:"roles"`
	// Own is the name of Ingot's own matrix, Site are those of the CommunicationMatrix objects that are there.
	Own  string   `json:"own"`
	Site []string `json:"site,omitempty"`
	// Hidden: the person may not read what hosts enforce.
	Hidden bool `json:"hidden,omitempty"`
	// Hosts is how many enforce something of this matrix.
	Hosts int `json:"hosts"`
}

// MatrixRole is a party of the matrix.
type MatrixRole struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Purpose string `json:"purpose,omitempty"`
	Outside bool   `json:"outside,omitempty"`
}

// MatrixRow is one flow.
type MatrixRow struct {
	ID   string `json:"key"`
	Name string `json:"flow"`
	From string `json:"from"`
	To   string `json:"to"`
	// FromZone and ToZone are where the ends stand.
	FromZone string `json:"fromZone"`
	ToZone   string `json:"toZone"`
	// Wire is the protocol with its ports and what is spoken above it.
	Wire           string       `json:"wire"`
	Purpose        string       `json:"purpose"`
	Notes          string       `json:"notes,omitempty"`
	Feature        string       `json:"feature,omitempty"`
	Identity       string       `json:"identity,omitempty"`
	ServerIdentity string       `json:"serverIdentity,omitempty"`
	Cells          []MatrixCell `json:"cells"`
	// Live is what hosts say of it; nothing where the person may not read that.
	Live *MatrixLive `json:"live,omitempty"`
}

// MatrixCell is one security cell: it holds and how, or it is an exception with its reason and its bound.
type MatrixCell struct {
	Name  string `json:"name"`
	State string `json:"state"`
	How   string `json:"how,omitempty"`
	Bound string `json:"bound,omitempty"`
}

// MatrixLive is where a row stands, as package matrix/live decides.
type MatrixLive struct {
	// State is seen, unseen, violated or not enforced.
	State string       `json:"state"`
	Why   string       `json:"why,omitempty"`
	Since string       `json:"since,omitempty"`
	Last  string       `json:"last,omitempty"`
	Hosts []MatrixHost `json:"hosts,omitempty"`
}

// MatrixHost is one host's part.
type MatrixHost struct {
	Host  string `json:"host"`
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
	Since string `json:"since,omitempty"`
	Last  string `json:"last,omitempty"`
}

// Key is the row's number.
func (r MatrixRow) Key() string { return r.ID }

// flows are those of one matrix: of the one that the address names, or of Ingot's own.
func flows(ctx context.Context, c *reader, a ask) (Content, error) {
	c.begin(ctx, &ingot.CommunicationMatrixList{}, &calico.HostEndpointList{})
	wanted := a.query.Get("matrix")
	var objects ingot.CommunicationMatrixList
	if err := c.List(ctx, &objects); err != nil && (wanted != "" || !apierrors.IsForbidden(err)) {
		return Content{}, fmt.Errorf("list the communication matrices: %w", err)
	}
	m, err := chosen(wanted, objects.Items)
	if err != nil {
		return Content{}, err
	}
	var endpoints calico.HostEndpointList
	err = c.List(ctx, &endpoints)
	if err != nil && !apierrors.IsForbidden(err) {
		return Content{}, fmt.Errorf("list the host endpoints: %w", err)
	}
	b, rows := flowsOf(m, endpoints.Items, err == nil)
	for _, o := range objects.Items {
		if o.Spec.Extends == "" {
			b.Site = append(b.Site, o.Name)
		}
	}
	slices.Sort(b.Site)
	return Content{Body: b, Rows: rows}, nil
}

// chosen is the matrix of a name. Ingot's own is the site's where somebody applied it: that says which hosts have which roles.
func chosen(wanted string, objects []ingot.CommunicationMatrix) (matrix.Matrix, error) {
	own := matrix.Own()
	name := wanted
	if name == "" {
		name = own.Name
	}
	parts := document.Parts(name, objects)
	switch {
	case len(parts) == 0 && name == own.Name:
		return own, nil
	case len(parts) == 0:
		return own, apierrors.NewNotFound(ingot.GroupVersion.WithResource("communicationmatrices").GroupResource(), name)
	}
	m, err := document.Join(parts...)
	if err != nil {
		return own, apierrors.NewBadRequest(fmt.Errorf("CommunicationMatrix %s has no meaning: `ingot matrix lint --name %s` says more: %w", name, name, err).Error())
	}
	return m, nil
}

func flowsOf(m matrix.Matrix, endpoints []calico.HostEndpoint, known bool) (MatrixBody, []Row) {
	b := MatrixBody{Name: m.Name, Title: m.Title, Own: matrix.Own().Name, Hidden: !known}
	for _, r := range m.Roles {
		b.Roles = append(b.Roles, MatrixRole{string(r.Name), r.Title, r.Purpose, r.Outside})
	}
	enforcing := map[string]bool{}
	joined := live.Join(m, endpoints)
	rows := make([]Row, 0, len(m.Rows))
	for i, r := range m.Rows {
		x := MatrixRow{
			ID: r.ID, Name: string(r.Name), From: string(r.From.Role), To: string(r.To.Role), FromZone: string(r.From.Zone), ToZone: string(r.To.Zone),
			Wire: report.Wire(r), Purpose: r.Purpose, Notes: r.Notes, Feature: r.Feature, Identity: r.Identity, ServerIdentity: r.ServerIdentity,
		}
		for _, c := range r.Cells() {
			x.Cells = append(x.Cells, MatrixCell{c.Name, string(c.State), c.How, c.Bound})
		}
		if known {
			x.Live = liveOf(joined[i])
		}
		for _, h := range joined[i].Hosts {
			if h.State != live.NotEnforced {
				enforcing[h.Name] = true
			}
		}
		rows = append(rows, x)
	}
	b.Hosts = len(enforcing)
	return b, rows
}

func liveOf(r live.Row) *MatrixLive {
	x := &MatrixLive{State: string(r.State), Why: r.Why, Since: moment(r.Since), Last: moment(r.Last)}
	for _, h := range r.Hosts {
		x.Hosts = append(x.Hosts, MatrixHost{h.Name, string(h.State), h.Why, moment(h.Since), moment(h.Last)})
	}
	return x
}

func moment(t time.Time) string { return at(&metav1.Time{Time: t}) }
