package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ingotmetal/ingot/test/meter"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// requests counts what the API server was asked until now, by verb, resource and answer.
func requests(ctx context.Context, s *site.Site) (map[string]float64, error) {
	all, err := meter.Requests(ctx, s.Config)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for a, n := range all {
		out[a.Verb+" "+a.Resource+" "+a.Code] += n
	}
	return out, nil
}

// reportRequests prints what a host costs the API server in requests; watches and what is asked less than once per ten hosts are left out.
func reportRequests(out io.Writer, hosts int, asked map[string]float64) error {
	type line struct {
		what string
		n    float64
	}
	var all []line
	sum := 0.0
	for what, n := range asked {
		if n /= float64(hosts); n >= 0.1 && !strings.HasPrefix(what, "WATCH") {
			all = append(all, line{what, n})
			sum += n
		}
	}
	slices.SortFunc(all, func(a, b line) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.what, b.what)) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "requests per host\tverb, resource, answer\t")
	for _, l := range append(all, line{"all of these", sum}) {
		fmt.Fprintf(w, "%.1f\t%s\t\n", l.n, l.what)
	}
	return w.Flush()
}
