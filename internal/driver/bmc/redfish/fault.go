package redfish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stmcginnis/gofish/common"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/pin"
	"github.com/ingotmetal/ingot/step"
)

// fault is a failed call inside this package: what bmc.Error needs, and what the fallbacks look at.
type fault struct {
	kind step.FailureKind
	err  error
	fix  string
	// status is the HTTP status, 0 without an answer. messages are the MessageIds of the error's body without their registry:
	// "ActionParameterNotSupported".
	status   int
	messages []string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(kind step.FailureKind, format string, args ...any) *fault {
	return &fault{kind: kind, err: fmt.Errorf(format, args...)}
}

func (f *fault) withFix(fix string) *fault { f.fix = fix; return f }

// gaveUp is the fault of a caller whose context ended: the reason that was given for its end, where it is one of ours.
func gaveUp(ctx context.Context) *fault {
	cause := context.Cause(ctx)
	if f, ok := errors.AsType[*fault](cause); ok {
		return f
	}
	return faultf(step.Timeout, "gave up waiting: %w", cause)
}

// wrap makes the contract's error.
func wrap(op, address string, err error) error {
	if err == nil {
		return nil
	}
	e := &bmc.Error{Op: op, Address: address, Kind: step.Internal, Err: err}
	if f, ok := errors.AsType[*fault](err); ok {
		e.Kind, e.Fix = f.kind, f.fix
	}
	return e
}

// wrap makes the contract's error. Whatever a BMC repeated of our credentials is taken out.
func (c *client) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	secrets := []string{c.password.Reveal(), c.session.token.Reveal()}
	c.mu.Unlock()
	if said := err.Error(); hide(said, secrets) != said {
		f := faultf(step.Internal, "%s", hide(said, secrets))
		if was, ok := errors.AsType[*fault](err); ok {
			f.kind, f.fix = was.kind, was.fix
		}
		err = f
	}
	return wrap(op, c.addr.String(), err)
}

// statusOf is the HTTP status of a fault; 0 where there was no answer.
func statusOf(err error) int {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.status
	}
	return 0
}

// said tells whether the BMC's error had one of the message ids.
func said(err error, ids ...string) bool {
	f, ok := errors.AsType[*fault](err)
	return ok && slices.ContainsFunc(f.messages, func(m string) bool { return slices.Contains(ids, m) })
}

// transportFault tells apart why there was no answer at all.
func transportFault(ctx context.Context, method, url string, err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if ctx.Err() != nil {
		return gaveUp(ctx)
	}
	err = innermost(err)
	certFix := "give the BMC a certificate that the site's CA signed for this name, or set spec.bmc.disableCertificateVerification"
	certErr, isCert := errors.AsType[*tls.CertificateVerificationError](err)
	if isCert && len(certErr.UnverifiedCertificates) > 0 {
		certFix += ", or, if it is the BMC's own, pin what it shows: kubectl annotate bmh NAME " + ingot.BMCCertificateAnnotation + "=" + pin.Of(certErr.UnverifiedCertificates[0].Raw).String()
	}
	_, isName := errors.AsType[x509.HostnameError](err)
	switch {
	case isName:
		return faultf(step.Invalid, "%s %s: the BMC's certificate is for another name: %w", method, url, err).withFix(certFix)
	case isCert:
		return faultf(step.Invalid, "%s %s: the BMC's certificate is not trusted: %w", method, url, certErr.Err).withFix(certFix)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return faultf(step.Invalid, "%s %s: the other side speaks plain HTTP: %w", method, url, err).
			withFix("use the BMC's HTTPS port, or, if it must be, a scheme with +http")
	case errors.Is(err, context.DeadlineExceeded):
		return faultf(step.Unreachable, "%s %s: no complete answer within the time for one call", method, url)
	}
	return faultf(step.Unreachable, "%s %s: %w", method, url, err)
}

// innermost drops net/http's own wrapping, which repeats method and URL.
func innermost(err error) error {
	type urlError interface {
		error
		Unwrap() error
		Temporary() bool
	}
	if u, ok := errors.AsType[urlError](err); ok && strings.Contains(err.Error(), "http") && u.Unwrap() != nil {
		return u.Unwrap()
	}
	return err
}

