package line_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingotmetal/ingot/internal/server/console/line"
)

// way is a machine's end.
type way struct {
	io.Reader
	io.Writer

	close func() error
}

func (w way) Close() error { return w.close() }

// machine gives a way, and our end of it: what is written to out is what the machine says.
func machine() (open line.Open, out *io.PipeWriter, in *io.PipeReader) {
	r, out := io.Pipe()
	in, w := io.Pipe()
	return func(context.Context) (line.Way, error) {
		return way{r, w, func() error { _ = r.Close(); return w.Close() }}, nil
	}, out, in
}

func book(ctx context.Context) *line.Book[string] {
	return &line.Book[string]{Ctx: ctx, Log: slog.New(slog.DiscardHandler)}
}

// TestASlowReaderIsBounded: who does not read holds so many bytes and no more, is told how many were lost, and holds up nobody.
func TestASlowReaderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := book(ctx)
		open, out, _ := machine()
		slow, quick := b.Join("h", open, line.Wish{Who: "slow"}), b.Join("h", open, line.Wish{Who: "quick"})
		got := make(chan int, 1)
		go func() {
			n := 0
			for {
				i, err := quick.Next(ctx)
				if err != nil || i.Kind == line.EndItem {
					got <- n
					return
				}
				n += len(i.Bytes)
			}
		}()
		const said = 64 * line.QueueBytes
		for range said / 4096 {
			if _, err := out.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if held := slow.Held(); held > line.QueueBytes {
				t.Fatalf("%d bytes are held", held)
			}
		}
		quick.Close()
		if n := <-got; n != said {
			t.Errorf("the quick one has %d bytes of %d", n, said)
		}
		i, err := slow.Next(ctx)
		if err != nil || i.Kind != line.NoticeItem || !strings.Contains(i.Text, "bytes are lost") {
			t.Errorf("the slow one is told %+v, %v", i, err)
		}
		// What was held is thrown away with the end.
		slow.End("Over", "why")
		if i, err := slow.Next(ctx); err != nil || i.Kind != line.EndItem || i.Reason != "Over" {
			t.Errorf("after the end: %+v, %v", i, err)
		}
		if i, err := slow.Next(ctx); err == nil {
			t.Errorf("after the last: %+v", i)
		}
		synctest.Wait()
		if b.Len() != 0 {
			t.Error("the line stays open without a seat")
		}
	})
}

// TestALineThatCannotBeOpened: what passes is tried again with pauses, what does not ends the seats.
func TestALineThatCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b, tries, began := book(ctx), 0, time.Now()
		s := b.Join("h", func(context.Context) (line.Way, error) {
			if tries++; tries < 6 {
				return nil, errors.New("busy")
			}
			return nil, &line.Final{Err: errors.New("it has none")}
		}, line.Wish{})
		notices := 0
		for {
			i, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if i.Kind == line.EndItem {
				if !strings.Contains(i.Text, "it has none") {
					t.Errorf("%+v", i)
				}
				break
			}
			notices++
		}
		if notices != 5 || time.Since(began) != 31*time.Second {
			t.Errorf("%d notices in %s", notices, time.Since(began))
		}
	})
}

// TestWhatIsNotRecordedIsNotShown: the first byte that cannot be recorded ends the seat, and is not in it.
func TestWhatIsNotRecordedIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		open, out, _ := machine()
		s := book(ctx).Join("h", open, line.Wish{Record: func(p []byte) error {
			if bytes.Contains(p, []byte("2")) {
				return errors.New("disk full")
			}
			return nil
		}})
		for _, said := range []string{"1", "2"} {
			_, _ = out.Write([]byte(said))
			synctest.Wait()
		}
		i, err := s.Next(ctx)
		if err != nil || i.Kind != line.EndItem || !strings.Contains(i.Text, "disk full") {
			t.Errorf("%+v, %v", i, err)
		}
	})
}
