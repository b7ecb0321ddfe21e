package findings

import (
	"math/rand/v2"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// What is not covered is what no kernel of any device covers, however the kernels and the questions overlap.
func TestCover(t *testing.T) {
	const end = 2_000
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 6))
		b := timeline.NewBuilder()
		var busy [end]bool
		for range r.IntN(200) {
			op := timeline.Op{Start: r.Int64N(end), Kind: timeline.OpKind(r.IntN(2))}
			op.End = min(op.Start+r.Int64N(1+r.Int64N(100)), end)
			b.Device(int32(r.IntN(2))).Append(op)
			for at := op.Start; at < op.End && op.Kind == timeline.OpKernel; at++ {
				busy[at] = true
			}
		}
		c := kernelCover(b.Build(timeline.Interval{Start: 0, End: end}))
		for start := int64(0); start < end; start += r.Int64N(60) {
			to := min(start+r.Int64N(200), end)
			want := int64(0)
			for at := start; at < to; at++ {
				if !busy[at] {
					want++
				}
			}
			if got := c.free(start, to); got != want {
				t.Fatalf("seed %d: %d of [%d, %d) are free, want %d", seed, got, start, to, want)
			}
		}
	}
}
