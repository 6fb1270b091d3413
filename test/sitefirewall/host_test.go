package sitefirewall_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
)

// host is a machine that ingot-node runs on.
type host struct {
	*world
	name, address string
}

func (h host) state() string    { return filepath.Join(h.dir, h.name, "state") }
func (h host) runDir() string   { return filepath.Join(h.dir, h.name, "run") }
func (h host) places() []string { return []string{"--state-dir", h.state(), "--run-dir", h.runDir()} }

// enroll gives the host its identity, by the two commands that an operator types.
func (h host) enroll() {
	h.Helper()
	carried := filepath.Join(h.dir, h.name+".kubeconfig")
	h.command(h.at[center], h.programs["ingot"], "node", "enroll", h.name, "--kubeconfig", h.admin(), "--file", carried)
	h.command(h.at[h.address], h.programs["ingot-node"], append(h.places(), "enroll", carried)...)
}

// run starts the daemon.
func (h host) run() {
	h.Helper()
	h.start(h.name, h.address, "ingot-node", append(h.places(), "run", "--node", h.name, "--kubeconfig", filepath.Join(h.state(), "identity", "kubeconfig"),
		"--trial", trial.String(), "--look", "500ms")...)
}

// endpoint is the host's only HostEndpoint.
func (h host) endpoint() (*api.HostEndpoint, error) {
	var all api.HostEndpointList
	if err := h.client.List(h.ctx, &all); err != nil {
		return nil, err
	}
	for i := range all.Items {
		if all.Items[i].Spec.Node == h.name {
			return &all.Items[i], nil
		}
	}
	return nil, errors.New("no HostEndpoint of " + h.name)
}

// says waits until the endpoint's status in the API holds.
func (h host) says(what string, holds func(api.HostEndpointStatus) bool) api.HostEndpointStatus {
	h.Helper()
	var last api.HostEndpointStatus
	h.until(h.name+": "+what, func() error {
		e, err := h.endpoint()
		if err != nil {
			return err
		}
		last = e.Status
		if !holds(last) {
			text, _ := json.Marshal(last)
			return fmt.Errorf("its status is %s", text)
		}
		return nil
	})
	return last
}

// drifts finds something in the endpoint's drift.
func drifts(kind node.DriftKind, words ...string) func(api.HostEndpointStatus) bool {
	return func(s api.HostEndpointStatus) bool {
		for _, d := range s.Drift {
			all := d.Kind == string(kind)
			for _, word := range words {
				all = all && strings.Contains(d.What, word)
			}
			if all {
				return true
			}
		}
		return false
	}
}

// hasEvent waits for an event about the endpoint.
func (h host) hasEvent(reason, words string) {
	h.Helper()
	h.until(fmt.Sprintf("event %s of %s with %q", reason, h.name, words), func() error {
		e, err := h.endpoint()
		if err != nil {
			return err
		}
		var events corev1.EventList
		if err := h.client.List(h.ctx, &events, client.InNamespace("default")); err != nil {
			return err
		}
		var seen []string
		for _, one := range events.Items {
			if one.InvolvedObject.Kind != "HostEndpoint" || one.InvolvedObject.Name != e.Name {
				continue
			}
			if one.Reason == reason && strings.Contains(one.Message, words) {
				return nil
			}
			seen = append(seen, one.Reason+": "+one.Message)
		}
		return fmt.Errorf("there are %q", seen)
	})
}

// own asks the daemon itself, by its control socket.
func (h host) own(what string, holds func(node.Status) bool) node.Status {
	h.Helper()
	var s node.Status
	h.until(h.name+": "+what, func() error {
		var err error
		if s, err = (control.Client{Dir: h.runDir()}).Status(h.ctx); err == nil && !holds(s) {
			text, _ := json.Marshal(s.Decision)
			err = fmt.Errorf("it says %s", text)
		}
		return err
	})
	return s
}

// metric scrapes the daemon and gives the sum of a metric's samples whose labels have all these words.
func (h host) metric(name string, labels ...string) (float64, error) {
	var text []byte
	err := h.at[h.address].Do(func() error {
		// By hand: the dial has to be made on this thread, and package http makes it on one of its own.
		c, err := (&net.Dialer{}).DialContext(h.ctx, "tcp4", "127.0.0.1:8448")
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		request, err := http.NewRequestWithContext(h.ctx, http.MethodGet, "http://127.0.0.1:8448/metrics", nil)
		if err != nil {
			return err
		}
		request.Close = true
		if err := request.Write(c); err != nil {
			return err
		}
		text, err = io.ReadAll(c)
		return err
	})
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(text)) {
		full, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || full != name && !strings.HasPrefix(full, name+"{") {
			continue
		}
		all := true
		for _, label := range labels {
			all = all && strings.Contains(full, label)
		}
		if !all {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("sample %q: %w", line, err)
		}
		sum, found = sum+number, true
	}
	if !found {
		return 0, fmt.Errorf("no sample of %s with %v", name, labels)
	}
	return sum, nil
}

// counts waits until a metric holds.
func (h host) counts(holds func(float64) bool, name string, labels ...string) {
	h.Helper()
	h.until(fmt.Sprintf("metric %s %v of %s", name, labels, h.name), func() error {
		v, err := h.metric(name, labels...)
		if err == nil && !holds(v) {
			err = fmt.Errorf("it is %v", v)
		}
		return err
	})
}

// apply gives the API the site's matrix, as an operator does.
func (w *world) apply(p plan) {
	w.Helper()
	out, err := w.at[center].Run(w.ctx, p.matrix(), w.programs["ingot"], "apply", "--kubeconfig", w.admin(), "-f", "-")
	if err != nil {
		w.Fatalf("apply the matrix: %v: %s", err, out)
	}
}

// matrixSays waits until a condition of the matrix is as told, for the spec that is there.
func (w *world) matrixSays(condition, status, words string) {
	w.Helper()
	w.until("condition "+condition+" of the matrix", func() error {
		m := &ingot.CommunicationMatrix{}
		if err := w.client.Get(w.ctx, client.ObjectKey{Name: "shop"}, m); err != nil {
			return err
		}
		c := meta.FindStatusCondition(m.Status.Conditions, condition)
		if c == nil || c.ObservedGeneration != m.Generation || string(c.Status) != status || !strings.Contains(c.Message, words) {
			return fmt.Errorf("want %s with %q at generation %d, have %+v", status, words, m.Generation, m.Status.Conditions)
		}
		return nil
	})
}
