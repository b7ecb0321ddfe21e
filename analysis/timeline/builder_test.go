package timeline

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func must(t *testing.T, tl *Timeline) *Timeline {
	t.Helper()
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	return tl
}

func lost(tl *Timeline, word string) int64 {
	for _, l := range tl.Losses {
		if strings.Contains(l.Reason, word) {
			return l.Count
		}
	}
	return 0
}

func TestRunsAreMergedStably(t *testing.T) {
	b := NewBuilder()
	th := b.Thread(1, 1)
	// Three ordered stretches; equal times keep the order in which they were appended.
	for _, r := range [][2]int64{{10, 1}, {20, 2}, {30, 3}, {15, 4}, {20, 5}, {40, 6}, {5, 7}, {40, 8}} {
		th.AppendLine(r[0], int32(r[1]), int32(r[1]), false)
	}
	got := must(t, b.Build(Interval{0, 100})).Threads[1].Lines
	if want := []int32{7, 1, 4, 2, 5, 3, 6, 8}; !slices.Equal(got.Line, want) {
		t.Errorf("lines %v, want %v", got.Line, want)
	}
}

func TestLoserTreeSortsLikeASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for k := range 40 {
		var all []int64
		var sources []func() (int64, bool)
		for range k {
			run := make([]int64, rng.IntN(20))
			for i := range run {
				run[i] = rng.Int64N(50)
				if rng.IntN(30) == 0 {
					run[i] = math.MaxInt64
				}
			}
			slices.Sort(run)
			all = append(all, run...)
			sources = append(sources, func() (int64, bool) {
				if len(run) == 0 {
					return 0, false
				}
				v := run[0]
				run = run[1:]
				return v, true
			})
		}
		slices.Sort(all)
		var got []int64
		prevSource, prev := -1, int64(-1)
		for s, v := range Merge(func(v int64) int64 { return v }, sources...) {
			if v == prev && s < prevSource {
				t.Fatalf("k=%d: equal keys came out of the order of the sources", k)
			}
			prev, prevSource = v, s
			got = append(got, v)
		}
		if !slices.Equal(got, all) {
			t.Fatalf("k=%d: merged %v, want %v", k, got, all)
		}
	}
}

func TestMergeStopsWhenAsked(t *testing.T) {
	n := int64(0)
	for range Merge(func(v int64) int64 { return v }, func() (int64, bool) { n++; return n, true }) {
		if n > 10 {
			break
		}
	}
	if n != 11 {
		t.Errorf("%d elements were taken", n)
	}
}

func TestClipsToTheWindow(t *testing.T) {
	b := NewBuilder()
	th := b.Thread(7, 8)
	th.SetKnown(Interval{0, Open})
	th.AppendOffCPU(10, 20, 30, ReasonSleep, 35, 0, 0)    // before
	th.AppendOffCPU(90, 95, 120, ReasonDisk, 0, 0, 0)     // across the start: runnable inside
	th.AppendOffCPU(150, 160, 170, ReasonLock, 202, 0, 0) // inside
	th.AppendOffCPU(190, Open, Open, ReasonGIL, 202, 0, 0)
	th.AppendOffCPU(300, Open, Open, ReasonGIL, 202, 0, 0) // after
	th.AppendLine(50, 1, 1, false)
	th.AppendLine(80, 2, 2, false)
	th.AppendLine(130, 3, 3, false)
	th.AppendLine(200, 4, 4, false)
	for _, at := range []int64{99, 100, 199, 200} {
		th.AppendSample(at, SamplePython, -1, 0, 0)
		th.AppendMark(at, 0, 0)
	}
	name := b.Name("s")
	th.AppendScope(120, Open, name, 0)
	th.AppendScope(10, 0, name, 0)
	th.AppendScope(10, 50, name, 0)
	th.AppendGC(90, 110, 0, 5)
	th.AppendGC(195, Open, 2, 0)
	tl := must(t, b.Build(Interval{100, 200}))
	got := tl.Threads[1]
	if want := (Sched{Off: []int64{100, 150, 190}, Wake: []int64{100, 160, 200}, On: []int64{120, 170, 200},
		Reason: []Reason{ReasonDisk, ReasonLock, ReasonGIL}, Syscall: []int16{0, 202, 202},
		Waker: []ThreadID{0, 0, 0}, Stack: []StackID{0, 0, 0}, Known: Interval{100, 200}}); !reflect.DeepEqual(got.Sched, want) {
		t.Errorf("sched %+v\nwant  %+v", got.Sched, want)
	}
	if !slices.Equal(got.Lines.Time, []int64{100, 130}) || !slices.Equal(got.Lines.Line, []int32{2, 3}) {
		t.Errorf("lines %+v", got.Lines)
	}
	if !slices.Equal(got.Samples.Time, []int64{100, 199}) || !slices.Equal(got.Marks.Time, []int64{100, 199}) {
		t.Errorf("samples %v, marks %v", got.Samples.Time, got.Marks.Time)
	}
	if !slices.Equal(got.Scopes.Start, []int64{100, 120}) || !slices.Equal(got.Scopes.End, []int64{200, 200}) {
		t.Errorf("scopes %+v", got.Scopes)
	}
	if !slices.Equal(got.GC.Start, []int64{100, 195}) || !slices.Equal(got.GC.End, []int64{110, 200}) {
		t.Errorf("gc %+v", got.GC)
	}
	if len(tl.Losses) != 0 {
		t.Errorf("clipping is not a loss: %v", tl.Losses)
	}
}

