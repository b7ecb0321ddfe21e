package python

import (
	"encoding/binary"
	"math"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// int32s and int64s are columns as they arrive: little-endian.
type (
	int32s []byte
	int64s []byte
)

func (c int32s) at(i int) int32 { return int32(binary.LittleEndian.Uint32(c[4*i:])) }
func (c int64s) at(i int) int64 { return int64(binary.LittleEndian.Uint64(c[8*i:])) }

// column is a blob and the size of its elements.
type column struct {
	blob []byte
	size int
}

func c32(b []byte) column { return column{b, 4} }
func c64(b []byte) column { return column{b, 8} }
func c8(b []byte) column  { return column{b, 1} }

// rows is the number of rows of a group of columns. When they do not agree, the
// whole group is refused, as what belongs together is not known: 0.
func (s *Session) rows(what string, columns ...column) int {
	n, most, agree := len(columns[0].blob)/columns[0].size, 0, true
	for _, c := range columns {
		agree = agree && len(c.blob)%c.size == 0 && len(c.blob)/c.size == n
		most = max(most, (len(c.blob)+c.size-1)/c.size)
	}
	if !agree {
		s.refuse(what, most)
		return 0
	}
	return n
}

func (s *Session) lines(l wire.LineColumns) {
	const what = "line events"
	n := s.rows(what, c64(l.Time), c32(l.Line), c32(l.Top))
	if n == 0 {
		return
	}
	t := s.thread(int64(l.TID))
	if t == nil {
		s.refuse(what, n)
		return
	}
	t.SetPython()
	refused := 0
	times, lines, tops := int64s(l.Time), int32s(l.Line), int32s(l.Top)
	for i := range n {
		at, line, top := times.at(i), lines.at(i), tops.at(i)
		sampled := line < 0
		if sampled {
			line = -line // stays negative for the smallest one, which is refused
		}
		if at < t.lastLine || at <= 0 || at == math.MaxInt64 || line < 0 || line > maxLine || top < 0 || top > maxLine {
			refused++
			continue
		}
		t.lastLine = at
		t.AppendLine(at, line, top, sampled)
	}
	s.refuse(what, refused)
}

func (s *Session) scopes(c wire.ScopeColumns, names *names) {
	const what = "scopes"
	n := s.rows(what, c32(c.TID), c64(c.Start), c64(c.End), c32(c.Name), c32(c.Depth))
	refused := 0
	for i := range n {
		start, end, depth := int64s(c.Start).at(i), int64s(c.End).at(i), int32s(c.Depth).at(i)
		name, known := names.id(int32s(c.Name).at(i))
		if !known || !interval(start, end) || depth < 0 || depth > math.MaxUint16 {
			refused++
			continue
		}
		t := s.thread(int64(int32s(c.TID).at(i)))
		if t == nil {
			refused++
			continue
		}
		t.AppendScope(start, end, name, uint16(depth))
	}
	s.refuse(what, refused)
}

func (s *Session) marks(c wire.MarkColumns, names *names) {
	const what = "marks"
	n := s.rows(what, c32(c.TID), c64(c.Time), c32(c.Name), c32(c.Attributes))
	refused := 0
	for i := range n {
		at := int64s(c.Time).at(i)
		name, known := names.id(int32s(c.Name).at(i))
		attributes, alsoKnown := names.id(int32s(c.Attributes).at(i))
		if !known || !alsoKnown || at <= 0 || at == math.MaxInt64 {
			refused++
			continue
		}
		t := s.thread(int64(int32s(c.TID).at(i)))
		if t == nil {
			refused++
			continue
		}
		t.AppendMark(at, name, attributes)
	}
	s.refuse(what, refused)
}

func (s *Session) gc(c wire.GCColumns) {
	const what = "collections"
	n := s.rows(what, c32(c.TID), c64(c.Start), c64(c.End), c8(c.Generation), c64(c.Collected))
	refused := 0
	for i := range n {
		start, end, collected := int64s(c.Start).at(i), int64s(c.End).at(i), int64s(c.Collected).at(i)
		if !interval(start, end) || c.Generation[i] > 2 || collected < 0 {
			refused++
			continue
		}
		t := s.thread(int64(int32s(c.TID).at(i)))
		if t == nil {
			refused++
			continue
		}
		t.AppendGC(start, end, c.Generation[i], collected)
	}
	s.refuse(what, refused)
}

func (s *Session) samples(c wire.SampleColumns, names *names) {
	const what = "samples"
	n := s.rows(what, c32(c.TID), c64(c.Time), c8(c.Kind), c32(c.Stack))
	if n == 0 {
		return
	}
	if c.PeriodNs <= 0 || len(c.Frames)%4 != 0 {
		s.refuse(what, n)
		return
	}
	stacks := stackReader{builder: s.builder, names: names, frames: int32s(c.Frames), known: map[int32]timeline.StackID{}}
	refused := 0
	for i := range n {
		at, kind := int64s(c.Time).at(i), timeline.SampleKind(c.Kind[i])
		if at <= 0 || at == math.MaxInt64 || kind >= timeline.NumSampleKinds {
			refused++
			continue
		}
		stack, ok := stacks.read(int32s(c.Stack).at(i))
		if !ok {
			refused++
			continue
		}
		t := s.thread(int64(int32s(c.TID).at(i)))
		if t == nil {
			refused++
			continue
		}
		t.SetPython()
		t.SetSamplePeriod(c.PeriodNs)
		if s.witness != nil {
			s.waiting = append(s.waiting, sampleRow{t, at, kind, stack})
			continue
		}
		t.AppendSample(at, kind, -1, stack, 0)
	}
	s.refuse(what, refused)
}

// sampleRow is a sample that the witness has not been asked about.
type sampleRow struct {
	thread *thread
	at     int64
	kind   timeline.SampleKind // as the process told it
	stack  timeline.StackID
}

// classify hands on the samples that have waited for the witness.
func (s *Session) classify() {
	for _, r := range s.waiting {
		kind, module, ok := s.witness.Executing(r.thread.tid, r.at)
		if !ok {
			kind, module = r.kind, 0
		}
		r.thread.AppendSample(r.at, kind, -1, r.stack, module)
	}
	s.waiting = nil
}

// maxFrames is the deepest stack that is read.
const maxFrames = 1024

// stackReader reads the stacks of one message.
type stackReader struct {
	builder *timeline.Builder
	names   *names
	frames  int32s
	known   map[int32]timeline.StackID
	buffer  []timeline.FrameID
}

// read gives the stack whose first element has index start; false when it is none.
func (r *stackReader) read(start int32) (timeline.StackID, bool) {
	if id, ok := r.known[start]; ok {
		return id, true
	}
	elements := len(r.frames) / 4
	r.buffer = r.buffer[:0]
	for i := int(start); ; i += 3 {
		if i < 0 || i >= elements {
			return 0, false
		}
		if r.frames.at(i) == -1 {
			break
		}
		if i+2 >= elements || len(r.buffer) == maxFrames {
			return 0, false
		}
		function, ok := r.names.id(r.frames.at(i))
		file, alsoOK := r.names.id(r.frames.at(i + 1))
		line := r.frames.at(i + 2)
		if !ok || !alsoOK || line < 0 || line > maxLine {
			return 0, false
		}
		r.buffer = append(r.buffer, r.builder.Frame(timeline.Frame{Func: function, File: file, Line: line}))
	}
	id := r.builder.Stack(r.buffer)
	r.known[start] = id
	return id, true
}

func (s *Session) functions(c wire.FunctionColumns, texts []string) {
	const what = "function totals"
	n := s.rows(what, c32(c.Function), c32(c.File), c32(c.Line), c64(c.Calls), c64(c.SelfNs), c64(c.TotalNs), c8(c.Off))
	refused := 0
	for i := range n {
		function, file, line := int32s(c.Function).at(i), int32s(c.File).at(i), int32s(c.Line).at(i)
		calls, self, total := int64s(c.Calls).at(i), int64s(c.SelfNs).at(i), int64s(c.TotalNs).at(i)
		if function < 0 || int(function) >= len(texts) || file < 0 || int(file) >= len(texts) ||
			line < 0 || line > maxLine || calls < 0 || self < 0 || total < 0 {
			refused++
			continue
		}
		key := functionKey{texts[function], texts[file], line}
		stat := s.totals[key]
		if stat == nil {
			if len(s.totals) >= maxFunctions {
				refused++
				continue
			}
			stat = &result.FunctionStat{Name: key.function, File: key.file, Line: line}
			s.totals[key] = stat
			s.order = append(s.order, key)
		}
		// Totals are since the start of the cell: the last ones hold. Those of a
		// function that was switched off are not all of it.
		stat.SelfNs, stat.Calls, stat.Exact = self, calls, c.Off[i] == 0
	}
	s.refuse(what, refused)
}

// interval says whether two times are an interval that can be believed.
func interval(start, end int64) bool { return start > 0 && start <= end && end < math.MaxInt64 }
