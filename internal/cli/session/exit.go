package session

import (
	"errors"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

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

// The program's exit codes beside 0 (done, or yes) and 1 (failed, or no).
const (
	// NoAnswer: a question could not be answered.
	NoAnswer = 2
	// NotThere: an object that was named does not exist.
	NotThere = 3
	// NotAllowed: the API server does not know who asks, or refuses it.
	NotAllowed = 4
	// Conflict: somebody else changed the object, or holds a field of it.
	Conflict = 5
	// Away: the API server could not be reached, or was too busy to answer.
	Away = 6
)

// Missing marks an error as being about an object that does not exist.
func Missing(err error) error { return &Exit{Code: NotThere, Err: err} }

// ExitCode is what a command's error ends the program with: what the command says, or else what the API server's answer means; 1 for the rest.
func ExitCode(err error) int {
	var e *Exit
	var transport *url.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	case apierrors.IsNotFound(err):
		return NotThere
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return NotAllowed
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return Conflict
	case errors.As(err, &transport) && strings.HasPrefix(transport.URL, "https:"), apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return Away
	default:
		return 1
	}
}
