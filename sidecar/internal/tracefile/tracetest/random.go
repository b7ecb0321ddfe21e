package tracetest

import (
	"math/rand/v2"
	"strconv"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// Random is a timeline of few, short and badly arranged rows: intervals overlap, coincide
// and are empty. The same seed gives the same one.
func Random(seed uint64) track.Input {
	r := rand.New(rand.NewPCG(seed, 1))
	b := timeline.NewBuilder()
	length := int64(20 + r.IntN(2000))
	window := timeline.Interval{Start: start, End: start + length}
	interval := func() (int64, int64) {
		from := start + r.Int64N(length)
		return from, from + r.Int64N(length/4)
	}
	var threads []*timeline.ThreadBuilder
	for i := range 1 + r.IntN(4) {
		t := b.Thread(int32(10+i/3), int32(10+i))
		t.SetName("thread " + strconv.Itoa(i))
		if i == 0 {
			t.SetMain()
		}
		t.SetSamplePeriod(7)
		if r.IntN(3) > 0 {
			t.SetKnown(window)
		}
		threads = append(threads, t)
	}
	for _, t := range threads {
		stack := b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("f"), File: b.Name(timeline.CellFile), Line: int32(r.IntN(5))})})
		for range r.IntN(40) {
			top := int32(r.IntN(4))
			line := top
			if r.IntN(2) == 0 {
				line = int32(r.IntN(6))
			}
			t.AppendLine(start+r.Int64N(length), line, top, r.IntN(5) == 0)
			t.AppendSample(start+r.Int64N(length), timeline.SampleKind(r.IntN(int(timeline.NumSampleKinds))), 3, stack, 0)
		}
		for range r.IntN(20) {
			from, to := interval()
			t.AppendScope(from, to, b.Name("scope"), 0)
			from, to = interval()
			t.AppendRange(from, to, b.Name("range"), timeline.RangeKind(r.IntN(int(timeline.NumRangeKinds))))
			from, to = interval()
			t.AppendGC(from, to, 1, 2)
			t.AppendMark(from, b.Name("mark"), 0)
			from, to = interval()
			t.AppendOffCPU(from, (from+to)/2, to, timeline.Reason(r.IntN(int(timeline.NumReasons))), -1, timeline.ThreadID(r.IntN(len(threads))), stack)
		}
	}
	for i := range r.IntN(3) {
		b.Device(int32(i)).Describe("GPU", "", 1<<30)
	}
	for id := range r.IntN(60) {
		from, to := interval()
		b.Calls().Append(from, to, timeline.ThreadID(r.IntN(len(threads)+1)), timeline.CallClass(r.IntN(int(timeline.NumCallClasses))), b.Name("cudaCall"), uint32(id+1))
		for d := range int32(2) {
			for range r.IntN(3) {
				from, to = interval()
				b.Device(d).Append(timeline.Op{Start: from, End: to, Kind: timeline.OpKind(r.IntN(3)), Stream: uint32(r.IntN(3)), Name: b.Name("kernel"),
					Bytes: 5, Correlation: uint32(r.IntN(70))})
			}
		}
	}
	if r.IntN(4) == 0 {
		for at := window.Start; at < window.End; at += length / 5 {
			b.AddWindow(timeline.Window{Start: at, End: at + 1 + r.Int64N(length/5), Launches: 3, Missed: r.Int64N(4) - 1})
		}
	}
	from, to := interval()
	b.AddOverhead(timeline.Interval{Start: from, End: to})
	return track.Input{Timeline: b.Build(window), Arch: "amd64", Cell: result.Cell{Lines: []string{"a", "b", "c", "d", "e"}, Name: "In[1]"}}
}

// Large is a timeline of about n events, most of them launches, kernels and waits.
func Large(n int) track.Input {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungEBPF)
	step := int64(10_000)
	rounds := int64(n / 5)
	window := timeline.Interval{Start: start, End: start + rounds*step + 1}
	t := b.Thread(100, 100)
	t.SetName("MainThread")
	t.SetMain()
	t.SetKnown(window)
	b.Device(0).Describe("NVIDIA H100 80GB HBM3", "", 80<<30)
	var names [64]timeline.NameID
	for i := range names {
		names[i] = b.Name("void at::native::vectorized_elementwise_kernel<4, Functor" + strconv.Itoa(i) + ">(int, float*)")
	}
	launch := b.Name("cudaLaunchKernel")
	stack := b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("f"), File: b.Name("model.py"), Line: 3})})
	for i := range rounds {
		at := start + i*step
		t.AppendLine(at, int32(1+i%3), int32(1+i%3), false)
		t.AppendOffCPU(at+100, at+1000, at+1100, timeline.ReasonGIL, 202, 0, stack)
		t.AppendSample(at+1500, timeline.SamplePython, -1, stack, 0)
		b.Calls().Append(at+2000, at+6000, t.ID(), timeline.CallLaunch, launch, uint32(i+1))
		b.Device(0).Append(timeline.Op{Start: at + 6500, End: at + step, Kind: timeline.OpKernel, Stream: 7, Name: names[i%64], Correlation: uint32(i + 1)})
	}
	return track.Input{Timeline: b.Build(window), Arch: "amd64", Cell: result.Cell{Lines: []string{"for x in xs:", "    y = f(x)", "    z = g(y)"}, Name: "In[1]"}}
}
