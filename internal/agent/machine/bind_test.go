package machine

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// The agent dials the port that the boot medium names, the row's, and no third one.
func TestAgentDialsWhereTheMediumSays(t *testing.T) {
	for endpoint, allowed := range map[string][]string{
		"https://192.0.2.1:9443":   {"9443", "8443"},
		"https://192.0.2.1":        {"443", "8443"},
		"https://192.0.2.1:8443":   {"8443"},
		"https://[2001:db8::1]:77": {"77", "8443"},
	} {
		b, err := bind(medium.Config{Endpoint: endpoint}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("%s: %v", endpoint, err)
		}
		// Nothing is dialed in truth: the context has ended.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, port := range allowed {
			if _, err := b.Dial(ctx, matrix.AgentToPartition, "192.0.2.1:"+port); errors.Is(err, socket.ErrNotInMatrix) {
				t.Errorf("%s: port %s is refused: %v", endpoint, port, err)
			}
		}
		if _, err := b.Dial(ctx, matrix.AgentToPartition, "192.0.2.1:22"); !errors.Is(err, socket.ErrNotInMatrix) {
			t.Errorf("%s: port 22: %v", endpoint, err)
		}
	}
	for _, endpoint := range []string{"https://192.0.2.1:99999", "https://[", "https://192.0.2.1:x"} {
		if _, err := bind(medium.Config{Endpoint: endpoint}, slog.New(slog.DiscardHandler)); !errors.Is(err, errNoBoot) {
			t.Errorf("%s: %v, want that this boot is of no use", endpoint, err)
		}
	}
}
