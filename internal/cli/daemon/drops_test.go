package daemon

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/node"
)

func drop(port uint16, packets uint64) node.Drop {
	return node.Drop{From: netip.MustParseAddr("192.0.2.9"), To: netip.MustParseAddr("192.0.2.10"), Protocol: "tcp", Port: port, By: "tier/default/end", Packets: packets, Fix: "row 1.1"}
}

// Each refusal is printed once, again when it happens again, and under one header; an interruption ends it in order.
func TestFollowPrintsWhatIsNew(t *testing.T) {
	for format, want := range map[print.Format][]string{
		print.Table: {"PACKETS", "tcp/22", "tcp/22", "tcp/23", "tcp/23"},
		print.JSON:  {`"port":22,"by":"tier/default/end","packets":1`, `"packets":2`, `"port":23`, `"packets":1`},
	} {
		synctest.Test(t, func(t *testing.T) {
			answers := [][]node.Drop{{drop(22, 1)}, {drop(22, 1)}, {drop(23, 9), drop(22, 2)}, {drop(23, 1), drop(22, 2)}}
			ctx, stop := context.WithCancel(t.Context())
			var out bytes.Buffer
			began := time.Now()
			err := followDrops(ctx, &out, format, func(context.Context) ([]node.Drop, error) {
				if len(answers) == 0 {
					stop()
					return nil, context.Canceled
				}
				next := answers[0]
				answers = answers[1:]
				return next, nil
			})
			if err != nil {
				t.Errorf("an interruption is an error: %v", err)
			}
			if took := time.Since(began); took != 4*followEvery {
				t.Errorf("five questions took %v, want one each %v", took, followEvery)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != map[print.Format]int{print.Table: 5, print.JSON: 4}[format] {
				t.Errorf("%s: printed\n%s", format, out.String())
			}
			for _, w := range want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("%s: %q is missing in\n%s", format, w, out.String())
				}
			}
			if n := strings.Count(out.String(), "PACKETS"); format == print.Table && n != 1 {
				t.Errorf("%d headers", n)
			}
		})
	}
}

func TestFollowEndsWithTheDaemon(t *testing.T) {
	gone := errors.New("the daemon has gone")
	err := followDrops(t.Context(), new(bytes.Buffer), print.Table, func(context.Context) ([]node.Drop, error) { return nil, gone })
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