func TestContradictionsAreRepairedAndCounted(t *testing.T) {
	b := NewBuilder()
	th := b.Thread(1, 1)
	th.SetKnown(Interval{0, 1000})
	th.AppendOffCPU(100, 150, 200, ReasonSleep, 35, 0, 0)
	th.AppendOffCPU(180, 190, 300, ReasonDisk, 0, 0, 0)  // overlaps
	th.AppendOffCPU(210, 220, 250, ReasonDisk, 0, 0, 0)  // inside the one before
	th.AppendOffCPU(500, 400, 450, ReasonDisk, 0, 0, 0)  // inverted
	th.AppendOffCPU(600, 900, 700, ReasonDisk, 0, 0, 0)  // woken after it ran
	th.AppendOffCPU(800, 810, 820, Reason(99), 0, 77, 5) // nothing it names exists
	tl := must(t, b.Build(Interval{0, 1000}))
	s := tl.Threads[1].Sched
	if !slices.Equal(s.Off, []int64{100, 200, 600, 800}) || !slices.Equal(s.On, []int64{200, 300, 700, 820}) {
		t.Errorf("off %v on %v", s.Off, s.On)
	}
	if lost(tl, "overlapped") != 2 || lost(tl, "ended before") != 2 || lost(tl, "thread that does not exist") != 1 {
		t.Errorf("losses %v", tl.Losses)
	}
}

