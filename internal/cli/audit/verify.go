package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/trail"
)

type verifyFlags struct {
	dir    string
	keys   []string
	expect []string
}

func verifyCommand(s *session.Session) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Say whether the trail is whole, and if not, where and how it is broken",
		Long: "Reads the whole trail from the API server, or the files of --dir, or FILEs in the order of their names, and checks each line, the chain, and the signatures by --key. " +
			"Without --key the API server's own word for its key is taken, or pki/audit.pub beside the folder; keep the key, and now and then the head that this prints, elsewhere: " +
			"with --expect it shows that nothing up to there was changed or cut since. Exit code 0: whole; 1: broken; 2: no answer.",
		Example: "  ingot audit verify\n  ingot audit verify --dir /var/lib/ingot/audit --key audit.pub --expect 8123:5be1…",
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return &session.Exit{Code: 2, Err: err}
			}
			report, err := verify(cmd.Context(), s, f, args)
			if err != nil {
				return &session.Exit{Code: 2, Err: err}
			}
			if err := say(s.Out, format, report); err != nil {
				return &session.Exit{Code: 2, Err: err}
			}
			if len(report.Findings) > 0 {
				return &session.Exit{Code: 1}
			}
			return nil
		},
	}
	dirFlag(c, &f.dir)
	c.Flags().StringArrayVar(&f.keys, "key", nil, "file of a public key that may have signed (pki/audit.pub of the installation); may be repeated")
	c.Flags().StringArrayVar(&f.expect, "expect", nil, "a head that was printed before, SEQ:HASH, which must be there still; may be repeated")
	return c
}

func verify(ctx context.Context, s *session.Session, f verifyFlags, files []string) (audit.Report, error) {
	v := &audit.Verifier{}
	for _, text := range f.expect {
		head, err := audit.ParseHead(text)
		if err != nil {
			return audit.Report{}, fmt.Errorf("--expect: %w", err)
		}
		v.Heads = append(v.Heads, head)
	}
	if err := addKeys(v, f.keys); err != nil {
		return audit.Report{}, err
	}
	switch {
	case len(files) > 0 && f.dir != "":
		return audit.Report{}, errors.New("FILEs and --dir exclude each other: give either")
	case len(files) > 0:
		return verifyFiles(v, files)
	case f.dir != "":
		if err := exists(f.dir); err != nil {
			return audit.Report{}, err
		}
		if beside := filepath.Join(filepath.Dir(filepath.Clean(f.dir)), "pki", trail.PublicFile); v.Keys == nil && readable(beside) {
			if err := addKeys(v, []string{beside}); err != nil {
				return audit.Report{}, err
			}
		}
		return trail.Verify(f.dir, v)
	}
	return verifyRemote(ctx, s, v)
}

func readable(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func addKeys(v *audit.Verifier, files []string) error {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		key, err := audit.ParseKey(text)
		if err != nil {
			return fmt.Errorf("--key %s: %w", name, err)
		}
		if v.Keys == nil {
			v.Keys = audit.Keys{}
		}
		v.Keys.Add(key)
	}
	return nil
}

// verifyFiles reads files that were gathered elsewhere. There is no head beside them.
func verifyFiles(v *audit.Verifier, files []string) (audit.Report, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b string) int { return bytes.Compare([]byte(filepath.Base(a)), []byte(filepath.Base(b))) })
	for i, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return audit.Report{}, fmt.Errorf("read the trail: %w", err)
		}
		number := 0
		for len(text) > 0 {
			line, rest, whole := bytes.Cut(text, []byte("\n"))
			number++
			if !whole && i == len(files)-1 {
				v.Torn(name, number, len(line))
				break
			}
			v.Add(name, number, line)
			text = rest
		}
	}
	return v.End(), nil
}

// served is what the API server says of its trail.
type served struct {
	Head audit.Head `json:"head"`
	Key  string     `json:"key"`
}

func verifyRemote(ctx context.Context, s *session.Session, v *audit.Verifier) (audit.Report, error) {
	client, err := clientset(s)
	if err != nil {
		return audit.Report{}, err
	}
	text, err := client.Discovery().RESTClient().Get().RequestURI(headPath).DoRaw(ctx)
	if err != nil {
		return audit.Report{}, fmt.Errorf("read the head of the audit trail from the API server (the right to get /audit/* is needed): %w", err)
	}
	var at served
	if err := json.Unmarshal(text, &at); err != nil {
		return audit.Report{}, fmt.Errorf("read the head of the audit trail: %w", err)
	}
	if v.Keys == nil {
		key, err := audit.ParseKey([]byte(at.Key))
		if err != nil {
			return audit.Report{}, fmt.Errorf("the API server's key of the audit trail: %w", err)
		}
		v.Keys = audit.Keys{}
		v.Keys.Add(key)
		fmt.Fprintln(s.Err, "the key is the API server's own word: with --key a copy is taken that was kept elsewhere")
	}
	if at.Head.Seq > 0 {
		v.Heads = append(v.Heads, at.Head)
	}
	number := 0
	err = remote(ctx, s, linesPath, func(line []byte) error {
		number++
		v.Add("trail", number, line)
		return nil
	})
	if err != nil {
		return audit.Report{}, err
	}
	return v.End(), nil
}

func say(w io.Writer, format print.Format, r audit.Report) error {
	if format.Structured() {
		return print.Object(w, format, r)
	}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	verdict := "whole"
	if len(r.Findings) > 0 {
		verdict = fmt.Sprintf("BROKEN in %d places", len(r.Findings))
	}
	fields := []print.Field{
		{Name: "The trail is", Value: verdict},
		{Name: "Records", Value: fmt.Sprintf("%d, from %d to %d", r.Records, r.First, r.Last)},
		{Name: "Signed through", Value: signedThrough(r)},
		{Name: "Head", Value: head(r)},
	}
	if r.Lost > 0 {
		fields = append(fields, print.Field{Name: "Lost", Value: fmt.Sprintf("%d entries could not be written, as the trail says itself", r.Lost)})
	}
	if r.Repairs > 0 {
		fields = append(fields, print.Field{Name: "Repairs", Value: fmt.Sprintf("%d, as the trail says itself: ingot audit list --all", r.Repairs)})
	}
	if r.RemovedThrough > 0 {
		fields = append(fields, print.Field{Name: "Removed", Value: fmt.Sprintf("through record %d, by retention", r.RemovedThrough)})
	}
	return print.Fields(w, fields...)
}

func signedThrough(r audit.Report) string {
	if r.SignedThrough == 0 {
		return "nothing was checked: no key was given, or nothing is signed"
	}
	return fmt.Sprintf("%d, at %s", r.SignedThrough, r.SignedAt.Format(time.RFC3339))
}

func head(r audit.Report) string {
	if r.Head.Seq == 0 {
		return ""
	}
	return r.Head.String()
}
