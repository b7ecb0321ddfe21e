package attribution

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// attributor holds the sums of one attribution.
type attributor struct {
	tl     *timeline.Timeline
	opts   Options
	main   *timeline.Thread
	mainID timeline.ThreadID
	frames *stackIndex
	// code tells what ranges stand for; nil without any.
	code *rangeUses
	// directive is the line that asked for the profile: it holds none of the cell's code.
	directive int32
	// own tells InferScope's own threads by row of tl.Threads, ownThreadsNs what they ran.
	own          []bool
	ownThreadsNs int64
	handovers    map[int32]bool

	lines  []*lineSums
	byLine map[int32]int
	// groups split the time of a cause on a line by what the detail is made of.
	groups map[packed]int64
	// wakers is the time of a cause on a line by the thread that ended the wait; see wakerKey.
	wakers map[uint64]int64
	// classes count the samples that share out running time.
	classes map[packed]int64
	// modules are the native libraries of samples; 0 is "none".
	modules  []timeline.NameID
	moduleID map[timeline.NameID]int32
	// hints count the Python functions that in-process samples saw on a line, where a
	// source that sees no Python stacks tells what the thread did; see sample.
	hints map[uint64]int64
	// kernelSamples says that the main thread's on-CPU time was sampled from outside, with
	// the instruction pointer: such samples know more than those of the process itself.
	kernelSamples bool
	// callKinds is the cause of on-CPU time by system call number.
	callKinds [512]kind
	// probes are where the probes of CUDA calls took the main thread's time.
	probes probeCursor
	waits  waitList
	// blocks is the time by cause in each block, as far as it is known without samples.
	blocks [Blocks][numKinds]int64

	scheduled, samples, sampledNs int64
}

// lineSums are the sums of one line of the cell.
type lineSums struct {
	index, number int32
	// wall has the line as the deepest; total has it anywhere on the way from the top level.
	wall, total, hits int64
	sampled           bool
	states            result.States
	// shared is the time to be shared out by samples: running, or of unknown state; by block.
	shared int64
	// pooled says that it is shared out as that of all short lines together.
	pooled       bool
	sharedBlocks [Blocks]int64
	// kinds is the time by cause: known at once, then added to by shareRunning.
	kinds   [numKinds]int64
	counts  [numKinds]int64
	samples int64
	// mostly is the kind that most of the shared time went to.
	mostly kind
	// importNs is time off the CPU inside imports, importSamples the samples inside them.
	importNs, importSamples int64
}

// maxLines bounds the lines that are told apart; the rest counts as "no line".
const maxLines = 16<<10 - 1

// groupKey tells apart the parts of one cause on one line.
type groupKey struct {
	line    int32 // an index into lines
	kind    kind
	sample  bool
	reason  timeline.Reason // or a timeline.SampleKind, for samples
	syscall int16
	fn      fnID
	module  int32 // an index into modules
}

// packed is a groupKey in 64 bits: rows come by the million, and hashing a struct
// costs several times as much.
type packed uint64

func (k groupKey) pack() packed {
	call := uint64(511)
	if k.syscall < 510 {
		call = uint64(k.syscall + 1)
	}
	f := uint64(k.fn)
	if f >= 1<<19 {
		f = 0
	}
	p := uint64(k.line)<<50 | uint64(k.kind)<<45 | uint64(k.reason&15)<<41 | call<<32 | f<<13 | uint64(k.module)<<1
	if k.sample {
		p |= 1
	}
	return packed(p)
}

func (p packed) unpack() groupKey {
	return groupKey{line: int32(p >> 50), kind: kind(p >> 45 & 31), reason: timeline.Reason(p >> 41 & 15), syscall: int16(p>>32&511) - 1,
		fn: fnID(p >> 13 & (1<<19 - 1)), module: int32(p >> 1 & (1<<12 - 1)), sample: p&1 != 0}
}

// wakerKey is a line, a cause, and the thread that ended the wait.
type wakerKey struct {
	cause causeKey
	waker timeline.ThreadID
}

func (k wakerKey) pack() uint64 {
	return uint64(k.cause.line)<<37 | uint64(k.cause.kind)<<32 | uint64(k.waker)
}

func unpackWaker(p uint64) wakerKey {
	return wakerKey{causeKey{int32(p >> 37), kind(p >> 32 & 31)}, timeline.ThreadID(p)}
}

func (a *attributor) sums(line int32) *lineSums {
	if i, ok := a.byLine[line]; ok {
		return a.lines[i]
	}
	if len(a.lines) >= maxLines && line != 0 {
		return a.sums(0)
	}
	s := &lineSums{index: int32(len(a.lines)), number: line}
	a.byLine[line] = len(a.lines)
	a.lines = append(a.lines, s)
	return s
}

