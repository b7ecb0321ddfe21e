package replay

import (
	"cmp"
	"slices"
	"sort"

	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// handedNs is from how long a silence of the main thread on it may be another's turn.
	handedNs = 500_000
	// handedCalls is how many moments the other thread has in it at the least.
	handedCalls = 8
)

// hand is the edge from a point of one thread to one of another, in place of most of the
// latter's own time; own is what stays.
type hand struct {
	from ref
	own  int64
}

// handOffs finds where the main thread let another one work and waited for it, in a
// timeline that does not know who woke whom: the main thread makes no calls, and another
// begins to make many and ends before the main thread goes on. Framework threads that run
// the backward pass are such. Threads that make calls side by side stay independent.
func (b *builder) handOffs() {
	b.hands = map[ref]hand{}
	main := b.tl.Main()
	if main == 0 || b.tl.Threads[main].Sched.Known.Ns() > 0 {
		return
	}
	byThread := make([][]ref, len(b.tl.Threads))
	for _, r := range b.points {
		id := b.g.facts(r).thread
		byThread[id] = append(byThread[id], r)
	}
	for _, list := range byThread {
		slices.SortStableFunc(list, func(x, y ref) int { return cmp.Compare(b.at(x), b.at(y)) })
	}
	own := byThread[main]
	for i := 0; i+1 < len(own); i++ {
		from, to := b.at(own[i]), b.at(own[i+1])
		if to-from < handedNs {
			continue
		}
		best, first, last := int64(0), noRef, noRef
		for id, list := range byThread {
			if timeline.ThreadID(id) == main || id == 0 {
				continue
			}
			begin := sort.Search(len(list), func(x int) bool { return b.at(list[x]) > from })
			end := sort.Search(len(list), func(x int) bool { return b.at(list[x]) >= to })
			if end-begin < handedCalls {
				continue
			}
			if ns := b.at(list[end-1]) - b.at(list[begin]); ns > best {
				best, first, last = ns, list[begin], list[end-1]
			}
		}
		if best*2 < to-from {
			continue
		}
		b.hands[first] = hand{own[i], 0}
		b.hands[own[i+1]] = hand{last, to - from - best}
	}
}
