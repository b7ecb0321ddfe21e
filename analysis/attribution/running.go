package attribution

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// How running time is shared out. Each sample of the main thread that was taken
// while it ran, outside of the garbage collector, votes for one cause on the line
// that was executing.
//
//   - A line that ran for at least ownSamples sample periods is shared out by its
//     own samples alone. If it got none, its running time is unknown.
//   - Shorter lines are pooled: any one of them expects fewer than ownSamples
//     samples, so the share of each cause among all samples of all of them is
//     used for each. If the pool got none, its running time is unknown.
//
// The time of a thread whose scheduler state nothing recorded is shared out in the
// same way; there, samples also tell waiting from running where they can.
const ownSamples = 3

// vote is how many samples speak for one class.
type vote struct {
	class packed
	n     int64
}

func (a *attributor) shareRunning() {
	period := a.main.Samples.PeriodNs
	if period <= 0 {
		period = (a.tl.Window.End - a.tl.Window.Start) / max(a.samples, 1)
	}
	own := map[int32][]vote{}
	pool := map[packed]int64{}
	short := func(s *lineSums) bool { return s.shared/ownSamples < period }
	for class, n := range a.classes {
		key := class.unpack()
		if short(a.lines[key.line]) {
			key.line = 0
			pool[key.pack()] += n
		} else {
			own[key.line] = append(own[key.line], vote{class, n})
		}
	}
	pooled := make([]vote, 0, len(pool))
	for class, n := range pool {
		pooled = append(pooled, vote{class, n})
	}
	slices.SortFunc(pooled, byVotes)
	// A pool of very many lines times very many classes is cut to the classes that carry it.
	shortVotes := pooled[:min(len(pooled), maxPooled)]
	for _, s := range a.lines {
		if s.shared == 0 {
			continue
		}
		votes := shortVotes
		s.pooled = short(s)
		if !s.pooled {
			votes = own[s.index]
			slices.SortFunc(votes, byVotes)
		}
		a.divide(s, votes)
	}
}

// maxPooled bounds the classes of the pool of short lines.
const maxPooled = 200

// byVotes orders by votes, largest first, and then by class: maps have no order.
func byVotes(x, y vote) int {
	return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.class, y.class))
}

// divide gives a line's shared time to the causes of its votes, to the last ns.
func (a *attributor) divide(s *lineSums, votes []vote) {
	var total int64
	for _, v := range votes {
		total += v.n
	}
	if total == 0 {
		unseen := groupKey{kind: kUnknown, syscall: -1, reason: timeline.Reason(timeline.NumSampleKinds), sample: true}
		votes, total = []vote{{unseen.pack(), 1}}, 1
	}
	var seen, given int64
	var byKind [numKinds]int64
	for _, v := range votes {
		// Cumulative rounding: the parts add up exactly.
		seen += v.n
		upTo := portion(s.shared, seen, total)
		ns := upTo - given
		given = upTo
		key := v.class.unpack()
		k := key.kind
		if k == kSyscall && SyscallName(a.opts.Arch, key.syscall) == "futex" {
			k = s.futexKind()
		}
		s.kinds[k] += ns
		if k != kUnknown {
			a.sampledNs += ns
		}
		byKind[k] += v.n
		key.line, key.kind = s.index, k
		a.group(key, ns)
	}
	s.mostly = kUnknown
	for k, n := range byKind {
		if n > byKind[s.mostly] {
			s.mostly = kind(k)
		}
	}
	for b := range s.sharedBlocks {
		var seen, given int64
		for k, n := range byKind {
			seen += n
			upTo := portion(s.sharedBlocks[b], seen, total)
			a.blocks[b][k] += upTo - given
			given = upTo
		}
	}
}

// futexKind is what on-CPU time in futex calls is for on this line: taking and
// giving the lock that the line waits for most.
func (s *lineSums) futexKind() kind {
	gil, lock := s.states.BlockedNs[timeline.ReasonGIL], s.states.BlockedNs[timeline.ReasonLock]
	switch {
	case gil == 0 && lock == 0:
		return kSyscall
	case gil >= lock:
		return kGIL
	}
	return kLock
}

// portion is ns*part/whole without overflow; part <= whole.
func portion(ns, part, whole int64) int64 {
	if part == whole {
		return ns
	}
	q, r := ns/whole, ns%whole
	return q*part + int64(float64(r)*(float64(part)/float64(whole)))
}

func (a *attributor) blockTotals() [Blocks][]int64 {
	var out [Blocks][]int64
	for b := range out {
		out[b] = append([]int64(nil), a.blocks[b][:]...)
	}
	return out
}
