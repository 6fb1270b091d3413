package identity

import (
	"log/slog"
	"os"
)

// Logger writes a role's log as JSON to the standard error; verbose, with what is for debugging.
func Logger(verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
