package session

import "errors"

// Exit ends the program with a code of its own. Commands that answer a yes-or-no question use 1 for no and 2 where there is no answer, as diff and grep do.
type Exit struct {
	Code int
	// Err is said on standard error; nil where the answer said it all.
	Err error
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// ExitCode is what a command's error ends the program with: 0 for none, 1 unless it says otherwise.
func ExitCode(err error) int {
	var e *Exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	default:
		return 1
	}
}
