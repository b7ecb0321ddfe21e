package attribution

import (
	"path"
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

type causeKey struct {
	line int32
	kind kind
}

// causes lists the partition of the wall by kind and line, largest first.
func (a *attributor) causes(wall int64) []result.Cause {
	largest := map[causeKey]groupKey{}
	waker := map[causeKey]map[timeline.ThreadID]int64{}
	for key, g := range a.groups {
		c := causeKey{key.line, key.kind}
		if best, ok := largest[c]; !ok || g.ns > a.groups[best].ns || g.ns == a.groups[best].ns && before(key, best) {
			largest[c] = key
		}
		if key.waker != 0 && key.waker != a.mainID {
			if waker[c] == nil {
				waker[c] = map[timeline.ThreadID]int64{}
			}
			waker[c][key.waker] += g.ns
		}
	}
	blames := a.blame(waker)
	out := []result.Cause{}
	for _, s := range a.lines {
		for k, ns := range s.kinds {
			if ns == 0 {
				continue
			}
			c := causeKey{s.number, kind(k)}
			cause := result.Cause{Kind: kinds[k], Ns: ns, Share: share(ns, wall), Line: a.line(s.number), Count: s.counts[k]}
			key, ok := largest[c]
			if ok {
				cause.Detail = a.detail(key)
			} else if k == int(kPreempted) {
				cause.Detail = "ready to run, but other work had the CPU"
			}
			if b, ok := blames[c]; ok {
				cause.Thread, cause.Detail = a.threadName(b.thread), b.detail
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

// before is an arbitrary but fixed order of keys.
func before(x, y groupKey) bool {
	for _, d := range []int64{int64(x.reason) - int64(y.reason), int64(x.syscall) - int64(y.syscall), int64(x.waker) - int64(y.waker),
		int64(x.fn) - int64(y.fn), int64(x.module) - int64(y.module)} {
		if d != 0 {
			return d < 0
		}
	}
	return x.sample && !y.sample
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
		case key.kind == kUnknown && a.samples == 0:
			return "on the CPU, and nothing sampled what it did"
		case key.kind == kUnknown:
			return "on the CPU, too short to be sampled"
		case key.kind == kFault && call == "":
			return in("first touch of new memory")
		case key.kind == kNative:
			return in(path.Base("/" + a.tl.Names.String(key.module)))
		case key.kind == kPython && timeline.SampleKind(key.reason) == timeline.SampleOnCPU:
			return in("on the CPU; compiled code called from here counts as Python")
		}
		return in(call)
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

func (a *attributor) threadName(id timeline.ThreadID) string {
	t := &a.tl.Threads[id]
	name := t.Name
	if name == "" {
		name = "thread " + itoa(int64(t.TID))
	}
	if t.PID != a.main.PID {
		name += " (process " + itoa(int64(t.PID)) + ")"
	}
	return name
}

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
