package track_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// told is a slice with its track.
type told struct {
	track.Slice
	on track.Track
	// depth is how many slices of its track are open around it.
	depth int
}

// recorder is a sink that keeps everything and checks the sink's contract.
type recorder struct {
	t        *testing.T
	what     string
	tracks   []track.Track
	open     map[track.ID][]int64
	at       map[track.ID]int64
	slices   []told
	instants []told
	counts   int
}

func record(t *testing.T, what string, in track.Input) *recorder {
	r := &recorder{t: t, what: what, tracks: make([]track.Track, 1), open: map[track.ID][]int64{}, at: map[track.ID]int64{}}
	track.Walk(in, r)
	for id, ends := range r.open {
		if len(ends) > 0 {
			t.Fatalf("%s: %d slices of track %d are never ended", what, len(ends), id)
		}
	}
	return r
}

func (r *recorder) Track(tr track.Track) {
	if int(tr.ID) != len(r.tracks) || tr.Parent >= tr.ID {
		r.t.Fatalf("%s: track %+v is number %d", r.what, tr, len(r.tracks))
	}
	r.tracks = append(r.tracks, tr)
}

func (r *recorder) forward(id track.ID, at int64) {
	if id == 0 || int(id) >= len(r.tracks) || at < r.at[id] {
		r.t.Fatalf("%s: track %d goes from %d to %d", r.what, id, r.at[id], at)
	}
	r.at[id] = at
}

func (r *recorder) keep(id track.ID, s *track.Slice) told {
	kept := told{*s, r.tracks[id], len(r.open[id])}
	kept.Args, kept.Flows = append([]track.Arg(nil), s.Args...), append([]uint64(nil), s.Flows...)
	return kept
}

func (r *recorder) Begin(id track.ID, s *track.Slice) {
	r.forward(id, s.Start)
	open := r.open[id]
	if s.End < s.Start || len(open) > 0 && s.End > open[len(open)-1] {
		r.t.Fatalf("%s: %+v is not inside of what ends at %v", r.what, *s, open)
	}
	r.slices = append(r.slices, r.keep(id, s))
	r.open[id] = append(open, s.End)
}

func (r *recorder) End(id track.ID, at int64) {
	r.forward(id, at)
	open := r.open[id]
	if len(open) == 0 || open[len(open)-1] != at {
		r.t.Fatalf("%s: track %d ends %d, open are %v", r.what, id, at, open)
	}
	r.open[id] = open[:len(open)-1]
}

func (r *recorder) Instant(id track.ID, s *track.Slice) {
	r.instants = append(r.instants, r.keep(id, s))
}
func (r *recorder) Count(id track.ID, at int64, _ float64) { r.forward(id, at); r.counts++ }

// sum is how many slices of a category there are, and for how long.
type sum struct {
	count int
	ns    int64
}

func (r *recorder) sums() map[track.Category]sum {
	out := map[track.Category]sum{}
	for _, s := range r.slices {
		of := out[s.Category]
		out[s.Category] = sum{of.count + 1, of.ns + s.End - s.Start}
	}
	return out
}

// want counts the same from the columns.
func want(tl *timeline.Timeline) map[track.Category]sum {
	out := map[track.Category]sum{}
	add := func(c track.Category, start, end int64) { out[c] = sum{out[c].count + 1, out[c].ns + end - start} }
	own := attribution.OwnThreads(tl)
	for id, t := range tl.Threads {
		if own[id] {
			continue
		}
		for i, kind := range t.Ranges.Kind {
			if kind != timeline.RangePython { // those are among the lines
				add(track.Operator, t.Ranges.Start[i], t.Ranges.End[i])
			}
		}
		for i := range t.Scopes.Start {
			add(track.Scope, t.Scopes.Start[i], t.Scopes.End[i])
		}
		for i := range t.GC.Start {
			add(track.GC, t.GC.Start[i], t.GC.End[i])
		}
		at := t.Sched.Known.Start
		for i := range t.Sched.Off {
			for _, s := range [][2]int64{{at, t.Sched.Off[i]}, {t.Sched.Off[i], t.Sched.Wake[i]}, {t.Sched.Wake[i], t.Sched.On[i]}} {
				if s[1] > s[0] {
					add(track.State, s[0], s[1])
				}
			}
			at = t.Sched.On[i]
		}
		if at < t.Sched.Known.End {
			add(track.State, at, t.Sched.Known.End)
		}
	}
	for i, name := range tl.Calls.Name {
		c := track.RuntimeCall
		if strings.HasPrefix(tl.Names.String(name), "cuL") {
			c = track.DriverCall
		}
		add(c, tl.Calls.Start[i], tl.Calls.End[i])
	}
	for _, d := range tl.Devices {
		if d.Ops.Len() > 0 {
			for _, gap := range coverage.Unseen(tl) {
				add(track.Unseen, gap.Start, gap.End)
			}
		}
		for i, kind := range d.Ops.Kind {
			add([]track.Category{track.Kernel, track.Copy, track.Set}[kind], d.Ops.Start[i], d.Ops.End[i])
		}
	}
	for _, o := range tl.Overheads {
		add(track.Overhead, o.Start, o.End)
	}
	return out
}

