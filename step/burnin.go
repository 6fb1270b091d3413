package step

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// BurnIn tests parts of the machine under load, as its BurnInPlan says.
const BurnIn Kind = "burn-in"

// DiskTest is how disks are tested.
type DiskTest string

// The tests of disks.
const (
	// DiskSample reads places all over each disk, the first and the last among them.
	DiskSample DiskTest = "sample"
	// DiskRead reads every block of each disk.
	DiskRead DiskTest = "read"
	// DiskWrite writes a pattern to every block of each disk and reads it back. What was on the disk is lost.
	DiskWrite DiskTest = "write"
)

// DiskTests is the closed list.
func DiskTests() []DiskTest { return []DiskTest{DiskSample, DiskRead, DiskWrite} }

// The bounds of a plan. A week is more than makers of machines test for.
const (
	maxCPUTime     = 7 * 24 * time.Hour
	maxPasses      = 100
	maxNetworkTime = 10 * time.Minute
	maxMbps        = 1_000_000
)

// BurnInPlan is which tests a machine's owner asks for. The zero value asks for none.
type BurnInPlan struct {
	// CPUSeconds is how long all processors calculate at the same time; 0: not tested.
	CPUSeconds int64 `json:"cpuSeconds,omitempty"`
	// MemoryPasses is how often the free memory is gone through with all patterns; 0: not tested.
	MemoryPasses int `json:"memoryPasses,omitempty"`
	// Disk is how each disk is tested, empty: not.
	Disk DiskTest `json:"disk,omitempty"`
	// NetworkSeconds is how long data is fetched from the partition role; 0: not. With MinMbps, less is a failure.
	NetworkSeconds int64 `json:"networkSeconds,omitempty"`
	MinMbps        int64 `json:"minMbps,omitempty"`
	// LLDP: on each link that is up a neighbour must say who it is.
	LLDP bool `json:"lldp,omitempty"`
}

// Empty says whether nothing is to be tested.
func (p BurnInPlan) Empty() bool { return p == BurnInPlan{} }

// Writes says whether what is on the disks is lost by it.
func (p BurnInPlan) Writes() bool { return p.Disk == DiskWrite }

// String is the plan in its one canonical form, which ParseBurnIn reads; empty for none.
func (p BurnInPlan) String() string {
	var words []string
	if p.CPUSeconds > 0 {
		words = append(words, "cpu="+(time.Duration(p.CPUSeconds)*time.Second).String())
	}
	if p.MemoryPasses > 0 {
		words = append(words, fmt.Sprintf("memory=%dpass", p.MemoryPasses))
	}
	if p.Disk != "" {
		words = append(words, "disk="+string(p.Disk))
	}
	if p.NetworkSeconds > 0 {
		w := "network=" + (time.Duration(p.NetworkSeconds) * time.Second).String()
		if p.MinMbps > 0 {
			w += fmt.Sprintf("@%dMbps", p.MinMbps)
		}
		words = append(words, w)
	}
	if p.LLDP {
		words = append(words, "lldp=required")
	}
	return strings.Join(words, ",")
}

// ParseBurnIn reads "cpu=10m,memory=1pass,disk=sample,network=10s@900Mbps,lldp=required". Every word may be left out and none may come twice. Empty: nothing is asked for.
func ParseBurnIn(text string) (BurnInPlan, error) {
	var p BurnInPlan
	if strings.TrimSpace(text) == "" {
		return p, nil
	}
	seen := map[string]bool{}
	for word := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(word)), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if seen[name] {
			return BurnInPlan{}, fmt.Errorf("%q is asked for twice", name)
		}
		seen[name] = true
		if err := p.set(name, value); err != nil {
			return BurnInPlan{}, fmt.Errorf("%q: %w", strings.TrimSpace(word), err)
		}
	}
	return p, nil
}

