package scene

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// callClasses are the classes of keys by class of call.
var callClasses = [timeline.NumCallClasses]string{timeline.CallOther: "call_other", timeline.CallLaunch: "call_launch", timeline.CallCopy: "call_copy",
	timeline.CallSync: "call_sync", timeline.CallAlloc: "call_alloc", timeline.CallModule: "call_module", timeline.CallEvent: "call_event", timeline.CallInit: "call_init"}

// opClasses are those by kind of operation.
var opClasses = [timeline.NumOpKinds]string{timeline.OpKernel: "kernel", timeline.OpMemcpy: "copy", timeline.OpMemset: "set"}

// streamKey names a stream of a device by the device's row.
type streamKey struct {
	device int
	stream uint32
}

// devices are the calls, the idle time by cause, and the streams.
func (s *stage) devices(a *attribution.Attribution) {
	s.calls()
	s.idle(a)
	s.streams(a)
}

// calls has a lane for each of the threads that spent most time in calls.
func (s *stage) calls() {
	c := &s.tl.Calls
	var class [timeline.NumCallClasses]class
	for i := range class {
		class[i] = s.keys.class(callClasses[i])
	}
	took, byThread := weights{}, make([]int64, len(s.tl.Threads))
	for i := range c.Start {
		took[name{class: class[c.Class[i]], id: c.Name[i]}] += c.End[i] - c.Start[i]
		byThread[c.Thread[i]] += c.End[i] - c.Start[i] + 1
	}
	s.keys.admit(took, mostNames, s.label)
	var callers []timeline.ThreadID
	for id, ns := range byThread {
		if ns > 0 {
			callers = append(callers, timeline.ThreadID(id))
		}
	}
	slices.SortStableFunc(callers, func(x, y timeline.ThreadID) int { return cmp.Compare(byThread[y], byThread[x]) })
	drafts := map[timeline.ThreadID]*draft{}
	for _, id := range callers[:min(len(callers), mostCallers)] {
		title := "CUDA calls"
		if !s.tl.Threads[id].Main && id > 0 {
			title += ", " + threadName(&s.tl.Threads[id])
		}
		drafts[id] = s.open(result.LaneCalls, cut(title), 2)
		drafts[id].Thread = id
	}
	for i := range c.Start {
		if d := drafts[c.Thread[i]]; d != nil {
			s.add(d, c.Start[i], c.End[i], s.keys.find(name{class: class[c.Class[i]], id: c.Name[i]}))
		}
	}
	s.callLanes = map[timeline.ThreadID]int32{}
	for _, id := range callers[:min(len(callers), mostCallers)] {
		s.callLanes[id] = s.keep(drafts[id])
	}
}

// idle is the busiest device's idle time by cause and line.
func (s *stage) idle(a *attribution.Attribution) {
	if a.GPU == nil {
		return
	}
	for _, c := range a.GPU.Idle.Causes[:min(len(a.GPU.Idle.Causes), mostLines)] {
		s.keys.of(name{class: s.keys.class(string(c.Kind)), line: c.Line.Number}, "")
	}
	d := s.open(result.LaneIdle, "GPU idle", 3)
	d.Device = a.GPU.Index
	unseen := s.unseen()
	var keys []int32 // by class, -1 where it is not known yet
	a.IdlePieces(func(p attribution.IdlePiece) {
		for p.Class >= len(keys) {
			keys = append(keys, -1)
		}
		if keys[p.Class] < 0 {
			keys[p.Class] = s.keys.find(name{class: s.keys.class(string(p.Kind)), line: p.Line})
		}
		unseen.until(p.Start, func(g timeline.Interval, key int32) { s.add(d, g.Start, g.End, key) })
		s.add(d, p.Start, p.End, keys[p.Class])
	})
	unseen.until(s.tl.Extent.End, func(g timeline.Interval, key int32) { s.add(d, g.Start, g.End, key) })
	s.keep(d)
}

// gaps are the stretches in which devices were not captured.
type gaps struct {
	list []timeline.Interval
	key  int32
}

func (s *stage) unseen() *gaps {
	list := coverage.Unseen(s.tl)
	if len(list) == 0 {
		return &gaps{}
	}
	if last := &list[len(list)-1]; last.End == s.tl.Window.End {
		last.End = s.tl.Extent.End // nothing that follows the cell was seen either
	}
	return &gaps{list, s.keys.of(name{class: s.keys.class("unseen")}, "")}
}

// until gives the stretches that begin before a time, each once.
func (g *gaps) until(t int64, each func(timeline.Interval, int32)) {
	for len(g.list) > 0 && g.list[0].Start <= t {
		each(g.list[0], g.key)
		g.list = g.list[1:]
	}
}

