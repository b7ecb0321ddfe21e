package coverage_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const us = int64(1_000)

// loop is a cell that launches small kernels on line 2, copies and waits on line 3
// and sleeps on line 4, for a second; a launch takes cost more while it is captured.
type loop struct {
	rng                    *rand.Rand
	period, kernel, cost   int64
	perCopy, perSleep      int
	sleep, first, each, of int64 // the windows: first ns, then the last each ns of every of
	numbered               bool
	// warmUp is how long the first launch takes.
	warmUp int64
	// drift is by what the kernels' time has grown at the end.
	drift float64
}

func newLoop(seed uint64) *loop {
	rng := rand.New(rand.NewPCG(seed, 11))
	period, kernel := 7*us+rng.Int64N(9*us), 2*us+rng.Int64N(2*us)
	if seed%3 == 0 { // the device is behind, captured or not
		kernel = period + 3*us + rng.Int64N(5*us)
	}
	return &loop{rng: rng, period: period, kernel: kernel, cost: us + rng.Int64N(us), perCopy: 20 + rng.IntN(300),
		perSleep: 300 + rng.IntN(3000), sleep: 100*us + rng.Int64N(1500*us), first: 60_000 * us, each: 10_000 * us, of: 80_000 * us,
		numbered: seed%4 != 0, warmUp: rng.Int64N(30_000 * us), drift: rng.Float64() / 2}
}

const wall = 1_000_000 * us

// run gives the cell as it was, and as the windows saw it.
func (l *loop) run() (whole, seen *timeline.Timeline) {
	type builder struct {
		*timeline.Builder
		main *timeline.ThreadBuilder
	}
	var both [2]builder
	for i := range both {
		b := timeline.NewBuilder()
		b.SetRung(timeline.RungEBPF)
		main := b.Thread(1, 1)
		main.SetMain()
		main.SetKnown(timeline.Interval{Start: 0, End: wall})
		main.SetSamplePeriod(100 * us)
		both[i] = builder{b, main}
	}
	lib := both[0].Name("/env/torch/lib/libtorch.so")
	both[1].Name("/env/torch/lib/libtorch.so")
	id, at := uint32(0), int64(0)
	free := int64(0) // when the device has done all
	// Windows open and close between two calls, which takes time; before it is closed the device is waited for.
	list := []timeline.Window{{End: l.first}}
	open, nextOpen := true, l.of-l.each
	flushed := false // CUPTI took its time, once in each window
	var missed int64
	held := func(until int64) {
		for _, b := range both {
			b.AddOverhead(timeline.Interval{Start: at + 80, End: until + 90}) // the clocks differ a little
		}
		at = until
	}
	captured := func() bool {
		switch last := &list[len(list)-1]; {
		case open && at >= last.End:
			last.End, open = at, false
			held(max(at, free) + 300*us)
		case !open && at >= nextOpen:
			held(at + 900*us)
			w := timeline.Window{Start: at, End: at + l.each, Missed: -1}
			if l.numbered {
				w.Missed = missed
			}
			list, open, missed = append(list, w), true, 0
			nextOpen += l.of
			flushed = false
		case open && !flushed && at > last.Start+2000*us:
			held(at + 150*us)
			flushed = true
		}
		return open
	}
	line := func(n int32) {
		for _, b := range both {
			b.main.AppendLine(at, n, n, false)
		}
	}
	op := func(class timeline.CallClass, name string, took int64, o timeline.Op) {
		yes := captured()
		if yes {
			took += l.cost
			list[len(list)-1].Launches++
		} else if o.Kind == timeline.OpKernel {
			missed++
		}
		id++
		o.Start = max(at+took+2*us, free+us)
		o.End += o.Start
		o.Correlation = id
		free = o.End
		if o.Start > at+took+2_000*us { // the queue is full
			took = o.Start - at - 2_000*us
		}
		for i, b := range both {
			if i == 0 || yes {
				b.Calls().Append(at, at+took, b.main.ID(), class, b.Name(name), id)
				o.Name = b.Name("add")
				b.Device(0).Append(o)
			}
		}
		at += took
	}
	sampleAt := int64(0)
	for n := 0; at < wall; n++ {
		line(2)
		took := l.period / 2
		if n == 0 {
			took += l.warmUp
		}
		grown := 1 + l.drift*float64(at)/float64(wall)
		op(timeline.CallLaunch, "cudaLaunchKernel", took, timeline.Op{Kind: timeline.OpKernel, Stream: 7,
			End: int64(grown * float64(l.kernel) * (0.7 + 0.6*l.rng.Float64()))})
		at += l.period / 2
		if n%l.perCopy == 0 {
			line(3)
			op(timeline.CallCopy, "cudaMemcpyAsync", 4*us, timeline.Op{Kind: timeline.OpMemcpy, Stream: 7, End: 10*us + l.rng.Int64N(10*us),
				Bytes: 1 << 10, Copy: timeline.CopyDtoH, Source: timeline.MemoryDevice, Target: timeline.MemoryPinned})
			end := max(free, at) + us
			if open {
				both[1].Calls().Append(at, end, both[1].main.ID(), timeline.CallSync, both[1].Name("cudaStreamSynchronize"), 0)
			}
			both[0].Calls().Append(at, end, both[0].main.ID(), timeline.CallSync, both[0].Name("cudaStreamSynchronize"), 0)
			at = end
		}
		if n%l.perSleep == 0 {
			line(4)
			end := at + l.sleep
			for _, b := range both {
				b.main.AppendOffCPU(at, end, end, timeline.ReasonSleep, -1, 0, 0)
			}
			at = end
		}
		for ; sampleAt < at; sampleAt += 100 * us {
			for _, b := range both {
				b.main.AppendSample(sampleAt, timeline.SampleNative, -1, 0, lib)
			}
		}
	}
	for _, w := range list {
		both[1].AddWindow(w)
	}
	cell := timeline.Interval{Start: 0, End: wall}
	return both[0].Build(cell), both[1].Build(cell)
}

