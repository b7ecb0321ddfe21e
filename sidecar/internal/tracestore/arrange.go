package tracestore

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// rowsOf are the rows of one table that are to stay, in order; nil when that is all
// of them as they are.
type rowsOf []int

// arrange sorts rows by time and asks keep, in that order, which of them stay; keep
// may change its row.
func arrange(times []int64, keep func(row int) bool) rowsOf {
	var order rowsOf
	if !slices.IsSorted(times) {
		order = make(rowsOf, len(times))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(times[x], times[y]) })
	}
	if order == nil {
		for i := range times {
			if !keep(i) {
				order = make(rowsOf, i, len(times))
				for j := range order {
					order[j] = j
				}
				for j := i + 1; j < len(times); j++ {
					if keep(j) {
						order = append(order, j)
					}
				}
				break
			}
		}
		return order
	}
	return slices.DeleteFunc(order, func(row int) bool { return !keep(row) })
}

// pick is a column with the rows that stay.
func pick[T any](r rowsOf, column []T) []T {
	if r == nil {
		return column
	}
	out := make([]T, len(r))
	for i, row := range r {
		out[i] = column[row]
	}
	return out
}

// finish makes the timeline. With spilled, rows are as they were collected: neither
// clipped to the window nor joined to their calls. The assembler is used up.
func (a *assembler) finish(spilled bool) *timeline.Timeline {
	window := timeline.Interval(a.m.Window)
	if !a.m.Complete {
		window = a.reached()
	}
	names := a.b.Build(window) // has the names and the stacks
	tl := &timeline.Timeline{Window: window, Names: names.Names, Stacks: names.Stacks,
		Process: a.m.Process.timeline(), Rung: a.m.Rung, NoCell: a.m.NoCell, DeviceClockNs: min(max(a.m.DeviceClock, 0), longestTime), EarlierNs: min(max(a.m.Earlier, 0), longestTime)}
	for _, l := range a.m.Losses {
		tl.Losses = append(tl.Losses, timeline.Loss(l))
	}
	tl.Losses = append(tl.Losses, names.Losses...)
	for i := range a.m.Sensors {
		tl.Sensors = append(tl.Sensors, a.m.Sensors[i].timeline())
	}
	tl.Windows = a.windows(window)
	for i := range a.threads {
		t := &a.threads[i]
		if !a.m.Complete && !t.described {
			t.Sched.Known = known(&t.Sched)
		}
		a.thread(&t.Thread, window, spilled)
		tl.Threads = append(tl.Threads, t.Thread)
		*t = threadRows{} // its rows are the timeline's now
	}
	for i := range a.counters {
		c := &a.counters[i]
		rows := arrange(c.Time, func(row int) bool {
			return a.ok(tableCounters, c.Time[row] >= window.Start && c.Time[row] < window.End)
		})
		c.Time, c.Value = pick(rows, c.Time), pick(rows, c.Value)
	}
	tl.Counters = a.counters
	a.gpu(tl, spilled)
	for _, name := range slices.Sorted(maps.Keys(a.dropped)) {
		tl.Losses = append(tl.Losses, timeline.Loss{Source: source, Count: a.dropped[name],
			Reason: "rows of " + name + " contradict the format and were left out"})
	}
	return tl
}

// windows are the stretches of capture, all of them or none: one that is wrong voids
// what the others say of the time between them.
func (a *assembler) windows(w timeline.Interval) []timeline.Window {
	var out []timeline.Window
	for _, x := range a.m.Windows {
		out = append(out, timeline.Window(x))
	}
	alone := timeline.Timeline{Window: w, Threads: make([]timeline.Thread, 1), Windows: out}
	if alone.Check() != nil {
		a.dropped[partWindows] += int64(len(out))
		return nil
	}
	return out
}

// ok counts a row that does not stay.
func (a *assembler) ok(table string, stays bool) bool {
	if !stays {
		a.dropped[table]++
	}
	return stays
}

// reached is the window of a trace that was not finished: from the first moment of its
// rows to the last.
func (a *assembler) reached() timeline.Interval {
	w := timeline.Interval{Start: math.MaxInt64}
	see := func(times ...[]int64) {
		for _, column := range times {
			for _, at := range column {
				if at >= 0 && at < math.MaxInt64/4 {
					w.Start, w.End = min(w.Start, at), max(w.End, at+1)
				}
			}
		}
	}
	for i := range a.threads {
		t := &a.threads[i].Thread
		see(t.Sched.Off, t.Sched.On, t.Lines.Time, t.Samples.Time, t.Scopes.Start, t.Scopes.End, t.Ranges.Start, t.Ranges.End, t.Marks.Time, t.GC.Start, t.GC.End)
	}
	see(a.calls.Start, a.calls.End)
	for i := range a.devices {
		see(a.devices[i].Ops.Start, a.devices[i].Ops.End)
	}
	for i := range a.counters {
		see(a.counters[i].Time)
	}
	w.Start = min(w.Start, w.End)
	return w
}

