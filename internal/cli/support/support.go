// Package support is `ingot support bundle`: what somebody needs to look into a failure at a site that they cannot see, as one archive.
//
// It owns what is in the archive, and that no secret is. It refuses to send it anywhere. What may be kept of an object is package audit's word, the same as for bodies in the audit trail; Secrets and ConfigMaps are listed by
// name, by a request whose answer has no data in it. Of the data directory only logs are read: never keys, identities, or the store.
//
// Invariants: no part stops the others: one that failed stands in problems.txt with its reason; every text that is written has gone through redaction.
package support

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/version"
)

// Command is `ingot support`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "support", Short: "Collect what somebody needs to look into a failure", Args: cobra.NoArgs}
	s.AddServerFlags(c)
	c.AddCommand(bundleCommand(s))
	return c
}

func bundleCommand(s *session.Session) *cobra.Command {
	var output, dataDir string
	var logBytes int64
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Write objects, events, metrics, logs and versions into one archive, without secrets",
		Long: "Write objects, events, metrics, logs and versions into one tar.gz, without secrets: Secrets and ConfigMaps are listed by name and never read, and what looks like a password, a token or a key in the rest is\n" +
			"withheld. Logs, and the metrics of roles, are those of --data-dir, which is on the machine of `ingot up`. Look through it before you give it away: names and addresses are in it.",
		Example: "  ingot support bundle --data-dir /var/lib/ingot --output bundle.tar.gz",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output == "" {
				output = "ingot-support-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
			}
			problems, err := write(c.Context(), s, output, dataDir, logBytes)
			if err != nil {
				return err
			}
			for _, p := range problems {
				fmt.Fprintln(s.Err, "not in the bundle:", p)
			}
			_, err = fmt.Fprintln(s.Out, output)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&output, "output", "", "the archive's file; it must not be there yet (default: ingot-support-TIME.tar.gz)")
	f.StringVar(&dataDir, "data-dir", "", "data directory of `ingot up` on this machine, for logs and metrics of the roles; empty: none")
	f.Int64Var(&logBytes, "log-bytes", 8<<20, "how much of the end of each log, in bytes")
	return c
}

// bundle is the archive that is being written.
type bundle struct {
	tar      *tar.Writer
	at       time.Time
	problems []string
}

// write makes the archive. What could not be collected is told and in the archive; an error is one of the archive itself.
func write(ctx context.Context, s *session.Session, output, dataDir string, logBytes int64) (problems []string, err error) {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			_ = os.Remove(output)
		}
	}()
	packed := gzip.NewWriter(file)
	b := &bundle{tar: tar.NewWriter(packed), at: time.Now()}
	err = b.fill(ctx, s, dataDir, logBytes)
	return b.problems, errors.Join(err, b.tar.Close(), packed.Close())
}

func (b *bundle) fill(ctx context.Context, s *session.Session, dataDir string, logBytes int64) error {
	info, err := json.MarshalIndent(map[string]any{"client": version.Get(), "collectedAt": b.at.UTC()}, "", "  ")
	if err != nil {
		return err
	}
	if err := b.add("version.json", info); err != nil {
		return err
	}
	if err := b.cluster(ctx, s); err != nil {
		return err
	}
	if dataDir != "" {
		if err := b.logs(ctx, dataDir, logBytes); err != nil {
			return err
		}
	}
	if len(b.problems) == 0 {
		return nil
	}
	return b.add("problems.txt", []byte(strings.Join(b.problems, "\n")+"\n"))
}

// problem is a part that could not be collected.
func (b *bundle) problem(part string, err error) {
	b.problems = append(b.problems, part+": "+audit.Text(err.Error()))
}

// add puts a file into the archive. Its text was redacted before.
func (b *bundle) add(name string, text []byte) error {
	h := &tar.Header{Name: "ingot-support/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: b.at, Typeflag: tar.TypeReg}
	if err := b.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := b.tar.Write(text)
	return err
}

// logs adds the end of each log below the data directory, and the metrics of the roles whose health endpoints the logs name.
func (b *bundle) logs(ctx context.Context, dataDir string, limit int64) error {
	files, err := filepath.Glob(filepath.Join(dataDir, "logs", "*.log"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		b.problem("logs", fmt.Errorf("no logs below %s: is it the data directory of ingot up on this machine?", dataDir))
	}
	for _, file := range files {
		text, err := tail(file, limit)
		if err != nil {
			b.problem("logs", err)
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		if err := b.add("logs/"+name+".log", redactLines(text)); err != nil {
			return err
		}
		if err := b.metrics(ctx, name, text); err != nil {
			return err
		}
	}
	return nil
}

// tail is the end of a file, from the beginning of a line.
func tail(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-limit)
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if from > 0 {
		_, rest, _ := strings.Cut(string(text), "\n")
		text = []byte(rest)
	}
	return text, nil
}
