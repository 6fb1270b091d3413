// Package otlp sends spans to a collector by OTLP over HTTP (OpenTelemetry Protocol 1.x, binary protobuf).
//
// It owns the connection, the queue and the credentials, and the translation of tracing.Span into OpenTelemetry's. It refuses to hold anybody up: Export puts spans into a queue, and where the
// collector is away for that long that the queue is full the newest are dropped, since a trace is a help and never a record. It refuses plain HTTP but to this machine, and redirects.
//
// OpenTelemetry's own SDK makes the batches, tries again and encodes. Nothing of it is made global: two exporters in one process do not know of each other.
package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/ship/web"
	"github.com/ingotmetal/ingot/tracing"
)

const (
	// queued spans are kept while the collector does not answer: those of about a thousand stages.
	queued = 8192
	// batchPause is how long spans wait for others.
	batchPause = 5 * time.Second
	// exportTimeout is for one batch with all its tries.
	exportTimeout = 30 * time.Second
)

// Options are an exporter's.
type Options struct {
	// Endpoint is the collector's URL: https, or http to this machine. Without a path it is /v1/traces, which collectors have.
	Endpoint string
	// CA is a PEM file that verifies the collector's certificate; empty: the system's roots. TokenFile holds a bearer token and is read for each request, so that it may be renewed; empty: none.
	CA, TokenFile string
	Dial          func(ctx context.Context, network, address string) (net.Conn, error)
	// Service, Version and Attributes say who sends.
	Service, Version string
	Attributes       map[string]string
	Metrics          prometheus.Registerer
	Log              *slog.Logger
}

// Exporter sends spans. It is safe for concurrent use.
type Exporter struct {
	provider *sdk.TracerProvider
	tracer   api.Tracer
}

// New makes an exporter. Nothing is sent yet, so that a collector that is away holds up no start.
func New(ctx context.Context, o Options) (*Exporter, error) {
	target, err := endpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	transport, err := transport(o)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sender, err := otlptrace.New(ctx, otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(target), otlptracehttp.WithHTTPClient(client), otlptracehttp.WithCompression(otlptracehttp.GzipCompression)))
	if err != nil {
		return nil, fmt.Errorf("trace collector %s: %w", target, err)
	}
	counted, err := count(sender, o)
	if err != nil {
		return nil, err
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(counted, sdk.WithMaxQueueSize(queued), sdk.WithBatchTimeout(batchPause), sdk.WithExportTimeout(exportTimeout)),
		sdk.WithIDGenerator(given{}), sdk.WithSampler(sdk.AlwaysSample()), sdk.WithResource(resourceOf(o)),
	)
	return &Exporter{provider: provider, tracer: provider.Tracer("github.com/ingotmetal/ingot/tracing", api.WithInstrumentationVersion(o.Version))}, nil
}

// Export queues spans.
func (e *Exporter) Export(spans []tracing.Span) {
	for i := range spans {
		s := &spans[i]
		ctx := context.WithValue(context.Background(), idsKey{}, s)
		if s.Parent != (tracing.SpanID{}) {
			ctx = api.ContextWithRemoteSpanContext(ctx, api.NewSpanContext(api.SpanContextConfig{TraceID: api.TraceID(s.Trace), SpanID: api.SpanID(s.Parent), TraceFlags: api.FlagsSampled}))
		}
		_, span := e.tracer.Start(ctx, s.Name, api.WithTimestamp(s.Start), api.WithAttributes(attributes(s)...))
		if s.Failed {
			span.SetStatus(codes.Error, s.Message)
		}
		span.End(api.WithTimestamp(s.End))
	}
}

// Close sends what is queued, as long as ctx lets it.
func (e *Exporter) Close(ctx context.Context) error {
	if err := e.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// endpoint is the URL that spans are posted to.
func endpoint(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("%q is no URL of a trace collector: write https://HOST:4318", text)
	case u.User != nil:
		return "", errors.New("the trace collector's URL holds a user or password, which stand in lists of processes: put a token into a file")
	case u.Scheme != "https" && (u.Scheme != "http" || !web.Loopback(u.Hostname())):
		return "", fmt.Errorf("the trace collector's URL begins with %s: https is needed, or http to an address of this machine", u.Scheme)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

func transport(o Options) (http.RoundTripper, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		roots, err := pki.Authorities(o.CA)
		if err != nil {
			return nil, fmt.Errorf("trust the trace collector: %w", err)
		}
		config.RootCAs = roots
	}
	t := &http.Transport{DialContext: o.Dial, TLSClientConfig: config, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	if o.TokenFile == "" {
		return t, nil
	}
	return bearer{t, o.TokenFile}, nil
}

// bearer adds a token that is read anew.
type bearer struct {
	next http.RoundTripper
	file string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := os.ReadFile(b.file)
	if err != nil {
		return nil, fmt.Errorf("read the token for the trace collector: %w", err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return b.next.RoundTrip(r) // a RoundTripper's errors are its caller's
}

func resourceOf(o Options) *resource.Resource {
	all := []attribute.KeyValue{attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)}
	for key, value := range o.Attributes {
		all = append(all, attribute.String(key, value))
	}
	return resource.NewSchemaless(all...)
}

func attributes(s *tracing.Span) []attribute.KeyValue {
	all := make([]attribute.KeyValue, len(s.Attributes))
	for i, a := range s.Attributes {
		all[i] = attribute.String(a.Key, a.Value)
	}
	return all
}

// given are the identities that a span brings with it.
type given struct{}

type idsKey struct{}

func (given) NewIDs(ctx context.Context) (api.TraceID, api.SpanID) {
	s := ctx.Value(idsKey{}).(*tracing.Span) // Export alone starts spans here
	return api.TraceID(s.Trace), api.SpanID(s.ID)
}

func (given) NewSpanID(ctx context.Context, _ api.TraceID) api.SpanID {
	return api.SpanID(ctx.Value(idsKey{}).(*tracing.Span).ID)
}
