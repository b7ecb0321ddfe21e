package attribution

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// maxMarks and maxFunctions bound lists that the profiled program controls.
const (
	maxMarks     = 1000
	maxFunctions = 200
	maxScopes    = 500
)

// threads sums every thread's states over the window.
func (a *attributor) threads(h *result.Host) {
	h.Threads = []result.ThreadStat{}
	wall := a.tl.Window.End - a.tl.Window.Start
	for id := 1; id < len(a.tl.Threads); id++ {
		t := &a.tl.Threads[id]
		if outside(t) {
			continue
		}
		if a.own[id] {
			a.ownThreadsNs += ran(t)
			continue
		}
		st := result.ThreadStat{PID: t.PID, TID: t.TID, Name: t.Name, Main: timeline.ThreadID(id) == a.mainID, Python: t.Python,
			Switches: int64(t.Sched.Len())}
		if st.Name == "" {
			st.Name = "thread " + itoa(int64(t.TID))
		}
		s := &t.Sched
		known := s.Known.End - s.Known.Start
		st.States.UnknownNs = wall - known
		st.States.RunningNs = known
		for i := range s.Off {
			st.States.BlockedNs[s.Reason[i]] += s.Wake[i] - s.Off[i]
			st.States.RunnableNs += s.On[i] - s.Wake[i]
			st.States.RunningNs -= s.On[i] - s.Off[i]
		}
		h.Threads = append(h.Threads, st)
	}
	slices.SortStableFunc(h.Threads, func(x, y result.ThreadStat) int {
		if x.Main != y.Main {
			if x.Main {
				return -1
			}
			return 1
		}
		return cmp.Compare(y.States.RunningNs, x.States.RunningNs)
	})
}

// ran is a thread's running time, as far as its state is known.
func ran(t *timeline.Thread) int64 {
	ns := t.Sched.Known.End - t.Sched.Known.Start
	for i := range t.Sched.Off {
		ns -= t.Sched.On[i] - t.Sched.Off[i]
	}
	return ns
}

// otherLines adds the time that other threads spent running the cell's lines;
// where the scheduler's view is missing, all of their time on the line.
func (a *attributor) otherLines(h *result.Host) {
	other := map[int32]int64{}
	for id := 1; id < len(a.tl.Threads); id++ {
		t := &a.tl.Threads[id]
		if timeline.ThreadID(id) == a.mainID || t.Lines.Len() == 0 {
			continue
		}
		sched := schedCursor{s: &t.Sched, known: t.Sched.Known}
		where := lineCursor{t: t, frames: a.frames, directive: a.directive}
		for at := t.Lines.Time[0]; at < a.tl.Window.End; {
			row := sched.at(at)
			line, _, _, until := where.at(at, row.offCPU(), row.stack)
			next := min(sched.next, until, a.tl.Window.End)
			if line != 0 && !row.offCPU() {
				other[line] += next - at
			}
			at = next
		}
	}
	for i := range h.Lines {
		st := &h.Lines[i]
		st.OtherThreadsNs = other[st.Line.Number]
		delete(other, st.Line.Number)
	}
	for line, ns := range other {
		if len(h.Lines) >= maxLines {
			break
		}
		h.Lines = append(h.Lines, result.LineStat{Line: a.line(line), Exact: true, Causes: []result.Cause{}, OtherThreadsNs: ns})
	}
	slices.SortFunc(h.Lines, func(x, y result.LineStat) int { return cmp.Compare(x.Line.Number, y.Line.Number) })
}

// functions sums samples by their deepest Python function over all threads of the cell.
func (a *attributor) functions(h *result.Host) {
	type sums struct {
		ns, samples int64
		lines       map[int32]int64
		modules     map[timeline.NameID]int64 // 0: in the interpreter
	}
	byFn := make([]sums, len(a.frames.fns))
	var all int64
	for id := 1; id < len(a.tl.Threads); id++ {
		if a.own[id] {
			continue
		}
		s := &a.tl.Threads[id].Samples
		stacks := slices.ContainsFunc(s.Stack, func(k timeline.StackID) bool { return k != 0 })
		outside := fromOutside(s)
		weight := s.PeriodNs
		if stacks && outside && mixed(s) {
			weight = a.stackWeight(&a.tl.Threads[id])
		}
		for i := range s.Time {
			// Of two sources, the one with stacks counts.
			if s.Kind[i] == timeline.SampleWaiting || stacks && s.Stack[i] == 0 || a.frames.ours[s.Stack[i]] {
				continue
			}
			all += weight
			f := a.frames.deepest[s.Stack[i]]
			if f == 0 {
				continue
			}
			b := &byFn[f]
			b.samples++
			b.ns += weight
			if b.lines == nil {
				b.lines, b.modules = map[int32]int64{}, map[timeline.NameID]int64{}
			}
			b.lines[a.frames.cellLine[s.Stack[i]]]++
			if s.Kind[i] == timeline.SampleNative {
				b.modules[s.Module[i]]++
			} else {
				b.modules[0]++
			}
		}
	}
	h.Functions = []result.FunctionStat{}
	for f := range byFn {
		b := &byFn[f]
		if b.samples == 0 {
			continue
		}
		x := a.frames.fns[f]
		h.Functions = append(h.Functions, result.FunctionStat{Name: x.name, File: x.file, Line: x.line, SelfNs: b.ns,
			Share: share(b.ns, all), Native: phrase.Library(a.tl.Names.String(mode(b.modules))), Samples: b.samples, CellLine: mode(b.lines)})
	}
	slices.SortStableFunc(h.Functions, func(x, y result.FunctionStat) int { return cmp.Compare(y.Samples, x.Samples) })
	if len(h.Functions) > maxFunctions {
		h.Functions = h.Functions[:maxFunctions]
	}
}

