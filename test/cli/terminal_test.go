package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/test/await"
)

// terminal runs commands as a person would: run wants an exit code and gives what was printed and what was said beside it, contains looks for texts.
func terminal(t *testing.T, command func(*session.Session) *cobra.Command) (run func(want int, args ...string) (out, messages string), contains func(text string, all ...string)) {
	t.Helper()
	run = func(want int, args ...string) (out, messages string) {
		t.Helper()
		var o, e bytes.Buffer
		s := session.New(&o, &e)
		c := command(s)
		c.SetArgs(args)
		c.SetOut(&o)
		c.SetErr(&e)
		c.SilenceUsage = true
		got := session.ExitCode(c.ExecuteContext(t.Context()))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got != want {
			t.Errorf("%v ended with %d, want %d:\n%s%s", args, got, want, o.String(), e.String())
		}
		return o.String(), e.String()
	}
	contains = func(text string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in:\n%s", want, text)
			}
		}
	}
	return run, contains
}

// offered presses the tab key until something is offered: a busy server may miss the limit for a person's patience, and the next press asks again.
func offered(t *testing.T, run func(want int, args ...string) (out, messages string), args ...string) (out, messages string) {
	t.Helper()
	await.True(t, "completion of "+strings.Join(args, " "), func() bool {
		out, messages = run(0, append([]string{"__complete"}, args...)...)
		return !strings.HasPrefix(out, ":")
	})
	return out, messages
}
