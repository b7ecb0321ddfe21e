package analysis

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// maxStreamLanes bounds the streams of one device that are drawn: the busiest.
const maxStreamLanes = 6

// opClasses are the classes of slices by kind of operation.
var opClasses = [timeline.NumOpKinds]string{timeline.OpKernel: "kernel", timeline.OpMemcpy: "copy", timeline.OpMemset: "set"}

// streamLane is one stream while it is filled.
type streamLane struct {
	stream uint32
	ns     int64
	column int64
	filled [][timeline.NumOpKinds]int64
}

// add notes an operation; starts must not go backwards. Streams execute one
// operation after the other, but for graphs, whose nodes may overlap.
func (l *streamLane) add(g grid, start, end int64, kind timeline.OpKind) {
	l.ns += end - start
	for l.column+1 < g.columns && g.edge(l.column+1) <= start {
		l.column++
	}
	for c := l.column; c < g.columns && g.edge(c) < end; c++ {
		l.filled[c][kind] += min(end, g.edge(c+1)) - max(start, g.edge(c))
	}
}

// slices show a column when a tenth of it is busy: kernels of a launch-bound loop
// fill less than half of every column, and must be seen.
func (l *streamLane) slices(g grid) []result.Slice {
	out := []result.Slice{}
	open := false
	for c := range l.filled {
		var sum int64
		best := 0
		for k, ns := range l.filled[c] {
			sum += ns
			if ns > l.filled[c][best] {
				best = k
			}
		}
		start, end := g.edge(int64(c)), g.edge(int64(c)+1)
		if sum == 0 || sum*10 < end-start {
			open = false
			continue
		}
		if open && out[len(out)-1].Class == opClasses[best] {
			out[len(out)-1].End = end
			continue
		}
		out = append(out, result.Slice{Start: start, End: end, Class: opClasses[best]})
		open = true
	}
	return out
}

// streamLanes are the busiest streams of each device.
func streamLanes(g grid, tl *timeline.Timeline) []result.Lane {
	out := []result.Lane{}
	for i := range tl.Devices {
		d := &tl.Devices[i]
		byStream := map[uint32]*streamLane{}
		busiest := streamTimes(&d.Ops)
		for _, stream := range busiest {
			byStream[stream] = &streamLane{stream: stream, filled: make([][timeline.NumOpKinds]int64, g.columns)}
		}
		var last *streamLane
		for row, start := range d.Ops.Start {
			if last == nil || last.stream != d.Ops.Stream[row] {
				if last = byStream[d.Ops.Stream[row]]; last == nil {
					continue
				}
			}
			last.add(g, start, min(d.Ops.End[row], g.w.End), d.Ops.Kind[row])
		}
		for _, stream := range busiest {
			name := fmt.Sprintf("stream %d", stream)
			if len(tl.Devices) > 1 {
				name = fmt.Sprintf("GPU %d, stream %d", d.Index, stream)
			}
			if s := byStream[stream].slices(g); len(s) > 0 {
				out = append(out, result.Lane{Kind: result.LaneStream, Name: name, Slices: s})
			}
		}
	}
	return out
}

// streamTimes are the streams that were busiest, by number.
func streamTimes(ops *timeline.Ops) []uint32 {
	sums := map[uint32]*int64{}
	var last *int64
	var at uint32
	for row, stream := range ops.Stream {
		if last == nil || stream != at {
			if last = sums[stream]; last == nil {
				last = new(int64)
				sums[stream] = last
			}
			at = stream
		}
		*last += ops.End[row] - ops.Start[row]
	}
	out := make([]uint32, 0, len(sums))
	for stream := range sums {
		out = append(out, stream)
	}
	slices.SortFunc(out, func(x, y uint32) int { return cmp.Or(cmp.Compare(*sums[y], *sums[x]), cmp.Compare(x, y)) })
	out = out[:min(len(out), maxStreamLanes)]
	slices.Sort(out)
	return out
}

// withIdle puts the lane of the GPU's idle time before those of the streams. A
// column is drawn when half of it was idle.
func withIdle(lanes []result.Lane, tl *timeline.Timeline, gpu *attribution.GPU) []result.Lane {
	g := newGrid(tl.Extent)
	lane := result.Lane{Kind: result.LaneIdle, Name: "GPU idle", Slices: []result.Slice{}}
	open := false
	for c, col := range gpu.Columns {
		start, end := g.edge(int64(c)), g.edge(int64(c)+1)
		if col.Kind == "" || col.Ns*2 < end-start {
			open = false
			continue
		}
		if n := len(lane.Slices); open && lane.Slices[n-1].Class == string(col.Kind) && lane.Slices[n-1].Line == col.Line {
			lane.Slices[n-1].End = end
			continue
		}
		lane.Slices = append(lane.Slices, result.Slice{Start: start, End: end, Class: string(col.Kind), Line: col.Line, Label: phrase.Kind(col.Kind)})
		open = true
	}
	if len(lane.Slices) == 0 {
		return lanes
	}
	at := slices.IndexFunc(lanes, func(l result.Lane) bool { return l.Kind == result.LaneStream || l.Kind == result.LaneThread })
	if at < 0 {
		at = len(lanes)
	}
	return slices.Insert(lanes, at, lane)
}
