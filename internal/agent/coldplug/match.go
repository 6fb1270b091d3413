package coldplug

import (
	"path"
	"strings"
)

// Matcher finds the modules for a modalias.
type Matcher struct {
	byBus map[string][]alias
}

type alias struct {
	// literal is the beginning of pattern before its first special character.
	literal, pattern string
	module           string
}

// NewMatcher prepares the aliases of an index.
func NewMatcher(x Index) *Matcher {
	m := &Matcher{byBus: map[string][]alias{}}
	for _, module := range x.Modules {
		for _, pattern := range module.Aliases {
			bus := busOf(pattern)
			literal := pattern
			if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
				literal = pattern[:i]
			}
			m.byBus[bus] = append(m.byBus[bus], alias{literal, pattern, module.Name})
		}
	}
	return m
}

// Match gives the modules for a device's modalias, in the order of the index.
func (m *Matcher) Match(modalias string) []string {
	// path.Match treats "/" apart; no alias means that.
	flat := strings.ReplaceAll(modalias, "/", "|")
	var names []string
	for _, a := range m.byBus[busOf(modalias)] {
		if !strings.HasPrefix(modalias, a.literal) {
			continue
		}
		if ok, err := path.Match(strings.ReplaceAll(a.pattern, "/", "|"), flat); err == nil && ok && (len(names) == 0 || names[len(names)-1] != a.module) {
			names = append(names, a.module)
		}
	}
	return names
}

// busOf is the part before the first colon. A pattern whose bus is itself a pattern is of no use on any bus.
func busOf(modalias string) string {
	bus, _, _ := strings.Cut(modalias, ":")
	return bus
}
