package attribution

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// stackFor is how long the frames of one sample speak for those after it that have none.
const stackFor = 50_000_000

// share notes a piece in which the thread ran, or may have, outside of any CUDA
// call: samples inside such pieces say what it did.
func (s *idleSweep) share(v *actor, number int32, start, end int64) {
	l := s.line(number)
	s.note(start, end, iUnknown, l.number, true)
	l.shared += end - start
	l.sampled += end - start
	s.lastGap = -1
	for t := start; t < end; {
		piece, until := s.blocks.next(t, end)
		s.blockShared[piece] += until - t
		l.sample.at(s, sharedCell, piece, until-t)
		t = until
	}
	for t := start; t < end; {
		piece, until := s.columns.next(t, end)
		s.filled[piece].shared += until - t
		s.filled[piece].lines.add(l.number, until-t)
		t = until
	}
	smp := &v.t.Samples
	for ; v.smp < smp.Len() && smp.Time[v.smp] < end; v.smp++ {
		if stack := smp.Stack[v.smp]; stack != 0 {
			v.lastRole, v.lastAt = s.a.frames.role[stack], smp.Time[v.smp]
		}
		if smp.Time[v.smp] >= start {
			s.vote(l, v, v.smp)
		}
	}
}

// vote notes what one sample says, by the rules of attributor.sample, and beyond
// them which frames of loaders, compilers and frameworks were on the stack.
func (s *idleSweep) vote(l *idleLine, v *actor, i int) {
	smp := &v.t.Samples
	f := s.a.frames
	kind := smp.Kind[i]
	key := groupKey{syscall: -1, fn: f.deepest[smp.Stack[i]], reason: timeline.Reason(kind), sample: true}
	if v == s.main && s.kernel && (kind == timeline.SampleOnCPU || kind == timeline.SampleWaiting) {
		return // the kernel's own samples know more
	}
	of := f.role[smp.Stack[i]]
	if smp.Stack[i] == 0 && smp.Time[i]-v.lastAt <= stackFor && v.lastAt >= 0 {
		of = v.lastRole
	}
	k := iPython
	switch kind {
	case timeline.SamplePython:
		key.kind = kPython
	case timeline.SampleSyscall:
		key.syscall, key.kind = smp.Syscall[i], kSyscall
		if key.syscall >= 0 && int(key.syscall) < len(s.a.callKinds) {
			key.kind = s.a.callKinds[key.syscall]
		}
		k = idleOf(key.kind)
	case timeline.SampleFault:
		key.kind, k = kFault, idleOf(kFault)
	case timeline.SampleWaiting:
		key.kind = kPython
		if v.row.state == running {
			key.reason = timeline.Reason(timeline.SampleOnCPU)
		} else {
			key.kind = f.waitOf(key.fn)
			k = idleOf(key.kind)
		}
	default:
		key.kind = kPython
		if smp.Module[i] != 0 {
			key.kind, key.module = kNative, s.a.module(smp.Module[i])
			k = iNative
			of = of.with(s.library(smp.Module[i]))
		}
	}
	switch of {
	case roleWarmUp:
		k = iWarmUp
	case roleCompile:
		k = iCompile
	case roleLoader:
		k = iLoading
	case roleFramework:
		if k == iPython || k == iNative {
			k = iFramework
		}
	}
	l.votes++
	vote := idleVote{l.index, k, key.pack()}
	if len(s.votes) >= maxGroups {
		if _, ok := s.votes[vote]; !ok {
			key.fn, key.module = 0, 0
			vote.group = key.pack()
		}
	}
	s.votes[vote]++
}

func (s *idleSweep) library(id timeline.NameID) role {
	of, ok := s.libs[id]
	if !ok {
		of = libraryRole(s.tl.Names.String(id))
		s.libs[id] = of
	}
	return of
}

// ballot is how many samples speak for one class.
type ballot struct {
	idleVote
	n int64
}

// divide shares the running time of each line out among the causes of its samples,
// by the rules of shareRunning: lines too short for samples of their own share a pool.
func (s *idleSweep) divide() {
	own := map[int32][]ballot{}
	var pool []ballot
	pooled := map[idleVote]int64{}
	period := s.main.t.Samples.PeriodNs
	short := func(l *idleLine) bool {
		return period <= 0 || l.sampled/ownSamples < period || l.votes == 0 && l.sampled/(3*ownSamples) < period
	}
	for v, n := range s.votes {
		if short(s.lines[v.line]) {
			v.line = 0
			pooled[v] += n
		} else {
			own[v.line] = append(own[v.line], ballot{v, n})
		}
	}
	for v, n := range pooled {
		pool = append(pool, ballot{v, n})
	}
	order := func(x, y ballot) int {
		return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.kind, y.kind), cmp.Compare(x.group, y.group))
	}
	slices.SortFunc(pool, order)
	pool = pool[:min(len(pool), maxPooled)]
	var unknown, all int64
	for _, l := range s.lines {
		if l.shared == 0 {
			continue
		}
		list := pool
		if !short(l) {
			list = own[l.index]
			slices.SortFunc(list, order)
		}
		s.split(l, list)
		all += l.shared
		unknown += l.ballots[iUnknown]
	}
	// The blocks know how much was shared out, not of which line: they take the mean.
	for b, ns := range s.blockShared {
		if ns == 0 {
			continue
		}
		part := portion(ns, unknown, all)
		s.blockKinds[b][ShareUnknown] += part
		s.blockKinds[b][ShareHost] += ns - part
	}
}

// split gives a line's shared time to the causes of its votes, to the last ns.
func (s *idleSweep) split(l *idleLine, list []ballot) {
	var total int64
	for _, b := range list {
		total += b.n
	}
	if total == 0 {
		unseen := groupKey{kind: kUnknown, syscall: -1, reason: timeline.Reason(timeline.NumSampleKinds), sample: true}
		list, total = []ballot{{idleVote{kind: iUnknown, group: unseen.pack()}, 1}}, 1
	}
	var seen, given int64
	for _, b := range list {
		seen += b.n
		upTo := portion(l.shared, seen, total)
		ns := upTo - given
		given = upTo
		l.kinds[b.kind] += ns
		l.ballots[b.kind] += ns
		l.proofs[b.kind].add(proof{group: b.group}, ns)
	}
	for k, ns := range l.ballots {
		if ns > l.ballots[l.last] {
			l.last = idle(k)
		}
	}
}

// mostly is the kind that most of the shared time of a line went to, once divide has run.
func (s *idleSweep) mostly(line int32) idle {
	if n, ok := s.byLine[line]; ok {
		return s.lines[n].last
	}
	return iUnknown
}

// kind is that of a class of moments, once divide has run.
func (s *idleSweep) kind(c *momentClass) idle {
	if c.sampled {
		return s.mostly(c.line)
	}
	return c.kind
}
