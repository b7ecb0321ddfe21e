package timeline

import (
	"math"
	"sync"
)

// Open as the end of an interval says that it had not ended when collection did:
// Build closes it at the end of the window. 0 means the same.
const Open = math.MaxInt64

// Builder collects the events of one cell. Different collectors may use it at
// the same time: its own methods are safe for concurrent use, and the Append
// methods of one ThreadBuilder may be called by several goroutines as long as no
// two of them append to the same table. Nothing may be appended once Build is called.
type Builder struct {
	mu       sync.RWMutex
	threads  []*ThreadBuilder
	byID     map[uint64]*ThreadBuilder
	counters []*Counter
	process  Process
	rung     Rung
	losses   []Loss
	noCell   bool

	devices     []*DeviceBuilder
	calls       CallBuilder
	overheads   []Interval
	deviceClock int64
	earlier     int64
	windows     []Window
	sensors     []Sensors

	names  *nameTable
	stacks *stackTable
	budget budget
}

// NewBuilder makes an empty builder.
func NewBuilder() *Builder {
	b := &Builder{
		byID:    map[uint64]*ThreadBuilder{},
		process: Process{VoluntarySwitches: -1, InvoluntarySwitches: -1},
		names:   newNameTable(),
		stacks:  newStackTable(),
	}
	b.calls.budget = &b.budget
	b.budget.until.Store(math.MaxInt64)
	return b
}

// Thread is the builder of a thread, made when first asked for. pid and tid are
// ids in the profiled process's own pid namespace. The result stays valid until Build.
func (b *Builder) Thread(pid, tid int32) *ThreadBuilder {
	key := uint64(uint32(pid))<<32 | uint64(uint32(tid))
	b.mu.RLock()
	t := b.byID[key]
	b.mu.RUnlock()
	if t != nil {
		return t
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.byID[key]; t != nil {
		return t
	}
	t = &ThreadBuilder{id: ThreadID(len(b.threads) + 1), pid: pid, tid: tid, cpuNs: -1, budget: &b.budget}
	b.threads = append(b.threads, t)
	b.byID[key] = t
	return t
}

// Name interns a string. Text that is not UTF-8 is repaired, and text longer
// than MaxName bytes is cut and marked.
func (b *Builder) Name(s string) NameID { return b.names.intern(s) }

// Text is the string of a name that was interned; the empty string when there is no such name.
func (b *Builder) Text(id NameID) string {
	b.names.mu.RLock()
	defer b.names.mu.RUnlock()
	if int(id) < len(b.names.text) {
		return b.names.text[id]
	}
	return ""
}

// Frame interns a frame.
func (b *Builder) Frame(f Frame) FrameID { return b.stacks.internFrame(f) }

// Stack interns a call stack, deepest frame first. It keeps nothing of the slice.
// A stack deeper than MaxDepth loses frames in its middle.
func (b *Builder) Stack(deepestFirst []FrameID) StackID { return b.stacks.intern(deepestFirst) }

// Called interns the stack of a frame that another stack calls.
func (b *Builder) Called(caller StackID, deepest FrameID) StackID {
	return b.stacks.called(caller, deepest)
}

// Process is the record of process-wide facts; one goroutine fills it before Build.
// Fields that are not filled keep their "not known" value.
func (b *Builder) Process() *Process { return &b.process }

// Counter is the counter of that name, made when first asked for. One goroutine
// appends to its Time and Value.
func (b *Builder) Counter(name, unit string) *Counter {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.counters {
		if c.Name == name {
			return c
		}
	}
	c := &Counter{Name: name, Unit: unit}
	b.counters = append(b.counters, c)
	return c
}

// AddLoss records something that was not seen. Losses that differ only in their
// count are summed.
func (b *Builder) AddLoss(l Loss) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addLoss(l)
}

func (b *Builder) addLoss(l Loss) {
	for i := range b.losses {
		o := &b.losses[i]
		if o.Source == l.Source && o.Reason == l.Reason && o.Enable == l.Enable {
			o.Count += l.Count
			return
		}
	}
	b.losses = append(b.losses, l)
}

var rungRank = map[Rung]int{RungTrace: 1, RungInProcess: 1, RungProcfs: 2, RungPerf: 3, RungEBPF: 4}

// SetRung says how the scheduler's view is obtained; the best rung set wins.
func (b *Builder) SetRung(r Rung) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rungRank[r] > rungRank[b.rung] {
		b.rung = r
	}
}

// SetNoCell says that what is built is no cell but all that a trace holds; see Timeline.NoCell.
func (b *Builder) SetNoCell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noCell = true
}

// ThreadBuilder fills the tables of one thread. Append methods accept events in
// nearly any order: each ordered stretch becomes a run, and Build merges the runs.
type ThreadBuilder struct {
	id       ThreadID
	pid, tid int32

	mu           sync.Mutex
	name, comm   string
	main, python bool
	cpuNs        int64
	known        Interval
	periodNs     int64

	sched   schedTable
	lines   lineTable
	samples sampleTable
	scopes  scopeTable
	ranges  rangeTable
	marks   markTable
	gc      gcTable

	budget *budget
	cut    threadCuts
}

