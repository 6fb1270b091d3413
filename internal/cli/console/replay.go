package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/console/asciicast"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/consolerole"
	"github.com/ingotmetal/ingot/internal/server/console/recording"
)

func recordingsCommand(s *session.Session, f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "recordings",
		Short: "List the recordings of consoles that you may see",
		Long:  "Lists recordings: a project's people see those of their own machines' consoles, the provider's people those of hosts.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			at, err := find(cmd.Context(), s, f.partition)
			if err != nil {
				return err
			}
			body, err := ask(cmd.Context(), at, http.MethodGet, nil, "v1", "recordings")
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			var all []recording.Info
			if err := json.NewDecoder(body).Decode(&all); err != nil {
				return fmt.Errorf("read the list of recordings: %w", err)
			}
			if format.Structured() {
				return print.Object(s.Out, format, all)
			}
			return table(s.Out, all)
		},
	}
	return c
}

func table(w io.Writer, all []recording.Info) error {
	for i, r := range all {
		if i == 0 {
			if _, err := fmt.Fprintf(w, "%-31s %-30s %-24s %9s %s\n", "ID", "CONSOLE", "WHO", "BYTES", "LASTED"); err != nil {
				return err
			}
		}
		lasted := print.Duration(r.Ended.Sub(r.Began))
		if r.Open {
			lasted = "open"
		}
		if _, err := fmt.Fprintf(w, "%-31s %-30s %-24s %9d %s\n", r.ID, r.Target, r.Who, r.Bytes, lasted); err != nil {
			return err
		}
	}
	return nil
}

func replayCommand(s *session.Session, f *flags) *cobra.Command {
	var speed float64
	var idle time.Duration
	c := &cobra.Command{
		Use:   "replay FILE|ID",
		Short: "Show a recording of a console",
		Long:  "Shows a recording as it was seen: a file in asciinema's format, version 2, or the ID of a recording that the console role keeps.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if speed < 0 {
				return errors.New("--speed must be 0 or more; 0 shows all at once")
			}
			from, err := open(cmd.Context(), s, f.partition, args[0])
			if err != nil {
				return err
			}
			defer func() { _ = from.Close() }()
			return replay(cmd.Context(), s.Out, from, func(ctx context.Context, d time.Duration) error {
				if idle > 0 {
					d = min(d, idle)
				}
				if speed == 0 || d <= 0 {
					return ctx.Err()
				}
				select {
				case <-time.After(time.Duration(float64(d) / speed)):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		},
	}
	c.Flags().Float64Var(&speed, "speed", 1, "how much faster than it was; 0: all at once")
	c.Flags().DurationVar(&idle, "idle", 2*time.Second, "the longest pause that is kept; 0: all are")
	return c
}

// open is a file of that name, else the console role's recording.
func open(ctx context.Context, s *session.Session, partition, name string) (io.ReadCloser, error) {
	file, err := os.Open(name)
	if err == nil {
		return file, nil
	}
	if strings.ContainsAny(name, "/.") {
		return nil, fmt.Errorf("open the recording: %w", err)
	}
	at, err := find(ctx, s, partition)
	if err != nil {
		return nil, err
	}
	return ask(ctx, at, http.MethodGet, nil, "v1", "recordings", name)
}

// replay writes the output of a recording, with pauses. A last line that was cut by a crash ends it.
func replay(ctx context.Context, out io.Writer, from io.Reader, pause func(context.Context, time.Duration) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), asciicast.MaxLine)
	if !lines.Scan() {
		return errors.Join(errors.New("the recording is empty"), lines.Err())
	}
	if _, err := asciicast.DecodeHeader(lines.Bytes()); err != nil {
		return err
	}
	last := time.Duration(0)
	for number := 2; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, err := asciicast.DecodeEvent(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := pause(ctx, e.At-last); err != nil {
			return err
		}
		last = e.At
		switch e.Kind {
		case asciicast.Output:
			_, err = io.WriteString(out, e.Data)
		case asciicast.Marker:
			_, err = fmt.Fprintf(out, "\r\n[ingot: %s]\r\n", e.Data)
		case asciicast.Input, asciicast.Resize:
			// What was typed is seen where it was echoed; a serial line has no size.
		}
		if err != nil {
			return fmt.Errorf("show the recording: %w", err)
		}
	}
	return lines.Err()
}

// ask sends a request to the console role.
func ask(ctx context.Context, at *consolerole.Role, method string, body io.Reader, parts ...string) (io.ReadCloser, error) {
	target, err := at.URL("https", nil, parts...)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("ask the console role: %w", err)
	}
	request.Header = at.Header.Clone()
	response, err := (&http.Client{Transport: at.Transport}).Do(request)
	what := "ask the console role for " + parts[len(parts)-1]
	if err != nil {
		return nil, refused(nil, what, at.Partition.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, refused(response, what, at.Partition.Name, nil)
	}
	return response.Body, nil
}
