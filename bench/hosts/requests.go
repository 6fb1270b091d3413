package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/test/sim/site"
)

// requests counts what the API server was asked until now, by verb and resource, from its own metrics.
func requests(ctx context.Context, s *site.Site) (map[string]float64, error) {
	client, err := rest.HTTPClientFor(s.Config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Config.Host+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the API server's metrics: %s", response.Status)
	}
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	out := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "apiserver_request_total{")
		if !ok {
			continue
		}
		labels := map[string]string{}
		for _, m := range label.FindAllStringSubmatch(rest, -1) {
			labels[m[1]] = m[2]
		}
		n, err := strconv.ParseFloat(rest[strings.LastIndex(rest, " ")+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read the API server's metrics: %w", err)
		}
		resource := labels["resource"]
		if sub := labels["subresource"]; sub != "" {
			resource += "/" + sub
		}
		out[labels["verb"]+" "+resource+" "+labels["code"]] += n
	}
	return out, lines.Err()
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
