// Package tracetest makes what the tests of importers and exporters write and read: one
// timeline in which everything occurs that a timeline can hold, a hostile one, and random ones.
package tracetest

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

const (
	us = int64(1_000)
	ms = 1_000 * us
	// start is a moment some days after a machine's start, with digits in every place.
	start = 345_678_901_234_567
)

// Case is an input with the name of its files.
type Case struct {
	Name  string
	Input track.Input
}

// Cases lists one of each kind.
func Cases() []Case {
	return []Case{{"everything", Everything()}, {"hostile", Hostile()}, {"empty", Empty()}, {"random", Random(7)}}
}

// Empty is a cell of which nothing is known.
func Empty() track.Input {
	return track.Input{Timeline: timeline.NewBuilder().Build(timeline.Interval{}), Arch: "amd64"}
}

var everySource = []string{"%%inferscope", "def decode(path):", "    return json.loads(path.read_text())", "", "for path in paths:",
	"    record = decode(path)", "    y = model(x)", "torch.cuda.synchronize()"}

// Everything is a cell with each kind of row, and each way in which rows may lie to each other.
func Everything() track.Input {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungEBPF)
	window := timeline.Interval{Start: start, End: start + 100*ms}
	main := b.Thread(4200, 4200)
	main.SetName("MainThread")
	main.SetMain()
	main.SetPython()
	main.SetKnown(window)
	main.SetSamplePeriod(ms)
	worker := b.Thread(4200, 4207)
	worker.SetName("pin memory")
	worker.SetKnown(timeline.Interval{Start: start + 5*ms, End: window.End})
	worker.SetSamplePeriod(ms)
	child := b.Thread(4301, 4301)
	child.SetComm("loader")
	child.SetKnown(window)
	own := b.Thread(4200, 4299)
	own.SetName(timeline.OwnThreadPrefix + "-sender")
	own.SetKnown(window)

	everyLine(main)
	stacks := everyStack(b)
	everyWait(b, main, worker, child, own, stacks)
	main.AppendScope(start+ms+500*us, start+40*ms, b.Name("batch"), 0)
	main.AppendScope(start+2*ms, start+3*ms, b.Name("decode"), 1)
	main.AppendScope(start+30*ms, start+50*ms, b.Name("overlapping batch"), 0)
	main.AppendMark(start+4*ms, b.Name("step"), b.Name(`{"size": 32, "what": "<b>&\"'"}`))
	main.AppendMark(start+60*ms, b.Name("step"), 0)
	main.AppendGC(start+20*ms, start+22*ms, 2, 117)
	worker.AppendGC(start+23*ms, start+24*ms, 0, 3)
	everyDevice(b, main.ID(), worker.ID())
	b.AddOverhead(timeline.Interval{Start: start + 90*ms, End: start + 91*ms})
	power := b.Counter("gpu0 power", "W")
	memory := b.Counter("rss", "bytes")
	for i := range int64(5) {
		power.Time, power.Value = append(power.Time, start+i*20*ms), append(power.Value, 300.5+float64(i))
		memory.Time, memory.Value = append(memory.Time, start+i*20*ms), append(memory.Value, float64(i<<40))
	}
	b.Process().PID = 4200
	return track.Input{Timeline: b.Build(window), Arch: "amd64",
		Cell:   result.Cell{Lines: everySource, Name: "In[7]", Outcome: "ok", ExecutionCount: 7},
		Source: result.Source{Kind: "cell", ToolVersion: "0.0.0-test"}}
}

// everyLine is two rounds of the loop, a call of a function of the cell in each, a stretch
// without exact events, and a line that runs to the end.
func everyLine(t *timeline.ThreadBuilder) {
	for i := range int64(2) {
		at := start + ms + i*10*ms
		t.AppendLine(at, 5, 5, false)
		t.AppendLine(at+ms, 6, 6, false)
		t.AppendLine(at+2*ms, 2, 6, false)
		t.AppendLine(at+3*ms, 3, 6, false)
		t.AppendLine(at+4*ms, 6, 6, false) // back from decode
		t.AppendLine(at+5*ms, 7, 7, false)
		t.AppendLine(at+9*ms, 7, 7, false) // and again
	}
	t.AppendLine(start+25*ms, 5, 5, true)
	t.AppendLine(start+70*ms, 8, 8, false)
	t.AppendLine(start+95*ms, 0, 0, false)
}

