// Package attribution gives every nanosecond of a cell one cause and, where
// known, one line.
//
// The wall of the main thread is cut into pieces at every change of scheduler
// state, executing line and garbage collection. The first rule that fits gives
// the piece its cause:
//
//  1. inside a run of the garbage collector: gc;
//  2. in a CUDA call that waits for the device, where only calls were recorded, or a trace
//     of another tool: gpu_driver;
//  3. blocked: the cause of the scheduler's reason; runnable: preempted;
//  4. in a state that nothing recorded, while a range says which code was active:
//     the cause of that code (see ranges.go); imported traces have ranges;
//  5. running, or in a state that nothing recorded: shared out by the samples of
//     that line (see running.go for the rule when samples are few);
//  6. otherwise unknown.
//
// The causes sum to the wall exactly, and so do the causes of each line.
//
// Where a device worked, its idle time is cut up in the same way, by what kept the
// next operation from beginning; see idle.go for the rules.
package attribution

import (
	"runtime"
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Blocks is the number of equal pieces that the wall is cut into for the
// resampling behind the verdict's margin.
const Blocks = 64

// Attribution is the outcome: the report's host part, and what verdict and
// findings need beyond it.
type Attribution struct {
	Host result.Host
	// WallNs is the length of the window.
	WallNs int64
	// Blocks holds, for each block, the time by cause, indexed like Kinds.
	Blocks [Blocks][]int64
	// Kinds are the causes in the order of precedence.
	Kinds []result.CauseKind
	// Scheduled is the part of the wall over which the main thread's scheduler state was known, in ns.
	Scheduled int64
	// MainSamples is how many samples of the main thread fell into the wall.
	MainSamples int64
	// Repeats is the largest number of times that one line began: a cell of a loop repeats.
	Repeats int64
	// GPUDriverSeen says that something in the process used the GPU driver: a wait in it, or
	// a sample inside a CUDA library.
	GPUDriverSeen bool
	// Imports is the main thread's time inside Python's import machinery by line, in ns: exact
	// while off the CPU, by samples while on it.
	Imports map[int32]int64
	// Records is how many events the timeline holds, SchedRecords and SampleRecords how many
	// of them are off-CPU episodes and samples.
	Records, SchedRecords, SampleRecords int64
	// SampledNs is the time that samples shared out among known causes.
	SampledNs int64
	// Handovers tells the lines on which a wait for a lock was one for what another thread does:
	// a result, an item, its end.
	Handovers map[int32]bool
	// OwnThreadsNs is the running time of InferScope's own threads in the process, which count
	// nowhere else.
	OwnThreadsNs int64
	// RunningThreads is the running time of all threads over the wall, in ns.
	RunningThreads int64
	// GPU is what Devices adds; nil without any device operation.
	GPU *GPU
	// GPUWatched says that a capture of the devices' work was on: without a record there was none.
	GPUWatched bool
	// EarlierNs is how long the devices were busy with work from before the cell, which was
	// waited for before it began.
	EarlierNs int64
	// DeviceRecords is how many operations and CUDA calls the timeline holds, once Devices has run.
	DeviceRecords int64
	// LaunchCalls is how many of the calls launch or copy.
	LaunchCalls int64
	// MissedKernels is how many kernels are known to have been launched where nothing was
	// captured, and none like them where something was.
	MissedKernels int64
	// CallTotals sums the calls by class where no operation is known; otherwise it is zero.
	CallTotals [timeline.NumCallClasses]CallTotal

	from *attributor
	// calls and idle are what Devices made, for IdlePieces and CallLines.
	calls *calls
	idle  *idleSweep
}

// Options are the inputs beside the timeline. The zero value is usable.
type Options struct {
	// Source is the cell's text, line by line, for the Text of lines.
	Source []string
	// Arch is the architecture whose system call numbers the timeline holds;
	// empty for that of this program.
	Arch string
}

var kinds = []result.CauseKind{
	result.CauseGC, result.CauseGIL, result.CauseLock, result.CauseHostIO, result.CauseNetworkIO, result.CauseSleep,
	result.CausePageFault, result.CausePreempted, result.CauseChild, result.CausePoll, result.CauseGPUDriver,
	result.CauseSyscall, result.CausePython, result.CauseNative, result.CauseProfiler, result.CauseFramework, result.CauseDataLoading,
	result.CauseUnknown,
}

// kind is an index into kinds.
type kind = uint8

const (
	kGC kind = iota
	kGIL
	kLock
	kHostIO
	kNetwork
	kSleep
	kFault
	kPreempted
	kChild
	kPoll
	kDriver
	kSyscall
	kPython
	kNative
	kProfiler
	kFramework // these two come from ranges alone
	kLoading
	kUnknown
	numKinds // at most 32: packed has five bits for a kind
)

var kindIndex = func() map[result.CauseKind]kind {
	m := map[result.CauseKind]kind{}
	for i, k := range kinds {
		m[k] = kind(i)
	}
	return m
}()

// reasonKind is the cause of blocked time by its reason.
var reasonKind = [timeline.NumReasons]kind{
	timeline.ReasonUnknown: kUnknown, timeline.ReasonPreempted: kPreempted, timeline.ReasonGIL: kGIL,
	timeline.ReasonLock: kLock, timeline.ReasonDisk: kHostIO, timeline.ReasonNetwork: kNetwork,
	timeline.ReasonSleep: kSleep, timeline.ReasonPageFault: kFault, timeline.ReasonPoll: kPoll,
	timeline.ReasonPipe: kHostIO, timeline.ReasonChild: kChild, timeline.ReasonGPUDriver: kDriver,
	timeline.ReasonSyscall: kSyscall,
}

// Host attributes the wall of the main thread of tl. It reads tl only, and its
// answer depends on nothing else than its arguments. Without a main thread the
// whole wall is unknown.
func Host(tl *timeline.Timeline, opts Options) *Attribution {
	if opts.Arch == "" {
		opts.Arch = runtime.GOARCH
	}
	wall := tl.Window.End - tl.Window.Start
	a := &attributor{
		tl: tl, opts: opts, main: &tl.Threads[tl.Main()], mainID: tl.Main(),
		directive: DirectiveLine(opts.Source), own: OwnThreads(tl), handovers: map[int32]bool{},
		byLine: map[int32]int{}, groups: map[packed]int64{}, wakers: map[uint64]int64{}, classes: map[packed]int64{}, hints: map[uint64]int64{},
		modules: make([]timeline.NameID, 1), moduleID: map[timeline.NameID]int32{},
	}
	a.frames = indexStacks(tl, a.directive)
	a.code = newRangeUses(tl, a.frames)
	// With perf events, the process's own samples are the only ones; what they executed was found out later.
	a.kernelSamples = tl.Rung != timeline.RungPerf && fromOutside(&a.main.Samples)
	for n := range a.callKinds {
		a.callKinds[n] = kindIndex[syscallKind(SyscallName(opts.Arch, int16(n)))]
	}
	a.sweep()
	a.shareRunning()
	out := &Attribution{WallNs: wall, Kinds: kinds, Scheduled: a.scheduled, MainSamples: a.samples, SampledNs: a.sampledNs, Blocks: a.blockTotals(), from: a}
	out.Host = result.Host{
		Rung:    tl.Rung,
		States:  a.states(),
		Causes:  a.causes(wall),
		Lines:   a.lineStats(wall),
		Process: tl.Process,
	}
	out.Host.ByKind = a.byKind(out.Host.Causes, wall)
	a.threads(&out.Host)
	a.otherLines(&out.Host)
	a.functions(&out.Host)
	a.rangeFunctions(&out.Host)
	a.scopes(&out.Host)
	a.marks(&out.Host)
	a.collections(&out.Host)
	for i := range out.Host.Lines {
		out.Repeats = max(out.Repeats, out.Host.Lines[i].Hits)
		if !out.Host.Lines[i].Exact { // only hot lines lose their exact events
			out.Repeats = max(out.Repeats, Blocks)
		}
	}
	out.Handovers = a.handovers
	out.OwnThreadsNs = a.ownThreadsNs
	out.Imports = map[int32]int64{}
	for _, l := range a.lines {
		ns := l.importNs
		if l.samples > 0 {
			ns += portion(l.shared, l.importSamples, l.samples)
		}
		if ns > 0 {
			out.Imports[l.number] = ns
		}
	}
	out.GPUDriverSeen = a.driverSeen(&out.Host)
	for i := range tl.Threads {
		t := &tl.Threads[i]
		out.SchedRecords += int64(t.Sched.Len())
		out.SampleRecords += int64(t.Samples.Len())
		out.Records += int64(t.Sched.Len() + t.Lines.Len() + t.Samples.Len() + t.Scopes.Len() + t.Marks.Len() + t.GC.Len())
	}
	for i := range out.Host.Threads {
		out.RunningThreads += out.Host.Threads[i].States.RunningNs
	}
	return out
}

// Timeline is what a was made of.
func (a *Attribution) Timeline() *timeline.Timeline { return a.from.tl }

// CallLine is the line of the cell that made one row of Timeline.Calls; 0 where none is
// known, and where no device operation is.
func (a *Attribution) CallLine(row int32) int32 {
	if a.calls == nil || row < 0 || int(row) >= len(a.calls.line) {
		return 0
	}
	return a.calls.line[row]
}

// SyscallName is the name of a system call of the timeline.
func (a *Attribution) SyscallName(number int16) string {
	return SyscallName(a.from.opts.Arch, number)
}

// LineText is the source of a line that has a cause; empty when it has none.
func (a *Attribution) LineText(number int32) string {
	for i := range a.Host.Lines {
		if a.Host.Lines[i].Line.Number == number {
			return a.Host.Lines[i].Line.Text
		}
	}
	return ""
}

// Working says that a cause is the program's own work, not a wait or a pause.
func Working(k result.CauseKind) bool {
	return k == result.CausePython || k == result.CauseNative || k == result.CauseSyscall || k == result.CauseFramework
}

func (a *attributor) line(number int32) result.Line {
	l := result.Line{File: timeline.CellFile, Number: number}
	if number >= 1 && int(number) <= len(a.opts.Source) {
		l.Text = a.opts.Source[number-1]
	}
	return l
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// byKind sums causes by kind. The line, thread and detail are those of the largest.
func (a *attributor) byKind(causes []result.Cause, wall int64) []result.Cause {
	var sums [numKinds]result.Cause
	for _, c := range causes {
		s := &sums[kindIndex[c.Kind]]
		if s.Ns == 0 { // causes are sorted: the first is the largest
			*s = c
		} else {
			s.Ns += c.Ns
			s.Count += c.Count
		}
	}
	out := []result.Cause{}
	for _, s := range sums {
		if s.Ns > 0 {
			s.Share = share(s.Ns, wall)
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, largestFirst)
	return out
}

func largestFirst(x, y result.Cause) int {
	switch {
	case x.Ns > y.Ns:
		return -1
	case x.Ns < y.Ns:
		return 1
	}
	return 0
}
