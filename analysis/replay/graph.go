package replay

import (
	"math"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// A graph of millions of nodes lives next to the timeline that it was made of, and is read from its begin to
// its end by every replay. So it keeps what the timeline does not know: a node is a reference to a row of
// that, an edge is 8 bytes, and both are read in order. What a replay knows of a node it keeps only as long
// as an edge still leads from it, in a table whose places are given out again: see settle.

// ref says what a node is: in its highest bits the kind, below it a number.
type ref uint32

const (
	// refOp numbers the operations of all devices by start.
	refOp ref = iota << refBits
	// refBegin and refReturn are rows of Timeline.Calls.
	refBegin
	refReturn
	// refMoment is an index into Graph.moments.
	refMoment

	refBits       = 30
	noRef   ref   = math.MaxUint32
	refKind ref   = 3 << refBits
	nobody  int32 = -1 // no operation, call or node
)

// number is the row or the index that a reference of whichever kind holds.
func (r ref) number() int32 { return int32(r &^ refKind) }

// moment is one of a thread that is no call's.
type moment struct {
	at     int64
	thread timeline.ThreadID
}

// opRow is where an operation is.
type opRow struct{ device, row int32 }

// node is a moment of a thread, or a device operation.
type node struct {
	ref ref
	// place is where a replay keeps when it was done; noPlace where no edge leads from it.
	place uint32
}

const noPlace = 0

// facts are what the timeline says of a node.
type facts struct {
	at     int64 // observed: an operation's start
	length int64 // of an operation, 0 of a moment
	// call is the row in Timeline.Calls: of the launch, or that the moment belongs to; -1 for none.
	call   int32
	thread timeline.ThreadID
	// ops and row are the operation; nil of a moment.
	ops *timeline.Ops
	row int32
}

// op is where the k-th operation is.
func (g *Graph) op(k int32) (*timeline.Ops, int32) {
	if g.order == nil {
		return &g.tl.Devices[0].Ops, k
	}
	return &g.tl.Devices[g.order[k].device].Ops, g.order[k].row
}

func (g *Graph) facts(r ref) facts {
	i, c := r.number(), &g.tl.Calls
	switch r & refKind {
	case refBegin:
		return facts{at: c.Start[i], call: i, thread: c.Thread[i]}
	case refReturn:
		return facts{at: max(c.End[i], c.Start[i]), call: i, thread: c.Thread[i]}
	case refMoment:
		return facts{at: g.moments[i].at, call: nobody, thread: g.moments[i].thread}
	}
	ops, row := g.op(i)
	out := facts{at: ops.Start[row], length: ops.End[row] - ops.Start[row], call: ops.Call[row], ops: ops, row: row}
	if out.call >= 0 {
		out.thread = c.Thread[out.call]
	}
	return out
}

// counts says that the wall lasts until a node is done. What a thread beside the main one
// does counts as far as another node waits for it: a watchdog that looks after the device
// every 100 ms must not hold the wall up.
func (g *Graph) counts(n *facts) bool { return n.ops != nil || g.main == 0 || n.thread == g.main }

// edge leads to a node from an earlier one: no sooner than a lag after it. What a change removes from the
// stretch of that lag, which began when the earlier node had ended, it removes from the lag.
type edge struct {
	// bits are the kind, whether it is the node's last, and where it leads from: while the graph is made
	// the index of a node, then that node's place.
	bits uint32
	lag  int32 // see edges.lag
}

const (
	fromBits = 27
	// fromBegin is the begin of the cell.
	fromBegin = 1<<fromBits - 1
	lastEdge  = 1 << 31
)

func (e edge) from() uint32   { return e.bits & fromBegin }
func (e edge) kind() edgeKind { return edgeKind(e.bits &^ lastEdge >> fromBits) }
func (e edge) last() bool     { return e.bits&lastEdge != 0 }

// edges are those of all nodes, in their order.
type edges struct {
	chunks [][]edge
	// long are lags that an edge has no room for.
	long []int64
}

const (
	edgeChunk = 32 << 10
	// longLag and what is below it is an index into long: lags are never that far below 0.
	longLag = -1 << 20
)

func (l *edges) add(kind edgeKind, from uint32, lag int64) {
	short := int32(lag)
	if int64(short) != lag || short <= longLag {
		short = int32(longLag - len(l.long))
		l.long = append(l.long, lag)
	}
	n := len(l.chunks)
	if n == 0 || len(l.chunks[n-1]) == edgeChunk {
		l.chunks = append(l.chunks, make([]edge, 0, edgeChunk))
		n++
	}
	l.chunks[n-1] = append(l.chunks[n-1], edge{uint32(kind)<<fromBits | from, short})
}

// lag is that of an edge, in ns.
func (l *edges) lag(e edge) int64 {
	if e.lag <= longLag {
		return l.long[longLag-int(e.lag)]
	}
	return int64(e.lag)
}

// newest is the edge that was added last.
func (l *edges) newest() *edge {
	chunk := l.chunks[len(l.chunks)-1]
	return &chunk[len(chunk)-1]
}

// edgeCursor reads edges in their order.
type edgeCursor struct {
	rest  [][]edge
	chunk []edge
}

func (l *edges) read() edgeCursor { return edgeCursor{rest: l.chunks} }

func (c *edgeCursor) next() *edge {
	if len(c.chunk) == 0 {
		c.chunk, c.rest = c.rest[0], c.rest[1:]
	}
	e := &c.chunk[0]
	c.chunk = c.chunk[1:]
	return e
}

// settle gives each node that an edge leads from a place, up to the last such edge; then another gets it.
// Few are waited for at once, so that the table of a replay stays small, however long the cell.
func (g *Graph) settle() {
	last := make([]int32, len(g.nodes)) // the node that an edge leads to last; 0 for none
	at := g.edges.read()
	for i := range g.nodes {
		for more := true; more; {
			e := at.next()
			if more = !e.last(); e.from() != fromBegin {
				last[e.from()] = int32(i)
			}
		}
	}
	var free []uint32
	g.places = noPlace + 1
	at = g.edges.read()
	for i := range g.nodes {
		for more := true; more; {
			e := at.next()
			more = !e.last()
			from := e.from()
			if from == fromBegin {
				continue
			}
			place := g.nodes[from].place
			e.bits = e.bits&^fromBegin | place
			if last[from] == int32(i) {
				free = append(free, place)
				last[from] = 0 // another edge of this node may lead from it as well
			}
		}
		if last[i] == 0 {
			continue
		}
		if n := len(free); n > 0 {
			g.nodes[i].place, free = free[n-1], free[:n-1]
		} else {
			g.nodes[i].place = g.places
			g.places++
		}
	}
}