// everyStack is a stack in the cell, one below a library, and one that never was in the cell.
func everyStack(b *timeline.Builder) [3]timeline.StackID {
	frame := func(name, file string, line int32, native bool) timeline.FrameID {
		return b.Frame(timeline.Frame{Func: b.Name(name), File: b.Name(file), Line: line, Native: native})
	}
	module := frame("<module>", timeline.CellFile, 6, false)
	decode := frame("decode", timeline.CellFile, 3, false)
	loads := frame("loads", "/usr/lib/python3.12/json/__init__.py", 346, false)
	scan := frame("scan_once", "_json.so", 0, true)
	get := frame("get", "/usr/lib/python3.12/queue.py", 171, false)
	return [3]timeline.StackID{b.Stack([]timeline.FrameID{decode, module}), b.Stack([]timeline.FrameID{scan, loads, decode, module}), b.Stack([]timeline.FrameID{get})}
}

func everyWait(b *timeline.Builder, main, worker, child, own *timeline.ThreadBuilder, stacks [3]timeline.StackID) {
	main.AppendOffCPU(start+3*ms, start+3*ms+400*us, start+3*ms+500*us, timeline.ReasonDisk, 0, 0, stacks[1])
	main.AppendOffCPU(start+13*ms, start+13*ms+900*us, start+14*ms, timeline.ReasonGIL, 202, worker.ID(), stacks[0])
	main.AppendOffCPU(start+16*ms, start+16*ms, start+17*ms, timeline.ReasonPreempted, -1, 0, 0)
	main.AppendOffCPU(start+75*ms, start+89*ms, start+89*ms, timeline.ReasonGPUDriver, 16, 0, 0)
	worker.AppendOffCPU(start+6*ms, start+30*ms, start+30*ms+10*us, timeline.ReasonLock, 202, own.ID(), stacks[2])
	worker.AppendOffCPU(start+40*ms, timeline.Open, timeline.Open, timeline.ReasonPoll, 7, 0, stacks[2])
	child.AppendOffCPU(start+10*ms, start+90*ms, start+90*ms, timeline.ReasonPipe, 0, main.ID(), 0)
	own.AppendOffCPU(start+10*ms, start+90*ms, start+90*ms, timeline.ReasonSleep, 35, 0, 0)
	for i := range int64(40) {
		stack := stacks[i%2]
		main.AppendSample(start+26*ms+i*ms, timeline.SamplePython, -1, stack, 0)
	}
	worker.AppendSample(start+31*ms, timeline.SampleNative, -1, stacks[2], b.Name("libtorch.so"))
	main.AppendSample(start+26*ms, timeline.SampleOnCPU, -1, stacks[0], 0) // the process's own, beside the kernel's
}

func everyDevice(b *timeline.Builder, main, worker timeline.ThreadID) {
	calls := b.Calls()
	launch, driver := b.Name("cudaLaunchKernel"), b.Name("cuLaunchKernel")
	gemm, add := b.Name("void gemm<float, 128>(float*)"), b.Name("add")
	b.Device(0).Describe("NVIDIA H100 80GB HBM3", "0000:18:00.0", 80<<30)
	b.Device(1).Describe("NVIDIA H100 80GB HBM3", "0000:2a:00.0", 80<<30)
	for i := range int64(2) {
		at := start + 6*ms + i*10*ms + 100*us
		id := uint32(10 + 2*i)
		calls.Append(at, at+20*us, main, timeline.CallLaunch, launch, id)
		calls.Append(at+2*us, at+15*us, main, timeline.CallLaunch, driver, id) // inside of it, with its correlation
		b.Device(0).Append(timeline.Op{Start: at + 25*us, End: at + 2*ms, Kind: timeline.OpKernel, Stream: 7, Name: gemm, Correlation: id})
		// Begins before the one before it ends, on the same stream.
		b.Device(0).Append(timeline.Op{Start: at + 2*ms - 500, End: at + 2*ms + 1, Kind: timeline.OpKernel, Stream: 7, Name: add, Correlation: id})
		calls.Append(at+3*ms, at+3*ms+50*us, main, timeline.CallCopy, b.Name("cudaMemcpyAsync"), id+1)
		b.Device(0).Append(timeline.Op{Start: at + 3*ms + 10*us, End: at + 3*ms + 45*us, Kind: timeline.OpMemcpy, Stream: 9, Bytes: 1 << 20,
			Copy: timeline.CopyHtoD, Source: timeline.MemoryPageable, Target: timeline.MemoryDevice, Correlation: id + 1})
	}
	// Of an earlier cell.
	b.Device(0).Append(timeline.Op{Start: start, End: start + ms, Kind: timeline.OpKernel, Stream: 7, Name: add})
	// A graph: one call, three operations on two streams, two of which run at once on one.
	calls.Append(start+50*ms, start+50*ms+30*us, worker, timeline.CallLaunch, b.Name("cudaGraphLaunch"), 30)
	for i, stream := range []uint32{7, 9, 9} {
		b.Device(1).Append(timeline.Op{Start: start + 51*ms + int64(i)*us, End: start + 52*ms + int64(i)*ms, Kind: timeline.OpKernel, Stream: stream, Name: add, Graph: 5, Correlation: 30})
	}
	calls.Append(start+60*ms, start+60*ms+5*us, worker, timeline.CallCopy, b.Name("cudaMemsetAsync"), 31)
	b.Device(1).Append(timeline.Op{Start: start + 60*ms + 3*us, End: start + 60*ms + 4*us, Kind: timeline.OpMemset, Stream: 9, Bytes: 4096, Correlation: 31})
	calls.Append(start+70*ms+us, start+90*ms, main, timeline.CallSync, b.Name("cudaDeviceSynchronize"), 32)
	// Ends after the line that made it, as clocks that differ a little show it.
	calls.Append(start+94*ms, start+95*ms+300, main, timeline.CallLaunch, launch, 33)
	b.Device(0).Append(timeline.Op{Start: start + 95*ms, End: start + 103*ms, Kind: timeline.OpKernel, Stream: 7, Name: gemm, Correlation: 33})
	calls.Append(start+97*ms, start+97*ms+us, 0, timeline.CallAlloc, b.Name("cudaFree"), 34)
}

