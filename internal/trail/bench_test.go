package trail_test

import (
	"testing"

	"github.com/ingotmetal/ingot/audit"
)

// BenchmarkAppend is what an entry costs: sealing, chaining and the write; with NeedDurable the flush as well, which is mostly waiting.
func BenchmarkAppend(b *testing.B) {
	for _, need := range []audit.Need{audit.NeedWritten, audit.NeedDurable} {
		b.Run(string(need), func(b *testing.B) {
			tr := open(b, options(b.TempDir()))
			defer closed(b, tr)
			r := entry("bench")
			for b.Loop() {
				if err := tr.Append(r, need); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
