package burnin

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ingotmetal/ingot/step"
)

func noBytes(_, _ int64)     {}
func noTime(_ time.Duration) {}

// TestIntegersByOtherMeans: what every processor is held against is right by calculations that share nothing with it but the definition.
func TestIntegersByOtherMeans(t *testing.T) {
	const times = 2000
	word := new(big.Int).Lsh(big.NewInt(1), 64)
	mod := func(x *big.Int) *big.Int { return x.Mod(x, word) }
	number := func(x uint64) *big.Int { return new(big.Int).SetUint64(x) }
	bigMix := func(n uint64) *big.Int {
		x := mod(new(big.Int).Add(number(n), number(0x9E3779B97F4A7C15)))
		for _, s := range []struct {
			shift uint
			by    uint64
		}{{30, 0xBF58476D1CE4E5B9}, {27, 0x94D049BB133111EB}} {
			x.Xor(x, new(big.Int).Rsh(x, s.shift))
			x = mod(x.Mul(x, number(s.by)))
		}
		return x.Xor(x, new(big.Int).Rsh(x, 31))
	}
	x := number(1)
	for i := range uint64(times) {
		product := new(big.Int).Mul(new(big.Int).Or(x, number(1)), bigMix(i))
		high, low := new(big.Int).Rsh(product, 64), mod(product)
		v, k := new(big.Int).Xor(high, low), uint(new(big.Int).And(x, number(63)).Uint64())
		ones := uint64(0)
		for b := range 64 {
			ones += uint64(low.Bit(b))
		}
		x = mod(new(big.Int).Or(new(big.Int).Lsh(v, k), new(big.Int).Rsh(v, 64-k)))
		x = mod(x.Add(x, number(ones)))
		x.Xor(x, new(big.Int).Div(new(big.Int).SetBit(low, 63, 1), number(i+1)))
	}
	if got := integers(1, times); got != x.Uint64() {
		t.Errorf("integers gives %#x, by other means it is %#x", got, x.Uint64())
	}
}

