// Package chaos makes timelines without any sense: what must hold of every
// timeline holds of them too.
package chaos

import (
	"math/rand/v2"
	"strconv"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Timeline is a random timeline of the host; the same seed gives the same one.
func Timeline(seed uint64) *timeline.Timeline {
	rng := rand.New(rand.NewPCG(seed, 7))
	b, span := host(rng)
	return b.Build(timeline.Interval{Start: 0, End: span})
}

// Devices is a random timeline with work on devices.
func Devices(seed uint64) *timeline.Timeline { return devices(seed, nil) }

// Whole is Devices with one window of capture around all of it.
func Whole(seed uint64) *timeline.Timeline {
	return devices(seed, func(b *timeline.Builder, span int64) {
		b.AddWindow(timeline.Window{Start: -span, End: 3 * span})
	})
}

// Windows is Devices as if it had been captured in windows; what lies outside of them is there as well.
func Windows(seed uint64) *timeline.Timeline {
	return devices(seed, func(b *timeline.Builder, span int64) {
		rng := rand.New(rand.NewPCG(seed, 9))
		at := rng.Int64N(span/5+1) - span/10
		for range rng.IntN(150) {
			w := timeline.Window{Start: at, End: at + rng.Int64N(span/10+2), Launches: rng.Int64N(100), Missed: rng.Int64N(100) - 20}
			if at = w.End + rng.Int64N(span/10+2); rng.IntN(20) == 0 {
				at -= span / 10 // not in order
			}
			if rng.IntN(10) == 0 {
				at = w.End
			}
			b.AddWindow(w)
		}
	})
}

// devices makes a timeline with work on devices; before it is built, more may be added.
func devices(seed uint64, more func(b *timeline.Builder, span int64)) *timeline.Timeline {
	rng := rand.New(rand.NewPCG(seed, 8))
	b, span := host(rng)
	at := func() int64 { return rng.Int64N(span+span/5+1) - span/10 }
	names := []timeline.NameID{0, b.Name("gemm"), b.Name("ncclDevKernel"), b.Name("cudaStreamWaitEvent"), b.Name("cudaStreamSynchronize")}
	name := func() timeline.NameID { return names[rng.IntN(len(names))] }
	for range rng.IntN(200) {
		start := at()
		b.Calls().Append(start, start+rng.Int64N(span/20+2), timeline.ThreadID(rng.IntN(7)), timeline.CallClass(rng.IntN(int(timeline.NumCallClasses))),
			name(), uint32(rng.IntN(100)))
	}
	for range rng.IntN(3) {
		d := b.Device(int32(rng.IntN(3)))
		for range rng.IntN(200) {
			start := at()
			d.Append(timeline.Op{Start: start, End: start + rng.Int64N(span/30+2), Kind: timeline.OpKind(rng.IntN(int(timeline.NumOpKinds))),
				Stream: uint32(rng.IntN(3)), Name: name(), Bytes: rng.Int64N(1 << 30), Copy: timeline.CopyKind(rng.IntN(12)),
				Source: timeline.MemoryKind(rng.IntN(9)), Target: timeline.MemoryKind(rng.IntN(9)), Graph: uint32(rng.IntN(2)),
				Correlation: uint32(rng.IntN(130))})
		}
	}
	for range rng.IntN(3) {
		start := at()
		b.AddOverhead(timeline.Interval{Start: start, End: start + rng.Int64N(span/20+2)})
	}
	if more != nil {
		more(b, span)
	}
	return b.Build(timeline.Interval{Start: 0, End: span})
}

// host fills a builder with random threads over a random span of time.
func host(rng *rand.Rand) (*timeline.Builder, int64) {
	span := []int64{50, 3_000, 1_000_000, 2_000_000_000}[rng.IntN(4)]
	b := timeline.NewBuilder()
	if rng.IntN(3) > 0 {
		b.SetRung(timeline.RungEBPF)
	}
	stacks := []timeline.StackID{0}
	for range 12 {
		var frames []timeline.FrameID
		for range rng.IntN(5) {
			file := []string{timeline.CellFile, "a.py", "<frozen importlib._bootstrap>", "/lib/selectors.py"}[rng.IntN(4)]
			frames = append(frames, b.Frame(timeline.Frame{Func: b.Name("f" + strconv.Itoa(rng.IntN(4))), File: b.Name(file),
				Line: int32(rng.IntN(9)), Native: rng.IntN(5) == 0}))
		}
		stacks = append(stacks, b.Stack(frames))
	}
	module := b.Name("lib.so")
	at := func() int64 { return rng.Int64N(span+span/5+1) - span/10 }
	for id := range int32(rng.IntN(5) + 1) {
		t := b.Thread(1+id/3, id)
		if id == 0 {
			t.SetMain()
		}
		if rng.IntN(3) == 0 {
			t.SetKnown(timeline.Interval{Start: at(), End: at()})
		}
		t.SetSamplePeriod([]int64{0, 1, span / 50, span}[rng.IntN(4)])
		for range rng.IntN(300) {
			x := at()
			y := x + rng.Int64N(span/20+2)
			z := y + rng.Int64N(span/20+2)
			switch rng.IntN(6) {
			case 0, 1:
				t.AppendOffCPU(x, y, z, timeline.Reason(rng.IntN(int(timeline.NumReasons))), int16(rng.IntN(600)-1), timeline.ThreadID(rng.IntN(6)), stacks[rng.IntN(len(stacks))])
			case 2:
				t.AppendLine(x, int32(rng.IntN(8)), int32(rng.IntN(8)), rng.IntN(4) == 0)
			case 3, 4:
				t.AppendSample(x, timeline.SampleKind(rng.IntN(int(timeline.NumSampleKinds))), int16(rng.IntN(600)-1), stacks[rng.IntN(len(stacks))], module*timeline.NameID(rng.IntN(2)))
			case 5:
				t.AppendGC(x, y, uint8(rng.IntN(4)), int64(rng.IntN(9)))
				t.AppendScope(x, y, module, uint16(rng.IntN(6)))
				t.AppendRange(x, y, module, timeline.RangeKind(rng.IntN(int(timeline.NumRangeKinds)+1)))
				t.AppendMark(x, module, 0)
			}
		}
	}
	return b, span
}
