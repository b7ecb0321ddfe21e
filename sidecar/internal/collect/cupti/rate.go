package cupti

import (
	"math"
	"sync/atomic"
)

// rateOver is the shortest stretch over which kernels are counted for a rate, in ns: CUPTI
// hands its records over in buffers, now and then.
const rateOver = 1_000_000_000

// rate is how many kernels a second were recorded of late. One goroutine observes, any may get.
type rate struct {
	since   int64 // CLOCK_MONOTONIC ns
	kernels int64 // before since
	bits    atomic.Uint64
}

// begin is called once, before observe.
func (r *rate) begin(now int64) {
	r.since = now
	r.bits.Store(math.Float64bits(-1))
}

// observe looks at what was decoded up to the decoder's last tick. Where work is captured in
// windows, the last window stands for the rest.
func (r *rate) observe(d *decoder) {
	if n := len(d.windows.list); n > 0 {
		w := d.windows.list[n-1]
		r.bits.Store(math.Float64bits(float64(w.Launches) / float64(w.End-w.Start) * 1e9))
		return
	}
	if elapsed := d.now - r.since; elapsed >= rateOver {
		r.bits.Store(math.Float64bits(float64(d.kernels-r.kernels) / float64(elapsed) * 1e9))
		r.since, r.kernels = d.now, d.kernels
	}
}

// get is the last rate in kernels a second; false before there is one.
func (r *rate) get() (float64, bool) {
	value := math.Float64frombits(r.bits.Load())
	return value, value >= 0
}
