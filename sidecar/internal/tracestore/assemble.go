package tracestore

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Bounds on what a trace may number.
const (
	maxThreads  = 1 << 20
	maxDevices  = 1 << 10
	maxCounters = 1 << 12
	maxStacks   = 4 << 20
)

// assembler puts the rows of a trace together into a timeline. Rows are taken as they
// come; finish sorts them and leaves out what the model forbids.
type assembler struct {
	m *manifest
	// b numbers the names and the stacks; nothing else is in it.
	b      *timeline.Builder
	stacks []timeline.StackID // the builder's, by the file's number
	depth  []uint16           // of each

	threads []threadRows
	// calls, and the number that the file gives to each.
	calls  timeline.Calls
	number []int32
	bytes  []int64 // of the calls; bytesUnknown where they are not known

	devices   []deviceRows
	counters  []timeline.Counter
	overheads []timeline.Interval
	// dropped counts the rows of each table that the model forbids.
	dropped map[string]int64
}

// threadRows is a thread, and whether the table threads spoke of it.
type threadRows struct {
	timeline.Thread
	described bool
}

// deviceRows is a device, and the correlations of its operations.
type deviceRows struct {
	timeline.Device
	correlation []uint32
}

func newAssembler(m *manifest) *assembler {
	a := &assembler{m: m, dropped: map[string]int64{}, b: timeline.NewBuilder(), stacks: []timeline.StackID{0}, depth: []uint16{0}, threads: make([]threadRows, 1)}
	a.threads[0].CPUNs, a.threads[0].described = -1, true
	for _, c := range m.Counters[:min(len(m.Counters), maxCounters)] {
		a.counters = append(a.counters, timeline.Counter{Name: c.Name, Unit: c.Unit})
	}
	return a
}

// add takes the rows of one row group, all of them or, with an error, none.
func (a *assembler) add(table string, g *groupReader) error {
	switch table {
	case tableNames:
		return a.addNames(g)
	case tableStacks:
		return a.addStacks(g)
	case tableThreads:
		return a.addThreads(g)
	case tableDevices:
		return a.addDevices(g)
	case tableCalls:
		return a.addCalls(g)
	case tableDeviceOps:
		return a.addOps(g)
	case tableLines:
		return a.addLines(g)
	case tableScheduler:
		return a.addScheduler(g)
	case tableSamples:
		return a.addSamples(g)
	case tableScopes:
		return a.addScopes(g)
	case tableRanges:
		return a.addRanges(g)
	case tableMarks:
		return a.addMarks(g)
	case tableGC:
		return a.addGC(g)
	case tableCounters:
		return a.addCounters(g)
	case tableOverheads:
		return a.addOverheads(g)
	}
	return nil
}

func (a *assembler) addNames(g *groupReader) error {
	names := g.texts("name")
	for row := range names.index {
		a.b.Name(names.at(row))
	}
	return g.err
}

func (a *assembler) addStacks(g *groupReader) error {
	number, caller, line, native := g.ints("stack"), g.ints("caller"), g.ints("frame_line"), g.ints("native")
	function, file := a.names(g, "function"), a.names(g, "file")
	if g.err != nil {
		return g.err
	}
	for row, n := range number {
		if n < 1 || n > maxStacks || caller[row] < 0 || caller[row] >= n {
			return fmt.Errorf("stack %d is called by %d", n, caller[row])
		}
	}
	for row, n := range number {
		for int64(len(a.stacks)) <= n {
			a.stacks, a.depth = append(a.stacks, 0), append(a.depth, 0)
		}
		if a.depth[caller[row]] >= timeline.MaxDepth { // deeper than any that is written
			a.stacks[n], a.depth[n] = a.stacks[caller[row]], timeline.MaxDepth
			continue
		}
		a.depth[n] = a.depth[caller[row]] + 1
		frame := a.b.Frame(timeline.Frame{Func: function.at(row), File: file.at(row), Line: int32(line[row]), Native: native[row] != 0})
		a.stacks[n] = a.b.Called(a.stacks[caller[row]], frame)
	}
	return nil
}

// threadsOf finds the thread of every row, and makes those that the table threads left out.
func (a *assembler) threadsOf(g *groupReader) ([]int64, error) {
	id, pid, tid, name := g.ints("thread"), g.ints("pid"), g.ints("tid"), g.texts("thread_name")
	if g.err != nil {
		return nil, g.err
	}
	for _, n := range id {
		if n < 0 || n > maxThreads {
			return nil, fmt.Errorf("thread %d", n)
		}
	}
	for row, n := range id {
		a.reach(n)
		if t := &a.threads[n]; !t.described && t.TID == 0 {
			t.PID, t.TID, t.Name = int32(pid[row]), int32(tid[row]), name.at(row)
		}
	}
	return id, nil
}

// reach makes the threads up to a number.
func (a *assembler) reach(n int64) {
	for int64(len(a.threads)) <= n {
		a.threads = append(a.threads, threadRows{Thread: timeline.Thread{CPUNs: -1}})
	}
}

