package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	clievents "github.com/ingotmetal/ingot/internal/cli/events"
	hostcli "github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/pace"
)

// HostRow is a host in a list.
type HostRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	State     string `json:"state"`
	Power     string `json:"power"`
	// Kind is that of the last decision: wait, step, done, blocked; Now what the host does, in words.
	Kind      string `json:"kind,omitempty"`
	Now       string `json:"now"`
	Since     string `json:"since,omitempty"`
	Error     string `json:"error,omitempty"`
	Health    string `json:"health,omitempty"`
	Partition string `json:"partition,omitempty"`
	Consumer  string `json:"consumer,omitempty"`
	Hardware  string `json:"hardware,omitempty"`
	BMC       string `json:"bmc,omitempty"`
	// Percent is how far the step is, -1 where that is not known.
	Percent int `json:"percent"`
}

// Key implements Row.
func (r HostRow) Key() string { return r.Namespace + "/" + r.Name }

// HostsBody is what stands beside the list.
type HostsBody struct {
	// MayChange: the person may ask for power and take images off.
	MayChange bool `json:"mayChange"`
}

func rowOf(h hostcli.Host) HostRow {
	r := HostRow{
		Namespace: h.Host.Namespace, Name: h.Host.Name, State: string(h.Host.Status.Provisioning.State), Power: "off", Now: h.Activity(), Error: string(h.Host.Status.ErrorType),
		Partition: h.Partition(), Hardware: h.Hardware(), BMC: h.Host.Spec.BMC.Address, Percent: -1,
	}
	if h.Host.Status.PoweredOn {
		r.Power = "on"
	}
	if c := h.Host.Spec.ConsumerRef; c != nil {
		r.Consumer = strings.TrimPrefix(c.Namespace+"/"+c.Name, "/")
	}
	if l := h.Lifecycle; l != nil {
		r.Kind, r.Since = l.Status.Outcome.Kind, at(l.Status.Outcome.Since)
		if l.Status.Health != nil {
			r.Health = l.Status.Health.Level
		}
		if st := l.Status.Step; st != nil && st.Progress != nil && st.Progress.TotalBytes > 0 {
			r.Percent = int(st.Progress.DoneBytes * 100 / st.Progress.TotalBytes)
		}
	}
	return r
}

func at(t *metav1.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// hosts is the list of them.
func hosts(ctx context.Context, c *reader, a ask) (Content, error) {
	all, err := hostcli.All(ctx, c)
	if err != nil {
		return Content{}, err
	}
	may, err := c.may(ctx, "patch", "metal3.io", "baremetalhosts")
	if err != nil {
		return Content{}, err
	}
	out := Content{Body: HostsBody{MayChange: may}, Rows: make([]Row, len(all))}
	for i := range all {
		out.Rows[i] = rowOf(*all[i])
	}
	return out, nil
}

// wish is a change that is asked of hosts.
type wish struct {
	// Action is on, off, reboot, hard-reboot or deprovision.
	Action string `json:"action"`
	// Hosts are "namespace/name".
	Hosts []string `json:"hosts"`
}

// granted is what became of it for one host.
type granted struct {
	Host  string `json:"host"`
	Error string `json:"error,omitempty"`
}

const (
	// mostHosts bounds one request; atOnce how many of them are asked at a time.
	mostHosts = 10_000
	atOnce    = 16
)

// changeHosts asks hosts for another power, or takes their images off, as the person.
func (s *Server) changeHosts(w http.ResponseWriter, r *http.Request, who *person) {
	var ask wish
	if !readJSON(w, r, &ask) {
		return
	}
	change := changes()[ask.Action]
	if change == nil || len(ask.Hosts) == 0 || len(ask.Hosts) > mostHosts {
		refuse(w, http.StatusBadRequest, "action is on, off, reboot, hard-reboot or deprovision; hosts are 1 to 10000 times namespace/name")
		return
	}
	results := make([]granted, len(ask.Hosts))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, name := range ask.Hosts {
		g.Go(func() error {
			results[i] = granted{Host: name}
			if err := changeOne(r.Context(), who, name, change); err != nil {
				results[i].Error = err.Error()
			}
			return nil
		})
	}
	_ = g.Wait() // each result says its own
	reply(w, results)
}

type hostChange func(ctx context.Context, c client.Client, h hostcli.Host) error

func changes() map[string]hostChange {
	power := func(wish string, hard bool) hostChange {
		return func(ctx context.Context, c client.Client, h hostcli.Host) error {
			return hostcli.AskPower(ctx, c, h, wish, hard)
		}
	}
	return map[string]hostChange{
		"on": power("on", false), "off": power("off", false), "reboot": power("reboot", false), "hard-reboot": power("reboot", true), "deprovision": hostcli.TakeImage,
	}
}

func changeOne(ctx context.Context, who *person, name string, change hostChange) error {
	namespace, short, ok := strings.Cut(name, "/")
	if !ok {
		return errors.New("write the host as namespace/name")
	}
	var b metal3.BareMetalHost
	if err := who.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: short}, &b); err != nil {
		return fmt.Errorf("read host %s: %w", name, err)
	}
	return change(ctx, who.live, hostcli.Host{Host: b})
}

