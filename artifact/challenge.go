package artifact

import (
	"strings"
)

// Challenge is one way of authentication that a registry asks for (RFC 9110, section 11.6.1).
type Challenge struct {
	// Scheme is lower case: "bearer" or "basic".
	Scheme string
	// Realm is the token server's URL with bearer; Service and Scope are what a token is asked for.
	Realm, Service, Scope string
}

// maxChallengeBytes bounds a WWW-Authenticate header.
const maxChallengeBytes = 8 << 10

// ParseChallenges reads a WWW-Authenticate header. What cannot be read is left out.
func ParseChallenges(header string) []Challenge {
	if len(header) > maxChallengeBytes {
		return nil
	}
	var out []Challenge
	s := scanner{rest: header}
	for !s.end() {
		word := s.token()
		if word == "" {
			s.skip()
			continue
		}
		if s.peek('=') {
			// A parameter of the challenge before.
			s.rest = s.rest[1:]
			if value, ok := s.value(); ok && len(out) > 0 {
				out[len(out)-1].set(strings.ToLower(word), value)
			}
			continue
		}
		out = append(out, Challenge{Scheme: strings.ToLower(word)})
	}
	return out
}

func (c *Challenge) set(key, value string) {
	for name, field := range map[string]*string{"realm": &c.Realm, "service": &c.Service, "scope": &c.Scope} {
		if name == key && *field == "" {
			*field = value
		}
	}
}

// scanner walks over a header.
type scanner struct{ rest string }

// end drops blanks and commas and says whether anything is left.
func (s *scanner) end() bool {
	s.rest = strings.TrimLeft(s.rest, " \t,")
	return s.rest == ""
}

func (s *scanner) skip() { s.rest = s.rest[1:] }

func (s *scanner) peek(c byte) bool {
	trimmed := strings.TrimLeft(s.rest, " \t")
	if trimmed == "" || trimmed[0] != c {
		return false
	}
	s.rest = trimmed
	return true
}

// token reads a token (RFC 9110, section 5.6.2).
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && isTokenByte(s.rest[n]) {
		n++
	}
	word := s.rest[:n]
	s.rest = s.rest[n:]
	return word
}

func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// value reads a token or a quoted string.
func (s *scanner) value() (string, bool) {
	s.rest = strings.TrimLeft(s.rest, " \t")
	if s.rest == "" || s.rest[0] != '"' {
		return s.token(), true
	}
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(s.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	s.rest = ""
	return "", false
}