func (a *assembler) addThreads(g *groupReader) error {
	id, pid, tid, name := g.ints("thread"), g.ints("pid"), g.ints("tid"), g.texts("name")
	main, python, cpu := g.ints("main"), g.ints("python"), g.ints("cpu_ns")
	from, until, period := g.ints("known_start_ns"), g.ints("known_end_ns"), g.ints("sample_period_ns")
	if g.err != nil {
		return g.err
	}
	for _, n := range id {
		if n < 1 || n > maxThreads {
			return fmt.Errorf("thread %d", n)
		}
	}
	for row, n := range id {
		a.reach(n)
		t := &a.threads[n]
		t.described = true
		t.PID, t.TID, t.Name = int32(pid[row]), int32(tid[row]), name.at(row)
		t.Main, t.Python, t.CPUNs = main[row] != 0, python[row] != 0, max(cpu[row], -1)
		t.Sched.Known = timeline.Interval{Start: from[row], End: until[row]}
		t.Samples.PeriodNs = max(period[row], 0)
	}
	return nil
}

// stacksOf finds the stack of every row. Where the table stacks has none of that number,
// the row's own frame is all that is left of it.
func (a *assembler) stacksOf(g *groupReader) (func(row int) timeline.StackID, error) {
	stack, line := g.ints("stack"), g.ints("frame_line")
	function, file := a.names(g, "function"), a.names(g, "file")
	return func(row int) timeline.StackID {
		n := stack[row]
		if n > 0 && n < int64(len(a.stacks)) && a.stacks[n] != 0 {
			return a.stacks[n]
		}
		frame := timeline.Frame{Func: function.at(row), File: file.at(row), Line: int32(line[row])}
		if n <= 0 || frame == (timeline.Frame{}) {
			return 0
		}
		return a.b.Stack([]timeline.FrameID{a.b.Frame(frame)})
	}, g.err
}

func (a *assembler) addScheduler(g *groupReader) error {
	off, wake, on := g.ints("off_ns"), g.ints("wake_ns"), g.ints("on_ns")
	reason, call, waker := wordsOf(g, "reason", &reasonWords, timeline.NumReasons), g.ints("syscall"), g.ints("waker")
	stack, _ := a.stacksOf(g)
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		s := &a.threads[n].Sched
		s.Off, s.Wake, s.On = append(s.Off, off[row]), append(s.Wake, wake[row]), append(s.On, on[row])
		s.Reason, s.Syscall = append(s.Reason, reason.at(row)), append(s.Syscall, int16(call[row]))
		s.Waker = append(s.Waker, timeline.ThreadID(min(max(waker[row], 0), maxThreads+1)))
		s.Stack = append(s.Stack, stack(row))
	}
	return nil
}

func (a *assembler) addLines(g *groupReader) error {
	at, line, top, sampled := g.ints("time_ns"), g.ints("line"), g.ints("top"), g.ints("sampled")
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		l := &a.threads[n].Lines
		l.Time, l.Line = append(l.Time, at[row]), append(l.Line, int32(line[row]))
		l.Top, l.Sampled = append(l.Top, int32(top[row])), append(l.Sampled, sampled[row] != 0)
	}
	return nil
}

func (a *assembler) addSamples(g *groupReader) error {
	at, period, call := g.ints("time_ns"), g.ints("period_ns"), g.ints("syscall")
	kind, module := wordsOf(g, "kind", &sampleWords, timeline.NumSampleKinds), a.names(g, "module")
	stack, _ := a.stacksOf(g)
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		t := &a.threads[n]
		s := &t.Samples
		s.Time, s.Kind = append(s.Time, at[row]), append(s.Kind, kind.at(row))
		s.Syscall, s.Stack = append(s.Syscall, int16(call[row])), append(s.Stack, stack(row))
		s.Module = append(s.Module, module.at(row))
		if !t.described {
			s.PeriodNs = max(s.PeriodNs, period[row])
		}
	}
	return nil
}

func (a *assembler) addScopes(g *groupReader) error {
	start, end, name, depth := g.ints("start_ns"), g.ints("end_ns"), a.names(g, "name"), g.ints("depth")
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		s := &a.threads[n].Scopes
		s.Start, s.End = append(s.Start, start[row]), append(s.End, end[row])
		s.Name, s.Depth = append(s.Name, name.at(row)), append(s.Depth, uint16(depth[row]))
	}
	return nil
}

func (a *assembler) addRanges(g *groupReader) error {
	start, end, name := g.ints("start_ns"), g.ints("end_ns"), a.names(g, "name")
	kind := wordsOf(g, "kind", &rangeWords, timeline.NumRangeKinds)
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		r := &a.threads[n].Ranges
		r.Start, r.End = append(r.Start, start[row]), append(r.End, end[row])
		r.Name, r.Kind = append(r.Name, name.at(row)), append(r.Kind, kind.at(row))
	}
	return nil
}

func (a *assembler) addMarks(g *groupReader) error {
	at, name, attributes := g.ints("time_ns"), a.names(g, "name"), a.names(g, "attributes")
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		m := &a.threads[n].Marks
		m.Time, m.Name = append(m.Time, at[row]), append(m.Name, name.at(row))
		m.Attributes = append(m.Attributes, attributes.at(row))
	}
	return nil
}

