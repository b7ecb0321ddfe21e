package timeline

import (
	"cmp"
	"slices"
)

// The tables of a thread under construction: columns, and the runs of their key.
type (
	schedTable struct {
		runs          runs
		off, wake, on column[int64]
		reason        column[Reason]
		syscall       column[int16]
		waker         column[ThreadID]
		stack         column[StackID]
	}
	lineTable struct {
		runs      runs
		time      column[int64]
		line, top column[int32]
		sampled   column[bool]
	}
	sampleTable struct {
		runs    runs
		time    column[int64]
		kind    column[SampleKind]
		syscall column[int16]
		stack   column[StackID]
		module  column[NameID]
	}
	scopeTable struct {
		runs       runs
		start, end column[int64]
		name       column[NameID]
		depth      column[uint16]
	}
	markTable struct {
		runs             runs
		time             column[int64]
		name, attributes column[NameID]
	}
	gcTable struct {
		runs       runs
		start, end column[int64]
		generation column[uint8]
		collected  column[int64]
	}
)

// repairs counts what Build had to put right, by kind.
type repairs struct {
	overlapping, inverted, badThread, badStack, badKind, windows int64
}

func (r *repairs) losses() []Loss {
	var out []Loss
	add := func(n int64, reason string) {
		if n > 0 {
			out = append(out, Loss{Source: "timeline", Reason: reason, Count: n})
		}
	}
	add(r.overlapping, "off-CPU episodes of one thread overlapped and were clipped")
	add(r.windows, "windows of capture overlapped or were inverted and were left out")
	add(r.inverted, "intervals ended before they began and were dropped or shortened")
	add(r.badThread, "episodes named a thread that does not exist")
	add(r.badStack, "events named a stack or a name that does not exist")
	add(r.badKind, "events carried a reason or a kind that does not exist")
	return out
}

// Build merges everything appended into a timeline clipped to window. It empties
// the builder, which must not be used afterwards. It never fails: input that
// contradicts itself is repaired, and what was repaired is counted as a Loss.
// An inverted window is taken as empty.
func (b *Builder) Build(window Interval) *Timeline {
	tl := b.build(window)
	for _, batch := range b.budget.last { // without a lock: whoever takes a batch may ask the builder for names
		b.budget.spill(batch)
	}
	b.budget.last = nil
	return tl
}