func check(t *testing.T, what string, in track.Input) *recorder {
	tl := in.Timeline
	r := record(t, what, in)
	got := r.sums()
	for c, expected := range want(tl) {
		if got[c] != expected {
			t.Fatalf("%s: %d slices of %s for %d ns, want %d for %d ns", what, got[c].count, c, got[c].ns, expected.count, expected.ns)
		}
	}
	// Idle time is the extent without the operations of the busiest device.
	a := track.Attribute(in)
	whole := a.GPU != nil && a.GPU.Coverage == nil
	if whole && got[track.Idle].ns != a.GPU.Idle.TotalNs || a.GPU == nil && got[track.Idle].count > 0 {
		t.Fatalf("%s: idle for %d ns", what, got[track.Idle].ns)
	}
	ranges := 0
	for _, th := range tl.Threads {
		ranges += th.Ranges.Len()
	}
	for _, s := range r.slices {
		if s.Name == "range" {
			ranges--
		}
	}
	if ranges != 0 {
		t.Fatalf("%s: %d ranges are missing", what, ranges)
	}
	lines := r.selfTime(tl)
	for _, l := range a.Host.Lines {
		if lines[l.Line.Number] != l.WallNs {
			t.Fatalf("%s: line %d is told for %d ns, the report has %d", what, l.Line.Number, lines[l.Line.Number], l.WallNs)
		}
	}
	begun, ended := map[uint64]told{}, map[uint64]told{}
	for _, s := range r.slices {
		for _, flow := range s.Flows {
			begun[flow] = s
		}
		if s.In != 0 {
			ended[s.In] = s
		}
	}
	launched := 0
	for _, d := range tl.Devices {
		for _, call := range d.Ops.Call {
			if call >= 0 {
				launched++
			}
		}
	}
	if len(begun) != launched || len(ended) != launched {
		t.Fatalf("%s: %d flows begin and %d end, %d operations were launched", what, len(begun), len(ended), launched)
	}
	for flow, to := range ended {
		from, ok := begun[flow]
		if !ok || from.Category != track.RuntimeCall && from.Category != track.DriverCall || number(from, "correlation") != number(to, "correlation") {
			t.Fatalf("%s: flow %d goes from %+v to %+v", what, flow, from, to)
		}
	}
	return r
}

// selfTime is how long each line was the deepest one of the main thread.
func (r *recorder) selfTime(tl *timeline.Timeline) map[int32]int64 {
	out := map[int32]int64{}
	var open []told
	for _, s := range r.slices {
		if s.Category != track.Line || tl.Main() == 0 || s.on.TID != tl.Threads[tl.Main()].TID || s.on.PID != tl.Threads[tl.Main()].PID || s.Name == "range" {
			continue
		}
		for len(open) > 0 && open[len(open)-1].End <= s.Start {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			out[int32(number(open[len(open)-1], "line"))] -= s.End - s.Start
		}
		out[int32(number(s, "line"))] += s.End - s.Start
		open = append(open, s)
	}
	return out
}

func number(s told, key string) int64 {
	for _, a := range s.Args {
		if a.Key == key {
			return a.Number
		}
	}
	return -1
}

func text(s told, key string) string {
	for _, a := range s.Args {
		if a.Key == key {
			return a.Text
		}
	}
	return ""
}

func TestWhatIsToldIsWhatHappened(t *testing.T) {
	for _, c := range tracetest.Cases() {
		check(t, c.Name, c.Input)
	}
	spread, unseen := 0, 0
	for seed := range uint64(2000) {
		r := check(t, fmt.Sprint("seed ", seed), tracetest.Random(seed))
		for _, tr := range r.tracks {
			spread = max(spread, tr.Again)
		}
		unseen += r.sums()[track.Unseen].count
	}
	if spread == 0 || unseen == 0 {
		t.Errorf("nothing ever overlapped (%d), or all was captured (%d): the timelines are too tame", spread, unseen)
	}
}