// streams are the busiest of each device, by number.
func (s *stage) streams(a *attribution.Attribution) {
	s.opLanes = map[streamKey]int32{}
	took := weights{}
	var class [timeline.NumOpKinds]class
	for i := range class {
		class[i] = s.keys.class(opClasses[i])
	}
	of := func(ops *timeline.Ops, row int) name {
		n := name{class: class[ops.Kind[row]], id: ops.Name[row]}
		if ops.Kind[row] != timeline.OpKernel {
			n.id = timeline.NameID(ops.Copy[row])<<16 | timeline.NameID(ops.Source[row])<<8 | timeline.NameID(ops.Target[row])
		}
		if call := ops.Call[row]; call >= 0 {
			n.line = a.CallLine(call)
		}
		return n
	}
	shown := s.tl.Devices[:min(len(s.tl.Devices), mostDevices)]
	for i := range shown {
		ops := &shown[i].Ops
		for row := range ops.Start {
			took[of(ops, row)] += ops.End[row] - ops.Start[row]
		}
	}
	s.keys.admit(took, mostKernels, func(n name) string {
		switch n.class {
		case class[timeline.OpKernel]:
			return s.label(n)
		case class[timeline.OpMemcpy]:
			return fmt.Sprintf("%s, %s to %s", timeline.CopyKind(n.id>>16), timeline.MemoryKind(n.id>>8), timeline.MemoryKind(n.id))
		}
		return "memory sets"
	})
	for i := range shown {
		d := &shown[i]
		busiest := busiestStreams(&d.Ops)
		drafts := make(map[uint32]*draft, len(busiest))
		missing := make(map[uint32]*gaps, len(busiest))
		for _, stream := range busiest {
			title := fmt.Sprintf("stream %d", stream)
			if len(s.tl.Devices) > 1 {
				title = fmt.Sprintf("GPU %d, stream %d", d.Index, stream)
			}
			drafts[stream], missing[stream] = s.open(result.LaneStream, title, 4), s.unseen()
			drafts[stream].Device, drafts[stream].Stream = d.Index, stream
		}
		for row := range d.Ops.Start {
			to := drafts[d.Ops.Stream[row]]
			if to == nil {
				continue
			}
			start := d.Ops.Start[row]
			missing[d.Ops.Stream[row]].until(start, func(g timeline.Interval, key int32) { s.add(to, g.Start, g.End, key) })
			s.add(to, start, d.Ops.End[row], s.keys.find(of(&d.Ops, row)))
		}
		for _, stream := range busiest {
			missing[stream].until(s.tl.Extent.End, func(g timeline.Interval, key int32) { s.add(drafts[stream], g.Start, g.End, key) })
			s.opLanes[streamKey{i, stream}] = s.keep(drafts[stream])
		}
	}
}

// busiestStreams are the streams with the most time, by number.
func busiestStreams(ops *timeline.Ops) []uint32 {
	sums := map[uint32]int64{}
	for row, stream := range ops.Stream {
		sums[stream] += ops.End[row] - ops.Start[row]
	}
	out := make([]uint32, 0, len(sums))
	for stream := range sums {
		out = append(out, stream)
	}
	slices.SortFunc(out, func(x, y uint32) int { return cmp.Or(cmp.Compare(sums[y], sums[x]), cmp.Compare(x, y)) })
	out = out[:min(len(out), mostStreams)]
	slices.Sort(out)
	return out
}

// arrows lead to the longest operation of each of many equal pieces of the window.
func (s *stage) arrows() []result.SceneArrow {
	type best struct {
		ns  int64
		row int
		of  int
	}
	longest := make([]best, mostArrows)
	w := s.tl.Extent
	for i := range s.tl.Devices[:min(len(s.tl.Devices), mostDevices)] {
		ops := &s.tl.Devices[i].Ops
		for row, start := range ops.Start {
			if ops.Call[row] < 0 || start < w.Start || start >= w.End {
				continue
			}
			piece := int(float64(start-w.Start) / float64(s.window) * mostArrows)
			if b := &longest[min(piece, mostArrows-1)]; ops.End[row]-start+1 > b.ns {
				*b = best{ops.End[row] - start + 1, row, i}
			}
		}
	}
	out := []result.SceneArrow{}
	for _, b := range longest {
		if b.ns == 0 {
			continue
		}
		ops := &s.tl.Devices[b.of].Ops
		call := ops.Call[b.row]
		to, ok := s.opLanes[streamKey{b.of, ops.Stream[b.row]}]
		from, known := s.callLanes[s.tl.Calls.Thread[call]]
		if ok && known && to >= 0 && from >= 0 {
			out = append(out, result.SceneArrow{FromLane: from, ToLane: to, From: max(0, s.tl.Calls.Start[call]-w.Start), To: ops.Start[b.row] - w.Start})
		}
	}
	return out
}
