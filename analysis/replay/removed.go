package replay

import (
	"sort"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Removal is a stretch of which a share would not have been spent. It concerns the own
// time of one host thread, or, with Device set, the time in which an operation was
// launched and had not begun.
type Removal struct {
	Thread timeline.ThreadID
	Device bool
	// Helpers says that it concerns the threads of the main thread's process that run no Python as well.
	Helpers    bool
	Start, End int64
	// Share is 0..1; 1 is the whole stretch.
	Share float64
}

// Removals are the stretches of a Change. There may be millions: each takes 17 bytes. The zero
// value, and nil, is none. While a prediction reads them they must not be changed.
type Removals struct {
	threads         []stretches // by thread
	device, helpers stretches
}

// Add adds a stretch; one that has ended when it begins is nothing. Stretches of one thread, and those of
// the device, come in order of time; where one overlaps an earlier one, that part of it is not added.
func (r *Removals) Add(x Removal) {
	switch to := &r.device; {
	case x.Device:
		to.add(x.Start, x.End, x.Share)
	default:
		if n := int(x.Thread) + 1; n > len(r.threads) {
			r.threads = append(r.threads, make([]stretches, n-len(r.threads))...)
		}
		r.threads[x.Thread].add(x.Start, x.End, x.Share)
	}
	if x.Helpers {
		r.helpers.add(x.Start, x.End, x.Share)
	}
}

// Merged are two lists as one: where they overlap, what begins first counts, and of both x. It may share memory with them.
func Merged(x, y *Removals) *Removals {
	out := &Removals{threads: make([]stretches, max(len(x.threads), len(y.threads))), device: *merged(&x.device, &y.device), helpers: *merged(&x.helpers, &y.helpers)}
	var none stretches
	for id := range out.threads {
		a, b := &none, &none
		if id < len(x.threads) {
			a = &x.threads[id]
		}
		if id < len(y.threads) {
			b = &y.threads[id]
		}
		out.threads[id] = *merged(a, b)
	}
	return out
}

// Scale gives all stretches one share, which makes the sum of what they remove at most ns.
func (r *Removals) Scale(ns int64) {
	var all int64
	r.each(func(s *stretches) {
		for i := range s.n {
			all += s.length(s.at(i))
		}
	})
	share := min(float64(ns)/float64(max(all, 1)), 1)
	r.each(func(s *stretches) { s.scale(share) })
	r.helpers.scale(share)
}

func (r *Removals) each(f func(s *stretches)) {
	for i := range r.threads {
		f(&r.threads[i])
	}
	f(&r.device)
}

// stretch is one removal of a list.
type stretch struct {
	start  int64
	length int32 // nobody, and less: an index into stretches.long
	share  uint32
}

// stretches are the removals of one thread, in order and apart.
type stretches struct {
	chunks [][]stretch
	n      int
	end    int64 // of the last one
	total  float64
	// sums has what all before each sumEvery-th one remove.
	sums   []float64
	shares []float64
	number map[float64]uint32 // of shares
	long   []int64            // lengths that a stretch has no room for
}

const (
	stretchChunk = 4 << 10
	sumEvery     = 8
)

func (s *stretches) at(i int) *stretch { return &s.chunks[i/stretchChunk][i%stretchChunk] }

func (s *stretches) length(x *stretch) int64 {
	if x.length < 0 {
		return s.long[nobody-x.length]
	}
	return int64(x.length)
}

func (s *stretches) add(start, end int64, share float64) {
	if s.n > 0 {
		start = max(start, s.end)
	}
	if start >= end {
		return
	}
	x := stretch{start: start, length: int32(end - start)}
	if int64(x.length) != end-start || x.length < 0 {
		x.length = nobody - int32(len(s.long))
		s.long = append(s.long, end-start)
	}
	x.share = s.shareOf(min(max(share, 0), 1))
	if s.n%stretchChunk == 0 && s.n > 0 {
		s.chunks = append(s.chunks, make([]stretch, 0, stretchChunk))
	} else if s.n == 0 {
		s.chunks = append(s.chunks, nil)
	}
	last := &s.chunks[len(s.chunks)-1]
	*last = append(*last, x)
	if s.n%sumEvery == 0 {
		s.sums = append(s.sums, s.total)
	}
	s.total += s.removes(&x)
	s.n++
	s.end = end
}

func (s *stretches) shareOf(share float64) uint32 {
	if n := len(s.shares); n > 0 && s.shares[n-1] == share {
		return uint32(n - 1)
	}
	at, ok := s.number[share]
	if !ok {
		if s.number == nil {
			s.number = map[float64]uint32{}
		}
		at = uint32(len(s.shares))
		s.number[share] = at
		s.shares = append(s.shares, share)
	}
	return at
}

// scale gives all stretches one share.
func (s *stretches) scale(share float64) {
	for i := range s.shares {
		s.shares[i] = share
	}
	s.total = 0
	for i := range s.n {
		if i%sumEvery == 0 {
			s.sums[i/sumEvery] = s.total
		}
		s.total += s.removes(s.at(i))
	}
}

// removes is how much a stretch removes, in ns.
func (s *stretches) removes(x *stretch) float64 { return float64(s.length(x)) * s.shares[x.share] }

// before is how much all before the i-th remove, in ns.
func (s *stretches) before(i int) float64 {
	first := i - i%sumEvery
	sum := s.sums[first/sumEvery]
	for k := first; k < i; k++ {
		sum += s.removes(s.at(k))
	}
	return sum
}

// merged is own with what is not in it yet of more: one of them where the other is empty.
func merged(own, more *stretches) *stretches {
	switch {
	case own.n == 0:
		return more
	case more.n == 0:
		return own
	}
	out := &stretches{}
	for i, k := 0, 0; i < own.n || k < more.n; {
		from, at := own, &i
		if i == own.n || k < more.n && more.at(k).start < own.at(i).start {
			from, at = more, &k
		}
		x := from.at(*at)
		out.add(x.start, x.start+from.length(x), from.shares[x.share])
		*at++
	}
	return out
}

// removed reads what is removed of a thread.
type removed struct {
	*stretches
	last int // the stretch of the last answer: moments come nearly in order
}

// nearby is how many stretches are looked at one by one before a search.
const nearby = 8

// upTo is how much is removed before t, in ns.
func (r *removed) upTo(t int64) float64 {
	steps := 0
	for ; r.last > 0 && r.at(r.last).start > t && steps < nearby; steps++ {
		r.last--
	}
	for ; r.last+1 < r.n && r.at(r.last+1).start <= t && steps < nearby; steps++ {
		r.last++
	}
	if steps == nearby {
		r.last = max(sort.Search(r.n, func(i int) bool { return r.at(i).start > t })-1, 0)
	}
	x := r.at(r.last)
	if x.start > t {
		return 0
	}
	return r.before(r.last) + float64(min(t-x.start, r.length(x)))*r.shares[x.share]
}

// left is the share of [from, to) that stays.
func (r *removed) left(from, to int64) float64 {
	if r.n == 0 || to <= from || r.at(0).start >= to || r.end <= from {
		return 1
	}
	return min(max(1-(r.upTo(to)-r.upTo(from))/float64(to-from), 0), 1)
}

// removed is what is removed by thread; the last is the device's.
func (g *Graph) removed(r *Removals) []removed {
	out := make([]removed, len(g.tl.Threads)+1)
	if r == nil {
		r = &Removals{}
	}
	none := &stretches{}
	for id := range g.tl.Threads {
		out[id].stretches = none
		if id < len(r.threads) {
			out[id].stretches = &r.threads[id]
		}
		t := &g.tl.Threads[id]
		if helper := id > 0 && g.main != 0 && timeline.ThreadID(id) != g.main && !t.Python && t.PID == g.tl.Threads[g.main].PID; helper && r.helpers.n > 0 {
			out[id].stretches = merged(out[id].stretches, &r.helpers)
		}
	}
	out[len(out)-1].stretches = &r.device
	return out
}