// quantity is one number of a result, with its interval.
type quantity struct {
	value  int64
	within result.Range
}

// quantities are those of a result that are estimated, by name.
func quantities(r *result.Result) map[string]quantity {
	d := &r.Devices[0]
	var in result.Coverage
	if d.Coverage != nil {
		in = *d.Coverage
	}
	out := map[string]quantity{"kernels": {d.Kernels, in.Kernels}, "kernel time": {d.KernelSumNs, in.KernelSumNs}, "copies": {d.Memcpys, in.Memcpys},
		"busy": {d.BusyNs, in.BusyNs}, "idle": {d.CellIdleNs, in.CellIdleNs}, "top kernel": {d.TopKernels[0].Ns, d.TopKernels[0].NsRange}}
	for _, c := range r.Idle.Causes {
		if c.Share >= 0.02 {
			out["idle: "+string(c.Kind)+" "+string(rune('0'+c.Line.Number))] = quantity{c.Ns, c.Range}
		}
	}
	for _, l := range r.Host.Lines {
		name := "line " + string(rune('0'+l.Line.Number))
		out[name+" launches"] = quantity{l.Launches, l.LaunchesRange}
		out[name+" GPU time"] = quantity{l.GPUNs, l.GPURange}
		if l.IdleCausedNs*100 > wall {
			out[name+" idle"] = quantity{l.IdleCausedNs, l.IdleCausedRange}
		}
	}
	return out
}

func idleOf(r *result.Result, kind result.CauseKind) (ns int64) {
	for _, c := range r.Idle.Causes {
		if c.Kind == kind {
			ns += c.Ns
		}
	}
	return ns
}

