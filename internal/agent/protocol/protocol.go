// Package protocol is what the agent and the partition role say to each other: HTTPS requests with JSON bodies, always from the agent.
//
//	POST /v1/agent/enroll    token + certificate request -> short-lived client certificate   (the only request without a client certificate);
//	                         a machine with a TPM is answered with a challenge first, and proves on a second request that it is that TPM's
//	POST /v1/agent/exchange  what I am at -> what you want next (long poll)
//	POST /v1/agent/log       lines of the agent's log
//	GET  /v1/agent/traffic/{boot}  bytes to measure the network by
//	POST /v1/first-boot/{host namespace}/{host name}/{token}  the provisioned system's own report (form as cloud-init's phone_home sends it)
//
// It owns the bodies and their bounds. It refuses transport and decisions. The exchange carries state, not events: each one says all that the agent is at, and
// each answer says the one step that is wanted now, so that either side may die and the next exchange puts things right. A step is
// named by its ID; an agent never runs an ID twice, and answers a repeated ID with the outcome that it remembers.
//
// Invariants: bodies are at most MaxBodyBytes; an answer with Superseded ends the agent's work at once; credentials in a step (config drive, registry) are
// only ever sent over a connection with a client certificate for that boot.
package protocol

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// The paths.
const (
	PathEnroll    = "/v1/agent/enroll"
	PathExchange  = "/v1/agent/exchange"
	PathLog       = "/v1/agent/log"
	PathFirstBoot = "/v1/first-boot/"
	// PathIdentity ends the path of a first-boot report where a Firewall's machine trades the token for its identity.
	PathIdentity = "/identity"
)

// The bounds. MaxBodyBytes holds for every body but an answer with a step, which holds a config drive: three Secrets of at most 1 MiB each, in an
// ISO 9660 image, in base64. The agent decodes it in memory on a machine of 512 MiB.
const (
	MaxBodyBytes = 4 << 20
	MaxStepBytes = 16 << 20
	// MaxConfigDriveBytes leaves room for base64 and the rest of the step.
	MaxConfigDriveBytes = 11 << 20
	// MaxUUIDBytes bounds what a machine calls its UUID.
	MaxUUIDBytes = 64
	// MaxLogLines is how many lines one log request may hold.
	MaxLogLines = 500
	// MaxWait is how long an exchange is held at most.
	MaxWait = time.Minute
)

// EnrollRequest trades the boot token for a certificate.
type EnrollRequest struct {
	BootID string `json:"bootID"`
	Token  string `json:"token"`
	// CSR is a DER certificate request with a P-256 key; its subject is ignored.
	CSR []byte `json:"csr"`
	// MACAddresses of all NICs, lower case.
	MACAddresses []string `json:"macAddresses"`
	// SystemUUID is the machine's (SMBIOS type 1), lower case; empty where it has none. At most MaxUUIDBytes.
	SystemUUID   string `json:"systemUUID,omitempty"`
	AgentVersion string `json:"agentVersion"`
	// TPM is what the machine's TPM shows, nil where it has none. TPMTrouble is why it has one and shows nothing; at most MaxTPMTroubleBytes.
	TPM        *TPMIdentity `json:"tpm,omitempty"`
	TPMTrouble string       `json:"tpmTrouble,omitempty"`
	// TPMProof answers the challenge of the answer before; everything else is as in the request that it answered.
	TPMProof *TPMProof `json:"tpmProof,omitempty"`
}

// EnrollResponse holds the certificate chain in DER, leaf first; or a challenge and no certificate.
type EnrollResponse struct {
	// TPMChallenge asks for a proof of the TPM that the request showed: the same request is sent again, with TPMProof.
	TPMChallenge *TPMChallenge `json:"tpmChallenge,omitempty"`

	CertificateDER [][]byte  `json:"certificateDER"`
	NotAfter       time.Time `json:"notAfter"`
}

