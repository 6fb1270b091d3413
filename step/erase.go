package step

import (
	"fmt"
	"slices"
	"strings"
)

// Method is what cleaning does to one disk. A policy names one or several, in the order in which they are tried.
type Method string

// The methods.
const (
	// EraseMetadata takes away what tells an operating system that there is something: partition tables, file systems, RAID and LVM labels. Data between them stays.
	EraseMetadata Method = "metadata"
	// EraseDiscard tells the disk that no block is needed any more, and proves on samples that what was there is not read any more.
	EraseDiscard Method = "discard"
	// EraseOverwrite writes zeros to every block once.
	EraseOverwrite Method = "overwrite"
	// EraseSecurely has the disk's own firmware erase it: NVMe Sanitize or Format, ATA Security Erase Unit.
	EraseSecurely Method = "secure-erase"
)

// Methods is the closed list.
func Methods() []Method { return []Method{EraseMetadata, EraseDiscard, EraseOverwrite, EraseSecurely} }

// What was done exactly, in Wipe.Method.
const (
	DidMetadata           = "metadata"
	DidDiscardAndMetadata = "discard+metadata"
	DidDiscard            = "discard"
	DidOverwrite          = "overwrite"
	DidNVMeSanitize       = "nvme-sanitize"
	DidNVMeFormat         = "nvme-format"
	DidATASecure          = "ata-secure-erase"
	DidATAEnhanced        = "ata-enhanced-secure-erase"
	// DidKeep: nothing was done, since the policy keeps the disk.
	DidKeep = "keep"
)

// MethodOf is the method that something which was done is of; empty for what is not known and for a disk that was kept.
func MethodOf(did string) Method {
	switch did {
	case DidMetadata, DidDiscardAndMetadata:
		return EraseMetadata
	case DidDiscard:
		return EraseDiscard
	case DidOverwrite:
		return EraseOverwrite
	case DidNVMeSanitize, DidNVMeFormat, DidATASecure, DidATAEnhanced:
		return EraseSecurely
	}
	return ""
}

// Erasure is what the owner of a host asks of its cleaning. The zero value asks for metadata on every disk.
type Erasure struct {
	// Methods are tried in this order until one is proved to have worked; empty: metadata.
	Methods []Method `json:"methods,omitempty"`
	// Disks are the disks with rules of their own.
	Disks []DiskRule `json:"disks,omitempty"`
}

// DiskRule is what is asked for one disk. Exactly one of SerialNumber and WWN is set.
type DiskRule struct {
	SerialNumber string `json:"serialNumber,omitempty"`
	WWN          string `json:"wwn,omitempty"`
	// Keep leaves the disk as it is. Methods are empty then.
	Keep    bool     `json:"keep,omitempty"`
	Methods []Method `json:"methods,omitempty"`
}

// Plain says whether nothing but metadata on every disk is asked for.
func (e Erasure) Plain() bool {
	return len(e.Disks) == 0 && (len(e.Methods) == 0 || len(e.Methods) == 1 && e.Methods[0] == EraseMetadata)
}

// For is the rule for a disk: how to erase it, or, where keep is not empty, why it is kept. If several rules speak of one disk, one that keeps it is stronger, since what
// is erased does not come back; else the first is taken.
func (e Erasure) For(d Disk) (methods []Method, keep string) {
	for _, r := range e.Disks {
		switch {
		case !r.means(d):
		case r.Keep:
			return nil, "the policy of its host keeps it (" + r.name() + ")"
		case methods == nil:
			methods = r.Methods
		}
	}
	switch {
	case len(methods) > 0:
		return methods, ""
	case len(e.Methods) > 0:
		return e.Methods, ""
	}
	return []Method{EraseMetadata}, ""
}

// Keeps says whether a disk is kept.
func (e Erasure) Keeps(d Disk) bool {
	_, keep := e.For(d)
	return keep != ""
}

// Proves says why a piece of evidence does not show what was asked for its disk; empty where it does.
func (e Erasure) Proves(w Wipe) string {
	methods, keep := e.For(w.Disk)
	switch {
	case keep != "" && w.Kept:
		return ""
	case w.Kept:
		return "it was kept, and should have been erased"
	case keep != "":
		return "it was erased, and should have been kept"
	case !w.Clean && w.Message != "":
		return w.Message
	case !w.Clean:
		return "it is not clean"
	case !slices.Contains(methods, MethodOf(w.Method)):
		return fmt.Sprintf("%q was done to it, while %s is asked for", w.Method, joined(methods))
	}
	return ""
}

// String is the whole policy in one canonical line, as it is kept with a proof; empty for the plain one.
func (e Erasure) String() string {
	if e.Plain() {
		return ""
	}
	methods := e.Methods
	if len(methods) == 0 {
		methods = []Method{EraseMetadata}
	}
	words := []string{joined(methods)}
	for _, r := range e.Disks {
		words = append(words, r.String())
	}
	return strings.Join(words, ";")
}

// Slow says whether the policy may ask for something that takes hours.
func (e Erasure) Slow() bool {
	slow := func(m []Method) bool { return slices.Contains(m, EraseOverwrite) || slices.Contains(m, EraseSecurely) }
	return slow(e.Methods) || slices.ContainsFunc(e.Disks, func(r DiskRule) bool { return slow(r.Methods) })
}

// String is the rule as it is written: "serial:S1=keep".
func (r DiskRule) String() string {
	if r.Keep {
		return r.name() + "=keep"
	}
	return r.name() + "=" + joined(r.Methods)
}

func (r DiskRule) name() string {
	if r.WWN != "" {
		return "wwn:" + r.WWN
	}
	return "serial:" + r.SerialNumber
}

// means compares without case: the same number comes in both from different tools.
func (r DiskRule) means(d Disk) bool {
	if r.WWN != "" {
		return strings.EqualFold(r.WWN, d.WWN) || strings.EqualFold(r.WWN, d.WWNWithExtension)
	}
	return r.SerialNumber != "" && strings.EqualFold(r.SerialNumber, d.SerialNumber)
}

func joined(methods []Method) string {
	words := make([]string, 0, len(methods))
	for _, m := range methods {
		words = append(words, string(m))
	}
	return strings.Join(words, ",")
}
