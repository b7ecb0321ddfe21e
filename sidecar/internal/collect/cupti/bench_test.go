package cupti

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
)

// BenchmarkRingToTimeline reads launches and their kernels from a ring and builds
// the timeline: the whole way of a record on this side. One iteration is one record.
func BenchmarkRingToTimeline(b *testing.B) {
	const perBatch = 1 << 16
	r := smallRing(b, ringCapacity)
	names := make([][]byte, 0, 32)
	for id := range uint32(32) {
		name := append(record(recordName, id+1, 16), "void at::native::vectorized_elementwise_kernel<4>"[:16]...)
		name[2] = byte(len(name))
		names = append(names, name)
	}
	launch := record(recordAPI, 1, 0, 0, 0, 0)
	op := kernel(0, 0, 0, 0)
	var t *timeline.Timeline
	done := 0
	for b.Loop() {
		// Filling the ring is the producer's work.
		b.StopTimer()
		if err := r.reset(); err != nil {
			b.Fatal(err)
		}
		now := uint64(clock.Monotonic())
		r.write(record(recordClock, 0, now, now, 50))
		r.write(names...)
		for i := range uint64(perBatch) {
			at := now + i*100
			put(launch, 8, at, at+50, 4242)
			put(op, 8, at+60, at+160, 0)
			setU32(op, 4, uint32(i%32)+1)
			setU32(launch, 28, uint32(i+1))
			setU32(op, 32, uint32(i+1))
			r.write(launch, op)
		}
		b.StartTimer()
		builder := timeline.NewBuilder()
		d := newDecoder(1, builder)
		d.tick(int64(now))
		if err := r.drain(d.record); err != nil {
			b.Fatal(err)
		}
		t = builder.Build(timeline.Interval{Start: int64(now), End: int64(now) + perBatch*100 + 1000})
		done += 2 * perBatch
	}
	if o := &t.Devices[0].Ops; o.Len() != perBatch || o.Call[perBatch-1] != perBatch-1 {
		b.Fatalf("%d operations", o.Len())
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "records/s")
}

func put(r []byte, at int, words ...uint64) {
	for _, w := range words {
		setU32(r, at, uint32(w))
		setU32(r, at+4, uint32(w>>32))
		at += 8
	}
}

func setU32(r []byte, at int, v uint32) {
	r[at], r[at+1], r[at+2], r[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}
