package host

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// writing is a console on which so much is written before it fails, or before its watcher goes.
type writing struct {
	text string
	fail error
}

func (w writing) Watch(ctx context.Context, out io.Writer) error {
	_, _ = io.WriteString(out, w.text) // takes everything
	if w.fail == nil {
		<-ctx.Done()
	}
	return w.fail
}

func TestGlimpse(t *testing.T) {
	const most = 1 << 20
	broken := errors.New("characters were lost")
	for name, c := range map[string]struct {
		console writing
		length  int
		err     error
	}{
		"more than there is room for": {writing{strings.Repeat("x", most+1), nil}, most, nil},
		"breaks off":                  {writing{"a line\n", broken}, 7, nil},
		"never begins":                {writing{"", broken}, 0, broken},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := glimpse(t.Context(), c.console)
			if len(text) != c.length || !errors.Is(err, c.err) {
				t.Errorf("%d bytes, %v", len(text), err)
			}
		})
	}
}
