// Package chrome writes a timeline as a JSON object of trace events, which
// chrome://tracing, https://ui.perfetto.dev and most tools for PyTorch's traces read:
// categories, names and arguments are spelled as PyTorch's profiler (Kineto) spells them.
//
// Times are microseconds with three digits behind the point, so that no nanosecond is
// lost. They count from the beginning of the cell, which baseTimeNanoseconds has as
// CLOCK_MONOTONIC: a reader that takes numbers as floating point keeps them exact too.
package chrome

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

const (
	// firstLane is where the thread ids of lanes begin that belong to no thread: Linux has
	// none above 4194304 (PID_MAX_LIMIT in include/linux/threads.h).
	firstLane = 10_000_000
	// firstDevice is where the process ids of devices begin when the device's own number is
	// that of a process.
	firstDevice = 20_000_000
	bufferBytes = 256 << 10
)

// Write writes the trace to w, in one pass. An error is that of w.
func Write(w io.Writer, in track.Input) error {
	o := &writer{w: bufio.NewWriterSize(w, bufferBytes), base: in.Timeline.Window.Start, places: make([]place, 1), taken: map[int32]bool{}}
	for _, t := range in.Timeline.Threads[min(1, len(in.Timeline.Threads)):] {
		o.taken[t.PID] = true
	}
	o.head(in)
	track.Walk(in, o)
	_, _ = o.w.WriteString("\n]}\n")
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("write the Chrome trace: %w", err)
	}
	return nil
}

// place is where a track's events go: a process and a thread of the format.
type place struct {
	pid, tid int64
	name     string
	unit     string
}

// writer is the track.Sink that writes events. Errors of w stay in it until Flush.
type writer struct {
	w      *bufio.Writer
	base   int64
	places []place // by track.ID
	taken  map[int32]bool
	lanes  int64
	sorted int64 // how many threads have a place in the order of their process
	events int
	line   []byte
}