func TestEmptyAndInvertedWindows(t *testing.T) {
	for _, w := range []Interval{{}, {5, 5}, {10, 3}, {math.MinInt64, math.MinInt64}} {
		b := NewBuilder()
		th := b.Thread(1, 1)
		th.SetMain()
		th.AppendOffCPU(1, 2, 3, ReasonSleep, 0, 0, 0)
		th.AppendLine(4, 1, 1, false)
		th.AppendScope(1, 9, 0, 0)
		tl := must(t, b.Build(w))
		if tl.Main() != 1 {
			t.Errorf("window %v: the main thread is gone", w)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	b := NewBuilder()
	long := strings.Repeat("é", MaxName)
	for _, s := range []string{"", "a", long, "bad\xff\xfeutf8", strings.Repeat("\xff", 2*MaxName), "x\x00<script>"} {
		id := b.Name(s)
		if b.Name(s) != id {
			t.Errorf("%.10q: interned twice", s)
		}
		got := b.names.text[id]
		if len(got) > MaxName || !utf8.ValidString(got) {
			t.Errorf("%.10q became %d bytes", s, len(got))
		}
		if len(s) > MaxName && !strings.HasSuffix(got, CutMark) {
			t.Errorf("%.10q: the cut is not marked", s)
		}
	}
	th := b.Thread(1, 2)
	th.SetName(strings.Repeat("n", 5000))
	tl := b.Build(Interval{})
	if n := tl.Threads[1].Name; len(n) > 200 {
		t.Errorf("thread name has %d bytes", len(n))
	}
	if tl.Names.String(NameID(1<<31)) != "" {
		t.Error("an unknown name is not empty")
	}
	if lost(tl, "4 KiB") == 0 {
		t.Error("cut names are not counted")
	}
}

func TestNamesOverflow(t *testing.T) {
	b := NewBuilder()
	buf := make([]byte, MaxName)
	var last NameID
	for i := range MaxNamesBytes/MaxName + 10 {
		binary.LittleEndian.PutUint32(buf, uint32(i)&0x7f7f7f7f|uint32(i)<<9&0x7f0000)
		last = b.Name(string(buf[:4]) + strings.Repeat("x", MaxName-4))
	}
	tl := b.Build(Interval{})
	if tl.Names.String(last) != OverflowName || lost(tl, "too many different names") == 0 {
		t.Errorf("the table is not bounded: %.20q, %v", tl.Names.String(last), tl.Losses)
	}
}

func TestStacks(t *testing.T) {
	b := NewBuilder()
	f := func(name string) FrameID { return b.Frame(Frame{Func: b.Name(name)}) }
	s1 := b.Stack([]FrameID{f("c"), f("b"), f("a")})
	s2 := b.Stack([]FrameID{f("b"), f("a")})
	if b.Stack([]FrameID{f("c"), f("b"), f("a")}) != s1 || s1 == s2 {
		t.Error("stacks are not interned")
	}
	if b.Stack(nil) != 0 || b.Stack([]FrameID{0, 1 << 30}) != 0 {
		t.Error("a stack of nothing is not 0")
	}
	var deep []FrameID
	for i := range 1000 {
		deep = append(deep, b.Frame(Frame{Line: int32(i + 1)}))
	}
	s3 := b.Stack(deep)
	st := b.Build(Interval{}).Stacks
	if st.Caller(s1) != s2 {
		t.Error("the caller's stack is not shared")
	}
	frames := st.Frames(s3, nil)
	if len(frames) != MaxDepth || frames[0].Line != 1 || frames[len(frames)-1].Line != 1000 {
		t.Errorf("deep stack: %d frames from line %d to line %d", len(frames), frames[0].Line, frames[len(frames)-1].Line)
	}
	if _, ok := st.Deepest(StackID(1 << 30)); ok {
		t.Error("an unknown stack has a frame")
	}
}

func TestCountersAreSortedAndClipped(t *testing.T) {
	b := NewBuilder()
	c := b.Counter("rss", "bytes")
	c.Time, c.Value = []int64{30, 10, 20, 99}, []float64{3, 1, 2}
	if b.Counter("rss", "bytes") != c {
		t.Error("the counter was made twice")
	}
	got := must(t, b.Build(Interval{10, 30})).Counters[0]
	if !slices.Equal(got.Time, []int64{10, 20}) || !slices.Equal(got.Value, []float64{1, 2}) {
		t.Errorf("%+v", got)
	}
}

func TestBestRungWins(t *testing.T) {
	b := NewBuilder()
	b.SetRung(RungProcfs)
	b.SetRung(RungEBPF)
	b.SetRung(RungPerf)
	if got := b.Build(Interval{}).Rung; got != RungEBPF {
		t.Errorf("rung %q", got)
	}
	if got := NewBuilder().Build(Interval{}).Rung; got != RungInProcess {
		t.Errorf("no rung set: %q", got)
	}
}

// Run with -race: collectors append side by side.
func TestConcurrentCollectors(t *testing.T) {
	b := NewBuilder()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range int64(2000) {
				th := b.Thread(1, int32(i%8))
				switch g {
				case 0:
					th.AppendLine(i, int32(i%9), int32(i%9), false)
				case 1:
					th.AppendOffCPU(i*10, i*10+1, i*10+2, ReasonSleep, 35, 0, 0)
				case 2:
					th.AppendSample(i, SamplePython, -1, b.Stack([]FrameID{b.Frame(Frame{Func: b.Name("f"), Line: int32(i % 30)})}), 0)
				case 3:
					th.SetName("worker")
					b.AddLoss(Loss{Source: "x", Reason: "y", Count: 1})
				}
			}
		})
	}
	wg.Wait()
	tl := must(t, b.Build(Interval{0, 1 << 40}))
	rows := 0
	for i := range tl.Threads {
		rows += tl.Threads[i].Lines.Len() + tl.Threads[i].Sched.Len() + tl.Threads[i].Samples.Len()
	}
	if rows != 6000 || len(tl.Losses) != 1 || tl.Losses[0].Count != 2000 {
		t.Errorf("%d rows, losses %v", rows, tl.Losses)
	}
}

// FuzzBuild feeds arbitrary events: whatever arrives, Build returns a timeline
// that keeps every invariant.
func FuzzBuild(f *testing.F) {
	f.Add([]byte("\x00aaaaaaaabbbbbbbbcccccccc\x01ddddddddeeeeeeeeffffffff"))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	rng := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		seed := make([]byte, 600)
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := NewBuilder()
		next := func() int64 {
			var raw [8]byte
			n := copy(raw[:], data)
			data = data[n:]
			v := int64(binary.LittleEndian.Uint64(raw[:]))
			if v&1 == 0 { // mostly times near the window
				v = v >> 1 & 0xfff
			}
			return v
		}
		window := Interval{next(), next()}
		for len(data) > 0 {
			op := data[0]
			data = data[1:]
			th := b.Thread(1, int32(op>>6))
			x, y, z := next(), next(), next()
			switch op % 8 {
			case 0, 1:
				th.AppendOffCPU(x, y, z, Reason(op>>2), int16(z), ThreadID(y), StackID(x))
			case 2:
				th.AppendLine(x, int32(y), int32(z), op&64 != 0)
			case 3:
				th.AppendSample(x, SampleKind(op>>4), int16(y), StackID(y), NameID(z))
			case 4:
				th.AppendScope(x, y, NameID(z), uint16(z))
			case 5:
				th.AppendGC(x, y, uint8(z), z)
			case 6:
				th.AppendMark(x, NameID(y), NameID(z))
			case 7:
				th.SetKnown(Interval{x, y})
				c := b.Counter("c", "")
				c.Time, c.Value = append(c.Time, z), append(c.Value, 1)
			}
		}
		if err := b.Build(window).Check(); err != nil {
			t.Fatal(err)
		}
	})
}
