// Package pprof writes a timeline as a profile for `go tool pprof` and the tools that read
// its format: time summed by the lines of the cell and the functions that they call; for the
// trace of another tool, by the operators and functions that it marks.
//
// A profile has five values:
//
//   - wall: the time of the thread that ran the cell, which adds up to the cell's;
//   - threads: the time of every thread, that one's included;
//   - samples and cpu: the samples taken while a thread ran, and the time that they stand for;
//   - gpu: the time of the devices' operations that were captured, by kernel and by the line
//     that launched it, or the operator.
//
// Samples of wall and threads are labelled with their thread and state, and where the thread was
// blocked with the reason; those of gpu with their device.
package pprof

import (
	"fmt"
	"io"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// The values of a sample, in their order.
const (
	wall = iota
	threads
	samples
	cpu
	gpu
	numValues
)

var valueTypes = [numValues]profile.ValueType{{Type: "wall", Unit: "nanoseconds"}, {Type: "threads", Unit: "nanoseconds"},
	{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}, {Type: "gpu", Unit: "nanoseconds"}}

// Write writes the profile to w, compressed as the format has it. It needs memory for each
// different stack. An error is that of w.
func Write(w io.Writer, in track.Input) error {
	p := &summer{tl: in.Timeline, in: in, index: map[key]int{}, functions: map[functionKey]*profile.Function{},
		locations: map[locationKey]*profile.Location{}, tree: newTree(), calledIn: make([]int32, in.Timeline.Calls.Len())}
	for i := range valueTypes {
		p.out.SampleType = append(p.out.SampleType, &valueTypes[i])
	}
	p.out.DefaultSampleType = "wall"
	p.out.DurationNanos = in.Timeline.Window.Ns()
	p.out.Comments = []string{"InferScope " + in.Source.ToolVersion, "cell " + p.cell()}
	p.out.PeriodType = &valueTypes[cpu]

	a := track.Attribute(in)
	if c := coverage.Of(in.Timeline); !c.Whole() {
		p.out.Comments = append(p.out.Comments, "gpu: only what was captured, "+phrase.Percent(c.Share)+" of the cell in "+
			phrase.Count(int64(c.Windows), "window", "windows"))
	}
	own := attribution.OwnThreads(in.Timeline)
	calls := make([][]int32, len(in.Timeline.Threads))
	for row, id := range in.Timeline.Calls.Thread {
		calls[id] = append(calls[id], int32(row))
	}
	for id := 1; id < len(in.Timeline.Threads); id++ {
		if in.Timeline.Rung == timeline.RungTrace && in.Timeline.Threads[id].Ranges.Len() > 0 {
			p.ranges(timeline.ThreadID(id), calls[id])
		} else if !own[id] {
			p.states(a, timeline.ThreadID(id))
			p.samples(timeline.ThreadID(id))
		}
	}
	p.devices(a.CallLines())
	if err := p.out.Write(w); err != nil {
		return fmt.Errorf("write the pprof profile: %w", err)
	}
	return nil
}

// key is what samples are summed by.
type key struct {
	thread    timeline.ThreadID
	stack     timeline.StackID
	line, top int32
	// node is the stack of ranges of a trace, 0 for none.
	node   int32
	state  attribution.State
	reason timeline.Reason
	// device is 1 + the row of a device, op and name what it did.
	device int
	op     opKey
}

// opKey tells operations of a device apart.
type opKey struct {
	kind           timeline.OpKind
	name           timeline.NameID
	copy           timeline.CopyKind
	source, target timeline.MemoryKind
}

type functionKey struct{ name, file string }

type locationKey struct {
	function *profile.Function
	line     int32
}

// summer builds a profile.
type summer struct {
	tl        *timeline.Timeline
	in        track.Input
	out       profile.Profile
	index     map[key]int
	functions map[functionKey]*profile.Function
	locations map[locationKey]*profile.Location
	tree      *tree
	// calledIn are nodes of the tree, by the rows of the timeline's calls.
	calledIn []int32
}

// cell is the file name that lines of the cell have.
func (p *summer) cell() string {
	if name := phrase.Plain(p.in.Cell.Name); name != "" {
		return name
	}
	return timeline.CellFile
}

// of is the sample of a key, made by stack when it is new.
func (p *summer) of(k key) *profile.Sample {
	if i, ok := p.index[k]; ok {
		return p.out.Sample[i]
	}
	s := &profile.Sample{Value: make([]int64, numValues), Label: map[string][]string{}}
	p.index[k] = len(p.out.Sample)
	p.out.Sample = append(p.out.Sample, s)
	if k.device > 0 {
		s.Location = append(s.Location, p.operation(k))
		s.Label["device"] = []string{"GPU " + strconv.Itoa(int(p.tl.Devices[k.device-1].Index))}
	} else {
		t := &p.tl.Threads[k.thread]
		s.Label["thread"] = []string{phrase.Plain(t.Name) + " (" + strconv.Itoa(int(t.TID)) + ")"}
		s.Label["state"] = []string{k.state.String()}
		if k.state == attribution.StateBlocked {
			s.Label["reason"] = []string{k.reason.String()}
		}
	}
	if k.node != 0 {
		s.Location = append(s.Location, p.callers(k.node)...)
	} else {
		s.Location = append(s.Location, p.stack(k.stack, k.line, k.top)...)
	}
	return s
}

// states sums the time of a thread by state and line.
func (p *summer) states(a *attribution.Attribution, id timeline.ThreadID) {
	t := &p.tl.Threads[id]
	if known := t.Sched.Known; !t.Main && known.End == known.Start {
		return
	}
	a.Pieces(id, func(piece attribution.Piece) {
		if piece.State == attribution.StateUnknown && !t.Main {
			return // before the thread was, or after
		}
		k := key{thread: id, stack: piece.Stack, line: piece.Line, top: piece.Top, state: piece.State}
		if piece.State == attribution.StateBlocked {
			k.reason = piece.Reason
		}
		s := p.of(k)
		s.Value[threads] += piece.End - piece.Start
		if t.Main {
			s.Value[wall] += piece.End - piece.Start
		}
	})
}

// samples counts what a thread was seen executing.
func (p *summer) samples(id timeline.ThreadID) {
	s := &p.tl.Threads[id].Samples
	outside := false
	for _, kind := range s.Kind {
		outside = outside || kind < timeline.SampleOnCPU
	}
	for i, kind := range s.Kind {
		// Where the kernel samples too, it alone counts: the process's own samples are of the same time.
		if kind == timeline.SampleWaiting || kind == timeline.SampleOnCPU && outside {
			continue
		}
		of := p.of(key{thread: id, stack: s.Stack[i], state: attribution.StateRunning})
		of.Value[samples]++
		of.Value[cpu] += s.PeriodNs
		p.out.Period = s.PeriodNs
	}
}

// devices sums the operations by kernel and line.
func (p *summer) devices(lines []int32) {
	for d := range p.tl.Devices {
		o := &p.tl.Devices[d].Ops
		for row, start := range o.Start {
			k := key{device: d + 1, op: opKey{kind: o.Kind[row]}}
			switch o.Kind[row] {
			case timeline.OpKernel:
				k.op.name = o.Name[row]
			case timeline.OpMemcpy:
				k.op.copy, k.op.source, k.op.target = o.Copy[row], o.Source[row], o.Target[row]
			}
			if call := o.Call[row]; call >= 0 {
				k.line, k.top, k.node = lines[call], lines[call], p.calledIn[call]
			}
			p.of(k).Value[gpu] += o.End[row] - start
		}
	}
}

// operation is the place of a device's operation.
func (p *summer) operation(k key) *profile.Location {
	name := "Memset"
	switch k.op.kind {
	case timeline.OpKernel:
		if name = p.tl.Names.String(k.op.name); name == "" {
			name = "kernel without a name"
		}
	case timeline.OpMemcpy:
		name = "Memcpy " + k.op.copy.String() + " (" + k.op.source.String() + " -> " + k.op.target.String() + ")"
	}
	return p.location(name, "GPU "+strconv.Itoa(int(p.tl.Devices[k.device-1].Index)), 0)
}

// stack is a call stack, deepest first, that ends in lines of the cell: those of its own
// frames, and where it has none the ones that executed.
func (p *summer) stack(id timeline.StackID, line, top int32) []*profile.Location {
	var out []*profile.Location
	inCell := false
	for ; id != 0; id = p.tl.Stacks.Caller(id) {
		f, ok := p.tl.Stacks.Deepest(id)
		if !ok {
			break
		}
		if file := p.tl.Names.String(f.File); file == timeline.CellFile && !f.Native {
			out, inCell = append(out, p.lineOf(f.Line)), true
		} else {
			out = append(out, p.location(p.tl.Names.String(f.Func), file, f.Line))
		}
	}
	if inCell {
		return out
	}
	if line > 0 {
		out = append(out, p.lineOf(line))
	}
	if top > 0 && top != line {
		out = append(out, p.lineOf(top))
	}
	if len(out) == 0 {
		out = append(out, p.location(p.nowhere(), p.cell(), 0))
	}
	return out
}

// nowhere is what is shown where nothing is known of what executed.
func (p *summer) nowhere() string {
	if p.tl.Rung == timeline.RungTrace {
		return "nothing that the trace shows"
	}
	return "no line of the cell"
}

// lineOf is the place of a line of the cell. Each has a function of its own, so that tools
// that sum by function sum by line.
func (p *summer) lineOf(line int32) *profile.Location {
	name := "line " + strconv.Itoa(int(line))
	if line > 0 && int(line) <= len(p.in.Cell.Lines) {
		if code := phrase.Code(p.in.Cell.Lines[line-1]); code != "" {
			name += ": " + code
		}
	}
	return p.location(name, p.cell(), line)
}

func (p *summer) location(name, file string, line int32) *profile.Location {
	if name == "" {
		name = phrase.Library(file)
	}
	if name == "" {
		name = "unknown"
	}
	f := p.functions[functionKey{name, file}]
	if f == nil {
		// Without a system name, pprof takes the name as it is: it would cut a kernel's template arguments off.
		f = &profile.Function{ID: uint64(len(p.out.Function) + 1), Name: name, Filename: file}
		p.functions[functionKey{name, file}] = f
		p.out.Function = append(p.out.Function, f)
	}
	at := locationKey{f, line}
	l := p.locations[at]
	if l == nil {
		l = &profile.Location{ID: uint64(len(p.out.Location) + 1), Line: []profile.Line{{Function: f, Line: int64(line)}}}
		p.locations[at] = l
		p.out.Location = append(p.out.Location, l)
	}
	return l
}
