package lab

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseSize reads a number of bytes with one of the suffixes MiB, GiB and TiB, or none: "8GiB".
func ParseSize(text string) (int64, error) {
	number, factor := text, int64(1)
	for suffix, f := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if n, ok := strings.CutSuffix(text, suffix); ok {
			number, factor = n, f
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("size %q: want a number of bytes, with MiB, GiB or TiB behind it: 8GiB", text)
	}
	return n * factor, nil
}
