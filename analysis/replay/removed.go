package replay

import (
	"cmp"
	"slices"
	"sort"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// stretch is one removal, before is what all earlier ones of its thread remove.
type stretch struct {
	start, end    int64
	share, before float64
}

// removed is what is removed of a thread, in order of time.
type removed struct {
	list []stretch
	last int // the stretch of the last answer: moments come nearly in order
}

// nearby is how many stretches are looked at one by one before a search.
const nearby = 8

// upTo is how much is removed before t, in ns.
func (r *removed) upTo(t int64) float64 {
	steps := 0
	for ; r.last > 0 && r.list[r.last].start > t && steps < nearby; steps++ {
		r.last--
	}
	for ; r.last+1 < len(r.list) && r.list[r.last+1].start <= t && steps < nearby; steps++ {
		r.last++
	}
	if steps == nearby {
		r.last = max(sort.Search(len(r.list), func(i int) bool { return r.list[i].start > t })-1, 0)
	}
	s := &r.list[r.last]
	if s.start > t {
		return 0
	}
	return s.before + float64(min(t, s.end)-s.start)*s.share
}

// left is the share of [from, to) that stays.
func (r *removed) left(from, to int64) float64 {
	if len(r.list) == 0 || to <= from || r.list[0].start >= to || r.list[len(r.list)-1].end <= from {
		return 1
	}
	return min(max(1-(r.upTo(to)-r.upTo(from))/float64(to-from), 0), 1)
}

// sorted puts removals in order, by thread; the last is the device's.
func (g *Graph) sorted(list []Removal) []removed {
	out := make([]removed, len(g.tl.Threads)+1)
	of := func(x *Removal) int {
		switch {
		case x.End <= x.Start:
			return -1
		case x.Device:
			return len(g.tl.Threads)
		case int(x.Thread) > len(g.tl.Threads):
			return -1
		}
		return int(x.Thread)
	}
	order := func(x, y Removal) int { return cmp.Compare(x.Start, y.Start) }
	if !slices.IsSortedFunc(list, order) {
		list = slices.Clone(list)
		slices.SortStableFunc(list, order)
	}
	counts := make([]int, len(out))
	for i := range list {
		if k := of(&list[i]); k >= 0 {
			counts[k]++
		}
	}
	var helpers removed
	for i := range list {
		k := of(&list[i])
		if k < 0 {
			continue
		}
		if out[k].list == nil {
			out[k].list = make([]stretch, 0, counts[k])
		}
		out[k].add(&list[i])
		if list[i].Helpers {
			helpers.add(&list[i])
		}
	}
	for id := 1; len(helpers.list) > 0 && g.main != 0 && id < len(g.tl.Threads); id++ {
		if t := &g.tl.Threads[id]; timeline.ThreadID(id) != g.main && !t.Python && t.PID == g.tl.Threads[g.main].PID {
			out[id].list = merged(out[id].list, helpers.list)
		}
	}
	return out
}

// add appends a removal that begins after all others.
func (r *removed) add(x *Removal) {
	before := 0.0
	if n := len(r.list); n > 0 {
		s := &r.list[n-1]
		before = s.before + float64(s.end-s.start)*s.share
	}
	r.list = append(r.list, stretch{x.Start, x.End, min(max(x.Share, 0), 1), before})
}

// merged is own with what is not in it yet of more; more itself where own is empty.
func merged(own, more []stretch) []stretch {
	if len(own) == 0 {
		return more
	}
	var out removed
	for len(own) > 0 || len(more) > 0 {
		next := &own
		if len(own) == 0 || len(more) > 0 && more[0].start < own[0].start {
			next = &more
		}
		x := (*next)[0]
		*next = (*next)[1:]
		if n := len(out.list); n > 0 {
			x.start = max(x.start, out.list[n-1].end)
		}
		if x.start < x.end {
			out.add(&Removal{Start: x.start, End: x.end, Share: x.share})
		}
	}
	return out.list
}
