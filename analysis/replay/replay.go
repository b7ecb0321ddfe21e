// Package replay runs the work of a cell or of an imported trace again, as a graph of
// what waited for what, to tell how long it would take if parts of it took less time.
//
// Nodes are moments of host threads (a CUDA call begins or ends, a thread is woken) and
// device operations. Each is reached by edges: a thread's own time since its last moment,
// an operation's launch, the operation before it on its stream, an event it waited for,
// the operations that a call waited for, the thread that woke it. A node happens once all
// its edges allow it. The edge that allowed it last as it was observed carries what more
// time went by; the others carry no more than they must, so that the unchanged replay
// gives the observed times.
package replay

import (
	"math"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// MaxIdentityError is the error of the unchanged replay, as a share of the observed wall,
// beyond which nothing is predicted.
const MaxIdentityError = 0.02

// edgeKind says what an edge stands for, and so which changes concern it.
type edgeKind uint8

const (
	// edgeOwn: a host thread's own time. edgeBusy: what of the time since its last moment it did not
	// wait for whatever came.
	edgeOwn edgeKind = iota
	edgeBusy
	// edgeWait: from the end of an operation to the return of the call that awaited it.
	edgeWait
	// edgeSilent: from the end of an operation to a moment of a thread that may have waited for it; see silence.go.
	edgeSilent
	// edgeQueue: from the end of an operation that made room to the return of a launch.
	edgeQueue
	// edgeHand: from one thread to another. edgeWoken: from the thread that ended another's wait;
	// the lag is how long that was, and what a change removes of the wait it removes from waiting.
	edgeHand
	edgeWoken
	// edgeLaunch: from the return of a launch to the operation; edgeInside from its begin.
	edgeLaunch
	edgeInside
	// edgeStream: from one operation to the next on its stream.
	edgeStream
	// edgeEvent: from an operation of another stream; edgeOrder from a kernel to a kernel.
	edgeEvent
	edgeOrder
	// edgeTurn is an edgeStream from a kernel to a copy for the next one, which two buffers make
	// needless; edgeBuffer holds instead: a copy fills the buffer that the kernel before the last copy has read,
	// after that copy, and a kernel runs after the one before.
	edgeTurn
	edgeBuffer
	// edgeFixed: from the begin of the cell, whatever happens.
	edgeFixed
)

// Graph is what happened, ready to be replayed. It is immutable.
type Graph struct {
	tl      *timeline.Timeline
	order   []opRow // of the operations, by start; nil with one device, of which it is the order of the rows
	moments []moment
	nodes   []node // in an order in which every edge leads forwards
	edges   edges
	places  uint32 // how many places nodes have
	main    timeline.ThreadID
	// tail is the time after the last node, in ns.
	tail     int64
	observed int64
	replayed int64
}

// maxMoments is how many moments and operations a graph may have: each takes some 50 bytes
// while it is made, and 25 from then on.
const maxMoments = 16_000_000

// Refused says in a clause why a timeline cannot be replayed; empty when it can.
func Refused(tl *timeline.Timeline) string { return refused(tl, maxMoments) }

func refused(tl *timeline.Timeline, limit int) string {
	switch {
	case len(coverage.Unseen(tl)) > 0:
		return "GPU work was captured in windows, so the chain of what waited for what is not whole"
	case tl.Extent.Ns() <= 0:
		return "the cell took no time"
	}
	ops, moments := 0, 2*tl.Calls.Len()
	for i := range tl.Devices {
		ops += tl.Devices[i].Ops.Len()
	}
	for i := range tl.Threads {
		moments += 2 * tl.Threads[i].Sched.Len()
	}
	switch {
	case ops == 0:
		return "no GPU work was captured"
	case ops+moments > limit:
		return "the cell has more events than are replayed"
	}
	return ""
}

// Of builds the graph of a timeline, nil when Refused says why not.
func Of(tl *timeline.Timeline) *Graph {
	if Refused(tl) != "" {
		return nil
	}
	g := &Graph{tl: tl, main: tl.Main(), observed: tl.Extent.Ns()}
	build(g)
	g.replayed = g.run(&Change{}, nil).all
	return g
}

// ObservedNs is the wall as it was, in ns.
func (g *Graph) ObservedNs() int64 { return g.observed }

// IdentityError is how far the wall of the unchanged replay is from the observed one, as
// a share of that.
func (g *Graph) IdentityError() float64 {
	return math.Abs(float64(g.replayed-g.observed)) / float64(g.observed)
}

// Distrusted says why the replay must not be used to predict; empty when it may.
func (g *Graph) Distrusted() string {
	if e := g.IdentityError(); e > MaxIdentityError {
		return "the replay of the cell as it was takes " + phrase.Duration(g.replayed) + " instead of " + phrase.Duration(g.observed) +
			", which is " + phrase.Percent(e) + " off: what waited for what is not understood well enough to predict"
	}
	return ""
}
