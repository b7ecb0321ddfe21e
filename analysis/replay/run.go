package replay

import (
	"math"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// walls are how long the replay takes with all of a change made, and with half of it.
type walls struct{ all, half int64 }

// reached is when the last of what was observed in a piece of the wall was done, and is with
// all of a change made. Both count from the begin of the cell.
type reached struct{ observed, done int64 }

// place is what is known of a node from which edges still lead.
type place struct {
	done   walls // counted from the begin of the cell
	end    int64 // as observed
	thread timeline.ThreadID
}

// run replays the graph with a change made. It fills pieces of the wall, if there are any.
func (g *Graph) run(c *Change, pieces []reached) walls {
	gone := g.removed(c.Removals)
	device := &gone[len(gone)-1]
	free := map[[2]timeline.ThreadID]bool{} // who does not wait for whom any more
	places := make([]place, g.places)
	places[noPlace].end = g.tl.Extent.Start
	edges := g.edges.read()
	var last walls
	for i := range g.nodes {
		n := g.facts(g.nodes[i].ref)
		own := &gone[n.thread]
		var at, woken walls
		// What is left of a wait that another thread ended, and how long it may be: as observed if part of
		// it is gone, since then it is not that thread's work that is waited for. From then on no wait for
		// that thread is longer than observed: it is taken to be as far behind the other as it was.
		waited, longest := 1.0, int64(math.MaxInt64)
		for more := true; more; {
			x := edges.next()
			more = !x.last()
			kind, ns := x.kind(), g.edges.lag(*x)
			if kind == edgeWait && c.Unawaited != nil && n.call >= 0 && c.Unawaited(n.call) {
				continue
			}
			if kind == edgeTurn && c.Ahead || kind == edgeOrder && c.Unordered {
				continue
			}
			from := &places[noPlace] // the begin of the cell, where nothing was done yet
			if p := x.from(); p != fromBegin {
				from = &places[p]
			}
			if kind == edgeWoken {
				pair := [2]timeline.ThreadID{n.thread, from.thread}
				woken, waited = from.done, own.left(n.at-ns, n.at)
				if waited < 1 {
					free[pair] = true
				}
				if free[pair] {
					longest = ns
				}
				continue
			}
			lag := walls{ns, ns}
			if ns > 0 {
				since, left := from.end, 1.0
				switch kind {
				case edgeOwn: // its stretch ends where the thread began to wait
					if left = own.left(since, since+ns); c.Host {
						left = 0
					}
				case edgeBusy:
					gone := (1 - own.left(since, n.at)) * float64(n.at-since)
					if left = max(1-gone/float64(ns), 0); c.Host {
						left = 0
					}
				case edgeWait, edgeSilent, edgeHand:
					if left = own.left(since, n.at); c.Host {
						left = 0
					}
				case edgeLaunch, edgeStream, edgeEvent, edgeOrder, edgeTurn:
					left = device.left(since, n.at)
				case edgeInside:
					left = min(device.left(since, n.at), own.left(since, n.at))
				}
				if left < 1 {
					lag = walls{scaled(ns, left), scaled(ns, left+(1-left)/2)}
				}
			}
			at.all, at.half = max(at.all, lag.all+from.done.all), max(at.half, lag.half+from.done.half)
		}
		at.all += scaled(min(max(woken.all-at.all, 0), longest), waited)
		at.half += scaled(min(max(woken.half-at.half, 0), longest), (1+waited)/2)
		if n.length > 0 {
			length := walls{n.length, n.length}
			if c.frees(&n) {
				length = walls{0, scaled(n.length, 0.5)}
			}
			at.all, at.half = at.all+length.all, at.half+length.half
		}
		if p := g.nodes[i].place; p != noPlace {
			places[p] = place{at, n.at + n.length, n.thread}
		}
		if g.counts(&n) {
			last.all, last.half = max(last.all, at.all), max(last.half, at.half)
			if pieces != nil {
				observed := n.at + n.length - g.tl.Extent.Start
				p := &pieces[g.piece(observed, len(pieces))]
				p.observed, p.done = max(p.observed, observed), max(p.done, at.all)
			}
		}
	}
	return walls{last.all + g.tail, last.half + g.tail}
}

// frees says that an operation costs nothing.
func (c *Change) frees(n *facts) bool {
	if n.ops.Kind[n.row] == timeline.OpKernel {
		return c.Kernels || c.Named != nil && c.Named(n.ops.Name[n.row])
	}
	return c.Copies || c.Transfers != nil && n.call >= 0 && c.Transfers(n.call)
}

func scaled(ns int64, by float64) int64 {
	if by == 1 {
		return ns
	}
	return int64(math.Round(float64(ns) * by))
}
