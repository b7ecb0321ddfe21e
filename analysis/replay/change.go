package replay

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Removal is a stretch of which a share would not have been spent. It concerns the own
// time of one host thread, or, with Device set, the time in which an operation was
// launched and had not begun.
type Removal struct {
	Thread     timeline.ThreadID
	Device     bool
	Start, End int64
	// Share is 0..1; 1 is the whole stretch.
	Share float64
}

// Change says what costs nothing. The zero value changes nothing.
type Change struct {
	// Host is all of the threads' own time; Kernels, Copies are those operations, sets being copies.
	Host, Kernels, Copies bool
	// Named are the kernels by name; may be nil.
	Named func(timeline.NameID) bool
	// Transfers are the copies that it returns true for, by the row of the call that launched them; may be nil.
	Transfers func(call int32) bool
	// Unawaited are the calls, by row, that return without waiting for the device; may be nil.
	Unawaited func(call int32) bool
	// Removals must not overlap within a thread.
	Removals []Removal

	half bool // half of all this is left
}

// Prediction is a range of walls in ns: LowNs if the change costs nothing at all, HighNs
// with half of it left. LowNs <= HighNs <= the observed wall.
type Prediction struct{ LowNs, HighNs int64 }

// Predict gives the wall with a change made in full and by half. The graph must not be Distrusted.
// Half of a wait that is not made is half of what not making it saves.
func (g *Graph) Predict(c *Change) Prediction {
	low := g.wall(g.run(c, nil))
	if c.Unawaited != nil {
		return Prediction{low, g.observed - (g.observed-low)/2}
	}
	half := *c
	half.half = true
	return Prediction{low, max(g.wall(g.run(&half, nil)), low)}
}

// Saved is what a change made in full saves of each of n equal pieces of the wall, in ns:
// how much earlier than observed what happened up to its end is done, less what was so before
// it. In between it grows evenly: an operation that takes no time saves it while it ran. A
// piece in which the change only lets work pile up for a later one may save a negative time.
// The pieces sum to ObservedNs less the prediction. The graph must not be Distrusted.
func (g *Graph) Saved(c *Change, n int) []int64 {
	done, observed := make([]int64, n), make([]int64, n)
	saved := g.observed - g.wall(g.run(c, done))
	for i := range g.nodes {
		if x := &g.nodes[i]; g.counts(x) {
			at := x.at + x.length - g.tl.Extent.Start
			p := g.piece(at, n)
			observed[p] = max(observed[p], at)
		}
	}
	out := make([]int64, n)
	var was, is, before int64
	var from, fromSaved int64 // the last moment at which it is known how much was saved
	next := 0                 // the first piece whose end has no answer yet
	until := func(at, saved int64) {
		for ; next < n; next++ {
			edge := g.observed / int64(n) * int64(next+1)
			if edge > at {
				break
			}
			upTo := fromSaved + int64(float64(saved-fromSaved)*float64(edge-from)/float64(max(at-from, 1)))
			out[next], before = upTo-before, upTo
		}
		from, fromSaved = at, saved
	}
	for p := range done {
		if observed[p] > was {
			was, is = observed[p], max(is, done[p])
			until(min(was, g.observed), was-is)
		}
	}
	until(g.observed, saved)
	out[n-1] += saved - before
	return out
}

// piece is which of n equal pieces of the wall a moment lies in, counted from the begin of the cell.
func (g *Graph) piece(at int64, n int) int {
	return min(max(int(float64(at)/float64(g.observed)*float64(n)), 0), n-1)
}

// wall puts a replayed wall on the scale of the observed one.
func (g *Graph) wall(replayed int64) int64 {
	return min(max(g.observed-(g.replayed-replayed), 0), g.observed)
}

// removed sums what is removed of a thread up to a moment.
type removed struct {
	start, end []int64
	share      []float64
	before     []float64 // removed in all earlier stretches
	last       int       // the stretch of the last answer: moments come nearly in order
}

