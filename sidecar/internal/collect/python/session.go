// Package python takes in what the profiled process records about itself: lines,
// scopes, marks, runs of the garbage collector, samples and function totals. They
// arrive as columns in wire.Events; nothing in them is trusted.
package python

import (
	"sync/atomic"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// source is the name under which losses are reported.
const source = "python"

const (
	// maxThreads bounds the threads that one cell may speak of.
	maxThreads = 1 << 16
	// maxFunctions bounds the functions that one cell may total.
	maxFunctions = 1 << 16
	// maxLine is the largest line number that is believed.
	maxLine = 1 << 26
)

// Session takes in the events of one cell. Its methods may not be called concurrently,
// but for Events.
type Session struct {
	pid     int32
	builder *timeline.Builder
	threads map[int32]*thread
	totals  map[functionKey]*result.FunctionStat
	order   []functionKey
	refused map[string]int64
	// witness tells what samples cannot; those that need it wait for Finish.
	witness collect.Witness
	waiting []sampleRow
	taken   atomic.Int64
}

// thread is what the session keeps of one thread.
type thread struct {
	*timeline.ThreadBuilder
	tid int32
	// lastLine is the time of the latest line event.
	lastLine int64
}

type functionKey struct {
	function, file string
	line           int32
}

// NewSession makes a session that fills b. pid is the profiled process in its own
// pid namespace.
func NewSession(pid int32, b *timeline.Builder) *Session {
	return &Session{
		pid:     pid,
		builder: b,
		threads: map[int32]*thread{},
		totals:  map[functionKey]*result.FunctionStat{},
		refused: map[string]int64{},
	}
}

// ClassifyBy has w tell what code a thread executed at each sample: one taken in the
// process says at best that the thread ran, and not quite when. w is asked by Finish. It must be called before the first Add.
func (s *Session) ClassifyBy(w collect.Witness) { s.witness = w }

// Add takes in one message. Rows that make no sense are left out and counted; see Finish.
func (s *Session) Add(m wire.Events) {
	for _, t := range m.Threads {
		if tb := s.thread(int64(t.TID)); tb != nil {
			tb.SetPython()
			if t.Name != "" {
				tb.SetName(t.Name)
			}
		} else {
			s.refuse("threads", 1)
		}
	}
	for _, l := range m.Lines {
		s.lines(l)
	}
	names := s.names(m.Strings)
	s.scopes(m.Scopes, names)
	s.marks(m.Marks, names)
	s.gc(m.GC)
	s.samples(m.Samples, names)
	s.functions(m.Calls, m.Strings)
	rows := len(m.Scopes.Start) + len(m.Marks.Time) + len(m.GC.Start) + len(m.Samples.Time)
	for _, l := range m.Lines {
		rows += len(l.Time)
	}
	s.taken.Add(int64(rows / 8))
}

// Events implements collect.Counter.
func (s *Session) Events() int64 { return s.taken.Load() }

// Finish asks the witness, if there is one, which must have finished; and adds what
// was refused to the builder's losses. The session is over afterwards.
func (s *Session) Finish() {
	s.classify()
	for _, what := range kinds {
		if n := s.refused[what]; n > 0 {
			s.builder.AddLoss(timeline.Loss{Source: source, Count: n,
				Reason: what + " from the profiled process that made no sense were left out"})
		}
	}
	s.refused = map[string]int64{}
}

// Functions are the exact totals (--functions), in the order in which they came. Never nil.
func (s *Session) Functions() []result.FunctionStat {
	out := make([]result.FunctionStat, 0, len(s.order))
	for _, key := range s.order {
		out = append(out, *s.totals[key])
	}
	return out
}

// kinds are the keys of refused, in the order in which they are reported.
var kinds = []string{"threads", "line events", "scopes", "marks", "collections", "samples", "function totals"}

func (s *Session) refuse(what string, n int) {
	if n > 0 {
		s.refused[what] += int64(n)
	}
}

// thread is the builder of a thread; nil when the id is none or there are too many.
func (s *Session) thread(tid int64) *thread {
	if tid <= 0 || tid > 1<<31-1 {
		return nil
	}
	id := int32(tid)
	if t := s.threads[id]; t != nil {
		return t
	}
	if len(s.threads) >= maxThreads {
		return nil
	}
	t := &thread{ThreadBuilder: s.builder.Thread(s.pid, id), tid: id}
	s.threads[id] = t
	return t
}

// names interns the strings of one message when they are first used.
func (s *Session) names(texts []string) *names {
	return &names{builder: s.builder, texts: texts, ids: make([]timeline.NameID, len(texts)), known: make([]bool, len(texts))}
}

type names struct {
	builder *timeline.Builder
	texts   []string
	ids     []timeline.NameID
	known   []bool
}

// id is the name of index i; false when there is no such string.
func (n *names) id(i int32) (timeline.NameID, bool) {
	if i < 0 || int(i) >= len(n.texts) {
		return 0, false
	}
	if !n.known[i] {
		n.ids[i], n.known[i] = n.builder.Name(n.texts[i]), true
	}
	return n.ids[i], true
}
