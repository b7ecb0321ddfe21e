package track

import (
	"math"
	"runtime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// walker tells a sink of one timeline.
type walker struct {
	in   Input
	tl   *timeline.Timeline
	sink Sink
	a    *attribution.Attribution

	tracks    ID
	processes map[int32]ID
	// own are the threads that are InferScope's: they are no part of what is shown.
	own  []bool
	arch string
	// calls are the rows of the calls of each thread, callLine the line that made each call;
	// ops lists the flows that each call begins.
	calls    [][]int32
	callLine []int32
	ops      launched
	// What has been put in words already.
	lines  map[int32]string
	stacks map[timeline.StackID]string
	wakers []string
	copies map[copyKey]string

	slice Slice // the one being told, its slices reused
}

// Attribute gives the time of the input its causes and lines, by the rules of the report.
func Attribute(in Input) *attribution.Attribution {
	a := attribution.Host(in.Timeline, attribution.Options{Source: in.Cell.Lines, Arch: in.Arch})
	plan := coverage.Of(in.Timeline)
	a.Devices(devices.Sum(in.Timeline, plan), plan)
	return a
}

// Walk tells a sink of everything in a timeline that can be drawn: lines of the cell, CUDA
// calls, scopes, marks, collections and states by thread, operations by stream, idle time
// with its cause, and counters. Beside the sink's own, it needs memory for a few bytes a
// CUDA call and operation.
func Walk(in Input, sink Sink) {
	tl := in.Timeline
	w := &walker{in: in, tl: tl, sink: sink, arch: in.Arch, processes: map[int32]ID{}, own: attribution.OwnThreads(tl),
		calls: callsOf(tl), ops: indexLaunched(tl), lines: map[int32]string{}, stacks: map[timeline.StackID]string{},
		wakers: make([]string, len(tl.Threads)), copies: map[copyKey]string{}}
	if w.arch == "" {
		w.arch = runtime.GOARCH
	}
	w.a = Attribute(in)
	w.callLine = w.a.CallLines()

	if main := tl.Main(); main != 0 {
		w.process(tl.Threads[main].PID)
		w.thread(main)
	}
	for id := 1; id < len(tl.Threads); id++ {
		if timeline.ThreadID(id) != tl.Main() && !w.own[id] {
			w.thread(timeline.ThreadID(id))
		}
	}
	w.strayCalls()
	for i := range tl.Devices {
		w.device(i)
	}
	w.overheads()
	w.counters()
}

// track tells of a track and returns its id.
func (w *walker) track(t Track) ID {
	w.tracks++
	t.ID = w.tracks
	w.sink.Track(t)
	return t.ID
}

// process is the track of a process, told when first asked for.
func (w *walker) process(pid int32) ID {
	if id, ok := w.processes[pid]; ok {
		return id
	}
	name := "child process"
	main := w.tl.Main()
	if main == 0 || w.tl.Threads[main].PID == pid {
		name = "python"
		if w.in.Cell.Name != "" {
			name = phrase.Code(w.in.Cell.Name)
		}
	}
	id := w.track(Track{Kind: Process, Name: name, PID: pid})
	w.processes[pid] = id
	return id
}

// home is the process that what belongs to no thread is shown below.
func (w *walker) home() (ID, int32) {
	pid := w.tl.Process.PID
	if main := w.tl.Main(); main != 0 {
		pid = w.tl.Threads[main].PID
	}
	return w.process(pid), pid
}

// fill starts the slice to be told next; it is good until the next call.
func (w *walker) fill(start, end int64, c Category, name string) *Slice {
	w.slice = Slice{Start: start, End: end, Category: c, Name: name, Args: w.slice.Args[:0], Flows: w.slice.Flows[:0]}
	return &w.slice
}

func (s *Slice) text(key, value string) {
	if value != "" {
		s.Args = append(s.Args, Arg{Key: key, Text: value})
	}
}

func (s *Slice) number(key string, value int64) {
	s.Args = append(s.Args, Arg{Key: key, Number: value})
}

// line names a line of the cell: "5: time.sleep(1)", or "line 5" where its text is not known.
func (w *walker) line(n int32) string {
	if name, ok := w.lines[n]; ok {
		return name
	}
	name := "line " + strconv.Itoa(int(n))
	if int(n) <= len(w.in.Cell.Lines) {
		if code := phrase.Code(w.in.Cell.Lines[n-1]); code != "" {
			name = strconv.Itoa(int(n)) + ": " + code
		}
	}
	w.lines[n] = name
	return name
}

// withLine adds the line that something belongs to.
func (w *walker) withLine(s *Slice, n int32) {
	if n > 0 {
		s.number("line", int64(n))
		s.text("code", w.line(n))
	}
}

const (
	// shownFrames is how many frames of a stack are written out, deepest first.
	shownFrames = 16
	// keptStacks bounds the stacks whose words are kept: a wait in a loop has the stack of the one before.
	keptStacks = 4 << 10
)

// stack is a call stack in words, deepest frame first.
func (w *walker) stack(id timeline.StackID) string {
	if id == 0 {
		return ""
	}
	if text, ok := w.stacks[id]; ok {
		return text
	}
	var b strings.Builder
	more := 0
	for at, n := id, 0; at != 0; at, n = w.tl.Stacks.Caller(at), n+1 {
		f, ok := w.tl.Stacks.Deepest(at)
		if !ok {
			break
		}
		if n >= shownFrames {
			more++
			continue
		}
		if n > 0 {
			b.WriteString(" < ")
		}
		b.WriteString(w.tl.Names.String(f.Func))
		b.WriteString(" (")
		b.WriteString(phrase.File(w.tl.Names.String(f.File)))
		if f.Line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(int(f.Line)))
		}
		b.WriteByte(')')
	}
	if more > 0 {
		b.WriteString(" < " + strconv.Itoa(more) + " more")
	}
	if len(w.stacks) == keptStacks {
		clear(w.stacks)
	}
	w.stacks[id] = b.String()
	return b.String()
}

// overheads are the intervals in which the device's tracing held the program up.
func (w *walker) overheads() {
	if len(w.tl.Overheads) == 0 {
		return
	}
	parent, pid := w.home()
	l := w.lane(Track{Parent: parent, Kind: Lane, Name: "GPU tracing", PID: pid})
	byStart(len(w.tl.Overheads), func(i int) (int64, int64) { return w.tl.Overheads[i].Start, w.tl.Overheads[i].End }, func(i int) {
		o := w.tl.Overheads[i]
		l.add(w.fill(o.Start, o.End, Overhead, "held up by tracing"))
	})
	l.done()
}

func (w *walker) counters() {
	for i := range w.tl.Counters {
		c := &w.tl.Counters[i]
		if len(c.Time) == 0 {
			continue
		}
		parent, pid := w.home()
		id := w.track(Track{Parent: parent, Kind: Counter, Name: valid(c.Name), Unit: valid(c.Unit), PID: pid})
		for row, at := range c.Time {
			if v := c.Value[row]; !math.IsNaN(v) && !math.IsInf(v, 0) {
				w.sink.Count(id, at, v)
			}
		}
	}
}

// valid is text that may not have passed the timeline's own check.
func valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
