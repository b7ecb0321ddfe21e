package attribution

import (
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

// share is one class's part of a line's running time.
type shareKey struct {
	classKey
	n int64
}

func (a *attributor) shareRunning() {
	period := a.main.Samples.PeriodNs
	if period <= 0 {
		period = (a.tl.Window.End - a.tl.Window.Start) / max(a.samples, 1)
	}
	own := map[int32][]shareKey{}
	pool := map[classKey]int64{}
	short := func(s *lineSums) bool { return s.shared < ownSamples*period }
	for key, n := range a.classes {
		if short(a.lines[a.byLine[key.line]]) {
			key.line = -1
			pool[key] += n
		} else {
			own[key.line] = append(own[key.line], shareKey{key, n})
		}
	}
	var pooled []shareKey
	for key, n := range pool {
		pooled = append(pooled, shareKey{key, n})
	}
	slices.SortFunc(pooled, byVotes)
	for _, s := range a.lines {
		if s.shared == 0 {
			continue
		}
		votes := pooled
		if !short(s) {
			votes = own[s.number]
			slices.SortFunc(votes, byVotes)
		}
		a.divide(s, votes)
	}
}

// byVotes orders by votes, largest first, and then by everything else: maps have no order.
func byVotes(x, y shareKey) int {
	for _, d := range []int64{y.n - x.n, int64(x.kind) - int64(y.kind), int64(x.syscall) - int64(y.syscall),
		int64(x.fn) - int64(y.fn), int64(x.module) - int64(y.module), int64(x.sample) - int64(y.sample)} {
		switch {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
	}
	return 0
}

// divide gives a line's shared time to the causes of its votes, to the last ns.
func (a *attributor) divide(s *lineSums, votes []shareKey) {
	var total int64
	for _, v := range votes {
		total += v.n
	}
	if total == 0 {
		votes, total = []shareKey{{classKey{kind: kUnknown, syscall: -1, sample: timeline.NumSampleKinds}, 1}}, 1
	}
	var seen, given int64
	var byKind [numKinds]int64
	for _, v := range votes {
		// Cumulative rounding: the parts add up exactly.
		seen += v.n
		upTo := portion(s.shared, seen, total)
		ns := upTo - given
		given = upTo
		k := v.kind
		if k == kSyscall && SyscallName(a.opts.Arch, v.syscall) == "futex" {
			k = s.futexKind()
		}
		s.kinds[k] += ns
		byKind[k] += v.n
		a.group(groupKey{line: s.number, kind: k, syscall: v.syscall, fn: v.fn, module: v.module, sample: true,
			reason: timeline.Reason(v.sample)}, ns, false)
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
