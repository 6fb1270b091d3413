package bootentry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// word is a word of GRUB's script. Text is as it stands, without its quotes; parts are what it is made of.
type word struct {
	text  string
	parts []part
}

// part is text, or the name of a variable.
type part struct {
	text     string
	variable bool
}

// value puts the variables in. Known: all of them have one. "$root" stays as it is within brackets, where it names a device.
func (w word) value(variables map[string]string) (value string, known bool) {
	known = true
	var out strings.Builder
	for _, p := range w.parts {
		switch v, ok := variables[p.text]; {
		case !p.variable:
			out.WriteString(p.text)
		case p.text == "root" && strings.HasSuffix(out.String(), "("):
			out.WriteString("$root")
		case !ok:
			known = known && slices.Contains(harmless, p.text)
		default:
			out.WriteString(v)
		}
	}
	return out.String(), known
}

// harmless are the variables whose absence changes nothing but what the screen shows at the hand-over of the console: Ubuntu's.
var harmless = []string{"vt_handoff"}

// expanded is the value with what is not known left out, as GRUB does.
func (w word) expanded(variables map[string]string) string {
	v, _ := w.value(variables)
	return v
}

// lexer cuts a script into commands.
type lexer struct {
	text string
	at   int
}

// command gives the next command's words, never none; ok is false at the end.
func (l *lexer) command() (words []word, ok bool, err error) {
	for {
		w, sort, err := l.next()
		switch {
		case err != nil:
			return nil, false, err
		case sort == isEnd:
			return words, len(words) > 0, nil
		case sort == isBreak && len(words) > 0:
			return words, true, nil
		case sort == isBreak:
		default:
			words = append(words, w)
			// A block begins a new command.
			if w.text == "{" && sort == isWord {
				return words, true, nil
			}
		}
	}
}

// The sorts of what a script is made of. A quoted word is never a sign.
const (
	isWord = iota
	isQuoted
	isBreak
	isEnd
)

func (l *lexer) next() (w word, sort int, err error) {
	l.skip()
	if l.at >= len(l.text) {
		return w, isEnd, nil
	}
	if c := l.text[l.at]; c == '\n' || c == ';' {
		l.at++
		return w, isBreak, nil
	}
	b := builder{}
	for l.at < len(l.text) && !strings.ContainsRune(" \t\r\n;", rune(l.text[l.at])) {
		switch c := l.text[l.at]; c {
		case '\'':
			sort = isQuoted
			end := strings.IndexByte(l.text[l.at+1:], '\'')
			if end < 0 {
				return w, isEnd, errOpenQuote
			}
			b.add(l.text[l.at+1 : l.at+1+end])
			l.at += end + 2
		case '"':
			sort = isQuoted
			if err := l.double(&b); err != nil {
				return w, isEnd, err
			}
		default:
			l.one(&b)
		}
		if b.text.Len() > maxWord {
			return w, isEnd, fmt.Errorf("a word is longer than %d bytes", maxWord)
		}
	}
	return b.word(), sort, nil
}

// maxWord bounds a word: the longest is a command line's.
const maxWord = 8 << 10

var errOpenQuote = errors.New("a quote has no end")

// skip passes blanks, comments and joined lines.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		switch {
		case strings.ContainsRune(" \t\r", rune(l.text[l.at])):
			l.at++
		case strings.HasPrefix(l.text[l.at:], "\\\n"):
			l.at += 2
		case l.text[l.at] == '#':
			if end := strings.IndexByte(l.text[l.at:], '\n'); end >= 0 {
				l.at += end
			} else {
				l.at = len(l.text)
			}
		default:
			return
		}
	}
}

// double reads text in double quotes, in which variables are put in.
func (l *lexer) double(b *builder) error {
	for l.at++; l.at < len(l.text); {
		if l.text[l.at] == '"' {
			l.at++
			return nil
		}
		l.one(b)
		if b.text.Len() > maxWord {
			break
		}
	}
	return errOpenQuote
}

// one reads one character, escaped character or variable.
func (l *lexer) one(b *builder) {
	rest := l.text[l.at:]
	switch {
	case strings.HasPrefix(rest, "\\\n"):
		l.at += 2
	case rest[0] == '\\' && len(rest) > 1:
		b.add(rest[1:2])
		l.at += 2
	case rest[0] == '$':
		name, after := variableName(rest[1:])
		if name == "" {
			b.add("$")
			l.at++
			return
		}
		b.variable(name, rest[:len(rest)-len(after)])
		l.at += len(rest) - len(after)
	default:
		// All that means nothing, at once.
		end := strings.IndexAny(rest[1:], " \t\r\n;'\"\\$") + 1
		if end == 0 {
			end = len(rest)
		}
		b.add(rest[:end])
		l.at += end
	}
}

// builder puts a word together.
type builder struct {
	text  strings.Builder
	parts []part
}

func (b *builder) add(s string) {
	b.text.WriteString(s)
	if n := len(b.parts); n > 0 && !b.parts[n-1].variable {
		b.parts[n-1].text += s
		return
	}
	b.parts = append(b.parts, part{text: s})
}

func (b *builder) variable(name, written string) {
	b.text.WriteString(written)
	b.parts = append(b.parts, part{text: name, variable: true})
}

func (b *builder) word() word { return word{text: b.text.String(), parts: b.parts} }