// What windows make of a cell is, for most quantities of most cells, the truth within
// the interval, and on average not beside it; and the verdict is that of the whole cell.
func TestWindowsAgainstTheWholeCell(t *testing.T) {
	type score struct {
		n, inside   int
		error, half float64 // of the truth, summed
	}
	scores := map[string]*score{}
	all, verdicts := score{}, 0
	const cells = 36
	for seed := range uint64(cells) {
		whole, seen := newLoop(seed).run()
		if err := seen.Check(); err != nil {
			t.Fatal(err)
		}
		truth, guess := analysis.Analyze(whole, analysis.Input{}), analysis.Analyze(seen, analysis.Input{})
		c := guess.Devices[0].Coverage
		if c == nil || math.Abs(c.Share-0.18) > 0.01 || c.Windows != 13 {
			t.Fatalf("coverage %+v", c)
		}
		if truth.Verdict.Leaning == guess.Verdict.Leaning {
			verdicts++
		}
		// All of it was seen, but for what a device that is behind did while the capture was switched on.
		if a, b := idleOf(truth, result.CauseProfiler), idleOf(guess, result.CauseProfiler); b > a || seed%3 != 0 && b < a/100*97 {
			t.Errorf("seed %d: InferScope held the GPU up for %d ns, want %d", seed, b, a)
		}
		want := quantities(truth)
		for name, got := range quantities(guess) {
			w, ok := want[name]
			if !ok || w.value == 0 {
				continue
			}
			s := scores[name]
			if s == nil {
				s = &score{}
				scores[name] = s
			}
			for _, s := range []*score{s, &all} {
				s.n++
				// What is rare may have been seen nowhere, and then nothing tells how it varies.
				if rare := w.value / 200; got.within.Low <= w.value+rare && w.value-rare <= got.within.High {
					s.inside++
				}
				s.error += float64(got.value-w.value) / float64(w.value)
				s.half += float64(got.within.High-got.within.Low) / 2 / float64(w.value)
			}
			if got.value < got.within.Low || got.value > got.within.High {
				t.Errorf("seed %d, %s: %d is outside of its own interval %+v", seed, name, got.value, got.within)
			}
		}
	}
	for name, s := range scores {
		n := float64(s.n)
		t.Logf("%-24s %3d of %3d inside, %+.1f %% on average, ± %.1f %%", name, s.inside, s.n, 100*s.error/n, 100*s.half/n)
		if s.n >= 20 && (float64(s.inside) < 0.8*n || math.Abs(s.error) > max(0.02*n, s.half/4)) {
			t.Errorf("%s: %d of %d inside, %+.1f %% on average, ± %.1f %%", name, s.inside, s.n, 100*s.error/n, 100*s.half/n)
		}
	}
	if float64(all.inside) < 0.95*float64(all.n) || verdicts < cells {
		t.Errorf("%d of %d inside, %d of %d verdicts the same", all.inside, all.n, verdicts, cells)
	}
}

// Where the last window ends with the cell, and the driver's numbers are known, the
// kernels are counted, not estimated.
func TestNumberedKernelsAreCounted(t *testing.T) {
	for seed := range uint64(8) {
		l := newLoop(4*seed + 1)
		l.of, l.each = wall/10, 12_000*us // the last one is open when the cell ends
		whole, seen := l.run()
		truth, d := analysis.Analyze(whole, analysis.Input{}).Devices[0], analysis.Analyze(seen, analysis.Input{}).Devices[0]
		if want := (result.Range{Low: truth.Kernels, High: truth.Kernels}); d.Kernels != truth.Kernels || d.Coverage.Kernels != want {
			t.Errorf("seed %d: %d kernels in %+v, want %d", seed, d.Kernels, d.Coverage.Kernels, truth.Kernels)
		}
	}
}

// A capture with one window around everything is a whole one.
func TestOneWindowAroundEverything(t *testing.T) {
	for seed := range uint64(300) {
		a, b := analysis.Analyze(chaos.Devices(seed), analysis.Input{Arch: "amd64"}), analysis.Analyze(chaos.Whole(seed), analysis.Input{Arch: "amd64"})
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d: a window around everything changes the answer", seed)
		}
	}
}

