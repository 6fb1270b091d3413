package report

import (
	"encoding/csv"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// CSV is the matrix as RFC 4180: a line of headers, then a line a row, with every field.
func CSV(m matrix.Matrix) []byte {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	record := []string{
		"id", "name", "section", "from role", "from zone", "to role", "to zone", "protocol", "ports", "application",
		"confidential", "confidential how", "confidential bound", "integrity", "integrity how", "integrity bound",
		"authenticated", "authenticated how", "authenticated bound", "trusted", "trusted how", "trusted bound",
		"identity", "server identity", "stages", "feature", "reading", "enforced", "flags", "purpose", "notes",
	}
	// A strings.Builder takes every write, so that neither Write nor Flush can fail.
	_ = w.Write(record)
	for _, r := range m.Rows {
		record = []string{
			r.ID, string(r.Name), r.Section, string(r.From.Role), string(r.From.Zone), string(r.To.Role), string(r.To.Zone),
			string(r.Protocol), r.Ports.String(), string(r.Application),
		}
		for _, c := range r.Cells() {
			record = append(record, mark(c.Property), c.How, c.Bound)
		}
		record = append(record, r.Identity, r.ServerIdentity, strings.Join(r.Stages, ","), r.Feature, r.Reading, string(r.Enforced), flags(r), r.Purpose, r.Notes)
		for i := range record {
			record[i] = harmless(record[i])
		}
		_ = w.Write(record)
	}
	w.Flush()
	return []byte(b.String())
}

// harmless keeps a spreadsheet from taking foreign text as a formula. A lone sign is a cell of ours.
func harmless(s string) string {
	if len(s) > 1 && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
