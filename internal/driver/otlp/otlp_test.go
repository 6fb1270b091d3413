package otlp_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	proto "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/ingotmetal/ingot/internal/driver/otlp"
	"github.com/ingotmetal/ingot/test/collector"
	"github.com/ingotmetal/ingot/tracing"
)

var begun = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// trace is a root with one failed step.
func trace() []tracing.Span {
	id := tracing.TraceID{1, 15: 9}
	return []tracing.Span{
		{Trace: id, ID: tracing.SpanID{1, 7: 1}, Name: "provisioning", Start: begun, End: begun.Add(time.Minute), Attributes: []tracing.Attribute{{Key: tracing.KeyHostName, Value: "node-1"}}},
		{Trace: id, ID: tracing.SpanID{2, 7: 2}, Parent: tracing.SpanID{1, 7: 1}, Name: "write-image", Start: begun.Add(time.Second), End: begun.Add(3 * time.Second), Failed: true, Message: "disk gone"},
	}
}

func options(c *collector.Collector) otlp.Options {
	return otlp.Options{
		Endpoint: c.URL, CA: c.CA, Dial: (&net.Dialer{}).DialContext, Service: "ingot-partition", Version: "1.2.3",
		Attributes: map[string]string{"ingot.partition": "default"}, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}
}

func made(t *testing.T, o otlp.Options) *otlp.Exporter {
	t.Helper()
	e, err := otlp.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSpansArriveAsTheyAre(t *testing.T) {
	c := collector.New(t)
	c.Token = "first"
	o := options(c)
	o.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(o.TokenFile, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := made(t, o)
	e.Export(trace())
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.Spans()
	if len(got) != 2 || c.Paths()[0] != "/v1/traces" {
		t.Fatalf("%d spans at %v", len(got), c.Paths())
	}
	for i, want := range trace() {
		s := got[i]
		if string(s.GetTraceId()) != string(want.Trace[:]) || string(s.GetSpanId()) != string(want.ID[:]) || s.GetName() != want.Name ||
			int64(s.GetStartTimeUnixNano()) != want.Start.UnixNano() || int64(s.GetEndTimeUnixNano()) != want.End.UnixNano() {
			t.Errorf("%+v, want %+v", s.Span, want)
		}
		if s.Resource["service.name"] != "ingot-partition" || s.Resource["service.version"] != "1.2.3" || s.Resource["ingot.partition"] != "default" {
			t.Errorf("sent by %v", s.Resource)
		}
	}
	if len(got[0].GetParentSpanId()) != 0 || got[0].Attributes[tracing.KeyHostName] != "node-1" || got[0].GetStatus().GetCode() != proto.Status_STATUS_CODE_UNSET {
		t.Errorf("the root: %+v", got[0].Span)
	}
	root := trace()[0].ID
	if string(got[1].GetParentSpanId()) != string(root[:]) || got[1].GetStatus().GetCode() != proto.Status_STATUS_CODE_ERROR || got[1].GetStatus().GetMessage() != "disk gone" {
		t.Errorf("the step: %+v", got[1].Span)
	}
	if n := sum(t, o.Metrics, "sent"); n != 2 {
		t.Errorf("%v counted as sent", n)
	}
}

// TestACollectorThatRefusesHoldsNobodyUp: what it does not take is lost and counted, and the end of the role does not wait for it.
func TestACollectorThatRefusesHoldsNobodyUp(t *testing.T) {
	c := collector.New(t)
	c.Token = "another"
	o := options(c)
	e := made(t, o)
	e.Export(trace())
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.Spans()) != 0 || sum(t, o.Metrics, "lost") != 2 {
		t.Errorf("%d arrived, %v counted as lost", len(c.Spans()), sum(t, o.Metrics, "lost"))
	}
}

// TestNobodyAnswers: a collector that takes connections and says nothing is given up when the caller's patience ends.
func TestNobodyAnswers(t *testing.T) {
	c := collector.New(t)
	o := options(c)
	dialed := make(chan struct{}, 16)
	o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialed <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := made(t, o)
	e.Export(trace())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-dialed
		cancel()
	}()
	if err := e.Close(ctx); err == nil {
		t.Error("spans that went nowhere were said to be sent")
	}
}

func TestEndpoints(t *testing.T) {
	for text, says := range map[string]string{
		"collector:4318":               "write https://",
		"http://192.0.2.1:4318":        "https is needed",
		"https://user:pw@192.0.2.1/":   "put a token into a file",
		"https://":                     "write https://",
		"https://collector.example/":   "",
		"http://127.0.0.1:4318":        "",
		"https://[::1]:4318/v1/traces": "",
	} {
		o := options(collector.New(t))
		o.Endpoint = text
		_, err := otlp.New(t.Context(), o)
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "pw")) {
			t.Errorf("%s: %v", text, err)
		}
	}
	o := options(collector.New(t))
	o.CA = filepath.Join(t.TempDir(), "none")
	if _, err := otlp.New(t.Context(), o); err == nil {
		t.Error("a CA that is not there was taken")
	}
}

// sum is the counter's value for a result.
func sum(t *testing.T, r prometheus.Registerer, result string) (n float64) {
	t.Helper()
	families, err := r.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(r.(*prometheus.Registry)); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "ingot_trace_spans_total" && m.GetLabel()[0].GetValue() == result {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
