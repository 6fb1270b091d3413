package bmcsim

import (
	"context"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// Options are what all BMCs of one Server share.
type Options struct {
	// Logger may be nil.
	Logger *slog.Logger
	// Dir is where downloaded media are kept, one sub-folder per BMC. Needed where a BMC downloads.
	Dir string
	// CA signs the BMCs' certificate; nil: one is made, for this Server alone. A lab keeps its CA, so that hosts outlive it.
	CA *pki.CA
	// MediaDial opens the connections by which media are fetched: the BMCs' own network. nil: the kernel's.
	MediaDial func(ctx context.Context, network, address string) (net.Conn, error)
	// MediaRoots verify servers of https media, where the drive's VerifyCertificate says so, which it does from the start if MediaRoots are given.
	MediaRoots *x509.CertPool
	// SSHKey, where not nil, gives each BMC an SSH server with this key, which is its machine's serial console.
	SSHKey ssh.Signer
	// ControlPath, where not empty ("/lab/faults"), is an HTTP path on every BMC where a request authenticated like any other reads (GET) and sets (PUT)
	// its Faults as JSON.
	ControlPath string
	// IdleTimeout closes unused connections; 0: 30 s.
	IdleTimeout time.Duration
}

// Fetch is how a BMC gets at an inserted medium.
type Fetch string

// The ways to fetch.
const (
	// Download copies the medium to a file before the insertion counts as done: what QEMU needs.
	Download Fetch = "download"
	// ByRange reads what is asked for by HTTP ranges: cheap enough for a thousand machines, and what most real BMCs do.
	ByRange Fetch = "range"
)

// Config is one BMC.
type Config struct {
	// Name is the machine's name in the lab, in logs and in the Manager's model.
	Name    string
	Machine Machine
	// Attach, if not nil, is called once with the BMC, before it serves.
	Attach func(Firmware)
	// Listen is "127.0.0.1:0" where empty. A fixed port keeps the address over a restart of the lab.
	Listen   string
	Username string
	Password secret.String
	// Personality is how this BMC behaves by make; the zero value is the generic one.
	Personality Personality
	Fetch       Fetch
	// RAID are the RAID controllers of its machine.
	RAID []RAIDController
	// PowerDelay is how long the BMC shows PoweringOn and PoweringOff after an order; 0: none.
	PowerDelay time.Duration
	// Faults are the misbehaviours in force from the start.
	Faults Faults
	// LockAfter is after how many failed logins in a row an account is locked until an administrator unlocks it; 0: never.
	LockAfter int
}

// Faults is how a BMC misbehaves. The zero value is a BMC that does not. All chances are from 0 to 1 and are drawn from Seed.
type Faults struct {
	Seed uint64 `json:"seed,omitempty"`
	// SlowMilliseconds delays every answer.
	SlowMilliseconds int `json:"slowMilliseconds,omitempty"`
	// ErrorChance is how often a request gets a 500.
	ErrorChance float64 `json:"errorChance,omitempty"`
	// BusyChance is how often a request gets a 503 with Retry-After.
	BusyChance float64 `json:"busyChance,omitempty"`
	// HangChance is how often a request gets no answer before its client gives up.
	HangChance float64 `json:"hangChance,omitempty"`
	// DropConnectionChance is how often a connection is cut in the middle of an answer.
	DropConnectionChance float64 `json:"dropConnectionChance,omitempty"`
	// DropSessionChance is how often a request finds its session forgotten.
	DropSessionChance float64 `json:"dropSessionChance,omitempty"`
	// StalePowerReads is for how many reads after a change the power state still shows the old value.
	StalePowerReads int `json:"stalePowerReads,omitempty"`
	// LostPowerChance is how often a reset action is accepted and not done.
	LostPowerChance float64 `json:"lostPowerChance,omitempty"`
	// TaskFailure makes the tasks of InsertMedia fail.
	TaskFailure bool `json:"taskFailure,omitempty"`
	// IgnoreBIOSSettings: what is set is taken and never comes into force.
	IgnoreBIOSSettings bool `json:"ignoreBIOSSettings,omitempty"`
	// CriticalSensor is the name of a sensor that is beyond its critical limit: "CPU1 Temp", "Inlet Temp", "Fan 1", "Fan 2" or "PSU1 Input".
	CriticalSensor string `json:"criticalSensor,omitempty"`
	// UpdateFailure makes updates of firmware fail. IgnoreUpdates: they end well and change nothing. UpdateMilliseconds is how long one takes, BMCRestartMilliseconds how long the BMC is gone after
	// its own.
	UpdateFailure bool `json:"updateFailure,omitempty"`
	// CutPushAt ends the connection of a pushed image after so many bytes.
	CutPushAt              int64 `json:"cutPushAt,omitempty"`
	IgnoreUpdates          bool  `json:"ignoreUpdates,omitempty"`
	UpdateMilliseconds     int   `json:"updateMilliseconds,omitempty"`
	BMCRestartMilliseconds int   `json:"bmcRestartMilliseconds,omitempty"`
	// VolumeFailure is what a RAID controller says of each change of a volume that it then does not do. ForgetVolumes: changes end well and change nothing. VolumeMilliseconds is how long one takes.
	VolumeFailure      string `json:"volumeFailure,omitempty"`
	ForgetVolumes      bool   `json:"forgetVolumes,omitempty"`
	VolumeMilliseconds int    `json:"volumeMilliseconds,omitempty"`
}

// faultSource draws faults. Every request takes the same number of draws, and a reset one more, whichever faults are switched on: a seed and an order of requests
// give the same faults.
type faultSource struct {
	set Faults
	rng *rand.Rand
}

func newFaultSource(f Faults, number uint64) *faultSource {
	return &faultSource{set: f, rng: rand.New(rand.NewPCG(f.Seed, number))}
}

// drawn is what happens to one request.
type drawn struct {
	fail, busy, hang, cut, dropSession bool
}

func (s *faultSource) draw() drawn {
	hit := func(chance float64) bool { return s.rng.Float64() < chance }
	return drawn{
		fail: hit(s.set.ErrorChance), busy: hit(s.set.BusyChance), hang: hit(s.set.HangChance), cut: hit(s.set.DropConnectionChance),
		dropSession: hit(s.set.DropSessionChance),
	}
}

func (s *faultSource) loses() bool { return s.rng.Float64() < s.set.LostPowerChance }
