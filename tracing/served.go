package tracing

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"
)

// The attributes' keys of what a boot server gave. KeyClient is OpenTelemetry's.
const (
	KeyBoot     = "ingot.boot.id"
	KeyFile     = "ingot.boot.file"
	KeyAnswer   = "ingot.boot.answer" // the kind of a DHCP answer, or how a transfer ended
	KeyMAC      = "ingot.boot.mac"
	KeyBytes    = "ingot.boot.bytes"
	KeyRequests = "ingot.boot.requests"
	KeyClient   = "client.address"
)

// Served is what a boot server gave one machine: an answer, a file, or a medium with all reads of it.
type Served struct {
	Below Parent
	// Boot is the boot window's name, Server what gave it, as in the metric ingot_boot_requests_total.
	Boot, Server string
	// File, Answer, MAC and Client are empty where they mean nothing.
	File, Answer, MAC, Client string
	// Bytes were sent, in Requests requests; 0 of either is not told.
	Bytes, Requests int64
	Start, End      time.Time
	Failed          bool
}

// And is two reads of one thing as one.
func (s Served) And(next Served) Served {
	s.Bytes += next.Bytes
	s.Requests += next.Requests
	if next.Start.Before(s.Start) {
		s.Start = next.Start
	}
	if next.End.After(s.End) {
		s.End = next.End
	}
	return s
}

// Span is it below the stage of work that it was given for. Its times are the boot server's own clock's.
func (s Served) Span() Span {
	out := Span{Trace: s.Below.Trace, Parent: s.Below.Span, Name: "boot " + s.Server, Start: s.Start, End: notBefore(s.Start, s.End), Failed: s.Failed}
	if s.Failed {
		out.Message = s.Answer
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%x\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d", s.Below.Span, s.Boot, s.Server, s.File, s.Answer, s.Client, s.Start.UnixNano()))
	copy(out.ID[:], sum[:])
	for _, a := range []Attribute{
		{KeyBoot, s.Boot}, {KeyFile, s.File}, {KeyAnswer, s.Answer}, {KeyMAC, s.MAC}, {KeyClient, s.Client}, {KeyBytes, number(s.Bytes)}, {KeyRequests, number(s.Requests)},
	} {
		if a.Value != "" {
			out.Attributes = append(out.Attributes, a)
		}
	}
	return out
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
