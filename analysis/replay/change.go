package replay

import "github.com/inferscope/inferscope/analysis/timeline"

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
	// Ahead says that copies from pinned memory to the device are made on a stream of their own into two buffers in
	// turn, so that they run beside the kernels on what was copied before.
	Ahead bool
	// Unordered says that no kernel waits for an event behind a kernel of another stream. Kernels do not slow each
	// other down.
	Unordered bool
	// Removals are stretches of which a share costs nothing; may be nil. One with Helpers is part of each of those.
	Removals *Removals
}

// Prediction is a range of walls in ns: LowNs if the change costs nothing at all, HighNs
// with half of it left. LowNs <= HighNs <= the observed wall.
type Prediction struct{ LowNs, HighNs int64 }

// Predict gives the wall with a change made in full and by half. The graph must not be Distrusted.
// Half of a wait that is not made, by the host or a stream, is half of what not making it saves.
func (g *Graph) Predict(c *Change) Prediction {
	return g.prediction(c, g.run(c, nil))
}

func (g *Graph) prediction(c *Change, w walls) Prediction {
	low := g.wall(w.all)
	if c.Unawaited != nil || c.Ahead || c.Unordered {
		return Prediction{low, g.observed - (g.observed-low)/2}
	}
	return Prediction{low, max(g.wall(w.half), low)}
}

// Saved is Predict with what the change made in full saves of each of n equal pieces of the
// wall, in ns: how much earlier than observed what happened up to its end is done, less what
// was so before it. In between it grows evenly: an operation that takes no time saves it while
// it ran. A piece in which the change only lets work pile up for a later one may save a
// negative time. The pieces sum to ObservedNs less LowNs.
func (g *Graph) Saved(c *Change, n int) (Prediction, []int64) {
	pieces := make([]reached, n)
	predicted := g.prediction(c, g.run(c, pieces))
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
	for _, p := range pieces {
		if p.observed > was {
			was, is = p.observed, max(is, p.done)
			until(min(was, g.observed), was-is)
		}
	}
	saved := g.observed - predicted.LowNs
	until(g.observed, saved)
	out[n-1] += saved - before
	return predicted, out
}

// piece is which of n equal pieces of the wall a moment lies in, counted from the begin of the cell.
func (g *Graph) piece(at int64, n int) int {
	return min(max(int(float64(at)/float64(g.observed)*float64(n)), 0), n-1)
}

// wall puts a replayed wall on the scale of the observed one.
func (g *Graph) wall(replayed int64) int64 {
	return min(max(g.observed-(g.replayed-replayed), 0), g.observed)
}
