package python

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/wire"
)

func le32(values ...int32) []byte {
	out := []byte{}
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, uint32(v))
	}
	return out
}

func le64(values ...int64) []byte {
	out := []byte{}
	for _, v := range values {
		out = binary.LittleEndian.AppendUint64(out, uint64(v))
	}
	return out
}

var window = timeline.Interval{Start: 100, End: 1000}

func build(t *testing.T, messages ...wire.Events) (*Session, *timeline.Timeline) {
	t.Helper()
	b := timeline.NewBuilder()
	s := NewSession(7, b)
	for _, m := range messages {
		s.Add(m)
	}
	s.Finish()
	tl := b.Build(window)
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	return s, tl
}

func find(t *testing.T, tl *timeline.Timeline, tid int32) *timeline.Thread {
	t.Helper()
	for i := range tl.Threads {
		if tl.Threads[i].TID == tid {
			return &tl.Threads[i]
		}
	}
	t.Fatalf("no thread %d", tid)
	return nil
}

func lossCount(tl *timeline.Timeline, what string) int64 {
	for _, l := range tl.Losses {
		if l.Source == "python" && strings.HasPrefix(l.Reason, what) {
			return l.Count
		}
	}
	return 0
}

func TestLinesKeepTheirMeaning(t *testing.T) {
	_, tl := build(t,
		wire.Events{
			Threads: []wire.Thread{{TID: 9, Name: "MainThread"}},
			Lines:   []wire.LineColumns{{TID: 9, Time: le64(100, 200, 300), Line: le32(1, 5, -6), Top: le32(1, 2, 2)}},
		},
		wire.Events{Lines: []wire.LineColumns{{TID: 9, Time: le64(400), Line: le32(0), Top: le32(0)}}})
	th := find(t, tl, 9)
	want := timeline.Lines{
		Time:    []int64{100, 200, 300, 400},
		Line:    []int32{1, 5, 6, 0},
		Top:     []int32{1, 2, 2, 0},
		Sampled: []bool{false, false, true, false},
	}
	if !reflect.DeepEqual(th.Lines, want) {
		t.Errorf("lines = %+v, want %+v", th.Lines, want)
	}
	if th.Name != "MainThread" || !th.Python || th.PID != 7 {
		t.Errorf("thread = %q, python %v, pid %d", th.Name, th.Python, th.PID)
	}
}

func TestRowsOfEveryKindArrive(t *testing.T) {
	s, tl := build(t, wire.Events{
		Strings: []string{"load", "tick", `{"n":1}`, "f", "<cell>", "outer", "lib.py"},
		Scopes:  wire.ScopeColumns{TID: le32(9), Start: le64(50), End: le64(500), Name: le32(0), Depth: le32(1)},
		Marks:   wire.MarkColumns{TID: le32(9), Time: le64(600), Name: le32(1), Attributes: le32(2)},
		GC:      wire.GCColumns{TID: le32(9), Start: le64(300), End: le64(310), Generation: []byte{2}, Collected: le64(40)},
		Samples: wire.SampleColumns{PeriodNs: 5, TID: le32(9, 9), Time: le64(200, 205), Kind: []byte{4, 5},
			Stack: le32(0, 7), Frames: le32(3, 4, 12, 5, 6, 1, -1, -1)},
		Calls: wire.FunctionColumns{Function: le32(3), File: le32(4), Line: le32(12), Calls: le64(3), SelfNs: le64(10),
			TotalNs: le64(20), Off: []byte{0}},
	})
	th := find(t, tl, 9)
	if th.Scopes.Start[0] != 100 || th.Scopes.End[0] != 500 || th.Scopes.Depth[0] != 1 || tl.Names.String(th.Scopes.Name[0]) != "load" {
		t.Errorf("scope = %+v", th.Scopes)
	}
	if th.Marks.Time[0] != 600 || tl.Names.String(th.Marks.Attributes[0]) != `{"n":1}` {
		t.Errorf("mark = %+v", th.Marks)
	}
	if th.GC.End[0] != 310 || th.GC.Generation[0] != 2 || th.GC.Collected[0] != 40 {
		t.Errorf("gc = %+v", th.GC)
	}
	if th.Samples.PeriodNs != 5 || !reflect.DeepEqual(th.Samples.Kind, []timeline.SampleKind{timeline.SampleOnCPU, timeline.SampleWaiting}) {
		t.Errorf("samples = %+v", th.Samples)
	}
	if th.Samples.Stack[1] != 0 {
		t.Errorf("an empty stack is %d", th.Samples.Stack[1])
	}
	if f := s.Functions(); len(f) != 1 || f[0].Name != "f" || f[0].Calls != 3 || f[0].SelfNs != 10 || !f[0].Exact {
		t.Errorf("functions = %+v", f)
	}
	if len(tl.Losses) != 0 {
		t.Errorf("losses = %+v", tl.Losses)
	}
}

