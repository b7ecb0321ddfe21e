package findings

import (
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Kinds are the causes that the evidence has time of, in the order of that time: of the
// GPU's idle time first, then those of the host alone.
func (e *Evidence) Kinds() []result.CauseKind {
	var out []result.CauseKind
	add := func(list []result.Cause) {
		for _, c := range list {
			if !slices.Contains(out, c.Kind) {
				out = append(out, c.Kind)
			}
		}
	}
	if e.Attribution.GPU.Owned() {
		add(e.Attribution.GPU.IdleByKind())
	}
	add(e.Host.ByKind)
	return out
}

// Explain says of a cause what its time was made of, or that the source of the timeline
// cannot tell; false when it is neither there nor hidden.
func (e *Evidence) Explain(k result.CauseKind) (result.Explanation, bool) {
	x := result.Explanation{Subject: string(k), Title: phrase.Kind(k), Spans: []result.Span{}}
	if hidden := e.hidden(k); hidden != "" {
		x.Facts = []string{"It would mean: " + phrase.Meaning(k) + ".", hidden}
		return x, true
	}
	total, of, idle := e.total(k)
	if total.Ns <= 0 {
		return result.Explanation{}, false
	}
	x.Facts = append(x.Facts, "It means: "+phrase.Meaning(k)+".", phrase.Duration(total.Ns)+" of the cell's "+phrase.Duration(of)+" ("+
		phrase.Percent(float64(total.Ns)/float64(max(of, 1)))+") "+idle+largestOn(total.Line)+".")
	if e.Attribution.GPU.Owned() && strings.HasPrefix(idle, hostOnly) {
		return x, true
	}
	t := &tally{e: e}
	e.moments([]result.CauseKind{k}, t.add)
	t.close()
	x.Facts = append(x.Facts, t.facts()...)
	x.Facts = append(x.Facts, blamed(total)...)
	x.Facts = append(x.Facts, e.limits()...)
	x.Spans = t.spans()
	return x, true
}

// hostOnly begins what is said of a cause that no idle time has.
const hostOnly = "of the main thread"

// total is the time of a cause, of which wall, and in which words that is said.
func (e *Evidence) total(k result.CauseKind) (c result.Cause, of int64, words string) {
	g := e.Attribution.GPU
	if g.Owned() {
		for _, c := range g.IdleByKind() {
			if c.Kind == k {
				return c, g.WallNs, "with the GPU idle"
			}
		}
	}
	for _, c := range e.Host.ByKind {
		if c.Kind == k {
			words := hostOnly
			if g.Owned() {
				words += ", and the GPU was never idle for it"
			}
			return c, e.Attribution.WallNs, words
		}
	}
	return result.Cause{}, 0, ""
}

// scheduled are the causes that only the scheduler's records, or those of the process itself, tell.
var scheduled = []result.CauseKind{result.CauseGIL, result.CauseLock, result.CauseHostIO, result.CauseNetworkIO, result.CauseSleep, result.CausePageFault,
	result.CausePreempted, result.CauseChild, result.CausePoll, result.CauseSyscall, result.CauseGC}

// hidden says why nothing can be said of a cause, where the source of the timeline cannot see it.
func (e *Evidence) hidden(k result.CauseKind) string {
	if e.Host.Rung != timeline.RungTrace || !slices.Contains(scheduled, k) {
		return ""
	}
	if total, _, _ := e.total(k); total.Ns > 0 {
		return ""
	}
	return "Whether it happened is not known: " + traceLimit
}

// traceLimit is what no imported trace tells.
const traceLimit = "the trace of another tool does not record when threads ran or waited, so waits for the GIL, locks, files, the network, memory or a CPU " +
	"are part of whatever code was active. Profile the program with InferScope to tell them apart."

// limits are what the source of the timeline cannot tell about any cause.
func (e *Evidence) limits() []string {
	var out []string
	switch e.Host.Rung {
	case timeline.RungTrace:
		out = append(out, strings.ToUpper(traceLimit[:1])+traceLimit[1:])
	case timeline.RungPerf:
		out = append(out, "Perf events do not tell who ended a wait, nor the Python stack at it: reasons come from looking at /proc meanwhile.")
	case timeline.RungProcfs:
		out = append(out, "The states of threads come from looking at /proc now and then: waits shorter than that are missing, and nobody is known to have ended one.")
	case timeline.RungInProcess:
		out = append(out, "No scheduler was watched: that a thread waited is known from samples alone, and neither who held it up nor for how long each time.")
	}
	if g := e.Attribution.GPU; g.Owned() && g.Coverage != nil {
		out = append(out, "GPU work was captured in windows with "+phrase.Percent(g.Coverage.Share)+" of the cell: what is counted here is what they saw.")
	}
	return out
}

// blamed says who was found to hold the time of a cause up.
func blamed(c result.Cause) []string {
	who, detail := phrase.Plain(c.Thread), phrase.Plain(c.Detail)
	switch {
	case who != "" && detail != "":
		return []string{"It is put down to \"" + who + "\", which was " + detail + "."}
	case who != "":
		return []string{"It is put down to \"" + who + "\"."}
	case detail != "":
		return []string{"What was seen of it: " + detail + "."}
	}
	return nil
}

// facts puts what was tallied in words; none when nothing was.
func (t *tally) facts() []string {
	if t.count == 0 {
		return nil
	}
	them := "stretches"
	first := "The main thread spent it in " + phrase.Count(t.count, "stretch", "stretches")
	if t.e.Attribution.GPU.Owned() {
		first, them = "The GPU had nothing to do for this reason in "+phrase.Count(t.count, "gap", "gaps"), "gaps"
	}
	if t.count > 1 {
		first += ": " + phrase.Duration(t.lengths.median()) + " in the median, " + phrase.Duration(t.most) + " at the longest, " + phrase.Duration(t.ns) + " in all"
	} else {
		first += " of " + phrase.Duration(t.ns)
	}
	out := []string{first + "."}
	if t.sampled*2 > t.ns {
		out = append(out, "In most of these the thread was running. What it executed is known from samples, which share the time of a line out among its "+
			"causes: not all of the time of these "+them+" is this one's.")
	}
	for _, s := range []string{t.around(), t.called(), t.did(), t.woken()} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// around names the operations that most of the gaps lie between.
func (t *tally) around() string {
	part := func(c *counter[uint64], verb string) (int64, string) {
		for _, key := range c.top(1, compareKeys) {
			if words := t.e.opWords(key); words != "" && c.by[key]*2 >= t.count {
				return c.by[key], verb + words
			}
		}
		return 0, ""
	}
	n, before := part(&t.before, " came after ")
	m, next := part(&t.next, " ended with ")
	switch {
	case before == "" && next == "":
		return ""
	case before == "":
		return phrase.Count(m, "gap", "gaps") + next + "."
	case next == "":
		return phrase.Count(n, "gap", "gaps") + before + "."
	}
	return phrase.Count(n, "gap", "gaps") + before + ", and " + phrase.Count(m, "gap", "gaps") + next + "."
}

// called names the CUDA calls that explain the time.
func (t *tally) called() string {
	var parts []string
	for _, key := range t.calls.top(2, compareKeys) {
		name := phrase.Plain(t.e.Attribution.Timeline().Names.String(timeline.NameID(key)))
		if name != "" && (len(parts) == 0 || t.calls.by[key]*10 >= t.count) {
			parts = append(parts, "`"+name+"` ("+strconv.FormatInt(t.calls.by[key], 10)+" times)")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "The CUDA call that the thread was in, had just left or had launched with: " + strings.Join(parts, ", ") + "."
}

// did says which threads were in which states.
func (t *tally) did() string {
	var parts []string
	var last timeline.ThreadID
	for _, key := range t.states.top(4, func(x, y stateKey) int {
		return compareKeys(uint64(x.thread)<<16|uint64(x.state)<<8|uint64(x.reason), uint64(y.thread)<<16|uint64(y.state)<<8|uint64(y.reason))
	}) {
		ns := t.states.by[key]
		if key.thread == 0 || len(parts) > 0 && ns*20 < t.states.all {
			continue
		}
		words := doing(&attribution.Moment{State: key.state, Reason: key.reason})
		if words == "" { // limits say that it is not known
			continue
		}
		who := ""
		if key.thread != last {
			who, last = "\""+phrase.Plain(t.e.Attribution.ThreadName(key.thread))+"\" was ", key.thread
		}
		parts = append(parts, who+words+" for "+phrase.Duration(ns))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Meanwhile " + strings.Join(parts, ", ") + "."
}

// woken says who ended the waits.
func (t *tally) woken() string {
	var parts []string
	for _, id := range t.wakers.top(2, func(x, y timeline.ThreadID) int { return compareKeys(uint64(x), uint64(y)) }) {
		if ns := t.wakers.by[id]; id != 0 && ns*10 >= t.wakers.all {
			parts = append(parts, "\""+phrase.Plain(t.e.Attribution.ThreadName(id))+"\" ended waits of "+phrase.Duration(ns))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

func compareKeys(x, y uint64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// why is the evidence of a finding in words; t is nil where it is not made of causes.
func (e *Evidence) why(r *Rule, f *result.Finding, t *tally) []string {
	out := []string{}
	if t != nil {
		out = append(out, t.facts()...)
	}
	out = append(out, f.Why...)
	if t != nil && len(r.Causes) > 0 {
		if c, ok := e.cause(r.Causes[0], t.line); ok {
			out = append(out, blamed(c)...)
		}
	}
	if f.Confidence < e.Confidence {
		out = append(out, "Its confidence is lower than that of the records, because few samples carry it.")
	}
	return append(append(out, e.limits()...), "It looks for this: "+r.Sees, r.Silent)
}

// cause is one cause on a line, or, for line 0, its total.
func (e *Evidence) cause(k result.CauseKind, line int32) (result.Cause, bool) {
	list, byKind := e.causes()
	if line == 0 {
		list = byKind
	}
	for _, c := range list {
		if c.Kind == k && (line == 0 || c.Line.Number == line) {
			return c, true
		}
	}
	return result.Cause{}, false
}
