package attribution

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// What a thread of an imported trace did is known from its ranges: which operators,
// Python functions and data loaders were active. The innermost range says what a
// thread did, but for tracing, loading, compiling and initialising CUDA, which hold for
// everything that they call. Whether the thread ran or waited is not known.

// rangeUse is what an active range stands for.
type rangeUse struct {
	role role
	fn   fnID
	// inherits says that the range has no role of its own: a built-in function, a module's name.
	inherits bool
	// function says that it is a Python function, which tells more than whatever called it.
	function bool
}

// rangeUses finds the use of a range by its name, each name once.
type rangeUses struct {
	tl     *timeline.Timeline
	frames *stackIndex
	known  [timeline.NumRangeKinds][]int32 // by name: 1 + an index into uses, 0 for not yet
	uses   []rangeUse
}

// newRangeUses is nil when no thread has ranges.
func newRangeUses(tl *timeline.Timeline, frames *stackIndex) *rangeUses {
	if !slices.ContainsFunc(tl.Threads, func(t timeline.Thread) bool { return t.Ranges.Len() > 0 }) {
		return nil
	}
	u := &rangeUses{tl: tl, frames: frames}
	for k := range u.known {
		u.known[k] = make([]int32, tl.Names.Len())
	}
	return u
}

func (u *rangeUses) of(name timeline.NameID, kind timeline.RangeKind) *rangeUse {
	if at := u.known[kind][name]; at > 0 {
		return &u.uses[at-1]
	}
	f := fn{name: u.tl.Names.String(name), marked: true}
	use := rangeUse{role: roleFramework}
	switch kind {
	case timeline.RangeLoader:
		use.role = roleLoader
	case timeline.RangePython:
		use.role = roleNone
		if function, ok := pythonFunction(f.name); ok {
			f, use.function = function, true
			file := "/" + strings.TrimPrefix(f.file, "/")
			if use.role = frameRole(f.name, file); containsAny(file, profilerFiles) {
				use.role = roleProfiler
			}
		} else {
			use.inherits = true
		}
	}
	if len(u.frames.fns) < 1<<19 { // more cannot be told apart, see groupKey
		use.fn = fnID(len(u.frames.fns))
		u.frames.fns = append(u.frames.fns, f)
	}
	u.uses = append(u.uses, use)
	u.known[kind][name] = int32(len(u.uses))
	return &u.uses[len(u.uses)-1]
}

// pythonFunction splits "torch/nn/modules/module.py(1102): _call_impl".
func pythonFunction(name string) (fn, bool) {
	at := strings.Index(name, "): ")
	if at < 0 {
		return fn{}, false
	}
	open := strings.LastIndexByte(name[:at], '(')
	if open <= 0 {
		return fn{}, false
	}
	line, err := strconv.ParseInt(name[open+1:at], 10, 32)
	if err != nil {
		return fn{}, false
	}
	return fn{name: name[at+len("): "):], file: name[:open], line: int32(line)}, true
}

// openRange is a range that is active.
type openRange struct {
	end  int64
	role role
	fn   fnID
}

// rangeCursor walks the ranges of one thread forwards in time. The zero value has none.
type rangeCursor struct {
	r    *timeline.Ranges
	uses *rangeUses
	row  int
	open []openRange // innermost last
	// next is when the answer of at may change.
	next int64
}

func newRangeCursor(uses *rangeUses, t *timeline.Thread) rangeCursor {
	if uses == nil {
		return rangeCursor{}
	}
	return rangeCursor{r: &t.Ranges, uses: uses}
}

// at brings the cursor to t, which must not go backwards.
func (c *rangeCursor) at(t int64) {
	if c.r == nil {
		c.next = math.MaxInt64
		return
	}
	for ; c.row < c.r.Len() && c.r.Start[c.row] <= t; c.row++ {
		end := c.r.End[c.row]
		if end <= t {
			continue
		}
		c.close(c.r.Start[c.row])
		use := c.uses.of(c.r.Name[c.row], c.r.Kind[c.row])
		o := openRange{end: end, role: use.role, fn: use.fn}
		if n := len(c.open); n > 0 {
			outer := c.open[n-1].role
			holds := outer != roleNone && outer < roleFramework // for all that it calls
			switch {
			case holds && (use.inherits || o.role == roleNone || outer < o.role):
				if o.role = outer; !use.function {
					o.fn = c.open[n-1].fn
				}
			case use.inherits:
				o.role = outer
			}
		}
		c.open = append(c.open, o)
	}
	c.close(t)
	c.next = math.MaxInt64
	if n := len(c.open); n > 0 {
		c.next = c.open[n-1].end
	}
	if c.row < c.r.Len() {
		c.next = min(c.next, c.r.Start[c.row])
	}
}

// close drops the ranges that have ended by t, from the innermost on.
func (c *rangeCursor) close(t int64) {
	n := len(c.open)
	for n > 0 && c.open[n-1].end <= t {
		n--
	}
	c.open = c.open[:n]
}

// active says whether a range holds the thread.
func (c *rangeCursor) active() bool { return len(c.open) > 0 }

// inside is the innermost range; the zero value when there is none.
func (c *rangeCursor) inside() openRange {
	if n := len(c.open); n > 0 {
		return c.open[n-1]
	}
	return openRange{}
}

// kind is the cause of the host that the active range stands for.
func (o openRange) kind() kind {
	switch o.role {
	case roleLoader:
		return kLoading
	case roleNone:
		return kPython
	case roleProfiler:
		return kProfiler
	}
	return kFramework
}

// group is the range as the proof of a cause.
func (o openRange) group(line int32) groupKey {
	return groupKey{line: line, kind: o.kind(), syscall: -1, reason: timeline.Reason(timeline.SamplePython), fn: o.fn, sample: true}
}

// rangeFunctions lists the code of the ranges by the time that it took itself, without
// what it called, over all threads.
func (a *attributor) rangeFunctions(h *result.Host) {
	if a.code == nil {
		return
	}
	type sums struct{ ns, calls int64 }
	var byFn []sums
	var all int64
	type nested struct {
		end, inner int64
		start      int64
		fn         fnID
	}
	var open []nested
	end := func(upTo int64) {
		for n := len(open) - 1; n >= 0 && open[n].end <= upTo; n-- {
			o := open[n]
			open = open[:n]
			byFn[o.fn].ns += max(o.end-o.start-o.inner, 0)
			all += max(o.end-o.start-o.inner, 0)
			if n > 0 {
				open[n-1].inner += min(o.end, open[n-1].end) - o.start
			}
		}
	}
	for id := 1; id < len(a.tl.Threads); id++ {
		r := &a.tl.Threads[id].Ranges
		for i, start := range r.Start {
			end(start)
			f := a.code.of(r.Name[i], r.Kind[i]).fn
			for int(f) >= len(byFn) {
				byFn = append(byFn, sums{})
			}
			byFn[f].calls++
			open = append(open, nested{end: r.End[i], start: start, fn: f})
		}
		end(math.MaxInt64)
	}
	list := []result.FunctionStat{}
	for f, s := range byFn {
		if f == 0 || s.calls == 0 {
			continue
		}
		x := a.frames.fns[f]
		list = append(list, result.FunctionStat{Name: x.name, File: x.file, Line: x.line, SelfNs: s.ns, Share: share(s.ns, all), Exact: true, Calls: s.calls})
	}
	slices.SortStableFunc(list, func(x, y result.FunctionStat) int { return cmp.Compare(y.SelfNs, x.SelfNs) })
	h.Functions = append(h.Functions, list[:min(len(list), maxFunctions-min(len(h.Functions), maxFunctions))]...)
}
