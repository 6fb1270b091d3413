// Package traces lets a role send traces: its flags, and the way to the collector by a row of the matrix.
//
// It owns the flags' names and words, which are the same for each role, and what is sent when a role ends. It refuses spans (package tracing) and the protocol (package
// internal/driver/otlp). A role that names no collector has no exporter, opens nothing and keeps nothing.
package traces

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/ingotmetal/ingot/internal/driver/otlp"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/version"
	"github.com/ingotmetal/ingot/matrix"
)

// last is how long the end of a role waits for the collector.
const last = 3 * time.Second

// Flags are where traces go.
type Flags struct {
	// Endpoint is the collector's URL, CA a PEM file that verifies its certificate, TokenFile the file of its bearer token; empty: none.
	Endpoint, CA, TokenFile string
}

// Add adds the flags to a command's.
func (f *Flags) Add(set *pflag.FlagSet) {
	set.StringVar(&f.Endpoint, "traces-endpoint", "", "URL of an OpenTelemetry collector that traces of hosts are sent to, like https://collector.example.com:4318 (default: none)")
	set.StringVar(&f.CA, "traces-tls-ca", "", "PEM file that verifies the collector's certificate (default: the system's roots)")
	set.StringVar(&f.TokenFile, "traces-token-file", "", "file of the collector's bearer token (default: none is sent)")
}

// Check says what is wrong with the flags together.
func (f *Flags) Check() error {
	if f.Endpoint == "" && (f.CA != "" || f.TokenFile != "") {
		return errors.New("--traces-tls-ca and --traces-token-file are for the collector: give --traces-endpoint")
	}
	return nil
}

// Arguments are the flags as another role is given them.
func (f *Flags) Arguments() (args []string) {
	for _, a := range [][2]string{{"--traces-endpoint", f.Endpoint}, {"--traces-tls-ca", f.CA}, {"--traces-token-file", f.TokenFile}} {
		if a[1] != "" {
			args = append(args, a[0], a[1])
		}
	}
	return args
}

// Role is who sends.
type Role struct {
	// Name is the role's, Partition its Partition.
	Name      matrix.Role
	Partition string
	Flow      matrix.FlowName
	Bound     *socket.Bound
	Metrics   prometheus.Registerer
	Log       *slog.Logger
}

// Open makes the role's exporter, nil where no collector is named.
func (f *Flags) Open(ctx context.Context, r Role) (*otlp.Exporter, error) {
	if f.Endpoint == "" {
		return nil, nil // none is asked for
	}
	e, err := otlp.New(ctx, otlp.Options{
		Endpoint: f.Endpoint, CA: f.CA, TokenFile: f.TokenFile, Dial: r.Bound.DialContext(r.Flow),
		Service: "ingot-" + string(r.Name), Version: version.Get().Version, Attributes: map[string]string{"ingot.partition": r.Partition},
		Metrics: r.Metrics, Log: r.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("--traces-endpoint: %w", err)
	}
	return e, nil
}

// Close sends what is left. The role is ending, so ctx has ended already.
func Close(ctx context.Context, e *otlp.Exporter, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		log.Warn("the last traces are lost", "err", err)
	}
}
