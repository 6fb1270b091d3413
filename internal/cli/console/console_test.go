package console

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestReplay(t *testing.T) {
	const cast = `{"version":2,"width":80,"height":24}
[0.5,"o","login: "]
[1.0,"i","root"]
[2.0,"o","# "]
[2.5,"m","over"]
`
	var pauses []time.Duration
	pause := func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	var out strings.Builder
	if err := replay(t.Context(), &out, strings.NewReader(cast), pause); err != nil {
		t.Fatal(err)
	}
	if out.String() != "login: # \r\n[ingot: over]\r\n" || len(pauses) != 4 || pauses[2] != time.Second {
		t.Errorf("%q %v", out.String(), pauses)
	}
	for _, bad := range []string{"", "hello\n", `{"version":2}` + "\n" + `[1,"o"`} {
		if err := replay(t.Context(), &out, strings.NewReader(bad), pause); err == nil {
			t.Errorf("%q is shown", bad)
		}
	}
	stop := errors.New("stop")
	if err := replay(t.Context(), &out, strings.NewReader(cast), func(context.Context, time.Duration) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}
