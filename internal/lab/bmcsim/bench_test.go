package bmcsim_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/secret"
)

// BenchmarkThousandBMCs starts a thousand BMCs in one process and reports what one costs, listener and goroutine included.
func BenchmarkThousandBMCs(b *testing.B) {
	for b.Loop() {
		server, err := bmcsim.New(bmcsim.Options{})
		must(b, err)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		const n = 1000
		for i := range n {
			m := machinetest.New(machinetest.Hardware(uuid))
			_, err := server.Add(bmcsim.Config{Name: fmt.Sprintf("node-%d", i), Machine: m, Username: "admin", Password: secret.New("secret")})
			must(b, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/n, "bytes/BMC")
		must(b, server.Close())
	}
}

// BenchmarkGetSystem is the call that a controller makes most.
func BenchmarkGetSystem(b *testing.B) {
	r := newRig(b, bmcsim.Options{}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if status, _ := r.do(b, http.MethodGet, "/redfish/v1/Systems/1", nil); status != http.StatusOK {
			b.Fatal(status)
		}
	}
}
