// Package meter reads what tests and benchmarks of whole sites print: what processes have used, and what the API server was asked.
//
// It owns reading /proc and the API server's metrics. It refuses to judge the figures.
package meter

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// Usage is what a process has used until now.
type Usage struct {
	Name string
	CPU  time.Duration
	// PeakBytes is the largest resident set so far.
	PeakBytes int64
}

// clockTick is Linux's USER_HZ, 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// Of reads what a process has used.
func Of(name string, pid int) (Usage, error) {
	u := Usage{Name: name}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// proc(5): after the command's closing parenthesis the fields begin at number 3; utime is 14, stime 15.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return u, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	for _, f := range []string{fields[utime], fields[stime]} {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		u.CPU += time.Duration(ticks) * clockTick
	}
	u.PeakBytes, err = StatusBytes(pid, "VmHWM:")
	return u, err
}

// StatusBytes is one of the sizes in a process' status, proc(5).
func StatusBytes(pid int, name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}

// Asked is one kind of request, as the API server's metrics tell them apart.
type Asked struct {
	// Verb is the metric's: LIST and not GET, but POST, PUT, PATCH and DELETE.
	Verb string
	// Resource has its subresource behind a slash.
	Resource, Group string
	Code            string
}

// Writes says whether the request would change something.
func (a Asked) Writes() bool {
	switch a.Verb {
	case "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION":
		return true
	}
	return false
}

// Requests counts what the API server was asked until now, from its own metrics.
func Requests(ctx context.Context, config *rest.Config) (map[Asked]float64, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/metrics", nil)
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
	out := map[Asked]float64{}
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
		out[Asked{labels["verb"], resource, labels["group"], labels["code"]}] += n
	}
	return out, lines.Err()
}
