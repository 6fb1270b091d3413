package asciicast_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/console/asciicast"
)

func TestLines(t *testing.T) {
	head, err := asciicast.EncodeHeader(asciicast.Header{Width: 80, Height: 24, Timestamp: 1, Title: "t", Ingot: []byte(`{"who":"alice"}`)})
	if err != nil || string(head) != `{"version":2,"width":80,"height":24,"timestamp":1,"title":"t","ingot":{"who":"alice"}}`+"\n" {
		t.Errorf("%s %v", head, err)
	}
	line, err := asciicast.EncodeEvent(asciicast.Event{At: 1500 * time.Millisecond, Kind: asciicast.Output, Data: "a<b\r\n"})
	if err != nil || string(line) != `[1.500000,"o","a<b\r\n"]`+"\n" {
		t.Errorf("%s %v", line, err)
	}
	for _, bad := range []string{"", "{}", `{"version":1}`, "[]", `{"version":3,"width":1}`} {
		if h, err := asciicast.DecodeHeader([]byte(bad)); err == nil {
			t.Errorf("header %q is read as %+v", bad, h)
		}
	}
	for _, bad := range []string{"", "[]", `[1,"o"]`, `["x","o","y"]`, `[-1,"o","y"]`, `[1e99,"o","y"]`, `[1,2,3]`, `[1,"o","y",4]`, `[1,"o","` + strings.Repeat("x", asciicast.MaxLine) + `"]`} {
		if e, err := asciicast.DecodeEvent([]byte(bad)); err == nil {
			t.Errorf("event %.40q is read as %+v", bad, e)
		}
	}
}

// TestText: characters that were cut are joined, and what is no text is replaced, wherever the cuts are.
func TestText(t *testing.T) {
	const said = "Grüße, 世界 🙂\r\n\xff!"
	want := strings.ToValidUTF8(said, "\uFFFD")
	for cut := 1; cut < 7; cut++ {
		var text asciicast.Text
		var got strings.Builder
		for rest := []byte(said); len(rest) > 0; {
			n := min(cut, len(rest))
			got.WriteString(text.Add(rest[:n]))
			rest = rest[n:]
		}
		got.WriteString(text.Flush())
		if got.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", cut, got.String(), want)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, s := range []string{`[0.248848,"o","\u001b[1;31mHello \u001b[32mWorld!\u001b[0m\n"]`, `[1.001376,"i","q"]`, `[5.0,"r","100x50"]`, `[1e308,"m",""]`, "[[[["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := asciicast.DecodeEvent(line)
		if err != nil {
			return
		}
		again, err := asciicast.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > asciicast.MaxLine {
			return
		}
		if twice, err := asciicast.DecodeEvent(bytes.TrimSpace(again)); err != nil || twice != e {
			t.Errorf("%q becomes %+v, then %+v: %v", line, e, twice, err)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	f.Add([]byte(`{"version": 2, "width": 80, "height": 24, "timestamp": 1504467315, "title": "Demo", "env": {"TERM": "xterm-256color", "SHELL": "/bin/zsh"}}`))
	f.Add([]byte(`{"version":2,"ingot":{"id":"x"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		h, err := asciicast.DecodeHeader(line)
		if err != nil {
			return
		}
		if _, err := asciicast.EncodeHeader(h); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("Grüße 🙂"), 2)
	f.Add([]byte{0xf0, 0x9f, 0xff}, 1)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		cut = min(max(cut, 0), len(p))
		var text asciicast.Text
		if got := text.Add(p[:cut]) + text.Add(p[cut:]) + text.Flush(); !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
	})
}
