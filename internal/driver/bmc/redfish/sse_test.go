package redfish_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/secret"
)

const (
	powerEvent = `{"@odata.type":"#Event.v1_7_0.Event","Id":"1","Name":"Event Array","Events":[{"EventType":"StatusChange","EventId":"1","EventTimestamp":"2026-07-01T12:00:00Z",` +
		`"MessageId":"ResourceEvent.1.3.ResourcePoweredOn","Message":"on","MessageSeverity":"OK","OriginOfCondition":{"@odata.id":"/redfish/v1/Systems/1"}}]}`
	// oldEvent is of Event 1.0: the origin is a string, the severity has its old name.
	oldEvent     = `{"Id":"2","Events":[{"EventType":"Alert","MessageId":"iLOEvents.2.3.ServerPoweredOff","Severity":"Warning","OriginOfCondition":"/redfish/v1/Systems/1/"}]}`
	metricReport = `{"@odata.type":"#MetricReport.v1_4_0.MetricReport","Id":"x","MetricValues":[{"MetricId":"t","MetricValue":"42"}]}`
)

func kinds(all []event.Event) string {
	var out []string
	for _, e := range all {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

// The format of WHATWG HTML §9.2.6, with the line ends and the liberties that it allows, read as a whole and byte by byte.
func TestServerSentEvents(t *testing.T) {
	for name, c := range map[string]struct{ stream, want string }{
		"one":                       {"id: 1\ndata: " + powerEvent + "\n\n", "power"},
		"carriage returns":          {"data: " + powerEvent + "\r\rdata: " + oldEvent + "\r\r", "power power"},
		"both":                      {"data: " + powerEvent + "\r\n\r\ndata: " + oldEvent + "\r\n\r\n", "power power"},
		"comments and other fields": {": hello\n\nretry: 5\nevent: x\ndata:" + powerEvent + "\n\n: alive\n\n", "power"},
		"data in lines":             {"data: " + strings.ReplaceAll(powerEvent, ",", ",\ndata: ") + "\n\n", "power"},
		"a byte order mark":         {"\ufeffdata: " + powerEvent + "\n\n", "power"},
		"a metric report":           {"data: " + metricReport + "\n\ndata: " + powerEvent + "\n\n", "power"},
		"broken JSON":               {"data: {\"Events\":\n\ndata: " + powerEvent + "\n\n", "power"},
		"cut":                       {"data: " + powerEvent + "\n\ndata: " + oldEvent, "power"},
		"no data":                   {"id: 7\n\ndata\n\n", ""},
		"wrong types":               {`data: {"Events":{"MessageId":7,"OriginOfCondition":[1],"EventTimestamp":"yesterday"}}` + "\n\n", "other"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.stream), iotest.OneByteReader(strings.NewReader(c.stream))} {
				got, err := redfish.ReadStream(r)
				if !errors.Is(err, io.EOF) || kinds(got) != c.want {
					t.Errorf("%q, %v, want %q", kinds(got), err, c.want)
				}
			}
		})
	}
	for _, endless := range []string{"data: " + strings.Repeat("x", 300<<10), strings.Repeat("data: "+strings.Repeat("x", 200<<10)+"\n", 6)} {
		if _, err := redfish.ReadStream(strings.NewReader(endless)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a stream without end: %v", err)
		}
	}
}

// FuzzEventStream: any bytes give events that can be shown, bounded, or an error.
func FuzzEventStream(f *testing.F) {
	for _, s := range []string{powerEvent, oldEvent, metricReport, "null", "[]", `{"Events":[null,{"Message":"\u0000\u001b[31m"}]}`} {
		f.Add([]byte("id: 1\r\ndata: " + s + "\r\n\r\n: x\n\n"))
	}
	f.Add([]byte("\ufeffdata"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, err := redfish.ReadStream(strings.NewReader(string(stream)))
		if err == nil {
			t.Fatal("a stream that ends without an error")
		}
		for _, e := range got {
			for _, text := range []string{e.MessageID, e.Message, e.Origin} {
				if len(text) > 420 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\n\r\x1b") {
					t.Errorf("%q", text)
				}
			}
			if e.Kind == "" || !e.At.IsZero() && e.At.Year() < 2000 {
				t.Errorf("%+v", e)
			}
		}
	})
}

