package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	domain "github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/audit"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/trail"
)

// run runs `ingot audit`.
func run(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	c := audit.Command(session.New(&o, &e))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err := c.ExecuteContext(t.Context())
	if err != nil {
		fmt.Fprintln(&e, err)
	}
	return o.String(), e.String(), session.ExitCode(err)
}

// sample writes a trail as an installation has it, and gives its folder.
func sample(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	key, err := trail.OpenKey(filepath.Join(root, "pki"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "audit")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tr, err := trail.Open(trail.Options{Dir: dir, Key: key, Retention: domain.DefaultPolicy().Retention, Writer: "w", Version: "v", Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		now = now.Add(time.Minute)
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []domain.Request{
		{ID: "r1", Stage: domain.StageIntent, User: "alice", Verb: "create", Object: &domain.Object{Resource: "secrets", Namespace: "n", Name: "bmc"}},
		{ID: "r1", Stage: domain.StageDone, User: "alice", Verb: "create", Object: &domain.Object{Resource: "secrets", Namespace: "n", Name: "bmc"}, Code: 201, From: "10.0.0.7"},
		{ID: "r2", Stage: domain.StageDone, User: "bob", ImpersonatedBy: "root", Verb: "get", Object: &domain.Object{Resource: "secrets", Namespace: "n", Name: "bmc"}, Code: 403, Reason: "Forbidden"},
		{ID: "r3", Stage: domain.StageDone, User: "alice", Verb: "patch", Object: &domain.Object{Group: "metal3.io", Resource: "baremetalhosts", Namespace: "n", Name: "h"}, Code: 200, Change: json.RawMessage(`{"spec":{"online":false}}`)},
	} {
		if err := tr.Append(&r, domain.NeedWritten); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestList(t *testing.T) {
	dir := sample(t)
	for name, c := range map[string]struct {
		args []string
		want []string
		not  []string
	}{
		"all requests":     {nil, []string{"SEQ", "alice", "bob by root", "403 Forbidden", "secrets n/bmc", "baremetalhosts.metal3.io n/h", "10.0.0.7"}, []string{"intent", "started", "REQUEST"}},
		"wide":             {[]string{"-o", "wide"}, []string{"REQUEST", "r3"}, nil},
		"by user":          {[]string{"--user", "bob"}, []string{"r2"}, []string{"alice"}},
		"who is behind it": {[]string{"--user", "root"}, []string{"bob by root"}, []string{"alice"}},
		"by kind":          {[]string{"--kind", "baremetalhosts"}, []string{"patch"}, []string{"secrets"}},
		"by name":          {[]string{"--name", "h", "-n", "n"}, []string{"patch"}, []string{"secrets"}},
		"failures":         {[]string{"--failed"}, []string{"403"}, []string{"alice"}},
		"reads of Secrets": {[]string{"--secret-reads"}, []string{"bob"}, []string{"alice"}},
		"intents":          {[]string{"--intents", "--verb", "create"}, []string{"intent", "201"}, []string{"bob"}},
		"since":            {[]string{"--since", "2026-03-01T12:07:00Z"}, []string{"patch"}, []string{"bob"}},
		"until":            {[]string{"--until", "2026-03-01T12:07:00Z"}, []string{"bob"}, []string{"patch"}},
		"the trail itself": {[]string{"--all"}, []string{"start", "checkpoint", "stop"}, nil},
		"the newest":       {[]string{"--last", "1"}, []string{"patch"}, []string{"bob"}},
		"of one request":   {[]string{"--request", "r1"}, []string{"intent", "201"}, []string{"bob"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"list", "--dir", dir, "-o", "wide"}, c.args...)
			if name == "all requests" {
				args = []string{"list", "--dir", dir}
			}
			out, errOut, code := run(t, args...)
			if code != 0 {
				t.Fatalf("code %d: %s", code, errOut)
			}
			for _, w := range c.want {
				if !strings.Contains(out, w) {
					t.Errorf("no %q in\n%s", w, out)
				}
			}
			for _, n := range c.not {
				if strings.Contains(out, n) {
					t.Errorf("%q in\n%s", n, out)
				}
			}
		})
	}
	out, _, _ := run(t, "list", "--dir", dir, "-o", "json", "--failed")
	var all []domain.Record
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || all[0].Request.ID != "r2" {
		t.Errorf("JSON %s: %v", out, err)
	}
	for want, args := range map[string][]string{
		"write a time": {"list", "--dir", dir, "--since", "yesterday"}, "--dir": {"list", "--dir", "/no-such-dir"}, "not known": {"list", "--dir", dir, "-o", "xml"},
		"-o yaml: a stream": {"list", "--dir", dir, "-f", "-o", "yaml"}, "--last": {"list", "--dir", dir, "--last", "-1"},
	} {
		if _, errOut, code := run(t, args...); code != 1 || !strings.Contains(errOut, want) {
			t.Errorf("%v: code %d, %q, want %q", args, code, errOut, want)
		}
	}
}

func TestGet(t *testing.T) {
	dir := sample(t)
	out, _, _ := run(t, "list", "--dir", dir, "-o", "json", "--verb", "patch")
	var all []domain.Record
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		t.Fatalf("JSON %s: %v", out, err)
	}
	out, errOut, code := run(t, "get", "--dir", dir, fmt.Sprint(all[0].Seq))
	if code != 0 || !strings.Contains(out, `"online": false`) || !strings.Contains(out, all[0].Hash) {
		t.Errorf("code %d:\n%s%s", code, out, errOut)
	}
	for _, bad := range []string{"0", "x", "999"} {
		if _, _, code := run(t, "get", "--dir", dir, bad); code != 1 {
			t.Errorf("record %s: code %d", bad, code)
		}
	}
}

// TestVerify: 0 where it is whole, 1 and the place where it is not, 2 where nothing can be said.
func TestVerify(t *testing.T) {
	dir := sample(t)
	out, errOut, code := run(t, "verify", "--dir", dir)
	if code != 0 || !strings.Contains(out, "whole") || !strings.Contains(out, "Signed through") || strings.Contains(out, "nothing was checked") {
		t.Fatalf("code %d:\n%s%s", code, out, errOut)
	}
	_, head, _ := strings.Cut(out, "Head:")
	head = strings.TrimSpace(head)
	files, err := trail.Files(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(len(files), err)
	}
	file := files[0].Path
	if out, _, code := run(t, "verify", file, "--expect", head); code != 0 {
		t.Errorf("the file alone: code %d\n%s", code, out)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.pub")
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, domain.EncodeKey(public), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, c := range map[string]struct {
		text []byte
		args []string
		code int
		want string
	}{
		"an altered byte":    {bytes.Replace(whole, []byte("bob"), []byte("eve"), 1), []string{"--dir", dir}, 1, ":5: Altered"},
		"a missing line":     {bytes.Join(append(append([][]byte{}, lines[:3]...), lines[4:]...), nil), []string{"--dir", dir}, 1, "record 4 is missing"},
		"a cut end":          {bytes.Join(lines[:5], nil), []string{"--dir", dir}, 1, "Cut"},
		"another key":        {whole, []string{"--dir", dir, "--key", other}, 1, "Unsigned"},
		"a head that is not": {whole, []string{"--dir", dir, "--expect", "3:" + strings.Repeat("0", 64)}, 1, "another one than the head"},
		"no head":            {whole, []string{"--dir", dir, "--expect", "x"}, 2, "is no head"},
		"no key":             {whole, []string{"--dir", dir, "--key", file}, 2, "no public key"},
		"no folder":          {whole, []string{"--dir", dir + "x"}, 2, "no such file"},
		"both":               {whole, []string{"--dir", dir, file}, 2, "exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, c.text, 0o600); err != nil {
				t.Fatal(err)
			}
			out, errOut, code := run(t, append([]string{"verify"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errOut, c.want) {
				t.Errorf("code %d, want %d and %q:\n%s%s", code, c.code, c.want, out, errOut)
			}
		})
	}
}
