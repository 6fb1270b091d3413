package protocol

import "github.com/ingotmetal/ingot/step"

// PathTraffic followed by the boot's ID is data to measure the network by: GET with the query parameter bytes, answered with so many bytes that mean nothing.
const PathTraffic = "/v1/agent/traffic/"

// MaxTrafficBytes is the most that one request may ask for.
const MaxTrafficBytes = 64 << 20

// BurnIn tests parts of the machine.
type BurnIn struct {
	Plan step.BurnInPlan `json:"plan"`
	// Owns and Erasure are as in ChooseDisk: disks that are not the machine's own are not tested, and one that is kept is read where others are written.
	Owns    []step.Outside `json:"owns,omitempty"`
	Erasure *step.Erasure  `json:"erasure,omitempty"`
}

// Inspect says what an inspection looks at beside what every one does.
type Inspect struct {
	// Benchmark: how fast each disk reads is measured. Owns is as in ChooseDisk.
	Benchmark bool           `json:"benchmark,omitempty"`
	Owns      []step.Outside `json:"owns,omitempty"`
}
