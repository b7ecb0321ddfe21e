package replay

import (
	"math"
	"math/rand/v2"
	"testing"
)

// What an edge has room for, and what it has not, comes back.
func TestLags(t *testing.T) {
	lags := []int64{0, 1, -1_000, -20_000, 999_999, math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, longLag, longLag + 1, 86_400e9}
	l := &edges{}
	for range 2 * edgeChunk / len(lags) {
		for i, lag := range lags {
			l.add(edgeKind(i), uint32(fromBegin-i), lag)
			if i%2 == 0 {
				l.newest().bits |= lastEdge
			}
		}
	}
	at := l.read()
	for range 2 * edgeChunk / len(lags) {
		for i, lag := range lags {
			e := at.next()
			if l.lag(*e) != lag || e.kind() != edgeKind(i) || e.from() != uint32(fromBegin-i) || e.last() != (i%2 == 0) {
				t.Fatalf("%d came back as %d of kind %d from %d, last %v", lag, l.lag(*e), e.kind(), e.from(), e.last())
			}
		}
	}
}

// What is left of a stretch is what a sum over all removals says, in whatever order it is asked.
func TestWhatIsLeft(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		var list []Removal
		s := &stretches{}
		at := int64(0)
		for range 1 + r.IntN(2*stretchChunk) {
			start := at + r.Int64N(100) - 20 // now and then it overlaps the one before
			x := Removal{Start: start, End: start + 1 + r.Int64N(50), Share: float64(r.IntN(4)) / 3}
			if r.IntN(1000) == 0 {
				x.End += math.MaxInt32
			}
			s.add(x.Start, x.End, x.Share)
			if x.Start = max(x.Start, at); len(list) == 0 {
				x.Start = start
			}
			if x.Start < x.End {
				list, at = append(list, x), x.End
			}
		}
		if s.n != len(list) {
			t.Fatalf("seed %d: %d of %d stretches", seed, s.n, len(list))
		}
		c := &removed{stretches: s}
		for range 200 {
			from := r.Int64N(at + 100)
			to := from + 1 + r.Int64N(1+at/int64(1+r.IntN(1000)))
			gone := 0.0
			for _, x := range list {
				gone += float64(max(min(x.End, to)-max(x.Start, from), 0)) * x.Share
			}
			if got, want := c.left(from, to), 1-gone/float64(to-from); math.Abs(got-want) > 1e-9 {
				t.Fatalf("seed %d: %v of [%d, %d) is left, want %v", seed, got, from, to, want)
			}
		}
	}
}

// A list is as good as the two that it was merged of where these do not overlap; where they do, the first to begin counts.
func TestMergedRemovals(t *testing.T) {
	x, y := &Removals{}, &Removals{}
	x.Add(Removal{Thread: 1, Start: 0, End: 10, Share: 1})
	x.Add(Removal{Thread: 1, Start: 20, End: 30, Share: 1})
	y.Add(Removal{Thread: 1, Start: 5, End: 15, Share: 0.5})
	y.Add(Removal{Thread: 1, Start: 20, End: 40, Share: 0.5})
	y.Add(Removal{Thread: 2, Start: 0, End: 8, Share: 1})
	y.Add(Removal{Device: true, Start: 0, End: 4, Share: 1})
	all := Merged(x, y)
	for _, want := range []struct {
		list     *stretches
		from, to int64
		left     float64
	}{{&all.threads[1], 0, 10, 0}, {&all.threads[1], 10, 20, 0.75}, {&all.threads[1], 20, 40, 0.25}, {&all.threads[2], 0, 16, 0.5}, {&all.device, 0, 8, 0.5}} {
		c := &removed{stretches: want.list}
		if got := c.left(want.from, want.to); got != want.left {
			t.Errorf("%v of [%d, %d) is left, want %v", got, want.from, want.to, want.left)
		}
	}
	x.Scale(5)
	if got := (&removed{stretches: &x.threads[1]}).left(0, 10); got != 0.75 {
		t.Errorf("scaled to a quarter, %v is left", got)
	}
}

// A place is given out again, and never while an edge still leads from its node.
func TestPlaces(t *testing.T) {
	const n = 10_000
	r := rand.New(rand.NewPCG(1, 4))
	g := &Graph{}
	var from [][]uint32
	for i := range n {
		g.nodes = append(g.nodes, node{ref: ref(i)})
		var of []uint32
		for range 1 + r.IntN(3) {
			f := uint32(fromBegin)
			if i > 0 && r.IntN(5) > 0 {
				f = uint32(i - 1 - r.IntN(min(i, 40)))
			}
			of = append(of, f)
			g.edges.add(edgeOwn, f, 0)
		}
		g.edges.newest().bits |= lastEdge
		from = append(from, of)
	}
	g.settle()
	holds := make([]int, g.places)
	at := g.edges.read()
	for i := range n {
		for _, f := range from[i] {
			e := at.next()
			if f == fromBegin && e.from() != fromBegin || f != fromBegin && holds[e.from()] != int(f) {
				t.Fatalf("node %d needs %d and finds %d", i, f, holds[e.from()])
			}
		}
		if p := g.nodes[i].place; p != noPlace {
			holds[p] = i
		}
	}
	if g.places > 64 {
		t.Errorf("%d places for nodes of which 40 are needed at once", g.places)
	}
}