// ExchangeRequest is all that the agent is at.
type ExchangeRequest struct {
	BootID string `json:"bootID"`
	// Sequence grows with every request of a boot, so that a request which was overtaken on the way is told from the newest. 0: not known.
	Sequence int64 `json:"sequence,omitempty"`
	// Wait is how long the answer may be held when nothing new is wanted; at most MaxWait.
	Wait time.Duration `json:"wait,omitempty"`
	// StepID and Phase: idle with "", or running or finished with the step's ID.
	StepID  string        `json:"stepID,omitempty"`
	Phase   step.Phase    `json:"phase"`
	Outcome *step.Outcome `json:"outcome,omitempty"`
	// Progress of the running step.
	Progress *step.Progress `json:"progress,omitempty"`
	// CSR renews the certificate when set.
	CSR []byte `json:"csr,omitempty"`
}

// ExchangeResponse is what is wanted now.
type ExchangeResponse struct {
	// Superseded: this boot is over. Stop at once and turn the machine off.
	Superseded bool `json:"superseded,omitempty"`
	// Step is the wanted step, nil for none. The running or finished one may be repeated.
	Step *Step `json:"step,omitempty"`
	// Certificate answers a CSR.
	Certificate *EnrollResponse `json:"certificate,omitempty"`
	// ReportEvery is how often a running step's progress is wanted.
	ReportEvery time.Duration `json:"reportEvery,omitempty"`
}

// LogRequest ships lines of the agent's log. The answer is 204.
type LogRequest struct {
	BootID string `json:"bootID"`
	// First is the sequence number of the first line; the first line of a boot is 1. A gap means that the agent had to drop lines; a repeated number
	// means that an answer was lost.
	First int64     `json:"first"`
	Lines []LogLine `json:"lines"`
}

// LogLine is one line.
type LogLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// Error is the body of every answer that is not 2xx. Code is for programs.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The error codes.
const (
	// CodeRefused (403): the token, certificate or boot is not good, and asking again will not make it so.
	CodeRefused = "refused"
	// CodeInvalid (400, 413): the request cannot be read.
	CodeInvalid = "invalid"
	// CodeBusy (429, 503): ask again later.
	CodeBusy = "busy"
	// CodeInternal (500): the server's fault; ask again later.
	CodeInternal = "internal"
)

// Step is one thing to do. Exactly one of the fields after Kind is set, by Kind; step.PowerOff has none, and step.Inspect needs none.
type Step struct {
	ID   string    `json:"id"`
	Kind step.Kind `json:"kind"`
	// Deadline is when the step is given up.
	Deadline time.Time `json:"deadline"`

	ChooseDisk *ChooseDisk `json:"chooseDisk,omitempty"`
	Clean      *Clean      `json:"clean,omitempty"`
	WriteImage *WriteImage `json:"writeImage,omitempty"`
	LoadSystem *LoadSystem `json:"loadSystem,omitempty"`

	ConfigureRAID *ConfigureRAID `json:"configureRAID,omitempty"`
	BurnIn        *BurnIn        `json:"burnIn,omitempty"`
	Inspect       *Inspect       `json:"inspect,omitempty"`
}

// LoadSystem makes the system on a disk ready to be started without the firmware.
type LoadSystem struct {
	// Claim is the disk that the image was written to.
	Claim step.Disk `json:"claim"`
}

// ChooseDisk finds the disk that the hints mean.
type ChooseDisk struct {
	Hints *rootdevice.Hints `json:"hints,omitempty"`
	// MinSizeBytes is the image's size where it is known.
	MinSizeBytes int64 `json:"minSizeBytes,omitempty"`
	// Erasure is the host's policy, nil for none: a disk that it keeps is chosen only by its number.
	Erasure *step.Erasure `json:"erasure,omitempty"`
	// Owns are the kinds of disks outside of the machine that the host says are its own.
	Owns []step.Outside `json:"owns,omitempty"`
	// Arrays are the UUIDs of the host's own software RAID arrays. They are disks to choose from; the first is the one without hints.
	Arrays []string `json:"arrays,omitempty"`
}

