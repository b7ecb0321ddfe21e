package perfevent

import "sort"

// runs is when a thread ran, from its context switches, in order of time.
type runs struct {
	// on and off are the ends of the stretches; the last one is open while there is one on more.
	on, off []int64
	// broken says that switches were lost, or were too many to keep: nothing is known.
	broken bool
}

// maxRuns bounds the stretches kept of one thread, 16 bytes each.
const maxRuns = 1 << 19

func (r *runs) running() bool { return len(r.on) > len(r.off) }

// begin is told that the thread runs from now on.
func (r *runs) begin(at int64) {
	switch {
	case r.broken || r.running():
	case len(r.on) >= maxRuns:
		r.fail()
	default:
		r.on = append(r.on, at)
	}
}

// end is told that the thread stops to run.
func (r *runs) end(at int64) {
	switch {
	case r.broken:
	case r.running():
		r.off = append(r.off, at)
	case len(r.off) == 0: // it has run since before it was followed
		r.on, r.off = append(r.on, 0), append(r.off, at)
	}
}

// fail is told that what is kept is not whole.
func (r *runs) fail() { *r = runs{broken: true} }

// waited says that the thread is known not to have run at a moment.
func (r *runs) waited(at int64) bool {
	if r.broken || len(r.on) == 0 {
		return false
	}
	i := sort.Search(len(r.on), func(i int) bool { return r.on[i] > at }) - 1
	return i < 0 || i < len(r.off) && at >= r.off[i]
}
