package agentapi

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"time"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/pki"
)

// The kinds of error of the contracts below, asked with errors.Is. Every other error is answered with 500.
var (
	// ErrUnknown: there is no such boot or host. An agent that shows a certificate for an unknown boot is told that it is superseded, so it must not be said
	// before the objects have been read.
	ErrUnknown = errors.New("unknown")
	// ErrNotReady: it cannot be said yet, for example because the objects are still being read. The caller asks again.
	ErrNotReady = errors.New("not ready")
	// ErrConflict: the object changed since it was read. It is read and judged again.
	ErrConflict = errors.New("changed meanwhile")
)

// Window is what an enrolment is judged by: BootWindow, or what is left of it.
type Window struct {
	BootID string
	// Version is the object's resource version; Redeem fails with ErrConflict when it is no longer the current one.
	Version string
	// TokenHash is the SHA-256 of the token, hex. KeyHash is the SHA-256 of the redeeming key's SubjectPublicKeyInfo, hex, empty before.
	TokenHash, KeyHash string
	// OpensAt and ClosesAt bound the first redemption. The key that redeemed a window may do so again for as long as the window exists: an answer may have been
	// lost, and a certificate may have run out while the partition role was away.
	OpensAt, ClosesAt time.Time
	// MACAddresses: the agent must name at least one of them, lower case; empty: any machine. To be given for network boots, where the address is what was answered.
	MACAddresses []string
	// TPM is what is asked of the machine's TPM at the first redemption; the zero value asks for nothing.
	TPM attest.Demand
}

// Windows are the boot windows of this partition.
type Windows interface {
	// Window reads the window of a boot: ErrUnknown, ErrNotReady.
	Window(ctx context.Context, bootID string) (Window, error)
	// Redeem records that the window's token was traded, for what and when. It must be durable when it returns nil: ErrConflict, ErrUnknown, ErrNotReady.
	Redeem(ctx context.Context, w Window, e Enrolment) error
	// Refused records that somebody with the window's token was not let in for what its TPM showed. The same reason may come many times, and need be kept once: ErrConflict,
	// ErrUnknown, ErrNotReady.
	Refused(ctx context.Context, w Window, r Refusal) error
}

// Refusal is an agent that was not let in.
type Refusal struct {
	At     time.Time
	Reason string
	// EndorsementKey is the fingerprint that it showed, empty for none.
	EndorsementKey string
}

// Enrolment is what a token was traded for.
type Enrolment struct {
	// KeyHash is as in Window. SystemUUID is what the agent calls its machine, at most protocol.MaxUUIDBytes; it may be empty, and it is the agent's word.
	KeyHash, SystemUUID string
	At                  time.Time
	// TPM is what was proved of the machine's TPM, nil for nothing.
	TPM *attest.Evidence
}

// Boots are the boots of agents that were let in.
type Boots interface {
	// Report takes what the agent of a boot is at; the request's sequence was checked. Called for every exchange, so the same may come many times: ErrUnknown,
	// ErrNotReady.
	Report(ctx context.Context, bootID string, at protocol.ExchangeRequest) error
	// Wanted says what is wanted of the agent of a boot now: ErrUnknown, ErrNotReady.
	Wanted(ctx context.Context, bootID string) (Wanted, error)
}

// Wanted is what an agent should do.
type Wanted struct {
	// Superseded: the boot is over.
	Superseded bool
	// Step is nil for none.
	Step *protocol.Step
	// Changed is closed when all this may have changed; nil: never.
	Changed <-chan struct{}
}

// Logs keep the agents' log lines.
type Logs interface {
	// Append takes lines of a boot; see protocol.LogRequest for First. It does not fail the agent: what cannot be kept is dropped there.
	Append(ctx context.Context, bootID string, first int64, lines []protocol.LogLine)
}

// FirstBoots are the reports that provisioned systems owe.
type FirstBoots interface {
	// FirstBootTokenHash is the SHA-256 of the token in the host's config drive, hex: ErrUnknown when the host owes no report, ErrNotReady.
	FirstBootTokenHash(ctx context.Context, namespace, name string) (string, error)
	// SaveFirstBoot keeps a report. A report that is there already is kept as it is. It must be durable when it returns nil: ErrUnknown, ErrConflict when
	// tokenHash is no longer the host's, ErrNotReady.
	SaveFirstBoot(ctx context.Context, namespace, name, tokenHash string, r FirstBoot, at time.Time) error
}

// FirstBoot is what a provisioned system says of itself.
type FirstBoot struct {
	InstanceID, Hostname, FQDN, Kernel string
	// HostKeys are the system's SSH host keys in authorized_keys form, by algorithm ("ed25519").
	HostKeys map[string]string
}

// Authority signs the agents' certificates and knows its own. Implementation: pki.CA, one per partition.
type Authority interface {
	Sign(public crypto.PublicKey, p pki.Profile, now time.Time) ([]byte, error)
	Pool() *x509.CertPool
}
