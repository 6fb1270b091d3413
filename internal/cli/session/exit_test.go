package session_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

func TestExitCodes(t *testing.T) {
	r := schema.GroupResource{Resource: "hosts"}
	for want, all := range map[int][]error{
		0: {nil},
		1: {errors.New("x"), &url.Error{Op: "Get", URL: "http://ingot-node/drops", Err: errors.New("no socket")}, apierrors.NewBadRequest("x"), &session.Exit{Code: 1}},
		2: {&session.Exit{Code: session.NoAnswer, Err: errors.New("x")}},
		3: {apierrors.NewNotFound(r, "a"), session.Missing(errors.New("x"))},
		4: {apierrors.NewForbidden(r, "a", errors.New("x")), apierrors.NewUnauthorized("x")},
		5: {apierrors.NewConflict(r, "a", errors.New("x")), apierrors.NewAlreadyExists(r, "a")},
		6: {&url.Error{Op: "Get", URL: "https://x", Err: errors.New("refused")}, apierrors.NewServiceUnavailable("x"), apierrors.NewTooManyRequestsError("x"), apierrors.NewTimeoutError("x", 1)},
	} {
		for _, err := range all {
			if err != nil {
				err = fmt.Errorf("do something: %w", err)
			}
			if got := session.ExitCode(err); got != want {
				t.Errorf("ExitCode(%v) = %d, want %d", err, got, want)
			}
		}
	}
	// What a command says counts more than what the API server said.
	if got := session.ExitCode(&session.Exit{Code: 2, Err: apierrors.NewNotFound(r, "a")}); got != 2 {
		t.Errorf("a command's own code is lost: %d", got)
	}
}
