// Package await waits in tests for what comes about by itself.
//
// It owns the looking again and the patience, which is far above what anything takes. It refuses to sleep: whoever can be told, by a channel or a watch, should be.
package await

import (
	"context"
	"errors"
	"testing"
	"time"
)

const (
	// patience is for one condition on a machine that is several times overbooked.
	patience = 4 * time.Minute
	// every is how often a condition is looked at.
	every = 5 * time.Millisecond
)

// ErrNotYet is what a condition may say that has no better word.
var ErrNotYet = errors.New("not yet")

// Nil looks again until nothing is wrong any more, for minutes, and fails the test when something still is.
func Nil(t testing.TB, what string, look func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := Within(ctx, look); err != nil {
		t.Fatalf("in %s there was no %s: %v", patience, what, err)
	}
}

// True is Nil for what holds or doesn't.
func True(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Nil(t, what, func() error {
		if !holds() {
			return ErrNotYet
		}
		return nil
	})
}

// Within looks again until nothing is wrong any more, and gives what still is at the context's end.
func Within(ctx context.Context, look func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
