package analysis

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// maxStreamLanes bounds the streams of one device that are drawn: the busiest.
const maxStreamLanes = 6

// opClasses are the classes of slices by kind of operation.
var opClasses = [timeline.NumOpKinds]string{timeline.OpKernel: "kernel", timeline.OpMemcpy: "copy", timeline.OpMemset: "set"}

// unseen is the class of what was not captured, in the lanes of the device.
const unseen = "unseen"

// seenColumns is how much of each column lies where the devices were captured, in ns; nil when all of it does.
func seenColumns(g grid, tl *timeline.Timeline) []int64 {
	gaps := coverage.Unseen(tl)
	if len(gaps) == 0 {
		return nil
	}
	out := make([]int64, g.columns)
	for c := range out {
		out[c] = g.edge(int64(c)+1) - g.edge(int64(c))
	}
	for i, gap := range gaps {
		if i == len(gaps)-1 && gap.End == tl.Window.End {
			gap.End = g.w.End // nothing that follows the cell was seen either
		}
		for c := g.column(gap.Start); c < g.columns && g.edge(c) < gap.End; c++ {
			out[c] -= min(gap.End, g.edge(c+1)) - max(gap.Start, g.edge(c))
		}
	}
	return out
}

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
// fill less than half of every column, and must be seen. Of a column that was
// captured in part the tenth is of that part.
func (l *streamLane) slices(g grid, seen []int64) []result.Slice {
	out := newSlices(g)
	for c := range l.filled {
		var sum int64
		best := 0
		for k, ns := range l.filled[c] {
			sum += ns
			if ns > l.filled[c][best] {
				best = k
			}
		}
		switch {
		case sum > 0 && sum*10 >= out.width(c, seen):
			out.add(c, result.Slice{Class: opClasses[best]})
		case seen != nil && seen[c] == 0:
			out.add(c, result.Slice{Class: unseen})
		}
	}
	return out.list
}

// sliceList makes slices of columns, neighbours that are alike together.
type sliceList struct {
	g    grid
	list []result.Slice
	last int // the column of the last slice's end
}

func newSlices(g grid) *sliceList { return &sliceList{g: g, list: []result.Slice{}, last: -1} }

// width is the length of a column, as far as it was seen.
func (s *sliceList) width(column int, seen []int64) int64 {
	if seen != nil {
		return seen[column]
	}
	return s.g.edge(int64(column)+1) - s.g.edge(int64(column))
}

func (s *sliceList) add(column int, x result.Slice) {
	x.Start, x.End = s.g.edge(int64(column)), s.g.edge(int64(column)+1)
	if n := len(s.list); n > 0 && s.last == column && s.list[n-1].Class == x.Class && s.list[n-1].Line == x.Line {
		s.list[n-1].End = x.End
	} else {
		s.list = append(s.list, x)
	}
	s.last = column + 1
}

// streamLanes are the busiest streams of each device.
func streamLanes(g grid, tl *timeline.Timeline) []result.Lane {
	out := []result.Lane{}
	seen := seenColumns(g, tl)
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
			if s := byStream[stream].slices(g, seen); len(s) > 0 {
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
// column is drawn when half of what was seen of it was idle.
func withIdle(lanes []result.Lane, tl *timeline.Timeline, gpu *attribution.GPU) []result.Lane {
	g := newGrid(tl.Extent)
	seen := seenColumns(g, tl)
	list := newSlices(g)
	for c, col := range gpu.Columns {
		switch {
		case col.Kind != "" && col.Ns*2 >= list.width(c, seen):
			list.add(c, result.Slice{Class: string(col.Kind), Line: col.Line, Label: phrase.Kind(col.Kind)})
		case seen != nil && seen[c] == 0:
			list.add(c, result.Slice{Class: unseen})
		}
	}
	if len(list.list) == 0 {
		return lanes
	}
	lane := result.Lane{Kind: result.LaneIdle, Name: "GPU idle", Slices: list.list}
	at := slices.IndexFunc(lanes, func(l result.Lane) bool { return l.Kind == result.LaneStream || l.Kind == result.LaneThread })
	if at < 0 {
		at = len(lanes)
	}
	return slices.Insert(lanes, at, lane)
}