// mixed says whether a thread was sampled both by the kernel and in the process.
func mixed(s *timeline.Samples) bool {
	return slices.ContainsFunc(s.Kind, func(k timeline.SampleKind) bool { return k == timeline.SampleOnCPU || k == timeline.SampleWaiting })
}

// stackWeight is the time that one sample with a stack stands for when two sources
// sampled a thread, each with a period of its own: the running time over their number.
func (a *attributor) stackWeight(t *timeline.Thread) int64 {
	running := ran(t)
	n := int64(0)
	for i, k := range t.Samples.Kind {
		if k != timeline.SampleWaiting && t.Samples.Stack[i] != 0 {
			n++
		}
	}
	if running <= 0 || n == 0 {
		return t.Samples.PeriodNs
	}
	return running / n
}

func baseName(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// mode is the key with the largest count, the smallest such key on a tie.
func mode[K cmp.Ordered](m map[K]int64) K {
	var best K
	most := int64(-1)
	for k, n := range m {
		if n > most || n == most && k < best {
			best, most = k, n
		}
	}
	return best
}

func (a *attributor) scopes(h *result.Host) {
	h.Scopes = []result.ScopeStat{}
	durations := map[timeline.NameID][]int64{}
	for id := 1; id < len(a.tl.Threads); id++ {
		s := &a.tl.Threads[id].Scopes
		for i := range s.Start {
			durations[s.Name[i]] = append(durations[s.Name[i]], s.End[i]-s.Start[i])
		}
	}
	for name, d := range durations {
		slices.Sort(d)
		st := result.ScopeStat{Name: a.tl.Names.String(name), Count: int64(len(d)), MinNs: d[0], MedianNs: d[len(d)/2], MaxNs: d[len(d)-1]}
		for _, ns := range d {
			st.TotalNs += ns
		}
		h.Scopes = append(h.Scopes, st)
	}
	slices.SortFunc(h.Scopes, func(x, y result.ScopeStat) int {
		return cmp.Or(cmp.Compare(y.TotalNs, x.TotalNs), strings.Compare(x.Name, y.Name))
	})
	if len(h.Scopes) > maxScopes {
		h.Scopes = h.Scopes[:maxScopes]
	}
}

// marks lists the instants of all threads in time order.
func (a *attributor) marks(h *result.Host) {
	h.Marks = []result.MarkStat{}
	type instant struct {
		time   int64
		thread timeline.ThreadID
		row    int
	}
	var sources []func() (instant, bool)
	for id := 1; id < len(a.tl.Threads); id++ {
		m := &a.tl.Threads[id].Marks
		row := 0
		sources = append(sources, func() (instant, bool) {
			if row >= m.Len() {
				return instant{}, false
			}
			row++
			return instant{m.Time[row-1], timeline.ThreadID(id), row - 1}, true
		})
	}
	for _, at := range timeline.Merge(func(i instant) int64 { return i.time }, sources...) {
		if len(h.Marks) == maxMarks {
			return
		}
		m := &a.tl.Threads[at.thread].Marks
		h.Marks = append(h.Marks, result.MarkStat{Name: a.tl.Names.String(m.Name[at.row]), Attributes: a.tl.Names.String(m.Attributes[at.row]),
			Thread: a.threadName(at.thread), AtNs: at.time - a.tl.Window.Start})
	}
}

func (a *attributor) collections(h *result.Host) {
	for id := 1; id < len(a.tl.Threads); id++ {
		g := &a.tl.Threads[id].GC
		for i := range g.Start {
			ns := g.End[i] - g.Start[i]
			h.GC.Count++
			h.GC.TotalNs += ns
			h.GC.MaxNs = max(h.GC.MaxNs, ns)
			h.GC.Collected += max(g.Collected[i], 0)
			h.GC.ByGeneration[min(g.Generation[i], 2)]++
		}
	}
}

// driverSeen says whether anything of the cell used the GPU driver.
func (a *attributor) driverSeen(h *result.Host) bool {
	for i := range h.Threads {
		if h.Threads[i].States.BlockedNs[timeline.ReasonGPUDriver] > 0 && !DriversOwn(h.Threads[i].Name) {
			return true
		}
	}
	modules := make([]bool, a.tl.Names.Len())
	for id := timeline.NameID(1); int(id) < len(modules); id++ {
		name := baseName(a.tl.Names.String(id))
		modules[id] = strings.HasPrefix(name, "libcuda.so") || strings.HasPrefix(name, "libcudart.so") || strings.HasPrefix(name, "libcublas")
	}
	for id := 1; id < len(a.tl.Threads); id++ {
		if DriversOwn(a.tl.Threads[id].Name) {
			continue
		}
		for _, m := range a.tl.Threads[id].Samples.Module {
			if modules[m] {
				return true
			}
		}
	}
	return false
}

// DriversOwn says by its name that the driver made the thread, for itself: it waits there whatever the program does.
func DriversOwn(name string) bool {
	rest, is := strings.CutPrefix(name, "cuda")
	return name == "cuda-EvtHandlr" || is && len(rest) >= 8 && strings.Trim(rest, "0123456789abcdef") == ""
}