// head opens the object with what describes the whole trace.
func (o *writer) head(in track.Input) {
	b := append(o.line[:0], `{"schemaVersion":1,"displayTimeUnit":"ns","baseTimeNanoseconds":`...)
	b = strconv.AppendInt(b, o.base, 10)
	b = append(b, `,"inferscope":{"version":`...)
	b = appendText(b, in.Source.ToolVersion)
	b = append(b, `,"clock":"CLOCK_MONOTONIC","cell":`...)
	b = appendText(b, in.Cell.Name)
	b = append(b, `,"window_ns":`...)
	b = strconv.AppendInt(b, in.Timeline.Window.Ns(), 10)
	b = append(b, `},"deviceProperties":[`...)
	for i := range in.Timeline.Devices {
		d := &in.Timeline.Devices[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = strconv.AppendInt(b, int64(d.Index), 10)
		b = append(b, `,"name":`...)
		b = appendText(b, d.Name)
		b = append(b, `,"totalGlobalMem":`...)
		b = strconv.AppendInt(b, d.MemoryBytes, 10)
		b = append(b, '}')
	}
	o.line = append(b, `],"traceEvents":[`...)
	_, _ = o.w.Write(o.line)
}

// open begins an event; what is common to all is in it.
func (o *writer) open(phase byte, p *place, at int64) {
	b := o.line[:0]
	if o.events > 0 {
		b = append(b, ',')
	}
	o.events++
	b = append(b, "\n{\"ph\":\""...)
	b = append(b, phase)
	b = append(b, `","pid":`...)
	b = strconv.AppendInt(b, p.pid, 10)
	b = append(b, `,"tid":`...)
	b = strconv.AppendInt(b, p.tid, 10)
	b = append(b, `,"ts":`...)
	o.line = appendMicros(b, at-o.base)
}

func (o *writer) close() {
	o.line = append(o.line, '}')
	_, _ = o.w.Write(o.line)
}

func (o *writer) named(category, name string) {
	o.line = append(append(append(o.line, `,"cat":"`...), category...), `","name":`...)
	o.line = appendText(o.line, name)
}

// describe writes one of the format's facts about a process or a thread.
func (o *writer) describe(p *place, fact, key, text string, number int64) {
	o.open('M', p, o.base)
	b := append(append(append(o.line, `,"name":"`...), fact...), `","args":{"`...)
	b = append(append(b, key...), `":`...)
	if text != "" {
		b = appendText(b, text)
	} else {
		b = strconv.AppendInt(b, number, 10)
	}
	o.line = append(b, '}')
	o.close()
}

// Track finds a place for a track and names it.
func (o *writer) Track(t track.Track) {
	p := place{name: t.Name, unit: t.Unit}
	parent := &o.places[t.Parent]
	switch t.Kind {
	case track.Process:
		p.pid = int64(t.PID)
		o.describe(&p, "process_name", "name", t.Name, 0)
		o.describe(&p, "process_labels", "labels", "CPU", 0)
	case track.Device:
		p.pid = int64(t.Device)
		if o.taken[t.Device] {
			p.pid = firstDevice + int64(t.Device)
		}
		o.describe(&p, "process_name", "name", t.Name, 0)
		o.describe(&p, "process_labels", "labels", "GPU "+strconv.Itoa(int(t.Device)), 0)
		o.describe(&p, "process_sort_index", "sort_index", "", firstDevice+int64(t.Device))
	case track.Counter:
		p.pid = parent.pid
	default:
		p.pid, p.tid = parent.pid, int64(t.TID)
		name := t.Name
		switch {
		// Viewers take thread 0 for the first thread of its process, which may be another stream.
		case t.Kind == track.Stream && t.Again == 0 && t.Stream != 0:
			p.tid = int64(t.Stream)
		case t.Kind != track.Thread:
			o.lanes++
			p.tid = firstLane + o.lanes
			if t.TID != 0 {
				name = parent.name + ": " + t.Name
			}
		}
		o.sorted++
		o.describe(&p, "thread_name", "name", name, 0)
		o.describe(&p, "thread_sort_index", "sort_index", "", o.sorted)
	}
	o.places = append(o.places, p)
}

func (o *writer) args(list []track.Arg) {
	if len(list) == 0 {
		return
	}
	b := append(o.line, `,"args":{`...)
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), list[i].Key...), `":`...)
		if list[i].Text != "" {
			b = appendText(b, list[i].Text)
		} else {
			b = strconv.AppendInt(b, list[i].Number, 10)
		}
	}
	o.line = append(b, '}')
}

// Begin writes a whole slice, and the ends of its flows.
func (o *writer) Begin(id track.ID, s *track.Slice) {
	p := &o.places[id]
	o.open('X', p, s.Start)
	o.line = appendMicros(append(o.line, `,"dur":`...), s.End-s.Start)
	o.named(s.Category.String(), s.Name)
	o.args(s.Args)
	o.close()
	for _, flow := range s.Flows {
		o.flow('s', p, s.Start, flow)
	}
	if s.In != 0 {
		o.flow('f', p, s.Start, s.In)
	}
}

func (o *writer) flow(phase byte, p *place, at int64, id uint64) {
	o.open(phase, p, at)
	o.line = strconv.AppendUint(append(o.line, `,"id":`...), id, 10)
	if phase == 'f' {
		o.line = append(o.line, `,"bp":"e"`...)
	}
	o.named("ac2g", "ac2g")
	o.close()
}

// End has nothing to write: a slice was written whole.
func (o *writer) End(track.ID, int64) {}

// Instant writes a moment of a thread.
func (o *writer) Instant(id track.ID, s *track.Slice) {
	o.open('i', &o.places[id], s.Start)
	o.line = append(o.line, `,"s":"t"`...)
	o.named(s.Category.String(), s.Name)
	o.args(s.Args)
	o.close()
}

// Count writes a counter's value.
func (o *writer) Count(id track.ID, at int64, value float64) {
	p := &o.places[id]
	o.open('C', p, at)
	o.line = appendText(append(o.line, `,"name":`...), p.name)
	unit := p.unit
	if unit == "" {
		unit = "value"
	}
	o.line = appendText(append(o.line, `,"args":{`...), unit)
	o.line = append(strconv.AppendFloat(append(o.line, ':'), value, 'g', -1, 64), '}')
	o.close()
}
