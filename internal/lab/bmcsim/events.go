package bmcsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The event service (DMTF EventService, EventDestination, Event).
const (
	eventPath         = "/redfish/v1/EventService"
	subscriptionsPath = eventPath + "/Subscriptions"
	submitPath        = eventPath + "/Actions/EventService.SubmitTestEvent"
	// ssePath is EventService.ServerSentEventUri.
	ssePath = eventPath + "/SSE"
	// maxSubscriptions and maxStreams are how many the BMC takes.
	maxSubscriptions = 8
	maxStreams       = 4
	// listenerQueue is how many events wait for one listener; what is more is lost, as on real BMCs.
	listenerQueue = 64
)

// hub is who hears a BMC's events, and what was said. Its lock is never held over another one.
type hub struct {
	mu      sync.Mutex
	subs    []*subscriber
	streams map[chan []byte]struct{}
	nextID  int
	seq     int
	// powered is the power state that was told last, known once told is true.
	told, powered bool
	entries       []selEntry
	nextEntry     int
}

// Subscription is a subscription as the BMC has it.
type Subscription struct {
	ID, Destination, Context string
	// Headers are sent with every event; no document shows them.
	Headers    map[string]string
	EventTypes []string
}

// subscriber is a subscription with its queue.
type subscriber struct {
	Subscription
	verify bool
	queue  chan []byte
	end    func()
}

// record is one event before it is numbered.
type record struct{ kind, messageID, message, severity, origin string }

// Subscriptions are those that the BMC has.
func (b *BMC) Subscriptions() []Subscription {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	var out []Subscription
	for _, s := range b.hub.subs {
		out = append(out, s.Subscription)
	}
	return out
}

// ForgetSubscriptions is what a reset of the BMC to its defaults does.
func (b *BMC) ForgetSubscriptions() {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	for _, s := range b.hub.subs {
		s.end()
	}
	b.hub.subs = nil
}

// Streams is how many event streams are open.
func (b *BMC) Streams() int {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	return len(b.hub.streams)
}

// endStreams cuts the open streams.
func (b *BMC) endStreams() {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	for s := range b.hub.streams {
		close(s)
	}
	b.hub.streams = nil
}

// tellAll sends an event to all listeners.
func (b *BMC) tellAll(r record) {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	if len(b.hub.subs) == 0 && len(b.hub.streams) == 0 {
		return
	}
	b.hub.seq++
	id := strconv.Itoa(b.hub.seq)
	for _, s := range b.hub.subs {
		if len(s.EventTypes) == 0 || slices.Contains(s.EventTypes, r.kind) {
			offer(s.queue, eventDoc(id, s.Context, r))
		}
	}
	if len(b.hub.streams) == 0 {
		return
	}
	body := eventDoc(id, "", r)
	for s := range b.hub.streams {
		offer(s, body)
	}
}

func offer(q chan []byte, body []byte) {
	select {
	case q <- body:
	default:
	}
}

func eventDoc(id, context string, r record) []byte {
	one := doc{
		"EventType": r.kind, "EventId": id, "MemberId": "0", "EventTimestamp": time.Now().UTC().Format(time.RFC3339), "Severity": r.severity, "MessageSeverity": r.severity,
		"MessageId": r.messageID, "Message": r.message, "MessageArgs": []string{},
	}
	if r.origin != "" {
		one["OriginOfCondition"] = ref(r.origin)
	}
	d := doc{"@odata.type": "#Event.v1_11_0.Event", "Id": id, "Name": "Event Array", "Events": []doc{one}, "Events@odata.count": 1}
	if context != "" {
		d["Context"] = context
	}
	body, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return body
}

// powerEvent tells a change of power; restarted, one that ends where it began.
func (b *BMC) powerEvent(restarted bool) {
	on := b.machine.Powered()
	b.hub.mu.Lock()
	changed := b.hub.told && b.hub.powered != on
	b.hub.told, b.hub.powered = true, on
	b.hub.mu.Unlock()
	switch {
	case changed || restarted && on:
		state := "Powered" + onOff(on)
		b.tellAll(record{"StatusChange", "ResourceEvent.1.3.Resource" + state, "The resource has powered " + strings.ToLower(onOff(on)) + ".", "OK", b.systemPath()})
	}
}