func (a *assembler) addGC(g *groupReader) error {
	start, end, generation, collected := g.ints("start_ns"), g.ints("end_ns"), g.ints("generation"), g.ints("collected")
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	for row, n := range thread {
		c := &a.threads[n].GC
		c.Start, c.End = append(c.Start, start[row]), append(c.End, end[row])
		c.Generation, c.Collected = append(c.Generation, uint8(generation[row])), append(c.Collected, collected[row])
	}
	return nil
}

func (a *assembler) addCalls(g *groupReader) error {
	start, end, correlation := g.ints("start_ns"), g.ints("end_ns"), g.ints("correlation")
	number, bytes := g.ints("call"), g.ints("bytes")
	class, name := wordsOf(g, "class", &classWords, timeline.NumCallClasses), a.names(g, "name")
	thread, err := a.threadsOf(g)
	if err != nil {
		return err
	}
	c := &a.calls
	for row, n := range thread {
		c.Start, c.End = append(c.Start, start[row]), append(c.End, end[row])
		c.Thread, c.Class = append(c.Thread, timeline.ThreadID(n)), append(c.Class, class.at(row))
		c.Name, c.Correlation = append(c.Name, name.at(row)), append(c.Correlation, uint32(correlation[row]))
		a.number, a.bytes = append(a.number, int32(number[row])), append(a.bytes, bytes[row])
	}
	return nil
}

func (a *assembler) addDevices(g *groupReader) error {
	index, name, pci, memory := g.ints("device"), g.texts("name"), g.texts("pci"), g.ints("memory_bytes")
	if g.err != nil {
		return g.err
	}
	for row, n := range index {
		d, err := a.device(int32(n))
		if err != nil {
			return err
		}
		d.Name, d.PCI, d.MemoryBytes = name.at(row), pci.at(row), memory[row]
	}
	return nil
}

// device finds a device by its ordinal; devices stay sorted by it.
func (a *assembler) device(index int32) (*deviceRows, error) {
	at, ok := slices.BinarySearchFunc(a.devices, index, func(d deviceRows, index int32) int { return cmp.Compare(d.Index, index) })
	if !ok {
		if len(a.devices) >= maxDevices {
			return nil, fmt.Errorf("there are too many devices")
		}
		a.devices = slices.Insert(a.devices, at, deviceRows{Device: timeline.Device{Index: index}})
	}
	return &a.devices[at], nil
}

func (a *assembler) addOps(g *groupReader) error {
	start, end, device, stream := g.ints("start_ns"), g.ints("end_ns"), g.ints("device"), g.ints("stream")
	bytes, graph, correlation, call := g.ints("bytes"), g.ints("graph"), g.ints("correlation"), g.ints("call")
	kind, name, of := wordsOf(g, "kind", &opWords, timeline.NumOpKinds), a.names(g, "name"), g.texts("device_name")
	copies, from, to := wordsOf(g, "copy", &copyWords, 0), wordsOf(g, "source", &memoryWords, 0), wordsOf(g, "target", &memoryWords, 0)
	if g.err != nil {
		return g.err
	}
	for _, n := range device {
		if _, err := a.device(int32(n)); err != nil {
			return err
		}
	}
	for row, n := range device {
		d, _ := a.device(int32(n)) // made above
		if d.Name == "" {
			d.Name = of.at(row)
		}
		o := &d.Ops
		o.Start, o.End = append(o.Start, start[row]), append(o.End, end[row])
		o.Kind, o.Stream, o.Name = append(o.Kind, kind.at(row)), append(o.Stream, uint32(stream[row])), append(o.Name, name.at(row))
		o.Bytes, o.Copy = append(o.Bytes, bytes[row]), append(o.Copy, copies.at(row))
		o.Source, o.Target = append(o.Source, from.at(row)), append(o.Target, to.at(row))
		o.Graph, o.Call = append(o.Graph, uint32(graph[row])), append(o.Call, int32(call[row]))
		d.correlation = append(d.correlation, uint32(correlation[row]))
	}
	return nil
}

func (a *assembler) addCounters(g *groupReader) error {
	at, counter, value := g.ints("time_ns"), g.ints("counter"), g.floats("value")
	name, unit := g.texts("name"), g.texts("unit")
	if g.err != nil {
		return g.err
	}
	for _, n := range counter {
		if n < 0 || n >= maxCounters {
			return fmt.Errorf("counter %d", n)
		}
	}
	for row, n := range counter {
		for int64(len(a.counters)) <= n {
			a.counters = append(a.counters, timeline.Counter{Name: name.at(row), Unit: unit.at(row)})
		}
		c := &a.counters[n]
		c.Time, c.Value = append(c.Time, at[row]), append(c.Value, value[row])
	}
	return nil
}

func (a *assembler) addOverheads(g *groupReader) error {
	start, end := g.ints("start_ns"), g.ints("end_ns")
	if g.err != nil {
		return g.err
	}
	for row := range start {
		a.overheads = append(a.overheads, timeline.Interval{Start: start[row], End: end[row]})
	}
	return nil
}
