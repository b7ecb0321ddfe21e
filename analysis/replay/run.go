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

// run replays the graph with a change made. It fills pieces of the wall, if there are any.
func (g *Graph) run(c *Change, pieces []reached) walls {
	gone := g.sorted(c.Removals)
	device := &gone[len(gone)-1]
	free := map[[2]timeline.ThreadID]bool{} // who does not wait for whom any more
	done := make([]walls, len(g.nodes))     // when each is done, counted from the begin of the cell
	var last walls
	first := int32(0)
	for i := range g.nodes {
		n := &g.nodes[i]
		var at, woken walls
		// What is left of a wait that another thread ended, and how long it may be: as observed if part of
		// it is gone, since then it is not that thread's work that is waited for. From then on no wait for
		// that thread is longer than observed: it is taken to be as far behind the other as it was.
		waited, longest := 1.0, int64(math.MaxInt64)
		for e := first; e < n.edges; e++ {
			x := &g.edges[e]
			if x.kind == edgeWait && c.Unawaited != nil && n.call >= 0 && c.Unawaited(n.call) {
				continue
			}
			if x.kind == edgeWoken {
				pair := [2]timeline.ThreadID{n.thread, g.nodes[x.from].thread}
				woken, waited = done[x.from], gone[n.thread].left(x.since, n.at)
				if waited < 1 {
					free[pair] = true
				}
				if free[pair] {
					longest = n.at - x.since
				}
				continue
			}
			lag := walls{x.lag, x.lag}
			if x.lag > 0 {
				left := 1.0
				switch x.kind {
				case edgeOwn: // its stretch ends where the thread began to wait
					if left = gone[n.thread].left(x.since, x.since+x.lag); c.Host {
						left = 0
					}
				case edgeBusy:
					ns := (1 - gone[n.thread].left(x.since, n.at)) * float64(n.at-x.since)
					if left = max(1-ns/float64(x.lag), 0); c.Host {
						left = 0
					}
				case edgeWait, edgeSilent, edgeHand:
					if left = gone[n.thread].left(x.since, n.at); c.Host {
						left = 0
					}
				case edgeLaunch, edgeStream, edgeEvent:
					left = device.left(x.since, n.at)
				case edgeInside:
					left = min(device.left(x.since, n.at), gone[n.thread].left(x.since, n.at))
				}
				if left < 1 {
					lag = walls{scaled(x.lag, left), scaled(x.lag, left+(1-left)/2)}
				}
			}
			if x.from >= 0 {
				from := &done[x.from]
				lag.all, lag.half = lag.all+from.all, lag.half+from.half
			}
			at.all, at.half = max(at.all, lag.all), max(at.half, lag.half)
		}
		first = n.edges
		at.all += scaled(min(max(woken.all-at.all, 0), longest), waited)
		at.half += scaled(min(max(woken.half-at.half, 0), longest), (1+waited)/2)
		if n.length > 0 {
			length := walls{n.length, n.length}
			isCopy := n.kind != timeline.OpKernel
			if c.Kernels && !isCopy || c.Copies && isCopy || c.Named != nil && !isCopy && c.Named(n.name) ||
				isCopy && c.Transfers != nil && n.call >= 0 && c.Transfers(n.call) {
				length = walls{0, scaled(n.length, 0.5)}
			}
			at.all, at.half = at.all+length.all, at.half+length.half
		}
		done[i] = at
		if g.counts(n) {
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

func scaled(ns int64, by float64) int64 { return int64(math.Round(float64(ns) * by)) }
