package bmc

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingotmetal/ingot/step"
)

// Error is a call to a BMC that did not do what it was asked to. Every error of a Driver or of a Session's parts is one.
type Error struct {
	// Op is what was tried, in words: "insert virtual medium".
	Op string
	// Address is the BMC's address as the host has it; never with credentials. Empty for what did not reach a BMC.
	Address string
	Kind    step.FailureKind
	// Err is the cause: what the BMC or the network said.
	Err error
	// Fix says what a person can do; may be empty.
	Fix string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Address == "" {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s at BMC %s: %v", e.Op, e.Address, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Failure is the error as a value for the decisions.
func (e *Error) Failure() *step.Failure {
	return &step.Failure{Kind: e.Kind, Message: e.Error(), Fix: e.Fix}
}

// FailureOf turns any error of this package's contracts into a failure value; nil for nil. An error that is no *Error counts as our own fault,
// unless the caller's context ended.
func FailureOf(err error) *step.Failure {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Failure()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &step.Failure{Kind: step.Timeout, Message: err.Error()}
	}
	return &step.Failure{Kind: step.Internal, Message: err.Error()}
}

// KindOf is the kind of an error of this package's contracts; empty for nil.
func KindOf(err error) step.FailureKind {
	if f := FailureOf(err); f != nil {
		return f.Kind
	}
	return ""
}