// HostBody is one host.
type HostBody struct {
	Row       HostRow                   `json:"row"`
	Host      metal3.BareMetalHost      `json:"host"`
	Lifecycle ingot.HostLifecycleStatus `json:"lifecycle"`
	Story     any                       `json:"explain"`
	Plan      any                       `json:"plan"`
	// Paces are how long the stages and steps of the timeline usually take.
	Paces     []Pace `json:"paces,omitempty"`
	MayChange bool   `json:"mayChange"`
	// Console is what the person may do at its serial console: type, look, or nothing.
	Console string `json:"console,omitempty"`
	// Events are the API's on the host, the latest first, mostEvents at most; Components the firmware of its parts. Who may not read them sees none.
	Events     []Event                          `json:"events,omitempty"`
	Components []metal3.FirmwareComponentStatus `json:"components,omitempty"`
}

// Pace is how long a stage or a step usually takes: the middle one of what was seen, and within what nine of ten ended.
type Pace struct {
	Stage   string  `json:"stage"`
	Step    string  `json:"step,omitempty"`
	Seconds float64 `json:"seconds"`
	Slow    float64 `json:"slow"`
	Samples int     `json:"samples"`
	// OfSize: the samples are of hosts of the same size.
	OfSize bool `json:"ofSize,omitempty"`
}

// pacesOf keeps those that the host's timeline speaks of.
func pacesOf(h hostcli.Host, all []pace.Pace) []Pace {
	if h.Lifecycle == nil {
		return nil
	}
	var out []Pace
	for _, p := range all {
		if slices.ContainsFunc(h.Lifecycle.Status.Timeline, func(e ingot.TimelineEntry) bool { return e.Stage == p.Stage && e.Step == p.Step }) {
			out = append(out, Pace{p.Stage, p.Step, p.Median.Seconds(), p.Slow.Seconds(), p.Samples, p.Own})
		}
	}
	return out
}

// host is one of them, with all that is known.
func host(ctx context.Context, c *reader, a ask) (Content, error) {
	h, err := hostcli.One(ctx, c, client.ObjectKey{Namespace: a.part[0], Name: a.part[1]})
	if err != nil {
		return Content{}, err
	}
	told, err := hostcli.Story(ctx, c, h, &c.view.paces, a.now)
	if err != nil {
		return Content{}, err
	}
	may, err := c.may(ctx, "patch", "metal3.io", "baremetalhosts")
	if err != nil {
		return Content{}, err
	}
	b := HostBody{Row: rowOf(h), Host: h.Host, Story: told.Explanation, Plan: told.Plan, Paces: pacesOf(h, told.Paces), MayChange: may}
	if b.Console, err = c.console(ctx, metal3.GroupVersion.Group, "baremetalhosts"); err != nil {
		return Content{}, err
	}
	if h.Lifecycle != nil {
		b.Lifecycle = h.Lifecycle.Status
	}
	if b.Events, err = events(ctx, c, "BareMetalHost", h.Host.Namespace, h.Host.Name); err != nil {
		return Content{}, err
	}
	b.Components, err = components(ctx, c, h.Host)
	return Content{Body: b}, err
}

// Event is one of the API's.
type Event struct {
	At      string `json:"at"`
	Kind    string `json:"kind"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Count   int32  `json:"count"`
}

// mostEvents bounds what a page tells, readEvents what it reads: the API server gives them in no order of time, and forgets them after an hour or so.
const (
	mostEvents = 50
	readEvents = 1000
)

// events are those on an object, asked for anew with each change of it: a watch tells events by their namespace only.
func events(ctx context.Context, c *reader, kind, namespace, name string) ([]Event, error) {
	var list corev1.EventList
	err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{"involvedObject.kind": kind, "involvedObject.name": name}, client.Limit(readEvents))
	switch {
	case apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list the events of %s %s/%s: %w", kind, namespace, name, err)
	}
	return latest(list.Items), nil
}

// latest sorts events of either API (core's and events.k8s.io's, which fill other fields), and keeps the last ones.
func latest(all []corev1.Event) []Event {
	slices.SortStableFunc(all, func(x, y corev1.Event) int {
		return cmp.Or(clievents.Seen(y).Compare(clievents.Seen(x)), cmp.Compare(x.Name, y.Name))
	})
	var out []Event
	for _, e := range all[:min(len(all), mostEvents)] {
		n := max(e.Count, 1)
		if e.Series != nil {
			n = max(n, e.Series.Count)
		}
		out = append(out, Event{at(&metav1.Time{Time: clievents.Seen(e)}), e.Type, e.Reason, e.Message, n})
	}
	return out
}

// components are the firmware versions of the host's parts.
func components(ctx context.Context, c *reader, h metal3.BareMetalHost) ([]metal3.FirmwareComponentStatus, error) {
	var f metal3.HostFirmwareComponents
	err := c.Get(ctx, client.ObjectKeyFromObject(&h), &f)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the firmware components of host %s/%s: %w", h.Namespace, h.Name, err)
	}
	return f.Status.Components, nil
}