func (p *BurnInPlan) set(name, value string) (err error) {
	switch name {
	case "cpu":
		p.CPUSeconds, err = seconds(value, maxCPUTime)
	case "memory":
		digits := strings.TrimSuffix(strings.TrimSuffix(value, "es"), "pass")
		n, bad := strconv.Atoi(digits)
		if bad != nil || n < 1 || n > maxPasses {
			return fmt.Errorf("want a number of passes from 1 to %d, for example memory=1pass", maxPasses)
		}
		p.MemoryPasses = n
	case "disk":
		for _, t := range DiskTests() {
			if value == string(t) {
				p.Disk = t
				return nil
			}
		}
		return fmt.Errorf("want one of %v", DiskTests())
	case "network":
		return p.setNetwork(value)
	case "lldp":
		if value != "required" {
			return fmt.Errorf("want lldp=required")
		}
		p.LLDP = true
	default:
		return fmt.Errorf("there is no such test; there are cpu=TIME, memory=PASSES, disk=%s|%s|%s, network=TIME[@RATE] and lldp=required", DiskSample, DiskRead, DiskWrite)
	}
	return err
}

func (p *BurnInPlan) setNetwork(value string) (err error) {
	length, rate, limited := strings.Cut(value, "@")
	if p.NetworkSeconds, err = seconds(length, maxNetworkTime); err != nil || !limited {
		return err
	}
	n, bad := strconv.ParseInt(strings.TrimSuffix(rate, "mbps"), 10, 64)
	if bad != nil || n < 1 || n > maxMbps || !strings.HasSuffix(rate, "mbps") {
		return fmt.Errorf("want a rate in megabits per second from 1 to %d, for example network=10s@900Mbps", maxMbps)
	}
	p.MinMbps = n
	return nil
}

func seconds(text string, most time.Duration) (int64, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > most || d%time.Second != 0 {
		return 0, fmt.Errorf("want whole seconds from 1s to %s, for example 10m", most)
	}
	return int64(d / time.Second), nil
}

// TestOutcome is what one test came to.
type TestOutcome string

// The outcomes of a test.
const (
	TestPassed TestOutcome = "passed"
	TestFailed TestOutcome = "failed"
	// TestSkipped: it could not be done to this part, and Message says why; it is no failure of the part.
	TestSkipped TestOutcome = "skipped"
)

// What a TestResult.Test says.
const (
	TestCPU     = "cpu"
	TestMemory  = "memory"
	TestDisk    = "disk"
	TestNetwork = "network"
	TestLink    = "link"
)

// TestResult is one test of one part of the machine.
type TestResult struct {
	// Test is one of the Test words, Subject the part: "16 processors", "/dev/sda", "eth0".
	Test    string      `json:"test"`
	Subject string      `json:"subject,omitempty"`
	Serial  string      `json:"serial,omitempty"`
	Result  TestOutcome `json:"result"`
	// StartedAt and FinishedAt are the agent's time.
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	// Bytes is how much was read, written or tested in all; BytesPerSecond how fast.
	Bytes          int64 `json:"bytes,omitempty"`
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// SlowestMicroseconds is the longest that one read of a disk took.
	SlowestMicroseconds int64 `json:"slowestMicroseconds,omitempty"`
	// MaxCelsius is the highest temperature that a sensor showed meanwhile, 0 where none shows any; Throttled how often a processor slowed down for heat.
	MaxCelsius int   `json:"maxCelsius,omitempty"`
	Throttled  int64 `json:"throttled,omitempty"`
	// Errors counts what was found wrong, which Message names; Fix is what to do.
	Errors  int64  `json:"errors,omitempty"`
	Message string `json:"message,omitempty"`
	Fix     string `json:"fix,omitempty"`
}

// DiskBenchmark is how fast a disk reads. Nothing is written to measure it.
type DiskBenchmark struct {
	// SequentialBytes were read from the disk's beginning on, in pieces of 1 MiB.
	SequentialBytes          int64 `json:"sequentialBytes"`
	SequentialBytesPerSecond int64 `json:"sequentialBytesPerSecond"`
	// RandomReads is how many reads of 4 KiB were made all over the disk, one at a time. Half of them took MedianMicroseconds at most, all but one in a hundred SlowMicroseconds.
	RandomReads          int64 `json:"randomReads"`
	RandomReadsPerSecond int64 `json:"randomReadsPerSecond"`
	MedianMicroseconds   int64 `json:"medianMicroseconds"`
	SlowMicroseconds     int64 `json:"slowMicroseconds"`
}