// Whatever the events and the windows: causes, lines, shares and parts sum as they do
// without windows, no estimate is outside of its interval, and the answer is one.
func TestSumsOfWindows(t *testing.T) {
	used := 0
	for seed := range uint64(1200) {
		tl := chaos.Windows(seed)
		if err := tl.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		plan := coverage.Of(tl)
		list := devices.Sum(tl, plan)
		a := attribution.Host(tl, attribution.Options{Arch: "amd64"})
		a.Devices(list, plan)
		if a.GPU == nil || plan.Whole() {
			continue
		}
		used++
		g := a.GPU
		within := func(what string, n int64, r result.Range) {
			if n < r.Low || n > r.High || n < 0 || r.Low < 0 {
				t.Fatalf("seed %d: %s is %d in %+v", seed, what, n, r)
			}
		}
		var causes, lines, shares, blocks int64
		for i, c := range g.Idle.Causes {
			causes += c.Ns
			if c.Line.Number > 0 {
				lines += c.Ns
			}
			if c.Ns <= 0 || i > 0 && c.Ns > g.Idle.Causes[i-1].Ns {
				t.Fatalf("seed %d: causes %+v", seed, g.Idle.Causes)
			}
			within(string(c.Kind), c.Ns, c.Range)
		}
		var launches, copies int64
		for _, l := range a.Host.Lines {
			lines -= l.IdleCausedNs
			launches, copies = launches+l.Launches, copies+l.Copies
			within("a line's launches", l.Launches, l.LaunchesRange)
			within("a line's copies", l.Copies, l.CopiesRange)
			within("a line's GPU time", l.GPUNs, l.GPURange)
			within("a line's idle time", l.IdleCausedNs, l.IdleCausedRange)
		}
		for _, b := range g.Blocks {
			for k, ns := range b {
				blocks += ns
				if ns < 0 {
					t.Fatalf("seed %d: blocks %v, %d", seed, b, k)
				}
			}
		}
		for _, ns := range g.Shares {
			shares += ns
		}
		wall := tl.Extent.Ns()
		if causes != g.Idle.TotalNs || lines != 0 || shares != wall || blocks != wall || launches > g.Launches || copies > g.Copies {
			t.Fatalf("seed %d: idle %d, causes %d, lines differ by %d; wall %d, shares %d, blocks %d; launches %d of %d, copies %d of %d",
				seed, g.Idle.TotalNs, causes, lines, wall, shares, blocks, launches, g.Launches, copies, g.Copies)
		}
		for i := range list {
			d := &list[i]
			if d.BusyNs+d.CellIdleNs != wall || d.ComputeNs+d.ExposedCommNs+d.ExposedMemcpyNs > d.BusyNs || d.CommNs < d.ExposedCommNs || d.MemcpyNs < d.ExposedMemcpyNs {
				t.Fatalf("seed %d: wall %d, device %+v", seed, wall, d)
			}
			if d.Index == g.Index && d.CellIdleNs != g.Idle.TotalNs {
				t.Fatalf("seed %d: idle %d, causes of %d", seed, d.CellIdleNs, g.Idle.TotalNs)
			}
			c := d.Coverage
			within("kernels", d.Kernels, c.Kernels)
			within("copies", d.Memcpys, c.Memcpys)
			within("sets", d.Memsets, c.Memsets)
			within("kernel time", d.KernelSumNs, c.KernelSumNs)
			within("busy", d.BusyNs, c.BusyNs)
			within("idle", d.CellIdleNs, c.CellIdleNs)
			var kernels, copied int64
			for _, k := range d.TopKernels { // no timeline has ten
				kernels += k.Count
				within("a kernel's launches", k.Count, k.CountRange)
				within("a kernel's time", k.Ns, k.NsRange)
			}
			for _, x := range d.Copies {
				copied += x.Count
				within("a copy's time", x.Ns, x.NsRange)
			}
			if kernels != d.Kernels || copied != d.Memcpys {
				t.Fatalf("seed %d: %d of %d kernels, %d of %d copies", seed, kernels, d.Kernels, copied, d.Memcpys)
			}
		}
		again := attribution.Host(tl, attribution.Options{Arch: "amd64"})
		plan = coverage.Of(tl)
		again.Devices(devices.Sum(tl, plan), plan)
		if !reflect.DeepEqual(a.GPU, again.GPU) || !reflect.DeepEqual(a.Host, again.Host) {
			t.Fatalf("seed %d: two answers to one question", seed)
		}
	}
	if used < 500 {
		t.Errorf("only %d timelines had a device and windows", used)
	}
}