// known is how far a thread's rows tell its state, in a trace that does not say it.
func known(s *timeline.Sched) timeline.Interval {
	if len(s.Off) == 0 {
		return timeline.Interval{}
	}
	k := timeline.Interval{Start: slices.Min(s.Off)}
	for i, on := range s.On {
		if on == timeline.Open {
			on = s.Off[i]
		}
		k.End = max(k.End, on)
	}
	return timeline.Interval{Start: k.Start, End: max(k.Start, k.End)}
}

// thread makes the tables of a thread what the model wants.
func (a *assembler) thread(t *timeline.Thread, w timeline.Interval, spilled bool) {
	a.sched(&t.Sched, w, spilled)
	// inside says whether a row begins in the window; of a spilled one that is clipped it is no fault.
	inside := func(table string, at int64) bool {
		in := at >= w.Start && at < w.End
		return in || !spilled && a.ok(table, false)
	}
	l := &t.Lines
	rows := arrange(l.Time, func(row int) bool {
		return inside(tableLines, l.Time[row]) && a.ok(tableLines, l.Line[row] >= 0 && l.Top[row] >= 0)
	})
	*l = timeline.Lines{Time: pick(rows, l.Time), Line: pick(rows, l.Line), Top: pick(rows, l.Top), Sampled: pick(rows, l.Sampled)}
	s := &t.Samples
	rows = arrange(s.Time, func(row int) bool { return inside(tableSamples, s.Time[row]) })
	s.Time, s.Kind, s.Syscall, s.Stack, s.Module = pick(rows, s.Time), pick(rows, s.Kind), pick(rows, s.Syscall), pick(rows, s.Stack), pick(rows, s.Module)
	m := &t.Marks
	rows = arrange(m.Time, func(row int) bool { return inside(tableMarks, m.Time[row]) })
	*m = timeline.Marks{Time: pick(rows, m.Time), Name: pick(rows, m.Name), Attributes: pick(rows, m.Attributes)}
	c := &t.Scopes
	rows = arrange(c.Start, func(row int) bool {
		return inside(tableScopes, c.Start[row]) && a.ends(tableScopes, c.Start, c.End, row, w, spilled)
	})
	*c = timeline.Scopes{Start: pick(rows, c.Start), End: pick(rows, c.End), Name: pick(rows, c.Name), Depth: pick(rows, c.Depth)}
	r := &t.Ranges
	rows = arrange(r.Start, func(row int) bool {
		return inside(tableRanges, r.Start[row]) && a.ends(tableRanges, r.Start, r.End, row, w, spilled)
	})
	*r = timeline.Ranges{Start: pick(rows, r.Start), End: pick(rows, r.End), Name: pick(rows, r.Name), Kind: pick(rows, r.Kind)}
	g := &t.GC
	rows = arrange(g.Start, func(row int) bool {
		return inside(tableGC, g.Start[row]) && a.ends(tableGC, g.Start, g.End, row, w, spilled)
	})
	*g = timeline.GC{Start: pick(rows, g.Start), End: pick(rows, g.End), Generation: pick(rows, g.Generation), Collected: pick(rows, g.Collected)}
}

// ends clips a row's end to the window where that is no fault, and says whether the row stays.
func (a *assembler) ends(table string, start, end []int64, row int, w timeline.Interval, spilled bool) bool {
	if spilled {
		end[row] = min(end[row], w.End)
	}
	return a.ok(table, end[row] >= start[row] && end[row] <= w.End)
}

func (a *assembler) sched(s *timeline.Sched, w timeline.Interval, spilled bool) {
	k := &s.Known
	if k.End > k.Start {
		k.Start, k.End = min(max(k.Start, w.Start), w.End), min(k.End, w.End)
	}
	k.End = max(k.Start, k.End)
	last := k.Start
	rows := arrange(s.Off, func(row int) bool {
		if spilled {
			if s.Off[row] >= k.End {
				return false
			}
			s.Off[row] = max(s.Off[row], last)
			s.On[row] = min(s.On[row], k.End)
			s.Wake[row] = min(max(s.Wake[row], s.Off[row]), s.On[row])
		}
		off, wake, on := s.Off[row], s.Wake[row], s.On[row]
		if !a.ok(tableScheduler, off >= last && wake >= off && on >= wake && on > off && on <= k.End) {
			return false
		}
		if int(s.Waker[row]) >= len(a.threads) {
			s.Waker[row] = 0
		}
		last = on
		return true
	})
	s.Off, s.Wake, s.On, s.Reason = pick(rows, s.Off), pick(rows, s.Wake), pick(rows, s.On), pick(rows, s.Reason)
	s.Syscall, s.Waker, s.Stack = pick(rows, s.Syscall), pick(rows, s.Waker), pick(rows, s.Stack)
}