// What Clean.Method says. An agent that does not know MethodPolicy refuses the step, where it would have left data.
const (
	MethodMetadata = "metadata"
	MethodPolicy   = "policy"
)

// Clean wipes every disk of the machine's own.
type Clean struct {
	// Method is MethodMetadata, or MethodPolicy: then Erasure is set.
	Method string `json:"method"`
	// Erasure is the policy of the host; nil with MethodMetadata.
	Erasure *step.Erasure `json:"erasure,omitempty"`
	// Owns is as in ChooseDisk.
	Owns []step.Outside `json:"owns,omitempty"`
}

// WriteImage writes an image and a config drive.
type WriteImage struct {
	// Claim is the only disk that may be written; the agent checks its identity again right before the first byte.
	Claim step.Disk         `json:"claim"`
	Hints *rootdevice.Hints `json:"hints,omitempty"`
	// Owns and Erasure are as in ChooseDisk.
	Owns    []step.Outside `json:"owns,omitempty"`
	Erasure *step.Erasure  `json:"erasure,omitempty"`
	// Arrays is as in ChooseDisk.
	Arrays []string `json:"arrays,omitempty"`
	Image  Image    `json:"image"`
	// Layout: the image is a root file system, to be brought into partitions made by it; Image.Format is FormatTarball or FormatFilesystem then. Nil: the image is a disk, or with FormatFilesystem the layout is the standard one.
	Layout *filesystem.Layout `json:"layout,omitempty"`
	// UEFI is how the machine will boot the layout, Seed what its identifiers are made of.
	UEFI bool   `json:"uefi,omitempty"`
	Seed string `json:"seed,omitempty"`
	// ConfigDrive is an ISO 9660 image with label config-2, empty for none.
	ConfigDrive []byte `json:"configDrive,omitempty"`
}

// ConfigureRAID makes software RAID of disks that are proved clean.
type ConfigureRAID struct {
	Volumes []raid.Volume `json:"volumes"`
	// Host tells the host's arrays from all others: their UUIDs are made of it.
	Host string `json:"host"`
	// Owns and Erasure are as in ChooseDisk: kept disks are not touched.
	Owns    []step.Outside `json:"owns,omitempty"`
	Erasure *step.Erasure  `json:"erasure,omitempty"`
}

// FormatTarball is the format of an image that goes with a layout. An agent that knows no layouts refuses the format.
const FormatTarball = "tarball"

// FormatFilesystem is the format of a partition image, one file system that becomes a layout's root, raw or qcow2 as its content says. With "+raw" or "+qcow2" behind it the content has to be that. An agent that
// knows no partition images refuses the format.
const FormatFilesystem = "filesystem"

// Image is what to write.
type Image struct {
	URL string `json:"url"`
	// Format is raw, qcow2, FormatTarball or one of FormatFilesystem; compression is told by the content.
	Format string `json:"format,omitempty"`
	// Checksum is hex, or the URL of a sums file; ChecksumType sha256, sha512, md5 or auto. With an oci:// URL it may be empty.
	Checksum     string `json:"checksum"`
	ChecksumType string `json:"checksumType,omitempty"`
	// CAPEM verifies an https image server; empty: the system's roots and the boot medium's CA.
	CAPEM []byte `json:"caPEM,omitempty"`
	// Login is for the registry of an oci:// URL; nil: anonymous.
	Login *Login `json:"login,omitempty"`
}

// Filesystem says whether an image is a partition image, and what its content has to be then; empty for either of raw and qcow2.
func (i Image) Filesystem() (content string, is bool) {
	kind, content, _ := strings.Cut(i.Format, "+")
	return content, kind == FormatFilesystem
}

// Login is a user name and a password or access token. It prints as ***.
type Login struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Format implements fmt.Formatter, for all verbs.
func (Login) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "***") // a fmt.State takes everything
}

// LogValue implements slog.LogValuer.
func (Login) LogValue() slog.Value { return slog.StringValue("***") }
