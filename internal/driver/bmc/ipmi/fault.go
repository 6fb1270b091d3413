package ipmi

import (
	"context"
	"errors"
	"net"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// wrap gives an error its kind; nil stays nil.
func (s *session) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &bmc.Error{Op: op, Address: s.addr.String(), Err: err, Kind: step.Unreachable, Fix: "check the address, that IPMI over LAN is enabled on the BMC, and that UDP port 623 gets through"}
	if known, ok := errors.AsType[*fault](err); ok {
		e.Kind, e.Fix = known.kind, known.fix
		return e
	}
	status, isStatus := errors.AsType[*types.RmcpStatusError](err)
	answer, isAnswer := errors.AsType[*types.ResponseError](err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Fix = step.Timeout, ""
	case errors.Is(err, errClosed):
		e.Kind, e.Fix = step.Internal, ""
	case errors.Is(err, client.ErrRAKPAuthentication):
		e.Kind, e.Fix = step.Denied, "correct the user and password in the host's BMC Secret"
	case isStatus:
		e.Kind, e.Fix = statusKind(status.StatusCode())
	case isAnswer:
		e.Kind, e.Fix = answerKind(answer.CompletionCode())
	}
	return e
}

// statusKind sorts the status codes of a login (IPMI 2.0 table 13-15).
func statusKind(code types.RmcpStatusCode) (step.FailureKind, string) {
	switch code {
	case types.RmcpStatusCodeUnauthorizedName, types.RmcpStatusCodeInvalidIntegrityCheckValue, types.RmcpStatusCodeInvalidNameLength, types.RmcpStatusCodeUnauthorizedGUID:
		return step.Denied, "correct the user and password in the host's BMC Secret"
	case types.RmcpStatusCodeUnauthorizedRoleOfPriLevel, types.RmcpStatusCodeInvalidRole:
		return step.Denied, "give the user the administrator privilege on the BMC's LAN channel"
	case types.RmcpStatusCodeNoResToCreateSess, types.RmcpStatusCodeNoResToCreateSessAtRole:
		return step.Busy, "close other sessions of the BMC, or wait for their end"
	case types.RmcpStatusCodeNoCipherSuiteMatch, types.RmcpStatusCodeInvalidAuthAlg, types.RmcpStatusCodeInvalidIntegrityAlg, types.RmcpStatusCodeInvalidConfidentAlg,
		types.RmcpStatusCodeNoMatchingAuthPayload, types.RmcpStatusCodeNoMatchingIntegrityPayload:
		return step.Unsupported, "enable cipher suite 17 or 3 on the BMC's LAN channel"
	default:
		return step.Unreachable, ""
	}
}

// answerKind sorts the completion codes of a command (IPMI 2.0 table 5-2).
func answerKind(code types.CompletionCode) (step.FailureKind, string) {
	const (
		nodeBusy, invalidCommand, timeout, outOfSpace             = 0xc0, 0xc1, 0xc3, 0xc4
		initializing, updating, insufficientPrivilege, wrongState = 0xd2, 0xd1, 0xd4, 0xd5
		parameterUnsupported                                      = 0x80
	)
	switch uint8(code) {
	case nodeBusy, timeout, outOfSpace, initializing, updating, wrongState:
		return step.Busy, ""
	case invalidCommand, parameterUnsupported:
		return step.Unsupported, "update the BMC's firmware, or use its Redfish address if it has one"
	case insufficientPrivilege:
		return step.Denied, "give the user the administrator privilege on the BMC's LAN channel"
	default:
		return step.Internal, ""
	}
}

// answered says whether the BMC gave an answer, be it a refusal: the login is good then.
func answered(err error) bool {
	if _, network := errors.AsType[net.Error](err); network {
		return false
	}
	_, isAnswer := errors.AsType[*types.ResponseError](err)
	_, isFault := errors.AsType[*fault](err)
	return isAnswer || isFault
}

// fault is an error of ours whose kind is known.
type fault struct {
	kind step.FailureKind
	text string
	fix  string
}

func (f *fault) Error() string { return f.text }