// upTo is how much is removed before t, in ns.
func (r *removed) upTo(t int64) float64 {
	n := len(r.start)
	if r.last >= n || r.start[r.last] > t || r.last+1 < n && r.start[r.last+1] <= t {
		r.last = sort.Search(n, func(i int) bool { return r.start[i] > t }) - 1
		if r.last < 0 {
			r.last = 0
			return 0
		}
	}
	return r.before[r.last] + float64(min(t, r.end[r.last])-r.start[r.last])*r.share[r.last]
}

// left is the share of [from, to) that stays.
func (r *removed) left(from, to int64) float64 {
	if len(r.start) == 0 || to <= from {
		return 1
	}
	if r.start[0] >= to || r.end[len(r.end)-1] <= from {
		return 1
	}
	return min(max(1-(r.upTo(to)-r.upTo(from))/float64(to-from), 0), 1)
}

// sorted puts removals in order, by thread; the last is the device's.
func (g *Graph) sorted(list []Removal) []removed {
	out := make([]removed, len(g.tl.Threads)+1)
	if len(list) == 0 {
		return out
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y Removal) int { return cmp.Compare(x.Start, y.Start) })
	for _, x := range list {
		of := int(x.Thread)
		if x.Device {
			of = len(g.tl.Threads)
		}
		if x.End <= x.Start || of >= len(out) {
			continue
		}
		r, before := &out[of], 0.0
		if n := len(r.start); n > 0 {
			before = r.before[n-1] + float64(r.end[n-1]-r.start[n-1])*r.share[n-1]
		}
		r.start, r.end = append(r.start, x.Start), append(r.end, x.End)
		r.share, r.before = append(r.share, min(max(x.Share, 0), 1)), append(r.before, before)
	}
	return out
}

// run replays the graph with a change made and gives the wall in ns. In pieces, if there are
// any, it puts when the last of what was observed in each piece of the wall is done.
func (g *Graph) run(c *Change, pieces []int64) int64 {
	keep := 0.0
	if c.half {
		keep = 0.5
	}
	gone := g.sorted(c.Removals)
	device := &gone[len(gone)-1]
	done := make([]int64, len(g.nodes)) // when each is done, counted from the begin of the cell
	var last int64
	first := int32(0)
	for i := range g.nodes {
		n := &g.nodes[i]
		var at int64
		for e := first; e < n.edges; e++ {
			x := &g.edges[e]
			if x.kind == edgeWait && c.Unawaited != nil && n.call >= 0 && c.Unawaited(n.call) {
				continue
			}
			lag := x.lag
			if lag > 0 {
				left := 1.0
				switch x.kind {
				case edgeOwn, edgeWait, edgeSilent, edgeHand:
					if left = gone[n.thread].left(x.since, n.at); c.Host {
						left = 0
					}
				case edgeLaunch, edgeStream, edgeEvent:
					left = device.left(x.since, n.at)
				case edgeInside:
					left = min(device.left(x.since, n.at), gone[n.thread].left(x.since, n.at))
				}
				if left < 1 {
					lag = int64(math.Round(float64(lag) * (left + (1-left)*keep)))
				}
			}
			if x.from >= 0 {
				lag += done[x.from]
			}
			at = max(at, lag)
		}
		first = n.edges
		if n.length > 0 {
			length := n.length
			isCopy := n.kind != timeline.OpKernel
			if c.Kernels && !isCopy || c.Copies && isCopy || c.Named != nil && !isCopy && c.Named(n.name) ||
				isCopy && c.Transfers != nil && n.call >= 0 && c.Transfers(n.call) {
				length = int64(math.Round(float64(length) * keep))
			}
			at += length
		}
		done[i] = at
		if g.counts(n) {
			last = max(last, at)
			if pieces != nil {
				p := g.piece(n.at+n.length-g.tl.Extent.Start, len(pieces))
				pieces[p] = max(pieces[p], at)
			}
		}
	}
	return last + g.tail
}
