package scene

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
)

// mostParts is how many keys an item tells apart; the rest of it goes to otherKey.
const mostParts = 6

// otherKey is the key of what found no room for its own.
const otherKey = 0

// finest is the number of cells that a window is first cut into: a lane that must
// merge begins there, far below what any screen shows of the whole.
const finest = 1 << 20

// lane merges intervals as they come, so that what it keeps is never heavier than
// its limit, whatever comes. An interval at least as long as a cell stays as it is;
// shorter ones that begin in one cell, with no long one between them, become one
// item. When the limit is reached, cells double and what was kept is merged again.
type lane struct {
	window int64 // length in ns
	limit  int   // of weight
	cell   int64 // 0 while nothing is merged
	items  []item
	weight int
}

// item is a SceneItem while it may still grow.
type item struct {
	start, end int64
	parts      [mostParts]result.ScenePart
	n          int8
	merged     bool
}

func newLane(window int64, limit int) *lane { return &lane{window: max(window, 1), limit: limit} }

// add takes an interval of [0, window], whose start must not be before that of the one before it.
func (l *lane) add(start, end int64, key int32) {
	start = min(max(start, 0), l.window)
	end = min(max(end, start), l.window)
	var x item
	x.start, x.end, x.n = start, end, 1
	x.parts[0] = result.ScenePart{Key: key, Ns: end - start, Count: 1}
	l.push(x)
	for l.weight > l.limit && l.coarsen() {
	}
}

// push puts an item at the end, merged with the last one where the cells say so.
func (l *lane) push(x item) {
	if n := len(l.items); n > 0 && l.cell > 0 {
		last := &l.items[n-1]
		if l.short(last) && l.short(&x) && last.start/l.cell == x.start/l.cell {
			l.weight -= last.weight()
			last.absorb(&x)
			l.weight += last.weight()
			return
		}
	}
	l.items = append(l.items, x)
	l.weight += x.weight()
}

func (l *lane) short(x *item) bool { return x.merged || x.end-x.start < l.cell }

// coarsen doubles the cells and merges what is there; false when one cell holds everything already.
func (l *lane) coarsen() bool {
	switch {
	case l.cell == 0:
		l.cell = max(1, l.window/finest)
	case l.cell > l.window:
		return false
	default:
		l.cell *= 2
	}
	old := l.items
	l.items, l.weight = l.items[:0], 0
	for _, x := range old { // never behind what is written
		l.push(x)
	}
	return true
}

// absorb adds what x holds to i.
func (i *item) absorb(x *item) {
	i.end = max(i.end, x.end)
	i.merged = true
	for _, p := range x.parts[:x.n] {
		i.put(p)
	}
}

func (i *item) put(p result.ScenePart) {
	for k := range i.parts[:i.n] {
		if i.parts[k].Key == p.Key {
			i.parts[k].Ns += p.Ns
			i.parts[k].Count += p.Count
			return
		}
	}
	if int(i.n) < mostParts {
		i.parts[i.n] = p
		i.n++
		return
	}
	// From here on one part is the rest, and the others are the largest that came.
	rest := i.smallest(func(k int32) bool { return k == otherKey })
	if rest < 0 {
		rest = i.smallest(func(int32) bool { return true })
		i.parts[rest].Key = otherKey
	}
	if q := &i.parts[i.smallest(func(k int32) bool { return k != otherKey })]; p.Key != otherKey && q.Ns < p.Ns {
		*q, p = p, *q
	}
	i.parts[rest].Ns += p.Ns
	i.parts[rest].Count += p.Count
}

// smallest is the part with the least time among those whose key is of, -1 when there is none.
func (i *item) smallest(of func(key int32) bool) int {
	least := -1
	for k := range i.parts[:i.n] {
		if of(i.parts[k].Key) && (least < 0 || i.parts[k].Ns < i.parts[least].Ns) {
			least = k
		}
	}
	return least
}

// weight is how many bytes an item takes in variable-length numbers, about.
func (i *item) weight() int {
	n := varint(i.end-i.start) + 4
	if !i.merged {
		return n
	}
	for _, p := range i.parts[:i.n] {
		n += 1 + varint(p.Ns) + varint(p.Count)
	}
	return n
}

// varint is the length of n in base 128.
func varint(n int64) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }

// sceneItems are the items in the form of the result.
func (l *lane) sceneItems() []result.SceneItem {
	out := make([]result.SceneItem, len(l.items))
	for k := range l.items {
		x := &l.items[k]
		parts := slices.Clone(x.parts[:x.n])
		slices.SortStableFunc(parts, func(a, b result.ScenePart) int { return cmp.Or(cmp.Compare(b.Ns, a.Ns), cmp.Compare(b.Count, a.Count)) })
		out[k] = result.SceneItem{Start: x.start, End: x.end, Parts: parts}
	}
	return out
}
