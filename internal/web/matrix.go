package web

import (
	"context"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/report"
)

// MatrixBody is who the flows are between. It is Ingot's own matrix, which this program was built from: it needs no rights, since it says nothing of the site.
type MatrixBody struct {
	Title string       `json:"title"`
	Roles []MatrixRole `json:"roles"`
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
}

// MatrixCell is one security cell: it holds and how, or it is an exception with its reason and its bound.
type MatrixCell struct {
	Name  string `json:"name"`
	State string `json:"state"`
	How   string `json:"how,omitempty"`
	Bound string `json:"bound,omitempty"`
}

// Key is the row's number.
func (r MatrixRow) Key() string { return r.ID }

func flows(context.Context, *reader, ask) (Content, error) {
	m := matrix.Own()
	b := MatrixBody{Title: m.Title}
	for _, r := range m.Roles {
		b.Roles = append(b.Roles, MatrixRole{string(r.Name), r.Title, r.Purpose, r.Outside})
	}
	rows := make([]Row, 0, len(m.Rows))
	for _, r := range m.Rows {
		x := MatrixRow{
			ID: r.ID, Name: string(r.Name), From: string(r.From.Role), To: string(r.To.Role), FromZone: string(r.From.Zone), ToZone: string(r.To.Zone),
			Wire: report.Wire(r), Purpose: r.Purpose, Notes: r.Notes, Feature: r.Feature, Identity: r.Identity, ServerIdentity: r.ServerIdentity,
		}
		for _, c := range r.Cells() {
			x.Cells = append(x.Cells, MatrixCell{c.Name, string(c.State), c.How, c.Bound})
		}
		rows = append(rows, x)
	}
	return Content{Body: b, Rows: rows}, nil
}
