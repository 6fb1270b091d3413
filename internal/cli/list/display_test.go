package list

import (
	"fmt"
	"strings"
	"testing"
)

// screen is a terminal of so many lines that understands what display writes.
type screen struct {
	lines       []string
	row, column int
	written     int
}

func (s *screen) Write(p []byte) (int, error) {
	s.written += len(p)
	text := string(p)
	for text != "" {
		var n int
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			s.put(s.lines[s.row][:s.column])
			text = text[3:]
		case strings.HasPrefix(text, "\x1b[J"):
			s.lines = s.lines[:s.row]
			text = text[3:]
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "AB")
			_, err := fmt.Sscanf(text[2:end], "%d", &n)
			if err != nil {
				return 0, err
			}
			if text[end] == 'A' {
				n = -n
			}
			s.row += n
			text = text[end+1:]
		case text[0] == '\r':
			s.column = 0
			text = text[1:]
		case text[0] == '\n':
			s.row, s.column = s.row+1, 0
			s.put(s.at())
			text = text[1:]
		default:
			s.put(s.at()[:s.column] + text[:1])
			s.column++
			text = text[1:]
		}
	}
	return len(p), nil
}

func (s *screen) at() string {
	if s.row < len(s.lines) {
		return s.lines[s.row]
	}
	return ""
}

func (s *screen) put(text string) {
	for s.row >= len(s.lines) {
		s.lines = append(s.lines, "")
	}
	s.lines[s.row] = text
}

// What stands on the screen is the list, and of a list of which one line changed only that one is written.
func TestDrawChangesOnly(t *testing.T) {
	s := &screen{}
	d := &display[int]{}
	long := strings.Repeat("x", 30)
	for i, c := range []struct {
		lines, want []string
		bytes       int
	}{
		{[]string{"NAME", "a 1", "b 1"}, []string{"NAME", "a 1", "b 1"}, 0},
		{[]string{"NAME", "a 2", "b 1"}, []string{"NAME", "a 2", "b 1"}, 20},
		{[]string{"NAME", "a 2", "b 1"}, []string{"NAME", "a 2", "b 1"}, 0},
		{[]string{"NAME", "a 2", "b 1", "c 1"}, []string{"NAME", "a 2", "b 1", "c 1"}, 6},
		{[]string{"NAME", "c 1"}, []string{"NAME", "c 1"}, 40},
		{[]string{"NAME", long}, []string{"NAME", "xxxxxxxxxxxxxxxxxxx…"}, 50},
		{[]string{"NAME", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, []string{"NAME", "1", "2", "3", "4", "5", "... and 4 more: fil…"}, 100},
	} {
		before := s.written
		if err := d.draw(s, append([]string(nil), c.lines...), 20, 8); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.TrimRight(strings.Join(s.lines, "\n"), "\n"), strings.Join(c.want, "\n"); got != want {
			t.Errorf("%d: the screen has\n%s\nwant\n%s", i, got, want)
		}
		if n := s.written - before; i > 0 && n > c.bytes {
			t.Errorf("%d: %d bytes are written, want at most %d", i, n, c.bytes)
		}
	}
}