// step is a piece of the main thread's wall over which nothing changes.
type step struct {
	start, end int64
	row        schedRow
	line, top  int32
	// hit says that the line began with the step, sampled that samples tell the line.
	hit, sampled bool
	// as is the cause, numKinds for time that samples share out.
	as kind
	// collection and call are the runs of the collector and the CUDA calls that hold the thread; begins
	// says that one began with the step.
	collecting, begins bool
	call               timeline.NameID
	// code is the range that holds the thread where as comes from it.
	code  openRange
	block int
}

// walk cuts the main thread's wall into steps, in order of time.
func (a *attributor) walk(each func(*step)) {
	w := a.tl.Window
	known := a.main.Sched.Known
	if a.mainID == 0 {
		known = timeline.Interval{}
	}
	sched := schedCursor{s: &a.main.Sched, known: known}
	where := lineCursor{t: a.main, frames: a.frames, directive: a.directive}
	gc, gcs := 0, &a.main.GC
	device := a.deviceWaits()
	code := newRangeCursor(a.code, a.main)
	var s step
	blockEnd := blockStart(1, w)
	for t := w.Start; t < w.End; t = s.end {
		s.start, s.row = t, sched.at(t)
		next := min(sched.next, w.End)
		var until int64
		s.line, s.top, s.hit, until = where.at(t, s.row.offCPU(), s.row.stack)
		s.sampled = where.sampled
		next = min(next, until)
		for gc < gcs.Len() && gcs.End[gc] <= t {
			gc++
		}
		s.collecting = gc < gcs.Len() && gcs.Start[gc] <= t
		if s.collecting {
			next = min(next, gcs.End[gc])
		} else if gc < gcs.Len() {
			next = min(next, gcs.Start[gc])
		}
		s.call, until = device.at(t)
		next = min(next, until)
		if s.call != 0 && !s.row.waitsIn() {
			s.call = 0
		}
		code.at(t)
		next = min(next, code.next)
		for t >= blockEnd {
			s.block++
			blockEnd = blockStart(s.block+1, w)
		}
		s.end = min(next, blockEnd)
		s.as, s.begins = numKinds, false
		switch {
		case s.collecting:
			s.as, s.begins = kGC, t == gcs.Start[gc]
		case s.call != 0:
			s.as, s.begins = kDriver, t == device.start()
		case s.row.state == blocked:
			s.as, s.begins = reasonKind[s.row.reason], t == s.row.off
		case s.row.state == runnable:
			s.as, s.begins = kPreempted, s.row.reason == timeline.ReasonPreempted && t == s.row.off
		case code.active() && s.row.state == stateUnknown:
			s.code = code.inside()
			s.as = s.code.kind()
		}
		each(&s)
	}
}

// sweep sums what the main thread's wall went to.
func (a *attributor) sweep() {
	if a.tl.Window.End <= a.tl.Window.Start {
		return
	}
	if a.mainID != 0 {
		a.scheduled = a.main.Sched.Known.Ns()
	}
	smp, samples := 0, &a.main.Samples
	a.probes = a.probedCalls()
	var at *lineSums
	a.walk(func(s *step) {
		if at == nil || at.number != s.line {
			at = a.sums(s.line)
		}
		row := &s.row
		d := s.end - s.start
		at.wall += d
		at.total += d
		if s.hit {
			at.hits++
		}
		if s.top != s.line && s.top != 0 {
			a.sums(s.top).total += d
		}
		at.sampled = at.sampled || s.sampled
		a.state(at, row, d)
		if s.begins {
			at.counts[s.as]++
		}
		switch {
		case s.as == numKinds:
			at.shared += d
			at.sharedBlocks[s.block] += d
		case s.collecting:
			a.add(at, kGC, s.block, d)
		case s.call != 0:
			a.add(at, kDriver, s.block, d)
			a.group(groupKey{line: at.index, kind: kDriver, reason: timeline.ReasonGPUDriver, syscall: -1, module: a.module(s.call)}, d)
		case row.offCPU():
			a.add(at, s.as, s.block, d)
			if a.frames.importing[row.stack] {
				at.importNs += d
			}
			if row.state == runnable {
				break
			}
			a.group(groupKey{line: at.index, kind: s.as, reason: row.reason, syscall: row.syscall, fn: a.frames.deepest[row.stack]}, d)
			if row.waker != 0 && row.waker != a.mainID {
				a.wakers[wakerKey{causeKey{at.index, s.as}, row.waker}.pack()] += d
			}
			if s.begins {
				a.waits.add(at.index, s.as, row.off, row.wake)
			}
		default:
			a.add(at, s.as, s.block, d)
			a.group(s.code.group(at.index), d)
		}
		for ; smp < samples.Len() && samples.Time[smp] < s.end; smp++ {
			a.samples++
			if !s.collecting && s.call == 0 && !row.offCPU() {
				a.sample(at, samples, smp, row.state)
			}
		}
	})
}