func (b *BMC) mediaEvent() {
	b.tellAll(record{"ResourceUpdated", "ResourceEvent.1.3.ResourceChanged", "One or more resource properties have changed.", "OK", b.mediaPath() + "/" + b.who.drive()})
}

func (b *BMC) taskEvent(id, state string) {
	r := record{"StatusChange", "TaskEvent.1.0.TaskCompletedOK", "The task with Id '" + id + "' has completed.", "OK", tasksPath + "/" + id}
	if state == "Exception" {
		r.messageID, r.severity = "TaskEvent.1.0.TaskAborted", "Critical"
	}
	b.tellAll(r)
}

func (b *BMC) eventRoutes() []route {
	if b.who.NoEvents {
		return nil
	}
	return []route{
		get(eventPath, b.eventService),
		get(subscriptionsPath, b.listSubscriptions).and(http.MethodPost, b.subscribe),
		get(subscriptionsPath+"/*", b.readSubscription).and(http.MethodDelete, b.unsubscribe),
		post(submitPath, b.submitTest),
	}
}

func (b *BMC) eventService(c *call) reply {
	more := doc{
		"ServiceEnabled": true, "DeliveryRetryAttempts": deliveryAttempts, "DeliveryRetryIntervalSeconds": int(deliveryPause / time.Second), "EventFormatTypes": []string{"Event"},
		"Subscriptions": ref(subscriptionsPath), "Status": healthy(), "RegistryPrefixes": []string{"ResourceEvent", "TaskEvent", "Base"}, "ResourceTypes": []string{"ComputerSystem", "Chassis", "Task", "VirtualMedia"},
		"Actions": doc{"#EventService.SubmitTestEvent": doc{"target": submitPath}},
	}
	if !b.who.NoEventTypes {
		more["EventTypesForSubscription"] = eventTypes
	}
	if !b.who.NoEventStream {
		more["ServerSentEventUri"] = ssePath
		more["SSEFilterPropertiesSupported"] = doc{"EventFormatType": true, "EventType": false, "MessageId": false, "OriginResource": false, "RegistryPrefix": false, "ResourceType": false}
	}
	return ok(resource(c.path, "#EventService.v1_10_1.EventService", "EventService", "Event Service", more))
}

var eventTypes = []string{"Alert", "ResourceAdded", "ResourceRemoved", "ResourceUpdated", "StatusChange"}

func (b *BMC) listSubscriptions(c *call) reply {
	var ids []string
	for _, s := range b.Subscriptions() {
		ids = append(ids, s.ID)
	}
	return ok(collection(c.path, "EventDestinationCollection", "Event Subscriptions", ids))
}

func (b *BMC) readSubscription(c *call) reply {
	for _, s := range b.Subscriptions() {
		if s.ID == c.part {
			return ok(b.subscriptionDoc(s))
		}
	}
	return notFound(c)
}

func (b *BMC) subscriptionDoc(s Subscription) doc {
	more := doc{
		"Destination": s.Destination, "Context": s.Context, "Protocol": "Redfish", "SubscriptionType": "RedfishEvent", "EventFormatType": "Event", "DeliveryRetryPolicy": "TerminateAfterRetries",
		"HttpHeaders": nil, "Status": healthy(),
	}
	if len(s.EventTypes) > 0 {
		more["EventTypes"] = s.EventTypes
	}
	return resource(subscriptionsPath+"/"+s.ID, "#EventDestination.v1_14_1.EventDestination", s.ID, "Event Subscription "+s.ID, more)
}

// subscriptionAsk is the body of a POST to the collection.
type subscriptionAsk struct {
	Destination, Protocol, Context, EventFormatType, SubscriptionType, DeliveryRetryPolicy, Name string

	EventTypes, RegistryPrefixes, ResourceTypes, MessageIds []string

	HTTPHeaders       []map[string]string `json:"HttpHeaders"`
	VerifyCertificate bool
}

