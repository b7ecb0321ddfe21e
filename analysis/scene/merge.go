package scene

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
)

// mostParts is how many keys an item tells apart.
const mostParts = 6

// otherKey is the key of what found no room for its own.
const otherKey = 0

// finest is the number of cells that a window is first cut into: a lane that must
// merge begins there, far below what any screen shows of the whole.
const finest = 1 << 20

// fewItems is how many items a lane has room for at first.
const fewItems = 64

// lane merges intervals as they come, so that what it keeps is never heavier than
// its limit, whatever comes. An interval at least as long as a cell stays as it is;
// shorter ones that begin in one cell, with no long one between them, become one
// item. When the limit is reached, cells double and what was kept is merged again.
type lane struct {
	window int64 // length in ns
	keys   *keys
	limit  int   // of weight
	cell   int64 // 0 while nothing is merged
	items  []item
	// weight is that of all items but the last, which may still grow; last is the cell that that begins in.
	weight int
	last   int64
}

// item is a SceneItem while it may still grow.
type item struct {
	start, end int64
	parts      [mostParts]result.ScenePart
	n          int8
	merged     bool
}

func newLane(window int64, limit int, k *keys) *lane {
	return &lane{window: max(window, 1), limit: limit, keys: k}
}

// add takes an interval of [0, window], whose start must not be before that of the one before it.
func (l *lane) add(start, end int64, key int32) {
	start = min(max(start, 0), l.window)
	end = min(max(end, start), l.window)
	part := result.ScenePart{Key: key, Ns: end - start, Count: 1}
	if n := len(l.items); n > 0 && end-start < l.cell && start/l.cell == l.last && l.short(&l.items[n-1]) {
		x := &l.items[n-1]
		x.end, x.merged = max(x.end, end), true
		x.put(part, l.keys)
		return
	}
	x := item{start: start, end: end, n: 1}
	x.parts[0] = part
	l.push(x)
	for l.weight > l.limit && l.coarsen() {
	}
}

// push puts an item at the end, merged with the last one where the cells say so.
func (l *lane) push(x item) {
	if n := len(l.items); n > 0 {
		last := &l.items[n-1]
		if l.cell > 0 && l.short(last) && l.short(&x) && x.start/l.cell == l.last {
			last.absorb(&x, l.keys)
			return
		}
		l.weight += last.weight()
	}
	if len(l.items) == cap(l.items) {
		l.items = slices.Grow(l.items, max(len(l.items), fewItems)) // items are large: to grow by a quarter leaves five times as much behind
	}
	l.items = append(l.items, x)
	if l.cell > 0 {
		l.last = x.start / l.cell
	}
}

func (l *lane) short(x *item) bool { return x.merged || x.end-x.start < l.cell }

// heavy is the weight of all items.
func (l *lane) heavy() int {
	if len(l.items) == 0 {
		return 0
	}
	return l.weight + l.items[len(l.items)-1].weight()
}

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
	for i := range old { // never behind what is written
		l.push(old[i])
	}
	return true
}

// absorb adds what x holds to i.
func (i *item) absorb(x *item, k *keys) {
	i.end = max(i.end, x.end)
	i.merged = true
	for _, p := range x.parts[:x.n] {
		i.put(p, k)
	}
}

// put adds a part. Where there is no room for another key, the smallest that has a name of its
// own goes to the rest of its class, so that the largest keep theirs, and classes their sums.
func (i *item) put(p result.ScenePart, k *keys) {
	if i.join(p) {
		return
	}
	if int(i.n) < mostParts {
		i.parts[i.n] = p
		i.n++
		return
	}
	if least := i.smallest(k); least >= 0 && (k.rest[p.Key] == p.Key || i.parts[least].Ns < p.Ns) {
		i.parts[least], p = p, i.parts[least]
	}
	if p.Key = k.rest[p.Key]; i.join(p) {
		return
	}
	if least := i.smallest(k); least >= 0 {
		i.parts[least], p = p, i.parts[least]
		if p.Key = k.rest[p.Key]; i.join(p) {
			return
		}
	}
	// More classes than room.
	if p.Key = otherKey; !i.join(p) {
		q := &i.parts[mostParts-1]
		q.Key, q.Ns, q.Count = otherKey, q.Ns+p.Ns, q.Count+p.Count
	}
}

// smallest is the part with the least time among those with a name of their own, -1 when there is none.
func (i *item) smallest(k *keys) int {
	least := -1
	for j := range i.parts[:i.n] {
		if k.rest[i.parts[j].Key] != i.parts[j].Key && (least < 0 || i.parts[j].Ns < i.parts[least].Ns) {
			least = j
		}
	}
	return least
}

// join adds a part to the one with its key; false when there is none.
func (i *item) join(p result.ScenePart) bool {
	for j := range i.parts[:i.n] {
		if i.parts[j].Key == p.Key {
			i.parts[j].Ns += p.Ns
			i.parts[j].Count += p.Count
			return true
		}
	}
	return false
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