func (a *attributor) add(at *lineSums, k kind, block int, d int64) {
	at.kinds[k] += d
	a.blocks[block][k] += d
}

// maxGroups bounds the parts that are told apart; past it, new ones lose their details first.
const maxGroups = 32 << 10

func (a *attributor) group(key groupKey, ns int64) {
	p := key.pack()
	if len(a.groups) >= maxGroups {
		if _, ok := a.groups[p]; !ok {
			p = groupKey{line: key.line, kind: key.kind, reason: key.reason, syscall: -1, sample: key.sample}.pack()
		}
	}
	a.groups[p] += ns
}

func (a *attributor) state(at *lineSums, row *schedRow, d int64) {
	switch row.state {
	case running:
		at.states.RunningNs += d
	case runnable:
		at.states.RunnableNs += d
	case blocked:
		at.states.BlockedNs[row.reason] += d
	default:
		at.states.UnknownNs += d
	}
}

// sample notes what a sample says about its line's running time.
func (a *attributor) sample(at *lineSums, s *timeline.Samples, i int, state threadState) {
	key := groupKey{line: at.index, syscall: -1, fn: a.frames.deepest[s.Stack[i]], reason: timeline.Reason(s.Kind[i]), sample: true}
	if k := s.Kind[i]; a.kernelSamples && (k == timeline.SampleOnCPU || k == timeline.SampleWaiting) {
		if key.fn != 0 {
			a.hints[hint(at.index, key.fn)]++
		}
		return
	}
	switch s.Kind[i] {
	case timeline.SamplePython:
		key.kind = kPython
	case timeline.SampleNative:
		key.kind, key.module = kNative, a.module(s.Module[i])
		if a.loader(s.Module[i]) && !a.frames.importing[s.Stack[i]] {
			// The interpreter finds its thread's state through the dynamic loader.
			key.kind, key.module, key.reason = kPython, 0, timeline.Reason(timeline.SamplePython)
		}
		if strings.HasPrefix(a.tl.Names.String(s.Module[i]), "[uprobes") {
			key.kind, key.module = kProfiler, 0 // where the kernel runs instructions that have a probe
		}
	case timeline.SampleSyscall:
		key.syscall = s.Syscall[i]
		key.kind = kSyscall
		if key.syscall >= 0 && int(key.syscall) < len(a.callKinds) {
			key.kind = a.callKinds[key.syscall]
		}
	case timeline.SampleFault:
		key.kind = kFault
		if a.probes.near(s.Time[i]) {
			key.kind = kProfiler
		}
	case timeline.SampleWaiting:
		if state == running { // the scheduler knows better: it ran
			key.kind, key.reason = kPython, timeline.Reason(timeline.SampleOnCPU)
			break
		}
		key.kind = a.frames.waitOf(key.fn)
	default: // on the CPU, nothing more known
		key.kind = kPython
		if s.Module[i] != 0 {
			key.kind, key.module = kNative, a.module(s.Module[i])
		}
	}
	at.samples++
	if a.frames.importing[s.Stack[i]] {
		at.importSamples++
	}
	p := key.pack()
	if len(a.classes) >= maxGroups {
		if _, ok := a.classes[p]; !ok {
			key.fn, key.module = 0, 0
			p = key.pack()
		}
	}
	a.classes[p]++
}

func hint(line int32, f fnID) uint64 { return uint64(line)<<32 | uint64(uint32(f)) }

// fromOutside says whether samples of a thread were taken by the kernel.
func fromOutside(s *timeline.Samples) bool {
	for _, k := range s.Kind {
		if k < timeline.SampleOnCPU {
			return true
		}
	}
	return false
}

// loader says whether a native library is the dynamic loader.
func (a *attributor) loader(name timeline.NameID) bool {
	if name == 0 {
		return false
	}
	base := baseName(a.tl.Names.String(name))
	return strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(base, "ld-musl")
}

// module is the index of a native library; 0 for none, and for those past the bound.
func (a *attributor) module(name timeline.NameID) int32 {
	if name == 0 {
		return 0
	}
	id, ok := a.moduleID[name]
	if !ok && len(a.modules) < 1<<12 {
		id = int32(len(a.modules))
		a.modules = append(a.modules, name)
		a.moduleID[name] = id
	}
	return id
}

func blockStart(b int, w timeline.Interval) int64 {
	if b >= Blocks {
		return w.End
	}
	n := w.End - w.Start
	return w.Start + n/Blocks*int64(b) + n%Blocks*int64(b)/Blocks
}
