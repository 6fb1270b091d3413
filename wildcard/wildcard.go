// Package wildcard is names with stars: whether a text fits a pattern, and whether one text can fit two.
//
// It owns the pattern language, which is two signs: * is any characters, also none, and ? is exactly one. It refuses more (classes, escapes, alternatives), since two patterns of this language can be held
// against each other, which the search for overlapping sizes needs. Letters of both cases are the same, as makers do not agree on how their models are written.
//
// Invariant: Match is linear in practice and never worse than length times length; a text that Common gives is matched by both of its patterns.
package wildcard

import (
	"slices"
	"strings"
	"unicode"
)

// Match says whether a text fits a pattern.
func Match(pattern, text string) bool {
	p, t := fold(pattern), fold(text)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// MatchAny says whether a text fits one of the patterns.
func MatchAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Match(p, text) })
}

// Literal is a pattern that fits the text; signs of the pattern language in it become ?.
func Literal(text string) string { return strings.ReplaceAll(text, "*", "?") }

// Common gives a text that fits both patterns, in lower case; false: there is none.
func Common(a, b string) (string, bool) {
	s := search{a: fold(a), b: fold(b), dead: map[[2]int]bool{}}
	if !s.from(0, 0) {
		return "", false
	}
	slices.Reverse(s.text)
	return string(s.text), true
}

func fold(s string) []rune {
	out := []rune(s)
	for i, r := range out {
		out[i] = unicode.ToLower(unicode.ToUpper(r))
	}
	return out
}

// any1 stands for a ? in the texts that are given.
const any1 = 'x'

// search goes through pairs of places in both patterns. Each is looked at once.
type search struct {
	a, b []rune
	dead map[[2]int]bool
	// text is what was found, backwards.
	text []rune
}

func (s *search) from(i, j int) bool {
	if i == len(s.a) && j == len(s.b) {
		return true
	}
	at := [2]int{i, j}
	if s.dead[at] {
		return false
	}
	s.dead[at] = true
	starA, starB := i < len(s.a) && s.a[i] == '*', j < len(s.b) && s.b[j] == '*'
	switch {
	case starA && s.from(i+1, j), starB && s.from(i, j+1):
		return true
	case starA && j < len(s.b) && !starB:
		return s.take(s.b[j], i, j+1)
	case starB && i < len(s.a) && !starA:
		return s.take(s.a[i], i+1, j)
	case i == len(s.a) || j == len(s.b) || starA || starB:
		return false
	case s.a[i] == s.b[j] || s.b[j] == '?':
		return s.take(s.a[i], i+1, j+1)
	case s.a[i] == '?':
		return s.take(s.b[j], i+1, j+1)
	}
	return false
}

func (s *search) take(r rune, i, j int) bool {
	if !s.from(i, j) {
		return false
	}
	if r == '?' {
		r = any1
	}
	s.text = append(s.text, r)
	return true
}
