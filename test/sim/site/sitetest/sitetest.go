// Package sitetest starts a simulated site for a test, and ends it with the test.
//
// It owns how long such a test may take and what it says of a site whose test failed. It refuses the site itself, which is package site's: a benchmark uses that without a test.
package sitetest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/test/sim/site"
)

// Bounded gives a simulation 15 minutes, or as long as go test gives it, less the time to tell what went wrong.
func Bounded(t *testing.T) context.Context {
	t.Helper()
	const longest, reserve = 15 * time.Minute, 30 * time.Second
	end := time.Now().Add(longest)
	if limit, ok := t.Deadline(); ok && limit.Add(-reserve).Before(end) {
		end = limit.Add(-reserve)
	}
	ctx, cancel := context.WithDeadline(t.Context(), end)
	t.Cleanup(cancel)
	return ctx
}

// Start runs a site until the test ends. With INGOT_TEST_LOG set, what its processes say is shown. A failed test shows the partition role's last words and where the hosts of the namespace default are.
func Start(t *testing.T, o site.Options) *site.Site {
	t.Helper()
	o.Dir = t.TempDir()
	if os.Getenv("INGOT_TEST_LOG") != "" {
		o.Log = os.Stderr
	}
	s, err := site.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the partition role's last words:\n%s\nthe hosts:\n%s", s.RoleLog("partition", 16<<10), s.Describe(context.Background(), "default"))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
