package run

import (
	"slices"
	"testing"
)

func TestRebootWanted(t *testing.T) {
	for name, c := range map[string]struct {
		annotations       map[string]string
		asked, soft, bare bool
		keys              []string
	}{
		"none":                       {map[string]string{"a": "b"}, false, true, false, nil},
		"a name that only begins so": {map[string]string{"reboot.metal3.iox": ""}, false, true, false, nil},
		"plain is soft":              {map[string]string{"reboot.metal3.io": ""}, true, true, true, nil},
		"no JSON is soft":            {map[string]string{"reboot.metal3.io": "hard"}, true, true, true, nil},
		"hard":                       {map[string]string{"reboot.metal3.io": `{"mode":"hard"}`}, true, false, true, nil},
		"unknown mode is soft":       {map[string]string{"reboot.metal3.io": `{"mode":"firm"}`}, true, true, true, nil},
		"keys in order":              {map[string]string{"reboot.metal3.io/b": "", "reboot.metal3.io/a": ""}, true, true, false, []string{"a", "b"}},
		"one hard key is enough":     {map[string]string{"reboot.metal3.io/b": `{"mode":"hard"}`, "reboot.metal3.io": `{"mode":"soft"}`}, true, false, true, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, asked := rebootWanted(c.annotations)
			if asked != c.asked || r.soft != c.soft || r.plain != c.bare || !slices.Equal(r.keys, c.keys) {
				t.Fatalf("%+v, asked %v", r, asked)
			}
		})
	}
}
