package redfish

import (
	"context"
	"strings"
)

// console implements bmc.ConsoleLog by the log service HostLogger, where OpenBMC keeps the host's serial output, one entry a line.
type console struct {
	s       *service
	service link
}

// hostLogger is OpenBMC's name of the service (bmcweb, LogServices/HostLogger).
const hostLogger = "HostLogger"

// maxConsoleBytes bounds what is read; the newest is kept.
const maxConsoleBytes = 1 << 20

func probeConsole(ctx context.Context, s *service, sys computerSystem) (*console, error) {
	if sys.LogServices == "" {
		return nil, nil
	}
	services, err := s.c.members(ctx, sys.LogServices, "LogServiceCollection")
	if err != nil {
		if absent(err) {
			return nil, nil
		}
		return nil, err
	}
	for _, m := range services {
		if lastPart(m.path) == hostLogger {
			return &console{s: s, service: m.path}, nil
		}
	}
	return nil, nil
}

// Read implements bmc.ConsoleLog.
func (l *console) Read(ctx context.Context) (string, error) {
	log, err := l.read(ctx)
	return log, l.s.wrap("read console log", err)
}

func (l *console) read(ctx context.Context) (string, error) {
	var service struct{ Entries link }
	if _, err := l.s.c.get(ctx, l.service, "LogService", &service); err != nil {
		return "", err
	}
	var b strings.Builder
	path := service.Entries
	for page := 0; path != "" && page < maxPages; page++ {
		var view struct {
			Members list[struct{ Message text }]
			Next    text `json:"Members@odata.nextLink"`
		}
		if _, err := l.s.c.get(ctx, path, "LogEntryCollection", &view); err != nil {
			return "", err
		}
		for _, m := range view.Members {
			b.WriteString(string(m.Message))
			b.WriteByte('\n')
		}
		path = linkOf(string(view.Next))
	}
	out := b.String()
	return out[max(0, len(out)-maxConsoleBytes):], nil
}