// onlyAt is a witness that saw a thread at one moment.
type onlyAt struct {
	tid    int32
	at     int64
	module timeline.NameID
}

func (o onlyAt) Executing(tid int32, at int64) (timeline.SampleKind, timeline.NameID, bool) {
	return timeline.SampleNative, o.module, tid == o.tid && at == o.at
}

// A witness says what code ran, whatever the process believed of the thread just then.
func TestWitnessClassifiesSamples(t *testing.T) {
	b := timeline.NewBuilder()
	s := NewSession(7, b)
	s.ClassifyBy(onlyAt{tid: 9, at: 205, module: b.Name("libblas.so")})
	s.Add(wire.Events{Strings: []string{"f", "a.py"}, Samples: wire.SampleColumns{PeriodNs: 5, TID: le32(9, 9, 9, 8),
		Time: le64(200, 205, 205, 205), Kind: []byte{4, 4, 5, 4}, Stack: le32(0, 0, 0, 0), Frames: le32(0, 1, 3, -1)}})
	s.Finish()
	tl := b.Build(window)
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	type row struct {
		at     int64
		kind   timeline.SampleKind
		module string
	}
	for tid, want := range map[int32][]row{
		9: {{200, timeline.SampleOnCPU, ""}, {205, timeline.SampleNative, "libblas.so"}, {205, timeline.SampleNative, "libblas.so"}},
		8: {{205, timeline.SampleOnCPU, ""}},
	} {
		got := []row{}
		samples := find(t, tl, tid).Samples
		for i := range samples.Time {
			got = append(got, row{samples.Time[i], samples.Kind[i], tl.Names.String(samples.Module[i])})
			if samples.Stack[i] == 0 {
				t.Errorf("thread %d: sample %d lost its stack", tid, i)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("thread %d: %v, want %v", tid, got, want)
		}
	}
}

func TestTotalsAreCumulative(t *testing.T) {
	row := func(calls int64, off byte) wire.Events {
		return wire.Events{Strings: []string{"f", "a.py"}, Calls: wire.FunctionColumns{Function: le32(0), File: le32(1),
			Line: le32(1), Calls: le64(calls), SelfNs: le64(calls), TotalNs: le64(calls), Off: []byte{off}}}
	}
	s, _ := build(t, row(3, 0), row(5, 1))
	if f := s.Functions(); len(f) != 1 || f[0].Calls != 5 || f[0].Exact {
		t.Errorf("functions = %+v", f)
	}
}

// Each case is refused as a whole and counted; a good row beside it stays.
func TestNonsenseIsRefusedAndCounted(t *testing.T) {
	lines := func(time, line, top []byte) wire.Events {
		return wire.Events{Lines: []wire.LineColumns{{TID: 9, Time: time, Line: line, Top: top}}}
	}
	scope := func(start, end int64, name, depth, tid int32) wire.Events {
		return wire.Events{Strings: []string{"s"}, Scopes: wire.ScopeColumns{TID: le32(tid), Start: le64(start), End: le64(end),
			Name: le32(name), Depth: le32(depth)}}
	}
	sample := func(stack int32, frames ...int32) wire.Events {
		return wire.Events{Strings: []string{"s"}, Samples: wire.SampleColumns{PeriodNs: 1, TID: le32(9), Time: le64(200),
			Kind: []byte{4}, Stack: le32(stack), Frames: le32(frames...)}}
	}
	deep := make([]int32, 0, 3*(maxFrames+1)+1)
	for range maxFrames + 1 {
		deep = append(deep, 0, 0, 1)
	}
	deep = append(deep, -1)
	for name, c := range map[string]struct {
		m    wire.Events
		what string
		n    int64
	}{
		"line columns of different lengths": {lines(le64(200, 300), le32(1), le32(1, 1)), "line events", 2},
		"half an element":                   {lines(le64(200)[:7], le32(1), le32(1)), "line events", 1},
		"time goes back":                    {lines(le64(300, 200), le32(1, 1), le32(1, 1)), "line events", 1},
		"negative time":                     {lines(le64(-5), le32(1), le32(1)), "line events", 1},
		"end of time":                       {lines(le64(math.MaxInt64), le32(1), le32(1)), "line events", 1},
		"smallest line":                     {lines(le64(200), le32(math.MinInt32), le32(1)), "line events", 1},
		"absurd line":                       {lines(le64(200), le32(math.MaxInt32), le32(1)), "line events", 1},
		"negative top":                      {lines(le64(200), le32(1), le32(-1)), "line events", 1},
		"no thread":                         {wire.Events{Lines: []wire.LineColumns{{TID: 0, Time: le64(200), Line: le32(1), Top: le32(1)}}}, "line events", 1},
		"giant thread id":                   {wire.Events{Threads: []wire.Thread{{TID: math.MaxInt64}}}, "threads", 1},
		"inverted scope":                    {scope(300, 200, 0, 0, 9), "scopes", 1},
		"scope without a name":              {scope(200, 300, 1, 0, 9), "scopes", 1},
		"negative name":                     {scope(200, 300, -1, 0, 9), "scopes", 1},
		"absurd depth":                      {scope(200, 300, 0, 1<<16, 9), "scopes", 1},
		"scope without a thread":            {scope(200, 300, 0, 0, -9), "scopes", 1},
		"mark without attributes":           {wire.Events{Strings: []string{"m"}, Marks: wire.MarkColumns{TID: le32(9), Time: le64(200), Name: le32(0), Attributes: le32(5)}}, "marks", 1},
		"absurd generation":                 {wire.Events{GC: wire.GCColumns{TID: le32(9), Start: le64(200), End: le64(300), Generation: []byte{9}, Collected: le64(0)}}, "collections", 1},
		"stack outside":                     {sample(4, -1), "samples", 1},
		"negative stack":                    {sample(-1, -1), "samples", 1},
		"stack without end":                 {sample(0, 0, 0, 1), "samples", 1},
		"half a frame":                      {sample(0, 0, 0), "samples", 1},
		"unknown function":                  {sample(0, 3, 0, 1, -1), "samples", 1},
		"negative line in a frame":          {sample(0, 0, 0, -4, -1), "samples", 1},
		"stack too deep":                    {sample(0, deep...), "samples", 1},
		"unknown kind":                      {wire.Events{Samples: wire.SampleColumns{PeriodNs: 1, TID: le32(9), Time: le64(200), Kind: []byte{99}, Stack: le32(0), Frames: le32(-1)}}, "samples", 1},
		"no period":                         {wire.Events{Samples: wire.SampleColumns{TID: le32(9), Time: le64(200), Kind: []byte{4}, Stack: le32(0), Frames: le32(-1)}}, "samples", 1},
		"negative calls":                    {wire.Events{Strings: []string{"f"}, Calls: wire.FunctionColumns{Function: le32(0), File: le32(0), Line: le32(1), Calls: le64(-1), SelfNs: le64(0), TotalNs: le64(0), Off: []byte{0}}}, "function totals", 1},
	} {
		t.Run(name, func(t *testing.T) {
			good := wire.Events{Strings: []string{"good"}, Scopes: wire.ScopeColumns{TID: le32(9), Start: le64(150), End: le64(160), Name: le32(0), Depth: le32(0)}}
			s, tl := build(t, c.m, good)
			if got := lossCount(tl, c.what); got != c.n {
				t.Errorf("%s refused: %d, want %d; losses %+v", c.what, got, c.n, tl.Losses)
			}
			if th := find(t, tl, 9); th.Scopes.Len() != 1 {
				t.Errorf("%d scopes, want the good one alone", th.Scopes.Len())
			}
			if len(s.Functions()) != 0 {
				t.Errorf("functions = %+v", s.Functions())
			}
		})
	}
}

func TestThreadsAreBounded(t *testing.T) {
	b := timeline.NewBuilder()
	s := NewSession(1, b)
	threads := make([]wire.Thread, maxThreads+10)
	for i := range threads {
		threads[i].TID = i + 1
	}
	s.Add(wire.Events{Threads: threads})
	if len(s.threads) != maxThreads || s.refused["threads"] != 10 {
		t.Errorf("%d threads, %d refused", len(s.threads), s.refused["threads"])
	}
}

// FuzzAdd cuts the input into the blobs of a message: whatever they hold, Add must
// not panic, and what is built must keep the invariants of the data model.
func FuzzAdd(f *testing.F) {
	f.Add(le64(100, 200, 300), uint8(3))
	f.Add(append(le32(0, 0, 1, -1), le64(100, 500)...), uint8(9))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, seed uint8) {
		// Most groups agree in length, so that the rows are reached; the seed makes one column short.
		rows, column := int(seed)%5, 0
		cut := func(size int) []byte {
			n := rows * size
			if column++; column == int(seed) {
				n--
			}
			out := make([]byte, max(n, 0))
			data = data[copy(out, data):]
			return out
		}
		m := wire.Events{
			Strings: []string{"a", "b"},
			Threads: []wire.Thread{{TID: int(seed) - 3, Name: string(cut(1))}},
			Lines:   []wire.LineColumns{{TID: 1, Time: cut(8), Line: cut(4), Top: cut(4)}, {TID: 1, Time: cut(8), Line: cut(4), Top: cut(4)}},
			Scopes:  wire.ScopeColumns{TID: cut(4), Start: cut(8), End: cut(8), Name: cut(4), Depth: cut(4)},
			Marks:   wire.MarkColumns{TID: cut(4), Time: cut(8), Name: cut(4), Attributes: cut(4)},
			GC:      wire.GCColumns{TID: cut(4), Start: cut(8), End: cut(8), Generation: cut(1), Collected: cut(8)},
			Samples: wire.SampleColumns{PeriodNs: int64(seed), TID: cut(4), Time: cut(8), Kind: cut(1), Stack: cut(4), Frames: cut(12)},
			Calls: wire.FunctionColumns{Function: cut(4), File: cut(4), Line: cut(4), Calls: cut(8), SelfNs: cut(8),
				TotalNs: cut(8), Off: cut(1)},
		}
		b := timeline.NewBuilder()
		s := NewSession(1, b)
		s.Add(m)
		s.Add(m)
		s.Finish()
		if err := b.Build(window).Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	const rows = 65536
	times, lines := make([]int64, rows), make([]int32, rows)
	for i := range rows {
		times[i], lines[i] = int64(100+i), int32(i%40+1)
	}
	m := wire.Events{Lines: []wire.LineColumns{{TID: 1, Time: le64(times...), Line: le32(lines...), Top: le32(lines...)}}}
	b.ResetTimer()
	for range b.N {
		NewSession(1, timeline.NewBuilder()).Add(m)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/event")
}
