package socket

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/matrix"
)

// Site is a matrix's rows with the ports that a site's matrix gives them. A site's row of the same name replaces the ports, and nothing else: who talks to whom, how and with
// which rights is in the code. A row that says otherwise is an error. Rows of other names are the site's own flows, which no role of ours opens.
func Site(rows, site []matrix.Row) ([]matrix.Row, error) {
	rows = slices.Clone(rows)
	var problems []error
	for _, s := range site {
		i := slices.IndexFunc(rows, func(r matrix.Row) bool { return r.Name == s.Name })
		if i < 0 {
			continue
		}
		switch r := rows[i]; {
		case s.From != r.From || s.To != r.To || s.Protocol != r.Protocol:
			problems = append(problems, fmt.Errorf("flow %s is %s from %s to %s in the site's matrix, and %s from %s to %s in Ingot: a site changes a flow's ports only; "+
				"give a flow of its own another name", s.Name, s.Protocol, s.From, s.To, r.Protocol, r.From, r.To))
		case r.Protocol.HasPorts() && len(s.Ports) == 0 && len(r.Ports) > 0:
			problems = append(problems, fmt.Errorf("flow %s has no ports in the site's matrix, which would allow all of them: name them, as Ingot does (%s)", s.Name, r.Ports))
		default:
			rows[i].Ports = slices.Clone(s.Ports)
		}
	}
	return rows, errors.Join(problems...)
}
