package findings

import (
	"cmp"
	"maps"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// tally collects the moments that are the evidence of one finding, or of one cause.
type tally struct {
	e *Evidence
	// line is the line that moments must have, 0 for any.
	line int32
	open episode
	// longest are the longest episodes so far; a heap, the shortest first.
	longest []episode

	// count is how many episodes there were, ns their sum, most the longest, sampled the part that samples share out.
	count, ns, most, sampled int64
	lengths                  lengths
	// before and next are the operations around gaps, calls the calls that explain time, by episode.
	before, next, calls counter[uint64]
	// states is the time by thread and state, wakers that of waits by who ended them.
	states counter[stateKey]
	wakers counter[timeline.ThreadID]
}

// stateKey is a thread in a state.
type stateKey struct {
	thread timeline.ThreadID
	state  attribution.State
	reason timeline.Reason
}

// episode is a run of moments without a break: of one gap of the device, or of the main thread.
type episode struct {
	attribution.Moment
	calls [2]int32 // rows of Timeline.Calls that explain it; -1 for none
}

func (p *episode) ns() int64 { return p.End - p.Start }

// lengths counts durations as they are worded, so that their number is small and the
// median is exact as far as it is said.
type lengths map[int64]int64

// median is the middle one of the lengths, 0 of none.
func (l lengths) median() int64 {
	var all, seen int64
	for _, n := range l {
		all += n
	}
	for _, ns := range slices.Sorted(maps.Keys(l)) {
		if seen += l[ns]; seen*2 >= all {
			return ns
		}
	}
	return 0
}

// maxCounted bounds what a counter tells apart.
const maxCounted = 256

// counter sums by key, as far as the keys are few; the rest is in all alone. The zero value is empty.
type counter[K comparable] struct {
	by  map[K]int64
	all int64
	// last has run that is not in by yet: most keys come several times in a row.
	last K
	run  int64
}

func (c *counter[K]) add(k K, n int64) {
	c.all += n
	if k != c.last {
		c.settle()
		c.last = k
	}
	c.run += n
}

// settle puts all into by.
func (c *counter[K]) settle() {
	if c.run == 0 {
		return
	}
	if c.by == nil {
		c.by = map[K]int64{}
	}
	if _, known := c.by[c.last]; known || len(c.by) < maxCounted {
		c.by[c.last] += c.run
	}
	c.run = 0
}

// top are the keys with the largest sums, at most n; less decides between equal ones.
func (c *counter[K]) top(n int, less func(x, y K) int) []K {
	c.settle()
	keys := slices.Collect(maps.Keys(c.by))
	slices.SortFunc(keys, func(x, y K) int { return cmp.Or(cmp.Compare(c.by[y], c.by[x]), less(x, y)) })
	return keys[:min(n, len(keys))]
}

func (t *tally) add(m *attribution.Moment) {
	if t.line != 0 && m.Line != t.line {
		return
	}
	ns := m.End - m.Start
	if m.Sampled {
		t.sampled += ns
	}
	t.states.add(stateKey{m.Thread, m.State, m.Reason}, ns)
	if m.State == attribution.StateBlocked {
		t.wakers.add(m.Waker, ns)
	}
	if t.open.End == m.Start && t.open.Gap == m.Gap && t.open.ns() > 0 {
		t.open.End = m.End
		if m.Call != t.open.calls[0] {
			t.open.calls[1] = m.Call
		}
		return
	}
	t.close()
	t.open = episode{*m, [2]int32{m.Call, -1}}
}

// close ends the episode at hand.
func (t *tally) close() {
	p := &t.open
	if p.ns() > 0 {
		keepLongest(&t.longest, *p, func(p episode) int64 { return p.ns() })
		if t.lengths == nil {
			t.lengths = lengths{}
		}
		t.lengths[phrase.Round(p.ns())]++
		t.count++
		t.ns += p.ns()
		t.most = max(t.most, p.ns())
		if p.Gap > 0 {
			t.before.add(t.e.opKey(p.Before), 1)
			t.next.add(t.e.opKey(p.Next), 1)
		}
		for _, row := range p.calls {
			if row >= 0 {
				t.calls.add(uint64(t.e.Attribution.Timeline().Calls.Name[row]), 1)
			}
		}
	}
	t.open = episode{}
}

// opKey stands for an operation of the busiest device: a kernel by its name, a copy by its direction, a set; 0 for none.
func (e *Evidence) opKey(row int32) uint64 {
	if row < 0 {
		return 0
	}
	ops := &e.Attribution.Timeline().Devices[e.Attribution.GPU.Busiest].Ops
	key := uint64(ops.Kind[row]+1) << 40
	switch ops.Kind[row] {
	case timeline.OpKernel:
		return key | uint64(ops.Name[row])
	case timeline.OpMemcpy:
		return key | uint64(ops.Copy[row])
	}
	return key
}

// opWords is an operation by its key.
func (e *Evidence) opWords(key uint64) string {
	switch kind := key >> 40; {
	case kind == 0:
		return ""
	case timeline.OpKind(kind-1) == timeline.OpKernel:
		return "the kernel " + phrase.Kernel(e.Attribution.Timeline().Names.String(timeline.NameID(uint32(key))))
	case timeline.OpKind(kind-1) == timeline.OpMemcpy:
		return "a copy " + phrase.Copy(result.Copy{Kind: timeline.CopyKind(uint8(key)).String()})
	}
	return "a set of memory"
}

// keepLongest adds an entry to a heap of the MaxSpans longest; the first of equal ones stays.
func keepLongest[T any](heap *[]T, x T, ns func(T) int64) {
	h := *heap
	if len(h) < result.MaxSpans {
		h = append(h, x)
		for i := len(h) - 1; i > 0 && ns(h[i]) < ns(h[(i-1)/2]); i = (i - 1) / 2 {
			h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		}
		*heap = h
		return
	}
	if ns(x) <= ns(h[0]) {
		return
	}
	h[0] = x
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if ns(h[c]) < ns(h[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