// ID is the thread's index in the timeline.
func (t *ThreadBuilder) ID() ThreadID { return t.id }

// SetName gives the thread's name as Python's threading knows it; it wins over
// SetComm, and the last one set wins.
func (t *ThreadBuilder) SetName(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.name = bounded(s, maxThreadName)
}

// SetComm gives the thread's name as the kernel knows it, used when SetName gave none.
func (t *ThreadBuilder) SetComm(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.comm = bounded(s, maxThreadName)
}

// maxThreadName bounds thread names: they are repeated in many sentences.
const maxThreadName = 128

// SetMain marks the thread that executes the cell.
func (t *ThreadBuilder) SetMain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.main = true
}

// SetPython marks a thread with a Python thread state.
func (t *ThreadBuilder) SetPython() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.python = true
}

// SetCPU gives the CPU time in ns that the kernel accounts to the thread over the
// time given to SetKnown; Build takes off what the thread ran beside the window.
func (t *ThreadBuilder) SetCPU(ns int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cpuNs = ns
}

// SetKnown gives the time over which the scheduler's view of the thread is
// complete. Without it, a thread with off-CPU rows is known from the first row's
// start to the last row's end.
func (t *ThreadBuilder) SetKnown(i Interval) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = i
}

// SetSamplePeriod gives the time in ns that one sample of the thread stands for.
func (t *ThreadBuilder) SetSamplePeriod(ns int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.periodNs = ns
}

// AppendOffCPU adds an off-CPU episode: blocked in [off, wake), runnable in
// [wake, on). on is Open (or 0) while the thread is still off the CPU when
// collection ends; wake is Open (or 0) when it was not woken before then, or
// when the time of the wake-up is not known: then all of it counts as blocked,
// or as runnable when r is ReasonPreempted.
func (t *ThreadBuilder) AppendOffCPU(off, wake, on int64, r Reason, syscall int16, waker ThreadID, stack StackID) {
	s := &t.sched
	s.runs.note(off)
	s.off.push(off)
	s.wake.push(wake)
	s.on.push(on)
	s.reason.push(r)
	s.syscall.push(syscall)
	s.waker.push(waker)
	s.stack.push(stack)
	if s.runs.rows%spillRows == 0 {
		cutTable(t.budget, s, &t.cut.sched, t.schedBatch)
	}
}

// AppendLine says that from time on the thread executes line of the cell's own
// code, reached from top. sampled says that from here exact events are off.
func (t *ThreadBuilder) AppendLine(time int64, line, top int32, sampled bool) {
	l := &t.lines
	l.runs.note(time)
	l.time.push(time)
	l.line.push(line)
	l.top.push(top)
	l.sampled.push(sampled)
	if l.runs.rows%spillRows == 0 {
		cutTable(t.budget, l, &t.cut.lines, t.linesBatch)
	}
}

// AppendSample adds a sample; syscall is -1 for none.
func (t *ThreadBuilder) AppendSample(time int64, k SampleKind, syscall int16, stack StackID, module NameID) {
	s := &t.samples
	s.runs.note(time)
	s.time.push(time)
	s.kind.push(k)
	s.syscall.push(syscall)
	s.stack.push(stack)
	s.module.push(module)
	if s.runs.rows%spillRows == 0 {
		cutTable(t.budget, s, &t.cut.samples, t.samplesBatch)
	}
}

// AppendScope adds an interval of inferscope.scope(); end may be Open.
func (t *ThreadBuilder) AppendScope(start, end int64, name NameID, depth uint16) {
	s := &t.scopes
	s.runs.note(start)
	s.start.push(start)
	s.end.push(end)
	s.name.push(name)
	s.depth.push(depth)
	if s.runs.rows%spillRows == 0 {
		cutTable(t.budget, s, &t.cut.scopes, t.scopesBatch)
	}
}

// AppendMark adds an instant of inferscope.mark_event().
func (t *ThreadBuilder) AppendMark(time int64, name, attributes NameID) {
	m := &t.marks
	m.runs.note(time)
	m.time.push(time)
	m.name.push(name)
	m.attributes.push(attributes)
	if m.runs.rows%spillRows == 0 {
		cutTable(t.budget, m, &t.cut.marks, t.marksBatch)
	}
}

// AppendGC adds a run of the garbage collector; end may be Open.
func (t *ThreadBuilder) AppendGC(start, end int64, gen uint8, collected int64) {
	g := &t.gc
	g.runs.note(start)
	g.start.push(start)
	g.end.push(end)
	g.generation.push(gen)
	g.collected.push(collected)
	if g.runs.rows%spillRows == 0 {
		cutTable(t.budget, g, &t.cut.gc, t.gcBatch)
	}
}
