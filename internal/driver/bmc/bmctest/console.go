package bmctest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

func consoleLog(t *testing.T, r *run) {
	if r.s.ConsoleLog() == nil {
		return
	}
	r.do(t, bmc.PowerOn, bmc.On)
	for range 1200 {
		r.Say("a line of the kernel")
	}
	r.Say("the last line")
	log, err := r.s.ConsoleLog().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log, "a line of the kernel\n"); n != 1200 || !strings.HasSuffix(log, "the last line\n") {
		t.Errorf("the console log has %d of 1200 lines and ends with %q", n, log[max(0, len(log)-40):])
	}
}

// written is what a watcher saw.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) has(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.text.String(), text)
}

// console: what the machine writes while somebody watches is seen, whole and in order, by one watcher; the BMC answers other calls meanwhile; the next may watch when it is over.
func console(t *testing.T, r *run) {
	c := r.s.Console()
	if (c != nil) != r.can(bmc.CanConsole) {
		t.Fatalf("a console: %v, and the capability says %v", c != nil, r.can(bmc.CanConsole))
	}
	if c == nil {
		return
	}
	r.do(t, bmc.PowerOn, bmc.On)
	r.Say("before anybody watched")
	for turn := range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out, ended := &written{}, make(chan error, 1)
		go func() { ended <- c.Watch(ctx, out) }()
		// The first line that is seen tells that the watch has begun.
		said := 0
		eventually(t, "the watch begins", func() bool {
			said++
			r.Say(fmt.Sprintf("is anybody there %d?", said))
			return out.has("is anybody there")
		})
		second, giveUp := context.WithTimeout(t.Context(), patience)
		err := c.Watch(second, &written{})
		giveUp()
		wantKind(t, "a second watcher", err, step.Busy)
		want := ""
		for n := range 200 {
			line := fmt.Sprintf("turn %d, line %d of the kernel", turn, n)
			r.Say(line)
			want += line + "\n"
		}
		eventually(t, "all lines", func() bool { return out.has(want) })
		if out.has("before anybody watched") {
			t.Error("what was written before the watch was seen in it")
		}
		r.reaches(t, bmc.On)
		stop()
		eventually(t, "the end of a watch", func() bool {
			select {
			case err = <-ended:
				return true
			default:
				return false
			}
		})
		if err != nil {
			t.Fatalf("the end of a watch: %v", err)
		}
	}
}
