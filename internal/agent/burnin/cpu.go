package burnin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/step"
)

// Processors is the test of a machine's processors.
type Processors struct {
	// Sys is the machine's root, with sys below it; its sensors are read there.
	Sys fs.FS
	// Calculate does one round and gives its result; nil: Round. Another is for machines whose processors are made to be wrong.
	Calculate func(cpu int) uint64
	// Online are the processors to use; nil: all that the process may run on.
	Online []int
}

// soundRound is what Round gives on a processor that calculates right.
const soundRound = 0xa870ce773b52af7e

// Run has every processor calculate for the time given and compares each result with what a sound processor gives. A machine whose processors slow themselves down for heat fails, too.
func (p Processors) Run(ctx context.Context, length time.Duration, report func(done time.Duration)) (step.TestResult, error) {
	calculate := p.Calculate
	if calculate == nil {
		calculate = func(int) uint64 { return Round() }
	}
	cpus := p.Online
	if cpus == nil {
		cpus = online()
	}
	started := time.Now()
	loaded, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	sensors := watch(loaded, p.Sys, func() { report(min(time.Since(started), length)) })
	var (
		mu      sync.Mutex
		wrong   faults
		rounds  int64
		running sync.WaitGroup
	)
	for _, cpu := range cpus {
		running.Go(func() {
			pin(cpu)
			for {
				got := calculate(cpu)
				mu.Lock()
				rounds++
				if got != soundRound {
					wrong.add("processor %d calculated %#x where a sound one gives %#x", cpu, got, uint64(soundRound))
				}
				mu.Unlock()
				if loaded.Err() != nil {
					return
				}
			}
		})
	}
	running.Wait()
	seen := sensors()
	if err := context.Cause(ctx); err != nil {
		return step.TestResult{}, fmt.Errorf("test the processors: %w", err)
	}
	return p.judge(len(cpus), rounds, &wrong, seen), nil
}

func (p Processors) judge(cpus int, rounds int64, wrong *faults, seen readings) step.TestResult {
	r := step.TestResult{Test: step.TestCPU, Subject: fmt.Sprintf("%d processors", cpus), Result: step.TestPassed, MaxCelsius: seen.maxCelsius, Throttled: seen.throttled, Errors: wrong.count}
	r.Message = fmt.Sprintf("%d rounds, each with the right result", rounds)
	switch {
	case wrong.count > 0:
		r.Result, r.Message = step.TestFailed, wrong.String()
		r.Fix = "replace the processor that is named; if several are, see the board, its voltage and its firmware's version first"
	case seen.throttled > 0:
		r.Result, r.Message = step.TestFailed, fmt.Sprintf("the processors slowed down for heat %d times, at up to %d degrees Celsius; every result was right", seen.throttled, seen.maxCelsius)
		r.Fix = "see the fans, the heat sinks and the temperature of the air that comes in"
	}
	return r
}

// online are the processors that the process may run on.
func online() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return make([]int, runtime.NumCPU()) // where they cannot be told apart, the kernel spreads the load
	}
	var all []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}

// pin binds the goroutine's thread to a processor. The thread ends with the goroutine, since it is never unlocked.
func pin(cpu int) {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	// Where that is not allowed the load is spread by the kernel, and a wrong result names the processor less exactly.
	_ = unix.SchedSetaffinity(0, &set)
}

// Round is one round of calculations: integers, floating point, and the instructions for SHA-256, AES and CRC-32C where the processor has them. It takes some 10 ms and
// gives the same on every sound processor of any architecture.
func Round() uint64 {
	sum := integers(1, 800_000)
	sum = mix(sum ^ floats(400_000))
	return mix(sum ^ digests(sum))
}

// integers multiplies, divides, rotates and counts.
func integers(seed uint64, times int) uint64 {
	x := seed
	for i := range uint64(times) {
		high, low := bits.Mul64(x|1, mix(i))
		x = bits.RotateLeft64(high^low, int(x&63)) + uint64(bits.OnesCount64(low))
		x ^= (low | 1<<63) / (i + 1)
	}
	return x
}

// floats goes through additions, multiplications, divisions and square roots, whose results IEEE 754 fixes to the last bit. The conversions keep a compiler from joining a multiplication
// and an addition into one instruction that rounds once (Go specification, floating-point operators).
func floats(times int) uint64 {
	x, y, sum := 0.5, 1.25, uint64(0)
	for i := range times {
		x = float64(float64(3.9)*x) * float64(1-x)
		y = math.Sqrt(float64(float64(y*y)+x)) / float64(1+float64(x/float64(i+1)))
		sum = bits.RotateLeft64(sum, 7) ^ math.Float64bits(x) ^ math.Float64bits(y)
	}
	return sum
}

// digests runs the processor's instructions for checks and ciphers over one buffer.
func digests(seed uint64) uint64 {
	var key [32]byte
	buffer := make([]byte, 64<<10)
	for i := range len(key) / 8 {
		binary.LittleEndian.PutUint64(key[i*8:], mix(seed+uint64(i)))
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	var sum uint64
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for i := range uint64(8) {
		var counter [aes.BlockSize]byte
		binary.BigEndian.PutUint64(counter[:], i^seed)
		cipher.NewCTR(block, counter[:]).XORKeyStream(buffer, buffer)
		digest := sha256.Sum256(buffer)
		sum = mix(sum ^ binary.LittleEndian.Uint64(digest[:]) ^ uint64(crc32.Checksum(buffer, castagnoli)))
	}
	return sum
}
