package auditor_test

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/role/auditor"
	"github.com/ingotmetal/ingot/internal/ship/shiptest"
	"github.com/ingotmetal/ingot/internal/ship/web"
)

var quiet = slog.New(slog.DiscardHandler)

// TestSendsThroughTheMatrix runs the role as it is wired: its flags, its CA, its row of the matrix.
func TestSendsThroughTheMatrix(t *testing.T) {
	var last atomic.Uint64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(text)) {
			if _, _, err := audit.Parse([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
				t.Error(err)
			}
		}
		n, err := strconv.ParseUint(req.Header.Get(web.HeaderLast), 10, 64)
		if err != nil {
			t.Error(err)
		}
		last.Store(n)
		w.WriteHeader(http.StatusOK)
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := shiptest.New(t)
	tr.Write(t, 10)
	ctx, stop := context.WithTimeout(t.Context(), 8*time.Minute)
	defer stop()
	ended := make(chan error, 1)
	sending, end := context.WithCancel(ctx)
	go func() {
		ended <- auditor.Run(sending, auditor.Options{Dir: tr.Dir, To: server.URL + "/audit", Name: "archive", CA: ca}, quiet)
	}()
	want := tr.Last(t)
	for last.Load() < want {
		select {
		case err := <-ended:
			t.Fatalf("it ended by itself: %v", err)
		case <-ctx.Done():
			t.Fatalf("record %d of %d arrived", last.Load(), want)
		case <-time.After(20 * time.Millisecond):
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRefusedFlags(t *testing.T) {
	dir := t.TempDir()
	for want, o := range map[string]auditor.Options{
		"--dir":           {Dir: dir + "/none", To: "https://a.example/"},
		"https:// or":     {Dir: dir, To: "ftp://a.example/"},
		"--secret-file":   {Dir: dir, To: "postgres://u:pw@a.example/x?sslmode=verify-full"},
		"sslmode":         {Dir: dir, To: "postgres://u@a.example/x"},
		"sslrootcert":     {Dir: dir, To: "postgres://u@a.example/x?sslmode=verify-full", CA: "x"},
		"go together":     {Dir: dir, To: "https://a.example/", Cert: "x"},
		"--tls-ca":        {Dir: dir, To: "https://a.example/", CA: dir},
		"it is no URL":    {Dir: dir, To: "https://u:pw@%zz"},
		"https is needed": {Dir: dir, To: "http://a.example/"},
		"small letters":   {Dir: dir, To: "https://a.example/", Name: "A B"},
		"--matrix":        {Dir: dir, To: "https://a.example/", Matrix: "/no-such-matrix.yaml"},
	} {
		err := auditor.Run(t.Context(), o, quiet)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
