package wire_test

import (
	"testing"

	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

// FuzzParse: what another program says beside a console's bytes.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"end","text":"why","reason":"Reallocated","final":true}`))
	f.Add([]byte(`{"type":"writer","writer":true}`))
	f.Add([]byte(`[1]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := wire.Parse(text); err != nil && m != (wire.Message{}) {
			t.Errorf("%q is refused and read as %+v", text, m)
		}
	})
}
