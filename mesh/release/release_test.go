package release_test

import (
	"testing"

	"github.com/ingotmetal/ingot/mesh/release"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{"1.80.0": "1.80.0", "1.101.0-dev20260601-t1234": "1.101.0", "1.101.0-ERR-BuildInfo": "1.101.0", "0.0.1": "0.0.1"} {
		if v, err := release.Parse(text); err != nil || v.String() != want {
			t.Errorf("%q is %s, %v, want %s", text, v, err, want)
		}
	}
	for _, bad := range []string{"", "1", "1.2", "1.2.3.4", "v1.2.3", "1.-2.3", "1..3", "1.2.99999", "-1.2.3", "1.2.3x"} {
		if v, err := release.Parse(bad); err == nil {
			t.Errorf("%q is taken as %s", bad, v)
		}
	}
}

func TestBefore(t *testing.T) {
	order := []release.Version{{1, 79, 9}, {1, 80, 0}, {1, 80, 1}, {1, 101, 0}, {2, 0, 0}}
	for i, a := range order {
		for j, b := range order {
			if a.Before(b) != (i < j) {
				t.Errorf("%s before %s: %v", a, b, a.Before(b))
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1.101.0-ERR-BuildInfo", "1.80.0", "", "1.2.3.4", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := release.Parse(text)
		if err != nil {
			return
		}
		if again, err := release.Parse(v.String()); err != nil || again != v || v.Before(v) {
			t.Errorf("%q is %s, and that is %s, %v", text, v, again, err)
		}
	})
}
