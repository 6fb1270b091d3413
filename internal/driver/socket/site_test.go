package socket_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
)

func mediaAt(port uint16) matrix.Row {
	row, _ := matrix.Lookup(matrix.BMCToBootMedia)
	row.Ports = matrix.Port(port)
	return row
}

func TestSiteReplacesPortsAndNothingElse(t *testing.T) {
	site := mediaAt(443)
	site.Purpose, site.Stages, site.Identity = "something else", nil, "somebody else"
	rows, err := socket.Site(matrix.Builtin(), []matrix.Row{site, {Name: "a-flow-of-the-site", Protocol: matrix.TCP}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(matrix.Builtin()) {
		t.Errorf("%d rows, want the %d built-in ones", len(rows), len(matrix.Builtin()))
	}
	want, _ := matrix.Lookup(matrix.BMCToBootMedia)
	i := slices.IndexFunc(rows, func(r matrix.Row) bool { return r.Name == want.Name })
	if got := rows[i]; got.Ports.String() != "443" || got.Purpose != want.Purpose || got.Identity != want.Identity || len(got.Stages) != len(want.Stages) {
		t.Errorf("row %+v", got)
	}
	b := socket.Bind(matrix.Boot, rows, &counting{})
	if err := b.MayListen(matrix.BMCToBootMedia, matrix.TCP, netip.MustParseAddrPort("192.0.2.1:443")); err != nil {
		t.Error(err)
	}
	if err := b.MayListen(matrix.BMCToBootMedia, matrix.TCP, netip.MustParseAddrPort("192.0.2.1:8081")); err == nil {
		t.Error("the port that the site replaced is still open")
	}
}

func TestSiteRefusesOtherChanges(t *testing.T) {
	for name, spoil := range map[string]func(*matrix.Row){
		"another client":   func(r *matrix.Row) { r.From.Role = matrix.Operator },
		"another server":   func(r *matrix.Row) { r.To.Zone = matrix.ZoneProvisioning },
		"another protocol": func(r *matrix.Row) { r.Protocol = matrix.UDP },
		"every port":       func(r *matrix.Row) { r.Ports = nil },
	} {
		row := mediaAt(443)
		spoil(&row)
		if _, err := socket.Site(matrix.Builtin(), []matrix.Row{row}); err == nil || !strings.Contains(err.Error(), "bmc-to-boot-media") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
