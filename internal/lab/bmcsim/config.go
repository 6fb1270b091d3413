package bmcsim

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// Options are what all BMCs of one Server share.
type Options struct {
	// Logger may be nil.
	Logger *slog.Logger
	// Dir is where downloaded media are kept, one sub-folder per BMC. Needed where a BMC downloads.
	Dir string
	// MediaClient fetches media, which is the BMC's own network. nil: the kernel's, without a proxy, verifying against MediaRoots where the medium is inserted into a
	// BMC that verifies.
	MediaClient *http.Client
	// MediaRoots verify servers of https media; nil: the system's.
	MediaRoots *x509.CertPool
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
	// PowerDelay is how long the BMC shows PoweringOn and PoweringOff after an order; 0: none.
	PowerDelay time.Duration
	// Faults are the misbehaviours in force from the start.
	Faults Faults
}

// Personality is how makes of BMC differ, as far as a driver notices.
type Personality struct {
	// Name is the personality's own name.
	Name string
	// Vendor, Product and Manufacturer are the strings of service root and ComputerSystem; empty: the generic ones.
	Vendor, Product, Manufacturer string
	// SystemID and ManagerID are the last parts of the paths; empty: "1".
	SystemID, ManagerID string
	// MediaUnderSystem puts VirtualMedia below the ComputerSystem, else below the Manager.
	MediaUnderSystem bool
	// MediaByPatch: no InsertMedia and EjectMedia actions; the Image property is patched.
	MediaByPatch bool
	// InsertByTask answers InsertMedia with 202 and a task.
	InsertByTask bool
	// NoSessions: no SessionService, basic authentication only.
	NoSessions bool
	// NoOnce: boot overrides are Continuous or Disabled only.
	NoOnce bool
	// NoGraceful: no GracefulShutdown and no PushPowerButton among the reset types.
	NoGraceful bool
	// RequireETag answers PATCH without If-Match by 428, and with a stale one by 412.
	RequireETag bool
	// NoConsoleLog: no HostLogger log service.
	NoConsoleLog bool
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
}