// The MessageIds (DMTF Base registry, DSP8011, and vendors' namesakes) that decide a fault's kind, stronger than the status.
func busyMessages() []string {
	return []string{
		"ResourceInUse", "ResourceInStandby", "ServiceTemporarilyUnavailable", "ServiceInUnknownState", "ServiceShuttingDown", "CreateLimitReachedForResource",
		"SessionLimitExceeded", "EventSubscriptionLimitExceeded", "ResourceExhaustion", "OperationTimeout", "ConditionInRelatedResource",
	}
}

func deniedMessages() []string {
	return []string{
		"InsufficientPrivilege", "AccessDenied", "NoValidSession", "ResourceAtUriUnauthorized", "PasswordChangeRequired", "AuthenticationTokenRequired", "UnauthorizedLoginAttempt",
	}
}

func unsupportedMessages() []string {
	return []string{
		"ActionNotSupported", "ActionParameterNotSupported", "ActionParameterUnknown", "ActionParameterValueNotInList", "PropertyUnknown", "PropertyNotWritable",
		"PropertyValueNotInList", "OperationNotAllowed", "QueryNotSupported", "QueryNotSupportedOnResource", "LicenseRequired", "LicenseKeyIsMissing", "ResourceMissingAtURI",
	}
}

// hide takes secrets out of a BMC's words. Shorter ones than four bytes are no secrets, and would take out half of the words.
func hide(words string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			words = strings.ReplaceAll(words, s, "***")
		}
	}
	return words
}

// maxSaid bounds how much of a BMC's own words an error repeats.
const maxSaid = 400

// statusFault reads a refusal. mask are texts that must not be repeated.
func statusFault(method, url string, status int, body []byte, mask []string) *fault {
	text, ids := saidBy(body)
	text = hide(text, mask)
	answer := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if text != "" {
		answer += ": " + clip(text, maxSaid)
	}
	f := faultf(kindOf(status, ids), "%s %s: %s", method, url, answer)
	f.status, f.messages = status, ids
	if f.kind == step.Denied {
		f.fix = "check user name and password in the host's BMC Secret, and the account's privileges"
		if slices.Contains(ids, "PasswordChangeRequired") {
			f.fix = "the BMC wants the account's password changed first"
		}
	}
	return f
}

func kindOf(status int, ids []string) step.FailureKind {
	has := func(list []string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(list, id) })
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden || has(deniedMessages()):
		return step.Denied
	case has(busyMessages()):
		return step.Busy
	case has(unsupportedMessages()):
		return step.Unsupported
	}
	switch status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusConflict, http.StatusLocked, http.StatusPreconditionFailed:
		return step.Busy
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusGone:
		return step.Unsupported
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return step.Unreachable
	}
	return step.Internal
}

// saidBy gives the words and the message ids of an error body (DSP0266 §8.6); empty for what is none.
func saidBy(body []byte) (string, []string) {
	var doc struct {
		Error struct {
			Code    text
			Message text
			Infos   extendedInfos `json:"@Message.ExtendedInfo"`
		}
		Infos extendedInfos `json:"@Message.ExtendedInfo"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return "", nil
	}
	var words, ids []string
	for _, info := range append(doc.Error.Infos, doc.Infos...) {
		if info.Message != "" && !slices.Contains(words, info.Message) {
			words = append(words, info.Message)
		}
		if id := info.MessageID[strings.LastIndexByte(info.MessageID, '.')+1:]; id != "" {
			ids = append(ids, id)
		}
	}
	code := string(doc.Error.Code)
	if id := code[strings.LastIndexByte(code, '.')+1:]; id != "" && id != "GeneralError" {
		ids = append(ids, id)
	}
	if len(words) == 0 && doc.Error.Message != "" {
		words = append(words, string(doc.Error.Message))
	}
	if len(words) == 0 && len(ids) > 0 {
		words = ids
	}
	return strings.Join(words, "; "), ids
}

// extendedInfos reads gofish's message objects, one by one, so that a wrong one does not hide the others.
type extendedInfos []common.ErrExtendedInfo

// UnmarshalJSON takes a list or, as some BMCs write it, a single object.
func (e *extendedInfos) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		list = []json.RawMessage{b}
	}
	for _, raw := range list {
		var view struct{ MessageID, Message, Resolution text }
		if json.Unmarshal(raw, &view) == nil {
			*e = append(*e, common.ErrExtendedInfo{MessageID: string(view.MessageID), Message: string(view.Message), Resolution: string(view.Resolution)})
		}
	}
	return nil
}

// clip makes foreign text fit for one line of an error.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
