// Package burnin tests the parts of a machine under load: processors, memory, disks; and measures how fast disks read.
//
// It owns what a sound part does (results of calculations that are the same on every processor, patterns that memory and disks give back) and how a part that does not is named: the processor's
// number, the physical address, the byte on the disk. It refuses decisions, the network (the agent's, which has the connection) and the choice of disks: which may be written is for its caller to say.
//
// The shape is one function a test, each giving a step.TestResult: a part that fails its test is a result and no error. An error means that the test could not be done.
//
// Invariants: every test ends soon after its context does, with an error; memory that was tested is given back; Disk writes only with step.DiskWrite.
package burnin

import (
	"fmt"
	"strings"
)

// maxNamed bounds the faults that a result names; all are counted.
const maxNamed = 8

// faults collects what was found wrong with a part.
type faults struct {
	count int64
	named []string
}

func (f *faults) add(format string, args ...any) {
	f.count++
	if len(f.named) < maxNamed {
		f.named = append(f.named, fmt.Sprintf(format, args...))
	}
}

func (f *faults) String() string {
	text := strings.Join(f.named, "; ")
	if more := f.count - int64(len(f.named)); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// mix is SplitMix64 (Steele, Lea, Flood 2014): every number gives another, and no two give the same.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