func TestLinesAreNested(t *testing.T) {
	in := tracetest.Everything()
	r := record(t, "everything", in)
	type line struct {
		depth      int
		name       string
		start, end int64 // ms of the cell
	}
	var got []line
	for _, s := range r.slices {
		if s.Category == track.Line {
			got = append(got, line{s.depth, s.Name, (s.Start - in.Timeline.Window.Start) / 1e6, (s.End - in.Timeline.Window.Start) / 1e6})
		}
	}
	want := []line{}
	for _, at := range []int64{1, 11} {
		next := at + 10
		if at == 11 {
			next = 25
		}
		want = append(want, line{0, "5: for path in paths:", at, at + 1}, line{0, "6: record = decode(path)", at + 1, at + 5},
			line{1, "2: def decode(path):", at + 2, at + 3}, line{1, "3: return json.loads(path.read_text())", at + 3, at + 4},
			line{0, "7: y = model(x)", at + 5, at + 9}, line{0, "7: y = model(x)", at + 9, next})
	}
	want = append(want, line{0, "3: return json.loads(path.read_text())", 25, 70}, line{0, "8: torch.cuda.synchronize()", 70, 95})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestTracksOfEverything(t *testing.T) {
	r := record(t, "everything", tracetest.Everything())
	var got []string
	for _, tr := range r.tracks[1:] {
		name := tr.Name
		if tr.Parent != 0 {
			name = r.tracks[tr.Parent].Name + " / " + name
		}
		if tr.Again > 0 {
			name += fmt.Sprint(" +", tr.Again)
		}
		got = append(got, name)
	}
	want := []string{"In[7]", "In[7] / MainThread", "MainThread / overlapping +1", "MainThread / scopes", "MainThread / scopes +1",
		"MainThread / garbage collection", "MainThread / state", "In[7] / pin memory", "pin memory / garbage collection", "pin memory / state",
		"child process", "child process / loader", "loader / state", "In[7] / CUDA calls of unknown threads",
		"GPU 0: NVIDIA H100 80GB HBM3", "GPU 0: NVIDIA H100 80GB HBM3 / idle", "GPU 0: NVIDIA H100 80GB HBM3 / stream 7",
		"GPU 0: NVIDIA H100 80GB HBM3 / stream 9", "GPU 0: NVIDIA H100 80GB HBM3 / stream 7 +1",
		"GPU 1: NVIDIA H100 80GB HBM3", "GPU 1: NVIDIA H100 80GB HBM3 / stream 7", "GPU 1: NVIDIA H100 80GB HBM3 / stream 9",
		"GPU 1: NVIDIA H100 80GB HBM3 / stream 9 +1", "In[7] / GPU tracing", "In[7] / gpu0 power", "In[7] / rss"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, s := range r.slices {
		switch {
		case s.Name == "cuLaunchKernel" && (s.depth != 2 || len(s.Flows) != 0):
			t.Errorf("a driver call is inside of the runtime call inside of the line, and launches nothing itself: %+v", s)
		case s.Name == "cudaGraphLaunch" && len(s.Flows) != 3:
			t.Errorf("a graph of three operations has %d flows", len(s.Flows))
		case s.Name == "blocked: gil" && (text(s, "waker") != "pin memory (4207)" || text(s, "syscall") != "futex" ||
			text(s, "python") != "decode (<cell>:3) < <module> (<cell>:6)"):
			t.Errorf("a wait for the GIL: %+v", s.Args)
		case s.Name == "blocked: lock" && text(s, "waker") != attribution.OwnName+" (4299)":
			t.Errorf("a waker of our own: %+v", s.Args)
		case s.Category == track.Kernel && number(s, "correlation") == 12 && number(s, "line") != 7:
			t.Errorf("a kernel that line 7 launched: %+v", s.Args)
		case s.Category == track.Copy && (s.Name != "Memcpy HtoD (Pageable -> Device)" || number(s, "bytes") != 1<<20):
			t.Errorf("a copy: %+v", s)
		}
	}
	if len(r.instants) != 2 || text(r.instants[0], "attributes") != `{"size": 32, "what": "<b>&\"'"}` || r.counts != 10 {
		t.Errorf("marks %+v, %d values of counters", r.instants, r.counts)
	}
}

// However much overlaps, the tracks are bounded and nothing is lost.
func TestTracksAreBounded(t *testing.T) {
	b := timeline.NewBuilder()
	const n = 5000
	window := timeline.Interval{Start: 0, End: 10 * n}
	thread := b.Thread(1, 1)
	thread.SetMain()
	for i := range int64(n) {
		thread.AppendScope(i, i+3*n, b.Name("task"), 0)
	}
	r := record(t, "tasks", track.Input{Timeline: b.Build(window)})
	if len(r.tracks) > 200 || len(r.slices)+len(r.instants) != n {
		t.Errorf("%d tracks, %d slices, %d instants", len(r.tracks), len(r.slices), len(r.instants))
	}
	if number(r.instants[0], "duration (ns)") != 3*n {
		t.Errorf("an instant does not say how long it was: %+v", r.instants[0])
	}
}