// Hostile texts, each in every place that holds text.
var hostileTexts = []string{
	"</script><script>alert(1)</script>", "a\x00b", "\x1b[31mred\x1b[0m", "\xff\xfe not UTF-8 \xc3", "\u202eright to left", "line\nbreak\r\ttab",
	`back\slash "quoted" 'single'`, "\u2028\u2029", "{\"ph\":\"X\"}", strings.Repeat("k", 10<<10), "", " ", "emoji \U0001F600 é", "%s%n", "]}\n", "\x7f",
}

// Hostile is a cell whose every text is meant to break something, with numbers at the ends of their range.
func Hostile() track.Input {
	b := timeline.NewBuilder()
	window := timeline.Interval{Start: start, End: start + 100*ms}
	for i, text := range hostileTexts {
		at := start + int64(i)*ms
		t := b.Thread(int32(i-2), int32(i-1))
		t.SetName(text)
		if i == 3 {
			t.SetMain()
		}
		t.SetKnown(window)
		t.SetSamplePeriod(us)
		name := b.Name(text)
		stack := b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: name, File: name, Line: int32(i)})})
		t.AppendLine(at, int32(i+1), int32(i+1), i%3 == 0)
		t.AppendLine(at+us, 1<<30, 1, false)
		t.AppendOffCPU(at, at+us, at+2*us, timeline.ReasonSyscall, 32767, t.ID(), stack)
		t.AppendSample(at, timeline.SamplePython, -1, stack, name)
		t.AppendScope(at, at, name, 65535)
		t.AppendScope(at, timeline.Open, name, 0)
		t.AppendMark(at, name, name)
		t.AppendGC(at, at+1, 255, -1<<63)
		id := uint32(1<<32 - 1 - i)
		b.Calls().Append(at, at, t.ID(), timeline.CallLaunch, name, id)
		d := b.Device(int32(i % 3 * 2100000000 / 2))
		d.Describe(text, text, -1)
		d.Append(timeline.Op{Start: at, End: at + us, Kind: timeline.OpKernel, Stream: 1<<32 - 1, Name: name, Correlation: id, Graph: 1<<32 - 1})
		d.Append(timeline.Op{Start: at, End: at, Kind: timeline.OpMemcpy, Stream: uint32(i), Bytes: 1<<63 - 1, Copy: 250, Source: 251, Target: 252})
		c := b.Counter(text, text)
		c.Time, c.Value = append(c.Time, at, at+us), append(c.Value, 1e300, -5e-324)
		nan := 0.0
		c.Time, c.Value = append(c.Time, at+2*us, at+3*us), append(c.Value, nan/nan, 1/nan)
	}
	return track.Input{Timeline: b.Build(window), Arch: "amd64",
		Cell: result.Cell{Lines: hostileTexts, Name: hostileTexts[0] + "\xff\x00" + hostileTexts[9]}, Source: result.Source{ToolVersion: hostileTexts[3]}}
}
