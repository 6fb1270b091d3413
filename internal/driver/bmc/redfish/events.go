package redfish

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// events implements bmc.Events by EventService and EventDestination.
type events struct {
	s  *service
	at link

	mu   sync.Mutex
	read *eventService
}

// eventService is EventService.
type eventService struct {
	Subscriptions      link
	ServerSentEventURI text       `json:"ServerSentEventUri"`
	Types              list[text] `json:"EventTypesForSubscription"`
	Formats            list[text] `json:"EventFormatTypes"`
	Actions            object[struct {
		SubmitTest object[action] `json:"#EventService.SubmitTestEvent"`
	}]
}

// eventDestination is EventDestination.
type eventDestination struct {
	ID                   link `json:"@odata.id"`
	Own                  text `json:"Id"`
	Destination, Context text
}

// about reads the service, once in a session.
func (e *events) about(ctx context.Context) (*eventService, error) {
	e.mu.Lock()
	known := e.read
	e.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var view eventService
	if _, err := e.s.c.get(ctx, e.at, "EventService", &view); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.read = &view
	return e.read, nil
}

// subscriptions is the path of the collection.
func (e *events) subscriptions(ctx context.Context) (link, *eventService, error) {
	about, err := e.about(ctx)
	if err != nil {
		return "", nil, err
	}
	if about.Subscriptions == "" {
		return "", nil, faultf(step.Unsupported, "GET %s: the BMC has no collection of subscriptions", e.at)
	}
	return link(strings.TrimRight(string(about.Subscriptions), "/")), about, nil
}

// Subscribe implements bmc.Events.
func (e *events) Subscribe(ctx context.Context, s bmc.Subscription) (string, error) {
	id, err := e.subscribe(ctx, s)
	return id, e.s.wrap("subscribe to events", err)
}

func (e *events) subscribe(ctx context.Context, s bmc.Subscription) (string, error) {
	if u, err := url.Parse(s.Destination); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", faultf(step.Invalid, "the destination of events must be an http or https URL")
	}
	at, about, err := e.subscriptions(ctx)
	if err != nil {
		return "", err
	}
	body := map[string]any{"Destination": s.Destination, "Protocol": "Redfish", "Context": s.Context}
	if types := e.types(about); len(types) > 0 {
		body["EventTypes"] = types
	}
	if slices.Contains(about.Formats, "Event") {
		body["EventFormatType"] = "Event"
	}
	r := request{method: http.MethodPost, path: at, body: body}
	if len(s.Headers) > 0 {
		headers := make([]map[string]string, 0, len(s.Headers))
		for name, value := range s.Headers {
			headers = append(headers, map[string]string{name: value.Reveal()})
			r.mask = append(r.mask, value.Reveal())
		}
		slices.SortFunc(headers, func(a, b map[string]string) int { return strings.Compare(only(a), only(b)) })
		body["HttpHeaders"] = headers
	}
	a, err := e.s.c.do(ctx, r)
	if _, asked := body["EventTypes"]; asked && said(err, "PropertyUnknown", "PropertyValueNotInList", "PropertyNotWritable") {
		// Deprecated since EventDestination 1.5, and unknown to services that came after it.
		delete(body, "EventTypes")
		a, err = e.s.c.do(ctx, r)
	}
	if err != nil {
		return "", err
	}
	if id := lastPart(link(strings.TrimRight(string(linkOf(a.header.Get("Location"))), "/"))); id != "" {
		return id, nil
	}
	var made eventDestination
	if err := decode(a.body, a.where, "EventDestination", &made); err != nil || made.id() == "" {
		return "", faultf(step.Internal, "POST %s: the BMC accepted the subscription and does not say its Id", at)
	}
	return made.id(), nil
}

func only(m map[string]string) string {
	for k := range m {
		return k
	}
	return ""
}

// types are the event types to ask for. A service that came before registries (EventService 1.3) sends nothing without them; one that lists none wants none, unless a quirk says so.
func (e *events) types(about *eventService) []text {
	if len(e.s.effect.EventTypes) > 0 {
		var out []text
		for _, t := range e.s.effect.EventTypes {
			out = append(out, text(t))
		}
		return out
	}
	out := slices.Clone(about.Types)
	return slices.DeleteFunc(out, func(t text) bool { return t == "MetricReport" || t == "Other" })
}

func (d eventDestination) id() string {
	if d.ID != "" {
		return lastPart(link(strings.TrimRight(string(d.ID), "/")))
	}
	return string(d.Own)
}

func (d eventDestination) subscription() bmc.Subscription {
	return bmc.Subscription{ID: d.id(), Destination: string(d.Destination), Context: string(d.Context)}
}

// Find implements bmc.Events.
func (e *events) Find(ctx context.Context, id string) (bmc.Subscription, bool, error) {
	const op = "read event subscription"
	at, _, err := e.subscriptions(ctx)
	if err != nil || !sound(id) {
		return bmc.Subscription{}, false, e.s.wrap(op, err)
	}
	var view eventDestination
	_, err = e.s.c.get(ctx, at+"/"+link(url.PathEscape(id)), "EventDestination", &view)
	if statusOf(err) == http.StatusNotFound {
		return bmc.Subscription{}, false, nil
	}
	if err != nil {
		return bmc.Subscription{}, false, e.s.wrap(op, err)
	}
	found := view.subscription()
	found.ID = id
	return found, true, nil
}

// sound: an Id that names a member. No BMC gives another; what is none is not there.
func sound(id string) bool { return id != "" && id != "." && id != ".." }

// maxSubscriptions bounds what is listed; BMCs have places for some ten.
const maxSubscriptions = 64

// List implements bmc.Events.
func (e *events) List(ctx context.Context) ([]bmc.Subscription, error) {
	out, err := e.list(ctx)
	return out, e.s.wrap("list event subscriptions", err)
}

func (e *events) list(ctx context.Context) ([]bmc.Subscription, error) {
	at, _, err := e.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	members, err := e.s.c.members(ctx, at, "EventDestinationCollection")
	if err != nil {
		return nil, err
	}
	var out []bmc.Subscription
	for _, m := range members[:min(len(members), maxSubscriptions)] {
		var view eventDestination
		err := e.s.c.read(ctx, m, "EventDestination", &view)
		if statusOf(err) == http.StatusNotFound {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, err
		}
		if view.ID == "" {
			view.ID = m.path
		}
		out = append(out, view.subscription())
	}
	return out, nil
}

// Unsubscribe implements bmc.Events.
func (e *events) Unsubscribe(ctx context.Context, id string) error {
	const op = "unsubscribe from events"
	at, _, err := e.subscriptions(ctx)
	if err != nil || !sound(id) {
		return e.s.wrap(op, err)
	}
	_, err = e.s.c.do(ctx, request{method: http.MethodDelete, path: at + "/" + link(url.PathEscape(id))})
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return e.s.wrap(op, err)
}

// SubmitTest implements bmc.Events.
func (e *events) SubmitTest(ctx context.Context, message string) error {
	const op = "submit test event"
	about, err := e.about(ctx)
	if err != nil {
		return e.s.wrap(op, err)
	}
	target := about.Actions.V.SubmitTest.V.path()
	if target == "" {
		return e.s.wrap(op, faultf(step.Unsupported, "GET %s: the BMC has no action SubmitTestEvent", e.at))
	}
	body := map[string]any{"MessageId": "Base.1.18.TestMessage", "Message": message, "Severity": "OK"}
	_, err = e.s.c.do(ctx, request{method: http.MethodPost, path: target, body: body})
	return e.s.wrap(op, err)
}