// useEvents calls what reads events and health, and what subscribes.
func useEvents(t *testing.T, ctx context.Context, s bmc.Session) {
	t.Helper()
	h := s.Health()
	_, err := h.Vitals(ctx)
	sound(t, err)
	_, err = h.Sensors(ctx)
	sound(t, err)
	_, err = h.Log(ctx, 5)
	sound(t, err)
	e := s.Events()
	if e == nil {
		return
	}
	id, err := e.Subscribe(ctx, bmc.Subscription{Destination: "https://receiver/", Headers: map[string]secret.String{"X": secret.New("hunter2-0815")}})
	sound(t, err)
	_, _, err = e.Find(ctx, id)
	sound(t, err)
	_, err = e.List(ctx)
	sound(t, err)
	sound(t, e.Unsubscribe(ctx, id))
	sound(t, e.SubmitTest(ctx, "hello"))
	stream, err := e.Stream(ctx)
	sound(t, err)
	if err == nil {
		for err == nil {
			_, err = stream.Next()
		}
		sound(t, err)
		sound(t, stream.Close())
	}
}

// FuzzEventService feeds any body to the parsers of the event service, its subscriptions, sensors and logs.
func FuzzEventService(f *testing.F) {
	for _, doc := range []string{
		eventsDoc, `{"@odata.id":"/events/s/1","Id":"1","Destination":"https://receiver/","Context":null}`, `{"@odata.id":"/events/s","Members":[{"@odata.id":"/events/s/1"}]}`,
		`{"@odata.id":"/c","Thermal":{"@odata.id":"/events/t"},"Power":{"@odata.id":"/events/p"},"Temperatures":[{"Name":"x","ReadingCelsius":-4,"Status":{"Health":"Critical"},"UpperThresholdCritical":null}]}`,
		`{"@odata.id":"/c","Sensors":{"@odata.id":"/events"},"Members":[{"@odata.id":"/events/SEL","Message":"m","Severity":"Critical","Created":"2026-07-01T12:00:00+02:00"}],"Members@odata.count":9,"Members@odata.nextLink":"/events?$skip=1"}`,
		"", "null", "<html>",
	} {
		f.Add(uint16(0), doc)
	}
	f.Add(uint16(204), "")
	f.Fuzz(func(t *testing.T, status uint16, body string) {
		good := goodBMC()
		good["/redfish/v1/"] = says(200, replaceIn(rootDoc, `"RedfishVersion"`, `"EventService":{"@odata.id":"/events"},"RedfishVersion"`))
		good["/redfish/v1/Systems/1"] = says(200, replaceIn(systemDoc, `"PowerState"`, `"LogServices":{"@odata.id":"/events"},"Links":{"Chassis":[{"@odata.id":"/events/c"}]},"PowerState"`))
		o := fast()
		o.Transport = fuzzed{good: good, path: "/events", status: 200 + int(status)%400, body: body}
		o.MaxBodyBytes = 1 << 20
		d, err := redfish.New(o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Open(t.Context(), bmc.Target{Address: "redfish://10.0.0.5", Username: "admin", Password: secret.New("hunter2-0815")})
		sound(t, err)
		if err != nil {
			return
		}
		useEvents(t, t.Context(), s)
	})
}

const eventsDoc = `{"@odata.id":"/events","@odata.type":"#EventService.v1_10_1.EventService","Subscriptions":{"@odata.id":"/events/s"},"ServerSentEventUri":"/events/sse","EventTypesForSubscription":["Alert"],"EventFormatTypes":["Event"],"Actions":{"#EventService.SubmitTestEvent":{"target":"/events/test"}}}`
