package console

// Command is what a person asks of their own terminal.
type Command int

// The commands.
const (
	// Leave ends the session: "~.".
	Leave Command = iota + 1
	// TakeOver asks to be the one who types: "~t".
	TakeOver
	// Help shows the sequences: "~?".
	Help
)

// Escape finds the escape sequences in what is typed: a tilde at the beginning of a line and a character after it, as in ssh(1). Two tildes are one. The zero value is at the beginning of a
// line. It holds back one byte at most.
type Escape struct {
	inLine, tilde bool
}

// Feed takes what was typed and gives what is to be sent, and the command that followed that, with what is left to feed after it; 0 for no command, and then nothing is left.
func (e *Escape) Feed(typed []byte) (send []byte, c Command, rest []byte) {
	send = make([]byte, 0, len(typed)+1)
	for i, b := range typed {
		if e.tilde {
			e.tilde = false
			if c := commandOf(b); c != 0 {
				e.inLine = false
				return send, c, typed[i+1:]
			}
			send = append(send, '~')
			if b == '~' {
				e.inLine = true
				continue
			}
			// The tilde was a character of the line.
			e.inLine = true
		}
		if b == '~' && !e.inLine {
			e.tilde = true
			continue
		}
		e.inLine = b != '\r' && b != '\n'
		send = append(send, b)
	}
	return send, 0, nil
}

// Flush gives the tilde that was held back, at the end of the input.
func (e *Escape) Flush() []byte {
	if !e.tilde {
		return nil
	}
	*e = Escape{inLine: true}
	return []byte{'~'}
}

func commandOf(b byte) Command {
	switch b {
	case '.':
		return Leave
	case 't':
		return TakeOver
	case '?':
		return Help
	}
	return 0
}