func (b *Builder) build(window Interval) *Timeline {
	if window.End < window.Start || window.End-window.Start < 0 { // inverted, or longer than int64 can say
		window.End = window.Start
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	tl := &Timeline{
		Window:  window,
		Threads: make([]Thread, 1, len(b.threads)+1),
		Names:   Names{text: b.names.text},
		Stacks:  b.stacks.stacks,
		Process: b.process,
		Rung:    b.rung,
		NoCell:  b.noCell,
	}
	if tl.Rung == "" {
		tl.Rung = RungInProcess
	}
	fix := &repairs{}
	freed := &garbage{}
	limit := limits{
		window:  window,
		threads: ThreadID(len(b.threads) + 1),
		stacks:  StackID(tl.Stacks.Len()),
		names:   NameID(tl.Names.Len()),
	}
	for _, t := range b.threads {
		tl.Threads = append(tl.Threads, t.build(limit, fix, freed))
	}
	tl.Threads[0].CPUNs = -1
	tl.Windows = windows(b.windows, window, fix)
	calls, byCorrelation := b.calls.build(limit, fix, freed)
	tl.Calls = calls
	for _, d := range b.devices {
		tl.Devices = append(tl.Devices, d.build(limit, &byCorrelation, fix, freed))
	}
	tl.Sensors = b.sensors
	tl.DeviceClockNs, tl.EarlierNs = b.deviceClock, b.earlier
	tl.Extent = extent(window, tl.Devices)
	for _, o := range b.overheads {
		if start, end, ok := clip(o.Start, o.End, tl.Extent, fix); ok {
			tl.Overheads = append(tl.Overheads, Interval{start, end})
		}
	}
	slices.SortStableFunc(tl.Overheads, func(x, y Interval) int { return cmp.Compare(x.Start, y.Start) })
	for _, c := range b.counters {
		tl.Counters = append(tl.Counters, clipCounter(c, window))
	}
	if b.names.cut > 0 {
		b.addLoss(Loss{Source: "timeline", Reason: "names longer than 4 KiB were cut", Count: b.names.cut})
	}
	if b.names.overflow > 0 {
		b.addLoss(Loss{Source: "timeline", Reason: "too many different names: later ones were not kept", Count: b.names.overflow})
	}
	if b.stacks.overflow > 0 {
		b.addLoss(Loss{Source: "timeline", Reason: "too many different stacks: later ones were not kept whole", Count: b.stacks.overflow})
	}
	for _, l := range fix.losses() {
		b.addLoss(l)
	}
	tl.Losses = b.losses
	return tl
}

// limits bound the references that rows may hold.
type limits struct {
	window  Interval
	threads ThreadID
	stacks  StackID
	names   NameID
}

func (t *ThreadBuilder) build(l limits, fix *repairs, freed *garbage) Thread {
	t.mu.Lock()
	defer t.mu.Unlock()
	cut := t.restore()
	name := t.name
	if name == "" {
		name = t.comm
	}
	out := Thread{PID: t.pid, TID: t.tid, Name: name, Main: t.main, Python: t.python, CPUNs: t.cpuNs}
	var beside int64
	out.Sched, beside = t.sched.build(l, t.known, fix, freed)
	switch {
	case cut: // the rows that tell what it ran beside the window are not here
		out.CPUNs = -1
	case out.CPUNs >= 0:
		out.CPUNs = max(out.CPUNs-beside, 0)
	}
	out.Lines = t.lines.build(l, freed)
	out.Samples = t.samples.build(l, fix, freed)
	out.Samples.PeriodNs = max(t.periodNs, 0)
	out.Scopes = t.scopes.build(l, fix, freed)
	out.Ranges = t.ranges.build(l, fix, freed)
	out.Marks = t.marks.build(l, fix, freed)
	out.GC = t.gc.build(l, fix, freed)
	return out
}

// ended is an interval's end with Open and 0 put at the window's end.
func ended(end int64, window Interval) int64 {
	if end == 0 || end == Open {
		return window.End
	}
	return end
}

// build makes the table, and says how long the thread ran beside the window while it was known.
func (s *schedTable) build(l limits, known Interval, fix *repairs, freed *garbage) (Sched, int64) {
	order := s.runs.order(&s.off, freed)
	out := s.take(order, freed)
	w := l.window
	if known.End == Open {
		known.End = w.End
	}
	if known.End <= known.Start && len(out.Off) > 0 {
		known = Interval{out.Off[0], out.Off[0]}
		for _, on := range out.On {
			known.End = max(known.End, ended(on, w))
		}
	}
	beside := ranBeside(&out, known, w)
	known = Interval{max(known.Start, w.Start), min(known.End, w.End)}
	if known.End < known.Start {
		known.End = known.Start
	}
	out.Known = known
	n := 0
	last := known.Start
	var reached int64 // the end of the last row kept, before clipping
	for i := range out.Off {
		off, wake, on, reason := out.Off[i], out.Wake[i], ended(out.On[i], w), out.Reason[i]
		if reason >= NumReasons {
			fix.badKind++
			reason = ReasonUnknown
		}
		switch {
		case reason == ReasonPreempted:
			wake = off
		case wake == 0 || wake == Open:
			wake = on
		}
		if on < off || wake < off || wake > on {
			if off >= w.End { // an open episode that began after the window
				continue
			}
			fix.inverted++
			if on < off {
				continue
			}
			wake = min(max(wake, off), on)
		}
		if n > 0 && off < reached {
			fix.overlapping++
		}
		off = max(off, last)
		reached = max(reached, on)
		on = min(on, known.End)
		if on <= off {
			continue
		}
		wake = min(max(wake, off), on)
		waker := out.Waker[i]
		if waker >= l.threads {
			fix.badThread++
			waker = 0
		}
		stack := out.Stack[i]
		if stack >= l.stacks {
			fix.badStack++
			stack = 0
		}
		out.Off[n], out.Wake[n], out.On[n], out.Reason[n] = off, wake, on, reason
		out.Syscall[n], out.Waker[n], out.Stack[n] = out.Syscall[i], waker, stack
		n++
		last = on
	}
	out.Off, out.Wake, out.On, out.Reason = out.Off[:n], out.Wake[:n], out.On[:n], out.Reason[:n]
	out.Syscall, out.Waker, out.Stack = out.Syscall[:n], out.Waker[:n], out.Stack[:n]
	return out, beside
}

// ranBeside is how long a thread ran while it was known, before and after the window.
func ranBeside(s *Sched, known, w Interval) int64 {
	beside := func(start, end int64) int64 {
		start, end = max(start, known.Start), min(end, known.End)
		return max(min(end, w.Start)-start, 0) + max(end-max(start, w.End), 0)
	}
	total, since := int64(0), known.Start
	for i := range s.Off {
		total += beside(since, s.Off[i])
		on := s.On[i]
		if on == 0 || on == Open {
			return total
		}
		since = max(since, on)
	}
	return total + beside(since, known.End)
}

func (t *lineTable) build(l limits, freed *garbage) Lines {
	order := t.runs.order(&t.time, freed)
	out := t.take(order, freed)
	hi, _ := slices.BinarySearch(out.Time, l.window.End)
	// The last row at or before the start is what executes at the start. Of several rows at the
	// start itself, all are kept: they are hits of their lines.
	lo, _ := slices.BinarySearch(out.Time, l.window.Start)
	if lo > 0 && (lo == len(out.Time) || out.Time[lo] > l.window.Start) {
		lo--
	}
	if l.window.End <= l.window.Start {
		lo = hi
	}
	out = Lines{out.Time[lo:hi], out.Line[lo:hi], out.Top[lo:hi], out.Sampled[lo:hi]}
	if len(out.Time) > 0 {
		out.Time[0] = max(out.Time[0], l.window.Start)
	}
	for i, line := range out.Line {
		out.Line[i], out.Top[i] = max(line, 0), max(out.Top[i], 0)
	}
	return out
}

func (t *sampleTable) build(l limits, fix *repairs, freed *garbage) Samples {
	order := t.runs.order(&t.time, freed)
	out := t.take(order, freed)
	lo, hi := within(out.Time, l.window)
	out = Samples{Time: out.Time[lo:hi], Kind: out.Kind[lo:hi], Syscall: out.Syscall[lo:hi],
		Stack: out.Stack[lo:hi], Module: out.Module[lo:hi]}
	for i := range out.Time {
		if out.Kind[i] >= NumSampleKinds {
			fix.badKind++
			out.Kind[i] = SampleOnCPU
		}
		if out.Stack[i] >= l.stacks || out.Module[i] >= l.names {
			fix.badStack++
			if out.Stack[i] >= l.stacks {
				out.Stack[i] = 0
			}
			if out.Module[i] >= l.names {
				out.Module[i] = 0
			}
		}
	}
	return out
}

// within is the range of the sorted times that lie inside the window.
func within(times []int64, w Interval) (lo, hi int) {
	lo, _ = slices.BinarySearch(times, w.Start)
	hi, _ = slices.BinarySearch(times, w.End)
	return lo, max(lo, hi)
}

// clip puts an interval inside the window; false when nothing of it is there.
// An instantaneous interval inside the window is kept.
func clip(start, end int64, w Interval, fix *repairs) (int64, int64, bool) {
	end = ended(end, w)
	if start >= w.End || w.End <= w.Start {
		return 0, 0, false
	}
	if end < start {
		fix.inverted++
		return 0, 0, false
	}
	if end < w.Start {
		return 0, 0, false
	}
	return max(start, w.Start), min(end, w.End), true
}

func (t *scopeTable) build(l limits, fix *repairs, freed *garbage) Scopes {
	order := t.runs.order(&t.start, freed)
	out := t.take(order, freed)
	n := 0
	for i := range out.Start {
		start, end, ok := clip(out.Start[i], out.End[i], l.window, fix)
		if !ok {
			continue
		}
		name := out.Name[i]
		if name >= l.names {
			fix.badStack++
			name = 0
		}
		out.Start[n], out.End[n], out.Name[n], out.Depth[n] = start, end, name, out.Depth[i]
		n++
	}
	return Scopes{out.Start[:n], out.End[:n], out.Name[:n], out.Depth[:n]}
}

func (t *markTable) build(l limits, fix *repairs, freed *garbage) Marks {
	order := t.runs.order(&t.time, freed)
	out := t.take(order, freed)
	lo, hi := within(out.Time, l.window)
	out = Marks{out.Time[lo:hi], out.Name[lo:hi], out.Attributes[lo:hi]}
	for i := range out.Time {
		if out.Name[i] >= l.names || out.Attributes[i] >= l.names {
			fix.badStack++
			out.Name[i], out.Attributes[i] = 0, 0
		}
	}
	return out
}

func (t *gcTable) build(l limits, fix *repairs, freed *garbage) GC {
	order := t.runs.order(&t.start, freed)
	out := t.take(order, freed)
	n := 0
	last := l.window.Start
	for i := range out.Start {
		start, end, ok := clip(out.Start[i], out.End[i], l.window, fix)
		if !ok {
			continue
		}
		// The collector does not run inside itself.
		if start < last {
			start = last
			if end <= start {
				fix.overlapping++
				continue
			}
		}
		out.Start[n], out.End[n], out.Generation[n], out.Collected[n] = start, end, out.Generation[i], out.Collected[i]
		n++
		last = end
	}
	return GC{out.Start[:n], out.End[:n], out.Generation[:n], out.Collected[:n]}
}

func clipCounter(c *Counter, w Interval) Counter {
	n := min(len(c.Time), len(c.Value))
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		switch {
		case c.Time[a] < c.Time[b]:
			return -1
		case c.Time[a] > c.Time[b]:
			return 1
		}
		return 0
	})
	out := Counter{Name: bounded(c.Name, maxThreadName), Unit: bounded(c.Unit, maxThreadName)}
	for _, i := range index {
		if c.Time[i] >= w.Start && c.Time[i] < w.End {
			out.Time, out.Value = append(out.Time, c.Time[i]), append(out.Value, c.Value[i])
		}
	}
	return out
}
