package timeline

import "slices"

// Until is the timeline with its window ended at a moment inside it: what happened later
// is cut away. It shares the columns with t. What the kernel accounts for threads, which
// is known for the whole window alone, is not known of a part of it.
func (t *Timeline) Until(end int64) *Timeline {
	out := *t
	if end >= t.Window.End {
		return &out
	}
	out.Window.End = max(end, t.Window.Start)
	end = out.Window.End
	out.Threads = slices.Clone(t.Threads)
	for i := range out.Threads {
		out.Threads[i].until(end)
	}
	out.Counters = slices.Clone(t.Counters)
	for i := range out.Counters {
		c := &out.Counters[i]
		n, _ := slices.BinarySearch(c.Time, end)
		c.Time, c.Value = c.Time[:n], c.Value[:n]
	}
	out.untilDevices(end)
	out.Windows = untilWindows(t.Windows, end)
	return &out
}

// untilDevices drops the calls from end on, and the operations that they launched.
func (t *Timeline) untilDevices(end int64) {
	c := &t.Calls
	n, _ := slices.BinarySearch(c.Start, end)
	t.Calls = c.first(n)
	t.Calls.End = endedBy(t.Calls.End, end)
	t.Devices = slices.Clone(t.Devices)
	for i := range t.Devices {
		o := &t.Devices[i].Ops
		kept := Ops{}
		for row, call := range o.Call {
			if int(call) >= n || (call < 0 && o.Start[row] >= end) {
				continue
			}
			kept.Start, kept.End = append(kept.Start, o.Start[row]), append(kept.End, o.End[row])
			kept.Kind, kept.Stream, kept.Name = append(kept.Kind, o.Kind[row]), append(kept.Stream, o.Stream[row]), append(kept.Name, o.Name[row])
			kept.Bytes, kept.Copy = append(kept.Bytes, o.Bytes[row]), append(kept.Copy, o.Copy[row])
			kept.Source, kept.Target = append(kept.Source, o.Source[row]), append(kept.Target, o.Target[row])
			kept.Graph, kept.Call = append(kept.Graph, o.Graph[row]), append(kept.Call, call)
		}
		t.Devices[i].Ops = kept
	}
	t.Extent = extent(t.Window, t.Devices)
}

func (t *Thread) until(end int64) {
	t.CPUNs = -1
	s := &t.Sched
	s.Known.Start, s.Known.End = min(s.Known.Start, end), min(s.Known.End, end)
	n, _ := slices.BinarySearch(s.Off, end)
	s.Off, s.Reason, s.Syscall, s.Waker, s.Stack = s.Off[:n], s.Reason[:n], s.Syscall[:n], s.Waker[:n], s.Stack[:n]
	s.Wake, s.On = slices.Clone(s.Wake[:n]), slices.Clone(s.On[:n])
	if n > 0 { // only the last row can reach past the end
		s.Wake[n-1], s.On[n-1] = min(s.Wake[n-1], end), min(s.On[n-1], end)
	}
	n, _ = slices.BinarySearch(t.Lines.Time, end)
	t.Lines = Lines{t.Lines.Time[:n], t.Lines.Line[:n], t.Lines.Top[:n], t.Lines.Sampled[:n]}
	m := &t.Samples
	n, _ = slices.BinarySearch(m.Time, end)
	m.Time, m.Kind, m.Syscall, m.Stack, m.Module = m.Time[:n], m.Kind[:n], m.Syscall[:n], m.Stack[:n], m.Module[:n]
	c := &t.Scopes
	n, _ = slices.BinarySearch(c.Start, end)
	c.Start, c.End, c.Name, c.Depth = c.Start[:n], endedBy(c.End[:n], end), c.Name[:n], c.Depth[:n]
	r := &t.Ranges
	n, _ = slices.BinarySearch(r.Start, end)
	r.Start, r.End, r.Name, r.Kind = r.Start[:n], endedBy(r.End[:n], end), r.Name[:n], r.Kind[:n]
	k := &t.Marks
	n, _ = slices.BinarySearch(k.Time, end)
	k.Time, k.Name, k.Attributes = k.Time[:n], k.Name[:n], k.Attributes[:n]
	g := &t.GC
	n, _ = slices.BinarySearch(g.Start, end)
	g.Start, g.End, g.Generation, g.Collected = g.Start[:n], endedBy(g.End[:n], end), g.Generation[:n], g.Collected[:n]
}

// endedBy is ends with none after end.
func endedBy(ends []int64, end int64) []int64 {
	out := slices.Clone(ends)
	for i := range out {
		out[i] = min(out[i], end)
	}
	return out
}