func (b *BMC) subscribe(c *call) reply {
	var ask subscriptionAsk
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if rep := b.checkSubscription(ask); rep != nil {
		return *rep
	}
	s := &subscriber{Subscription: Subscription{Destination: ask.Destination, Context: ask.Context, EventTypes: ask.EventTypes, Headers: map[string]string{}}, verify: ask.VerifyCertificate}
	for _, h := range ask.HTTPHeaders {
		for name, value := range h {
			s.Headers[name] = value
		}
	}
	s.queue = make(chan []byte, listenerQueue)
	b.hub.mu.Lock()
	if len(b.hub.subs) >= maxSubscriptions {
		b.hub.mu.Unlock()
		return refuse(http.StatusServiceUnavailable, "EventSubscriptionLimitExceeded", "The event subscription failed due to the number of simultaneous subscriptions exceeding the limit of the implementation.")
	}
	b.hub.nextID++
	s.ID = strconv.Itoa(b.hub.nextID)
	b.deliverTo(s)
	b.hub.subs = append(b.hub.subs, s)
	b.hub.mu.Unlock()
	b.powerEvent(false)
	b.server.watchBoards()
	return reply{status: http.StatusCreated, body: b.subscriptionDoc(s.Subscription), header: map[string]string{"Location": subscriptionsPath + "/" + s.ID}}
}

func (b *BMC) checkSubscription(ask subscriptionAsk) *reply {
	u, err := url.Parse(ask.Destination)
	var rep reply
	switch {
	case ask.Destination == "":
		rep = refuse(http.StatusBadRequest, "PropertyMissing", "The property Destination is a required property and must be included in the request.")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		rep = refuse(http.StatusBadRequest, "PropertyValueFormatError", "The value for the property Destination is not a URL that this BMC can send to.")
	case ask.Protocol != "Redfish":
		rep = refuse(http.StatusBadRequest, "PropertyValueNotInList", "The value '"+ask.Protocol+"' for the property Protocol is not in the list of acceptable values.")
	case b.who.EventTypesWanted && len(ask.EventTypes) == 0:
		rep = refuse(http.StatusBadRequest, "PropertyMissing", "The property EventTypes is a required property and must be included in the request.")
	case b.who.NoEventTypes && len(ask.EventTypes) > 0:
		rep = refuse(http.StatusBadRequest, "PropertyUnknown", "The property EventTypes is not in the list of valid properties for the resource.")
	case slices.ContainsFunc(ask.EventTypes, func(t string) bool { return !slices.Contains(eventTypes, t) }):
		rep = refuse(http.StatusBadRequest, "PropertyValueNotInList", "A value of the property EventTypes is not in the list of acceptable values.")
	case ask.EventFormatType != "" && ask.EventFormatType != "Event":
		rep = refuse(http.StatusBadRequest, "PropertyValueNotInList", "The value '"+ask.EventFormatType+"' for the property EventFormatType is not in the list of acceptable values.")
	default:
		return nil
	}
	return &rep
}

func (b *BMC) unsubscribe(c *call) reply {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	i := slices.IndexFunc(b.hub.subs, func(s *subscriber) bool { return s.ID == c.part })
	if i < 0 {
		return notFound(c)
	}
	b.hub.subs[i].end()
	b.hub.subs = slices.Delete(b.hub.subs, i, i+1)
	return noContent()
}

// submitTest sends what it is given (EventService.SubmitTestEvent).
func (b *BMC) submitTest(c *call) reply {
	var ask struct {
		MessageID                                                                               string `json:"MessageId"`
		Message, Severity, MessageSeverity, OriginOfCondition, EventType, EventID, EventGroupID string
		EventTimestamp                                                                          string
		MessageArgs                                                                             []string
	}
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if ask.MessageID == "" {
		return refuse(http.StatusBadRequest, "ActionParameterMissing", "The action #EventService.SubmitTestEvent requires the parameter MessageId.")
	}
	b.tellAll(record{"Alert", ask.MessageID, ask.Message, ask.Severity, ask.OriginOfCondition})
	return noContent()
}