func TestRealProcessors(t *testing.T) {
	r, err := Processors{}.Run(t.Context(), 300*time.Millisecond, noTime)
	if err != nil || r.Result != step.TestPassed || r.Errors != 0 || r.Subject == "0 processors" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAWrongProcessorIsNamed(t *testing.T) {
	p := Processors{Online: []int{0, 0, 0}, Calculate: func(int) uint64 { return soundRound }}
	if r, err := p.Run(t.Context(), time.Millisecond, noTime); err != nil || r.Result != step.TestPassed {
		t.Fatalf("%+v, %v", r, err)
	}
	p.Calculate = func(cpu int) uint64 { return soundRound + uint64(cpu) }
	p.Online = []int{0, 5}
	r, err := p.Run(t.Context(), time.Millisecond, noTime)
	if err != nil || r.Result != step.TestFailed || r.Errors == 0 || !strings.Contains(r.Message, "processor 5 calculated") || strings.Contains(r.Message, "processor 0") || r.Fix == "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestHeatIsSeen(t *testing.T) {
	count := "7\n"
	sys := fstest.MapFS{
		"sys/class/thermal/thermal_zone0/temp":                                     {Data: []byte("61000\n")},
		"sys/class/hwmon/hwmon3/temp1_input":                                       {Data: []byte("88500\n")},
		"sys/class/hwmon/hwmon3/temp2_input":                                       {Data: []byte("255000\n")},
		"sys/class/hwmon/hwmon3/temp3_input":                                       {Data: []byte("none\n")},
		"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count":         {Data: []byte(count)},
		"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count":         {Data: []byte("0\n")},
		"sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count":      {Data: []byte("99\n")},
		"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_total_time_ms": {Data: []byte("99\n")},
	}
	hot := fstest.MapFS{}
	for k, v := range sys {
		hot[k] = v
	}
	hot["sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"] = &fstest.MapFile{Data: []byte("9\n")}
	if got := hottest(sys); got != 88 {
		t.Errorf("hottest %d", got)
	}
	if got := throttles(hot) - throttles(sys); got != 2 {
		t.Errorf("throttled %d times", got)
	}
	r, err := Processors{Sys: sys, Online: []int{0}, Calculate: func(int) uint64 { return soundRound }}.Run(t.Context(), time.Millisecond, noTime)
	if err != nil || r.MaxCelsius != 88 || r.Result != step.TestPassed || r.Throttled != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	r = Processors{}.judge(1, 5, &faults{}, readings{maxCelsius: 99, throttled: 2})
	if r.Result != step.TestFailed || r.Throttled != 2 || !strings.Contains(r.Message, "99 degrees") || r.Fix == "" {
		t.Errorf("a machine that throttled: %+v", r)
	}
}

// TestRealMemory tests some of this machine's memory.
func TestRealMemory(t *testing.T) {
	const some = 64 << 20
	var last, total int64
	m := Memory{Hold: HoldFree(some), Workers: 1}
	r, err := m.Run(t.Context(), 1, func(d, of int64) { last, total = d, of })
	if err != nil || r.Result != step.TestPassed || r.Bytes != some || r.BytesPerSecond == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if last != total || total != 14*some {
		t.Errorf("progress ended at %d of %d", last, total)
	}
}

func TestAWordsPhysicalAddress(t *testing.T) {
	a, err := hold(t.Context(), partBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Release(); err != nil {
			t.Error(err)
		}
	}()
	// Without the right to see physical addresses the kernel shows none, and the process's own is named.
	one, other := a.Name(0, 3), a.Name(0, 4)
	if !strings.Contains(one, " address 0x") || one == other || !strings.HasSuffix(one, "18") || !strings.HasSuffix(other, "20") {
		t.Errorf("named %q and %q", one, other)
	}
}

// area is memory with words that a test may spoil after each write.
func area(words int, spoil func(w []uint64)) Memory {
	w := make([]uint64, words)
	return Memory{Workers: 1, Hold: func(context.Context) (Area, error) {
		return Area{
			Parts: [][]uint64{w[:words/2], w[words/2:]}, Release: func() error { return nil }, Settle: func() { spoil(w) },
			Name: func(part, word int) string { return "physical address " + string(rune('a'+part*words/2+word)) },
		}, nil
	}}
}

func TestWrongMemoryIsNamed(t *testing.T) {
	for name, spoil := range map[string]func(w []uint64){
		"a bit that is stuck at 1":             func(w []uint64) { w[9] |= 1 << 40 },
		"a bit that is stuck at 0":             func(w []uint64) { w[9] &^= 1 << 3 },
		"a cell that takes over its neighbour": func(w []uint64) { w[9] = w[8] },
		"an address line that is stuck":        func(w []uint64) { w[9] = w[9-8] },
		"a word that forgets":                  func(w []uint64) { w[9] = 0 },
		"a bit that another one makes flip":    func(w []uint64) { w[9] ^= w[8] >> 7 & 1 },
		"a bit that only numbers without a rule": func(w []uint64) {
			if w[1] == mix(1^mix(0)) {
				w[9]++
			}
		},
	} {
		r, err := area(16, spoil).Run(t.Context(), 1, noBytes)
		if err != nil || r.Result != step.TestFailed || r.Errors == 0 || !strings.Contains(r.Message, "physical address j: ") || r.Fix == "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	r, err := area(16, func(w []uint64) { clear(w) }).Run(t.Context(), 2, noBytes)
	if err != nil || r.Errors != 2*(15+5*16) || strings.Count(r.Message, "physical address") != maxNamed || !strings.Contains(r.Message, "more") {
		t.Errorf("memory that forgets everything: %+v, %v", r, err)
	}
}

func TestMemoryControllersCount(t *testing.T) {
	sys := fstest.MapFS{
		"sys/devices/system/edac/mc/mc0/ce_count": {Data: []byte("5\n")},
		"sys/devices/system/edac/mc/mc1/ue_count": {Data: []byte("1\n")},
	}
	m := area(16, func([]uint64) {
		sys["sys/devices/system/edac/mc/mc0/ce_count"] = &fstest.MapFile{Data: []byte("7\n")}
	})
	m.Sys = sys
	r, err := m.Run(t.Context(), 1, noBytes)
	if err != nil || r.Result != step.TestPassed || !strings.Contains(r.Message, "corrected 2 errors") {
		t.Errorf("corrected ones: %+v, %v", r, err)
	}
	m = area(16, func([]uint64) {
		sys["sys/devices/system/edac/mc/mc1/ue_count"] = &fstest.MapFile{Data: []byte("4\n")}
	})
	m.Sys = sys
	if r, err = m.Run(t.Context(), 1, noBytes); err != nil || r.Result != step.TestFailed || r.Errors != 3 {
		t.Errorf("uncorrected ones: %+v, %v", r, err)
	}
}

// TestAnEndIsHeeded: whoever ends a test gets an error and no verdict.
func TestAnEndIsHeeded(t *testing.T) {
	why := errors.New("the host was deleted")
	ctx, cancel := context.WithCancelCause(t.Context())
	released := false
	m := area(16, func([]uint64) { cancel(why) })
	whole := m.Hold
	m.Hold = func(ctx context.Context) (Area, error) {
		a, err := whole(ctx)
		a.Release = func() error { released = true; return nil }
		return a, err
	}
	if r, err := m.Run(ctx, 100, noBytes); !errors.Is(err, why) || r.Result != "" || !released {
		t.Errorf("memory: %+v, %v, released %v", r, err, released)
	}
	if r, err := (Processors{}).Run(ctx, time.Hour, noTime); !errors.Is(err, why) || r.Result != "" {
		t.Errorf("processors: %+v, %v", r, err)
	}
	if _, err := HoldFree(0)(ctx); !errors.Is(err, why) {
		t.Errorf("holding memory: %v", err)
	}
}