// gpu makes the calls, the devices and the overheads what the model wants, and joins the operations to their calls.
func (a *assembler) gpu(tl *timeline.Timeline, spilled bool) {
	w, c := tl.Window, &a.calls
	rows := arrange(c.Start, func(row int) bool {
		if in := c.Start[row] >= w.Start && c.Start[row] < w.End; !in {
			return !spilled && a.ok(tableCalls, false)
		}
		return a.ends(tableCalls, c.Start, c.End, row, w, spilled)
	})
	tl.Calls = timeline.Calls{Start: pick(rows, c.Start), End: pick(rows, c.End), Thread: pick(rows, c.Thread),
		Class: pick(rows, c.Class), Name: pick(rows, c.Name), Correlation: pick(rows, c.Correlation), Bytes: sized(pick(rows, a.bytes))}
	row := rowByNumber(pick(rows, a.number))
	correlation := make([][]uint32, len(a.devices))
	for i := range a.devices {
		d := &a.devices[i]
		o := &d.Ops
		rows := arrange(o.Start, func(at int) bool {
			if !spilled || o.Call[at] != callByCorrelation {
				o.Call[at] = row(o.Call[at])
			}
			return a.ok(tableDeviceOps, o.Start[at] >= w.Start && o.End[at] >= o.Start[at] && o.End[at] <= longestTime && o.Bytes[at] >= 0)
		})
		d.Ops, correlation[i] = pickOps(rows, o), pick(rows, d.correlation)
		tl.Devices = append(tl.Devices, d.Device)
	}
	tl.ResolveCalls(callByCorrelation, correlation) // and the extent
	for i := range tl.Devices {
		o := &tl.Devices[i].Ops
		rows := arrange(o.Start, func(at int) bool {
			if o.Call[at] >= 0 || o.Start[at] < w.End {
				return true
			}
			return !spilled && a.ok(tableDeviceOps, false)
		})
		tl.Devices[i].Ops = pickOps(rows, o)
	}
	rows = arrange(starts(a.overheads), func(row int) bool {
		o := a.overheads[row]
		return a.ok(tableOverheads, o.Start >= w.Start && o.End >= o.Start && o.End <= max(tl.Extent.End, a.m.Extent.End))
	})
	tl.Overheads = pick(rows, a.overheads)
}

// rowByNumber finds the row of the call that has a number; -1 when there is none.
func rowByNumber(numbers []int32) func(int32) int32 {
	identity := true
	for row, n := range numbers {
		identity = identity && int(n) == row
	}
	if identity {
		return func(n int32) int32 {
			if n >= 0 && int(n) < len(numbers) {
				return n
			}
			return callUnknown
		}
	}
	rows := make(map[int32]int32, len(numbers))
	for row, n := range numbers {
		if n >= 0 {
			rows[n] = int32(row)
		}
	}
	return func(n int32) int32 {
		if row, ok := rows[n]; ok {
			return row
		}
		return callUnknown
	}
}

// sized is a column of bytes as the model has it: nil when none is known.
func sized(bytes []int64) []int64 {
	if len(bytes) == 0 || slices.Max(bytes) < 0 {
		return nil
	}
	for i := range bytes {
		bytes[i] = max(bytes[i], 0)
	}
	return bytes
}

func pickOps(rows rowsOf, o *timeline.Ops) timeline.Ops {
	return timeline.Ops{Start: pick(rows, o.Start), End: pick(rows, o.End), Kind: pick(rows, o.Kind), Stream: pick(rows, o.Stream),
		Name: pick(rows, o.Name), Bytes: pick(rows, o.Bytes), Copy: pick(rows, o.Copy), Source: pick(rows, o.Source),
		Target: pick(rows, o.Target), Graph: pick(rows, o.Graph), Call: pick(rows, o.Call)}
}

func starts(of []timeline.Interval) []int64 {
	out := make([]int64, len(of))
	for i := range of {
		out[i] = of[i].Start
	}
	return out
}
