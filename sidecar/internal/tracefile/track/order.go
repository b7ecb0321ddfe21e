package track

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// byStart visits n rows, which are sorted by their start, so that of those that start
// together the longest comes first: then the shorter ones are inside of it.
func byStart(n int, at func(i int) (start, end int64), visit func(i int)) {
	var group []int
	for i := 0; i < n; {
		start, _ := at(i)
		j := i + 1
		for ; j < n; j++ {
			if next, _ := at(j); next != start {
				break
			}
		}
		if j == i+1 {
			visit(i)
			i = j
			continue
		}
		group = group[:0]
		for ; i < j; i++ {
			group = append(group, i)
		}
		slices.SortStableFunc(group, func(x, y int) int {
			_, endX := at(x)
			_, endY := at(y)
			return cmp.Compare(endY, endX)
		})
		for _, k := range group {
			visit(k)
		}
	}
}

// launched finds the operations of each call, and names the flow between them.
type launched struct {
	// first[c] to first[c+1] is the range of the flows of call c in flows.
	first []int32
	flows []uint32
	// base is the number of operations of the devices before each.
	base []uint32
}

// flow is the id of the flow that ends at an operation: its number among all, from 1.
func (l *launched) flow(device, row int) uint64 { return uint64(l.base[device]) + uint64(row) + 1 }

// of adds the flows that begin at a call.
func (l *launched) of(call int32, dst []uint64) []uint64 {
	for _, flow := range l.flows[l.first[call]:l.first[call+1]] {
		dst = append(dst, uint64(flow))
	}
	return dst
}

func indexLaunched(tl *timeline.Timeline) launched {
	l := launched{first: make([]int32, tl.Calls.Len()+1), base: make([]uint32, len(tl.Devices))}
	var ops, known uint32
	for d := range tl.Devices {
		l.base[d] = ops
		ops += uint32(tl.Devices[d].Ops.Len())
		for _, call := range tl.Devices[d].Ops.Call {
			if call >= 0 {
				l.first[call+1]++
				known++
			}
		}
	}
	for c := range tl.Calls.Len() {
		l.first[c+1] += l.first[c]
	}
	l.flows = make([]uint32, known)
	next := slices.Clone(l.first)
	for d := range tl.Devices {
		for row, call := range tl.Devices[d].Ops.Call {
			if call >= 0 {
				l.flows[next[call]] = uint32(l.flow(d, row))
				next[call]++
			}
		}
	}
	return l
}

// callsOf lists the rows of the calls of each thread by their start, the longer of two
// that start together first: a driver call is inside of the runtime call that makes it.
func callsOf(tl *timeline.Timeline) [][]int32 {
	out := make([][]int32, len(tl.Threads))
	counts := make([]int, len(tl.Threads))
	for _, t := range tl.Calls.Thread {
		counts[t]++
	}
	for t, n := range counts {
		out[t] = make([]int32, 0, n)
	}
	for row, t := range tl.Calls.Thread {
		out[t] = append(out[t], int32(row))
	}
	for _, rows := range out {
		slices.SortStableFunc(rows, func(x, y int32) int {
			return cmp.Or(cmp.Compare(tl.Calls.Start[x], tl.Calls.Start[y]), cmp.Compare(tl.Calls.End[y], tl.Calls.End[x]))
		})
	}
	return out
}
