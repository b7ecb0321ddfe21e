package whatif

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Cost is time that a repair would remove. The zero value is time of which nothing is known
// but its length.
type Cost struct {
	// Idle are causes of idle time: what the host, or a launch, took meanwhile is removed.
	Idle []result.CauseKind
	// All is idle time of whichever cause.
	All bool
	// Line restricts idle time and calls to one line, 0 to none.
	Line int32
	// Unawaited are waits of the line's calls for the device.
	Unawaited bool
	// Pageable are copies with a side in pageable memory.
	Pageable bool
	// Ahead are copies from pinned memory to the device that take turns with kernels; Unordered the waits of kernels for
	// events of other streams. See replay.Change.
	Ahead, Unordered bool
	// Launches are those on lines whose kernels take less than so many ns on average, 0 for none: what
	// the host does there from one to the next.
	Launches int64
	// Kernels are the kernels by name; may be nil.
	Kernels func(name string) bool
	// Ns is how much time it is: no more is ever said to be saved.
	Ns int64
}

// modelled says that a cost is known to the replay.
func (c *Cost) modelled() bool {
	return len(c.Idle) > 0 || c.All || c.Unawaited || c.Pageable || c.Ahead || c.Unordered || c.Launches > 0 || c.Kernels != nil
}

// has says that a piece of idle time belongs to a cost, and how much of it, 0..1.
func (m *Model) has(c *Cost, p attribution.IdlePiece) float64 {
	if c.Line != 0 && p.Line != c.Line {
		return 0
	}
	if c.All {
		return 1
	}
	var part float64
	for _, k := range c.Idle {
		switch {
		case p.Sampled:
			part += m.a.SampledPart(p.Line, k)
		case p.Kind == k:
			part = 1
		}
	}
	return min(part, 1)
}

// onDevice says that idle time of such a cause passed after the launch, on the device.
func onDevice(k result.CauseKind) bool {
	return k == result.CauseLaunchLatency || k == result.CauseStreamDependency || k == result.CauseDeviceWait
}

// Savings predicts what each of the costs, gone alone, would save, by half and in full; never
// more than its Ns. Where nothing is predicted, and of a cost that the replay does not know,
// it is at most that, and maybe nothing; of launches seen in windows it is estimated.
func (m *Model) Savings(costs []Cost) []result.Saving {
	out := make([]result.Saving, len(costs))
	for i := range costs {
		out[i].HighNs = costs[i].Ns
	}
	if m.graph == nil {
		for i := range costs {
			if costs[i].Launches > 0 && m.windows() {
				out[i] = m.inWindows(&costs[i])
			}
		}
		return out
	}
	each(len(costs), func(i int) {
		if !costs[i].modelled() {
			return
		}
		c := m.change(&costs[i])
		s := m.saving(m.graph.Predict(&c))
		high := min(s.HighNs, costs[i].Ns)
		out[i] = result.Saving{LowNs: min(s.LowNs, high), HighNs: high}
	})
	return out
}

// change puts a cost as a change to the replay. It may be large, so that it is made when it is needed.
func (m *Model) change(c *Cost) replay.Change {
	out := replay.Change{Removals: &replay.Removals{}, Ahead: c.Ahead, Unordered: c.Unordered}
	if c.Kernels != nil {
		out.Named = m.named(c.Kernels)
	}
	if c.Unawaited {
		out.Unawaited = func(call int32) bool { return c.Line == 0 || m.a.CallLine(call) == c.Line }
	}
	if c.Pageable {
		out.Transfers = m.pageable()
		m.inside(out.Transfers, out.Removals)
		return out
	}
	if !c.All && c.Launches == 0 && len(c.Idle) == 0 {
		return out
	}
	var launching *replay.Removals
	if c.Launches > 0 {
		launching = m.launching(c.Launches)
	}
	m.idle(c, out.Removals)
	if launching != nil {
		out.Removals = replay.Merged(out.Removals, launching)
	}
	if c.All { // of this idle time no more is meant than Ns of it
		out.Removals.Scale(c.Ns)
	}
	return out
}

// idle is the idle time that belongs to a cost.
func (m *Model) idle(c *Cost, out *replay.Removals) {
	var parts []float64 // by class, -1 where it is not known yet
	m.a.IdlePieces(func(p attribution.IdlePiece) {
		for p.Class >= len(parts) {
			parts = append(parts, -1)
		}
		part := parts[p.Class]
		if part < 0 {
			part = m.has(c, p)
			parts[p.Class] = part
		}
		if part <= 0 {
			return
		}
		r := replay.Removal{Thread: p.Thread, Start: p.Start, End: p.End, Share: part}
		switch {
		case !p.Sampled && onDevice(p.Kind):
			r.Thread, r.Device = 0, true
		case p.Kind == result.CauseCompile && p.Thread == m.tl.Main():
			r.Helpers = true // a compiler has threads of its own, which also try out what they made
		}
		out.Add(r)
	})
}

// inside is what threads do in some calls: of a copy with a pageable side the host moves the bytes itself,
// to or from a buffer of the driver's, and all of that goes with it.
func (m *Model) inside(of func(call int32) bool, out *replay.Removals) {
	c := &m.tl.Calls
	for row, start := range c.Start {
		if of(int32(row)) {
			out.Add(replay.Removal{Thread: c.Thread[row], Start: start, End: c.End[row], Share: 1})
		}
	}
}

// pageable tells the calls that launched a copy with a side in pageable memory.
func (m *Model) pageable() func(int32) bool {
	of := make([]bool, m.tl.Calls.Len())
	for i := range m.tl.Devices {
		ops := &m.tl.Devices[i].Ops
		for row, call := range ops.Call {
			if call >= 0 && (ops.Source[row] == timeline.MemoryPageable || ops.Target[row] == timeline.MemoryPageable) {
				of[call] = true
			}
		}
	}
	return func(call int32) bool { return of[call] }
}

// named is a function of names as one of their numbers.
func (m *Model) named(is func(string) bool) func(timeline.NameID) bool {
	of := make([]bool, m.tl.Names.Len())
	for id := range of {
		of[id] = is(m.tl.Names.String(timeline.NameID(id)))
	}
	return func(n timeline.NameID) bool { return of[n] }
}
