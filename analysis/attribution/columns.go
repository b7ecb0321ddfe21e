package attribution

import (
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// cutter cuts intervals that come in order of time at the edges of n equal pieces of w,
// or, where a capture was not whole, at those of the stretches that were seen.
type cutter struct {
	w         timeline.Interval
	n, at     int64
	stretches []coverage.Stretch
}

func newCutter(w timeline.Interval, n int64) cutter { return cutter{w: w, n: max(min(n, w.Ns()), 1)} }

// edge is where piece i begins.
func (c *cutter) edge(i int64) int64 {
	if i >= c.n {
		return c.w.End
	}
	n := c.w.Ns()
	return c.w.Start + n/c.n*i + n%c.n*i/c.n
}

// stretchCutter cuts at the edges of stretches; a piece is the slot of its stretch.
func stretchCutter(stretches []coverage.Stretch) cutter {
	return cutter{n: int64(len(stretches)), stretches: stretches}
}

// next takes the first part of [start, end) that lies in one piece: it gives the
// piece, -1 for what was not seen, and where the part ends. start must not go backwards.
func (c *cutter) next(start, end int64) (piece int, until int64) {
	if c.stretches != nil {
		for c.at+1 < c.n && c.stretches[c.at].End <= start {
			c.at++
		}
		switch x := &c.stretches[c.at]; {
		case start >= x.End:
			return -1, end
		case start < x.Start:
			return -1, min(end, x.Start)
		default:
			return x.Slot, min(end, x.End)
		}
	}
	for c.at+1 < c.n && c.edge(c.at+1) <= start {
		c.at++
	}
	if c.at+1 < c.n {
		end = min(end, c.edge(c.at+1))
	}
	return int(c.at), end
}
