package framing

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestFramesSurviveAStream(t *testing.T) {
	var stream bytes.Buffer
	w := NewWriter(&stream)
	frames := [][]byte{bytes.Repeat([]byte{1}, MinFrame), bytes.Repeat([]byte{2}, 1514), bytes.Repeat([]byte{3}, MaxFrame)}
	for _, f := range frames {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&stream)
	for i, want := range frames {
		got, err := r.Read()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("frame %d: %d bytes, %v; want %d bytes", i, len(got), err, len(want))
		}
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: %v, want EOF", err)
	}
}

func TestLengthsOutOfBoundsAreRefused(t *testing.T) {
	for name, stream := range map[string][]byte{
		"zero":      {0, 0, 0, 0},
		"too short": {0, 0, 0, 13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
		"huge":      {0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := NewReader(bytes.NewReader(stream)).Read(); !errors.Is(err, ErrLength) {
			t.Errorf("%s: %v, want ErrLength", name, err)
		}
	}
	w := NewWriter(io.Discard)
	for _, n := range []int{0, MinFrame - 1, MaxFrame + 1} {
		if err := w.Write(make([]byte, n)); !errors.Is(err, ErrLength) {
			t.Errorf("write of %d bytes: %v, want ErrLength", n, err)
		}
	}
}

func TestATornFrameIsNoCleanEnd(t *testing.T) {
	_, err := NewReader(bytes.NewReader([]byte{0, 0, 0, 20, 1, 2, 3})).Read()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want ErrUnexpectedEOF", err)
	}
}

// FuzzReader: any bytes give frames within the bounds and an end; what was read, written again, gives the same bytes.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream))
		var again bytes.Buffer
		w := NewWriter(&again)
		for {
			frame, err := r.Read()
			if err != nil {
				break
			}
			if err := w.Write(frame); err != nil {
				t.Fatalf("a frame that was read cannot be written: %v", err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(stream, again.Bytes()) {
			t.Fatalf("read and written again differs:\n%x\n%x", stream, again.Bytes())
		}
	})
}
