package attribution

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// causeKey is a cause on a line, by index.
type causeKey struct {
	line int32
	kind kind
}

// causes lists the partition of the wall by kind and line, largest first.
func (a *attributor) causes(wall int64) []result.Cause {
	type part struct {
		key packed
		ns  int64
	}
	largest := map[causeKey]part{}
	for p, ns := range a.groups {
		key := p.unpack()
		c := causeKey{key.line, key.kind}
		if best, ok := largest[c]; !ok || ns > best.ns || ns == best.ns && p < best.key {
			largest[c] = part{p, ns}
		}
	}
	hinted := map[int32]fnID{}
	most := map[int32]int64{}
	for h, n := range a.hints {
		line, f := int32(h>>32), fnID(uint32(h))
		if n > most[line] || n == most[line] && f < hinted[line] {
			hinted[line], most[line] = f, n
		}
	}
	waker := map[causeKey]map[timeline.ThreadID]int64{}
	for p, ns := range a.wakers {
		k := unpackWaker(p)
		if waker[k.cause] == nil {
			waker[k.cause] = map[timeline.ThreadID]int64{}
		}
		waker[k.cause][k.waker] += ns
	}
	blames := a.blame(waker)
	out := []result.Cause{}
	for _, s := range a.lines {
		for k, ns := range s.kinds {
			if ns == 0 {
				continue
			}
			c := causeKey{s.index, kind(k)}
			cause := result.Cause{Kind: kinds[k], Ns: ns, Share: share(ns, wall), Line: a.line(s.number), Count: s.counts[k]}
			if p, ok := largest[c]; ok {
				key := p.key.unpack()
				if key.sample && key.fn == 0 {
					key.fn = hinted[s.index]
				}
				cause.Detail = a.detail(key)
				if key.kind == kLock && a.frames.handsOver(key.fn) {
					a.handovers[s.number] = true
				}
			} else if k == int(kPreempted) {
				cause.Detail = "ready to run, but other work had the CPU"
			}
			if b, ok := blames[c]; ok {
				if cause.Thread, cause.Detail = a.threadName(b.thread), b.detail; a.own[b.thread] {
					cause.Detail = ownWork
				}
			}
			out = append(out, cause)
		}
	}
	slices.SortStableFunc(out, func(x, y result.Cause) int {
		if c := largestFirst(x, y); c != 0 {
			return c
		}
		if x.Line.Number != y.Line.Number {
			return int(x.Line.Number) - int(y.Line.Number)
		}
		return int(kindIndex[x.Kind]) - int(kindIndex[y.Kind])
	})
	return out
}

// detail puts the largest part of a cause in words.
func (a *attributor) detail(key groupKey) string {
	where := a.frames.name(key.fn)
	in := func(s string) string {
		switch {
		case where == "":
			return s
		case s == "":
			return "in " + where
		}
		return s + " in " + where
	}
	call := ""
	if key.syscall >= 0 {
		call = SyscallName(a.opts.Arch, key.syscall)
	}
	if key.sample {
		switch {
		case key.kind == kUnknown && timeline.SampleKind(key.reason) == timeline.SampleWaiting:
			return in("off the CPU, and nothing recorded why")
		case key.kind == kUnknown && a.tl.Rung == timeline.RungTrace:
			return "outside of what the trace shows"
		case key.kind == kUnknown && a.samples == 0:
			return "on the CPU, and nothing sampled what it did"
		case key.kind == kUnknown:
			return "on the CPU, between two samples"
		case key.kind == kProfiler:
			return "the probes of the CUDA calls"
		case key.kind == kFault && call == "":
			return in("first touch of new memory")
		case key.kind == kSyscall && call == "":
			return in("which one was not seen; page faults count too")
		case key.kind == kNative:
			return in(phrase.Library(a.tl.Names.String(a.modules[key.module])))
		case key.kind == kPython && timeline.SampleKind(key.reason) == timeline.SampleOnCPU:
			return in("on the CPU; compiled code called from here counts as Python")
		}
		return in(call)
	}
	if key.kind == kDriver && key.module != 0 {
		return a.tl.Names.String(a.modules[key.module])
	}
	switch key.reason {
	case timeline.ReasonUnknown:
		return in("blocked, and nothing recorded why")
	case timeline.ReasonPageFault:
		return in("pages read in by the kernel")
	case timeline.ReasonPipe:
		return in(call + " on a pipe or terminal")
	case timeline.ReasonGIL, timeline.ReasonLock, timeline.ReasonSleep:
		return in("")
	}
	return in(call)
}

// ThreadName is a thread's name as reports have it, with its process where that is another.
func (a *Attribution) ThreadName(id timeline.ThreadID) string { return a.from.threadName(id) }

func (a *attributor) threadName(id timeline.ThreadID) string {
	t := &a.tl.Threads[id]
	name := t.Name
	if a.own[id] {
		name = ownName(t.Name)
	}
	if name == "" {
		name = "thread " + itoa(int64(t.TID))
	}
	switch {
	case outside(t):
		name += " (another program)"
	case t.PID != a.main.PID:
		name += " (process " + itoa(int64(t.PID)) + ")"
	}
	return name
}

// outside says that a thread is not of the profiled process or its children:
// collectors give such threads, known only because they woke one of ours, negative ids.
func outside(t *timeline.Thread) bool { return t.PID < 0 }

func (a *attributor) states() result.States {
	var sum result.States
	for _, s := range a.lines {
		addStates(&sum, s.states)
	}
	return sum
}

func addStates(to *result.States, s result.States) {
	to.RunningNs += s.RunningNs
	to.RunnableNs += s.RunnableNs
	to.UnknownNs += s.UnknownNs
	for r, ns := range s.BlockedNs {
		to.BlockedNs[r] += ns
	}
}

func (a *attributor) lineStats(wall int64) []result.LineStat {
	out := []result.LineStat{}
	for _, s := range a.lines {
		if s.number == 0 || s.wall == 0 && s.total == 0 {
			continue
		}
		st := result.LineStat{Line: a.line(s.number), WallNs: s.wall, TotalNs: s.total, Hits: s.hits, Exact: !s.sampled,
			States: s.states, Causes: []result.Cause{}}
		if s.pooled {
			st.PooledNs = s.shared
		}
		for k, ns := range s.kinds {
			if ns > 0 {
				st.Causes = append(st.Causes, result.Cause{Kind: kinds[k], Ns: ns, Share: share(ns, wall), Line: st.Line, Count: s.counts[k]})
			}
		}
		slices.SortStableFunc(st.Causes, largestFirst)
		out = append(out, st)
	}
	slices.SortFunc(out, func(x, y result.LineStat) int { return int(x.Line.Number) - int(y.Line.Number) })
	return out
}
