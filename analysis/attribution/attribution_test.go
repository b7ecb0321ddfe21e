package attribution

import (
	"go/ast"
	gobuild "go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

func total(s result.States) int64 { return s.RunningNs + s.RunnableNs + s.UnknownNs + s.Blocked() }

// Causes partition the wall exactly, over all, by kind, by line and by block, whatever the events.
func TestCausesSumToTheWall(t *testing.T) {
	for seed := range uint64(1500) {
		tl := chaos.Timeline(seed)
		if err := tl.Check(); err != nil {
			t.Fatal(err)
		}
		a := Host(tl, Options{Arch: "amd64"})
		var causes, byKind, blocks int64
		for i, c := range a.Host.Causes {
			causes += c.Ns
			if c.Ns <= 0 || i > 0 && c.Ns > a.Host.Causes[i-1].Ns {
				t.Fatalf("seed %d: causes %+v", seed, a.Host.Causes)
			}
		}
		for _, c := range a.Host.ByKind {
			byKind += c.Ns
		}
		for _, b := range a.Blocks {
			for _, ns := range b {
				blocks += ns
			}
		}
		if causes != a.WallNs || byKind != a.WallNs || blocks != a.WallNs || total(a.Host.States) != a.WallNs {
			t.Fatalf("seed %d: wall %d, causes %d, by kind %d, blocks %d, states %d", seed, a.WallNs, causes, byKind, blocks, total(a.Host.States))
		}
		for _, l := range a.Host.Lines {
			var ns int64
			for _, c := range l.Causes {
				ns += c.Ns
			}
			if ns != l.WallNs || total(l.States) != l.WallNs || l.TotalNs < l.WallNs || l.TotalNs > a.WallNs {
				t.Fatalf("seed %d: line %+v: causes %d, states %d", seed, l, ns, total(l.States))
			}
		}
		for _, th := range a.Host.Threads {
			if total(th.States) != a.WallNs {
				t.Fatalf("seed %d: thread %+v does not sum to the wall", seed, th)
			}
		}
		if again := Host(tl, Options{Arch: "amd64"}); !reflect.DeepEqual(a, again) {
			t.Fatalf("seed %d: two answers to one question", seed)
		}
	}
}

func build(main func(t *timeline.ThreadBuilder, b *timeline.Builder), wall int64) *Attribution {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungEBPF)
	t := b.Thread(1, 1)
	t.SetMain()
	t.SetKnown(timeline.Interval{Start: 0, End: wall})
	t.SetSamplePeriod(10)
	main(t, b)
	return Host(b.Build(timeline.Interval{Start: 0, End: wall}), Options{Arch: "amd64"})
}

func ns(a *Attribution, k result.CauseKind, line int32) int64 {
	for _, c := range a.Host.Causes {
		if c.Kind == k && c.Line.Number == line {
			return c.Ns
		}
	}
	return 0
}

func TestCollectionsWinOverStates(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		t.AppendLine(0, 3, 3, false)
		t.AppendOffCPU(100, 200, 220, timeline.ReasonGIL, 202, 0, 0)
		t.AppendGC(150, 300, 2, 1)
		for at := int64(5); at < 1000; at += 10 { // those inside the collection say nothing about the line
			k := timeline.SamplePython
			if at >= 220 && at < 300 {
				k = timeline.SampleFault
			}
			t.AppendSample(at, k, -1, 0, 0)
		}
	}, 1000)
	if ns(a, result.CauseGC, 3) != 150 || ns(a, result.CauseGIL, 3) != 50 || ns(a, result.CausePython, 3) != 800 {
		t.Errorf("%+v", a.Host.Causes)
	}
}

func TestEveryReasonHasItsCause(t *testing.T) {
	want := map[timeline.Reason]result.CauseKind{timeline.ReasonUnknown: result.CauseUnknown, timeline.ReasonPreempted: result.CausePreempted,
		timeline.ReasonGIL: result.CauseGIL, timeline.ReasonLock: result.CauseLock, timeline.ReasonDisk: result.CauseHostIO,
		timeline.ReasonNetwork: result.CauseNetworkIO, timeline.ReasonSleep: result.CauseSleep, timeline.ReasonPageFault: result.CausePageFault,
		timeline.ReasonPoll: result.CausePoll, timeline.ReasonPipe: result.CauseHostIO, timeline.ReasonChild: result.CauseChild,
		timeline.ReasonGPUDriver: result.CauseGPUDriver, timeline.ReasonSyscall: result.CauseSyscall}
	for r := range timeline.NumReasons {
		a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
			t.AppendLine(0, 1, 1, false)
			t.AppendOffCPU(10, 90, 90, r, 16, 0, 0)
			t.AppendSample(5, timeline.SampleNative, -1, 0, b.Name("x.so"))
			t.AppendSample(95, timeline.SampleNative, -1, 0, b.Name("x.so"))
		}, 100)
		if got := a.Host.ByKind[0]; got.Kind != want[r] || got.Ns != 80 {
			t.Errorf("%v: %+v", r, got)
		}
	}
}

func TestSyscallsOnTheCPU(t *testing.T) {
	for call, want := range map[int16]result.CauseKind{0: result.CauseHostIO, 44: result.CauseNetworkIO, 11: result.CausePageFault, 16: result.CauseSyscall, 202: result.CauseSyscall} {
		a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
			t.AppendLine(0, 1, 1, false)
			for at := int64(5); at < 100; at += 10 {
				t.AppendSample(at, timeline.SampleSyscall, call, 0, 0)
			}
		}, 100)
		got := a.Host.Causes[0]
		if got.Kind != want || got.Ns != 100 || got.Detail != SyscallName("amd64", call) {
			t.Errorf("call %d: %+v", call, got)
		}
	}
}

// On-CPU time in futex calls belongs to the lock that the line waits for.
func TestFutexFollowsTheWaits(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		t.AppendLine(0, 1, 1, false)
		t.AppendOffCPU(10, 20, 20, timeline.ReasonGIL, 202, 0, 0)
		for at := int64(25); at < 100; at += 10 {
			t.AppendSample(at, timeline.SampleSyscall, 202, 0, 0)
		}
	}, 100)
	if ns(a, result.CauseGIL, 1) != 100 {
		t.Errorf("%+v", a.Host.Causes)
	}
}

func TestShortLinesSharePooledSamples(t *testing.T) {
	// 100 lines of one period each. Every second one got a sample: three of four native.
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		m := b.Name("x.so")
		for i := range int64(100) {
			t.AppendLine(i*10, int32(i+1), int32(i+1), false)
			if i%2 == 0 {
				if i%8 == 0 {
					t.AppendSample(i*10+5, timeline.SamplePython, -1, 0, 0)
				} else {
					t.AppendSample(i*10+5, timeline.SampleNative, -1, 0, m)
				}
			}
		}
	}, 1000)
	var native, python int64
	for _, c := range a.Host.ByKind {
		switch c.Kind {
		case result.CauseNative:
			native = c.Ns
		case result.CausePython:
			python = c.Ns
		}
	}
	if python+native != 1000 || native < 700 || native > 780 {
		t.Errorf("native %d, python %d", native, python)
	}
	for i := range a.Host.Lines {
		if l := &a.Host.Lines[i]; l.PooledNs != l.WallNs {
			t.Errorf("%d of the %d ns of line %d are said to be pooled", l.PooledNs, l.WallNs, l.Line.Number)
		}
	}
}

func TestLongLineWithoutSamplesIsUnknown(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		t.AppendLine(0, 1, 1, false)
		t.AppendSample(5, timeline.SamplePython, -1, 0, 0)
		t.AppendLine(10, 2, 2, false)
	}, 1000)
	if ns(a, result.CauseUnknown, 2) != 990 || ns(a, result.CausePython, 1) != 10 {
		t.Errorf("%+v", a.Host.Causes)
	}
	if l := a.Host.Lines; l[0].PooledNs != 10 || l[1].PooledNs != 0 {
		t.Errorf("pooled: %d and %d ns", l[0].PooledNs, l[1].PooledNs)
	}
}

// Where exact events are off, the line is that of the samples, and off the CPU that of the stack.
func TestSampledStretches(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		at := func(line int32) timeline.StackID {
			return b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("lib"), File: b.Name("lib.py")}),
				b.Frame(timeline.Frame{Func: b.Name("<module>"), File: b.Name(timeline.CellFile), Line: line})})
		}
		t.AppendLine(0, 1, 1, false)
		t.AppendLine(100, 2, 2, true)
		t.AppendOffCPU(400, 500, 500, timeline.ReasonSleep, 230, 0, at(4))
		for x := int64(105); x < 900; x += 10 {
			if x < 400 {
				t.AppendSample(x, timeline.SamplePython, -1, at(2), 0)
			} else if x > 500 {
				t.AppendSample(x, timeline.SamplePython, -1, at(3), 0)
			}
		}
		t.AppendLine(900, 5, 5, false)
	}, 1000)
	walls := map[int32]int64{}
	for _, l := range a.Host.Lines {
		walls[l.Line.Number] = l.WallNs
		if l.Exact != (l.Line.Number == 1 || l.Line.Number == 5) {
			t.Errorf("line %d: exact %v", l.Line.Number, l.Exact)
		}
	}
	if want := map[int32]int64{1: 100, 2: 300, 3: 400, 4: 100, 5: 100}; !reflect.DeepEqual(walls, want) {
		t.Errorf("walls %v, want %v", walls, want)
	}
	if ns(a, result.CauseSleep, 4) != 100 {
		t.Errorf("%+v", a.Host.Causes)
	}
}

func TestHitsAndTotals(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		for i := range int64(3) { // line 5 calls a function of the cell, lines 2 and 3
			t.AppendLine(i*100, 5, 5, false)
			t.AppendLine(i*100+10, 2, 5, false)
			t.AppendLine(i*100+50, 3, 5, false)
			t.AppendLine(i*100+80, 5, 5, false) // back
		}
	}, 300)
	for _, l := range a.Host.Lines {
		want := map[int32][3]int64{5: {90, 300, 3}, 2: {120, 120, 3}, 3: {90, 90, 3}}[l.Line.Number]
		if got := [3]int64{l.WallNs, l.TotalNs, l.Hits}; got != want {
			t.Errorf("line %d: wall, total, hits %v, want %v", l.Line.Number, got, want)
		}
	}
}

// Without a waker the thread that ran Python meanwhile is the holder; one that slept is not.
func TestHolderByWhoRan(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		spin, idle, native := b.Thread(1, 2), b.Thread(1, 3), b.Thread(9, 4)
		spin.SetName("spin")
		idle.SetName("idle")
		native.SetName("other process")
		for _, o := range []*timeline.ThreadBuilder{spin, idle, native} {
			o.SetPython()
			o.SetKnown(timeline.Interval{Start: 0, End: 1000})
		}
		idle.AppendOffCPU(0, timeline.Open, timeline.Open, timeline.ReasonSleep, 230, 0, 0)
		spin.AppendSample(300, timeline.SamplePython, -1, b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("burn"), File: b.Name("m.py")})}), 0)
		t.AppendLine(0, 1, 1, false)
		t.AppendOffCPU(100, 600, 600, timeline.ReasonGIL, 202, 0, 0)
	}, 1000)
	i := slices.IndexFunc(a.Host.ByKind, func(c result.Cause) bool { return c.Kind == result.CauseGIL })
	if c := a.Host.ByKind[i]; c.Thread != "spin" || !strings.Contains(c.Detail, "burn()") {
		t.Errorf("%+v", c)
	}
}

func TestInProcessSamplesTellWaitingFromRunning(t *testing.T) {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungInProcess)
	main := b.Thread(1, 1)
	main.SetMain()
	main.SetSamplePeriod(10)
	stack := func(fn, file string) timeline.StackID {
		return b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name(fn), File: b.Name(file)})})
	}
	wait, own := stack("wait", "/usr/lib/python3.12/threading.py"), stack("f", "m.py")
	main.AppendLine(0, 1, 1, false)
	for at := int64(5); at < 1000; at += 10 {
		switch {
		case at < 500:
			main.AppendSample(at, timeline.SampleWaiting, -1, wait, 0)
		case at < 800:
			main.AppendSample(at, timeline.SampleOnCPU, -1, own, 0)
		default:
			main.AppendSample(at, timeline.SampleWaiting, -1, own, 0)
		}
	}
	a := Host(b.Build(timeline.Interval{Start: 0, End: 1000}), Options{})
	if ns(a, result.CauseLock, 1) != 500 || ns(a, result.CausePython, 1) != 300 || ns(a, result.CauseUnknown, 1) != 200 {
		t.Errorf("%+v", a.Host.Causes)
	}
}

// The kernel tells native from Python but sees no Python stacks; the in-process sampler names the function.
func TestTwoSourcesOfSamples(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		m := b.Name("/usr/lib/libblas.so")
		fit := b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("fit"), File: b.Name("/lib/model.py")})})
		t.AppendLine(0, 1, 1, false)
		t.AppendOffCPU(500, 1000, 1000, timeline.ReasonSleep, 230, 0, 0)
		for at := int64(5); at < 500; at += 10 {
			t.AppendSample(at, timeline.SampleNative, -1, 0, m)
		}
		for at := int64(25); at < 1000; at += 50 {
			k := timeline.SampleOnCPU
			if at > 500 {
				k = timeline.SampleWaiting
			}
			t.AppendSample(at, k, -1, fit, 0)
		}
	}, 1000)
	if ns(a, result.CauseNative, 1) != 500 || ns(a, result.CausePython, 1) != 0 {
		t.Errorf("%+v", a.Host.Causes)
	}
	if f := a.Host.Functions; len(f) != 1 || f[0].Name != "fit" || f[0].SelfNs != 500 || f[0].Share != 1 {
		t.Errorf("%+v", f)
	}
	for _, c := range a.Host.Causes {
		if c.Kind == result.CauseNative && c.Detail != "libblas.so in fit() of model.py" {
			t.Errorf("detail %q", c.Detail)
		}
	}
}

// The thread that ended the wait waited itself: the one behind it is named too.
func TestWaitsAreFollowedToTheWorker(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		handler, worker := b.Thread(1, 2), b.Thread(7, 7)
		handler.SetName("handler")
		worker.SetName("worker")
		for _, o := range []*timeline.ThreadBuilder{handler, worker} {
			o.SetKnown(timeline.Interval{Start: 0, End: 1000})
		}
		worker.AppendSample(300, timeline.SamplePython, -1, b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("work"), File: b.Name("/x/job.py")})}), 0)
		handler.AppendOffCPU(50, 590, 590, timeline.ReasonPipe, 0, worker.ID(), 0)
		t.AppendLine(0, 1, 1, false)
		t.AppendOffCPU(100, 600, 600, timeline.ReasonLock, 202, handler.ID(), 0)
	}, 1000)
	for _, c := range a.Host.Causes {
		if c.Kind == result.CauseLock {
			if want := `waiting on a pipe, for "worker (process 7)", running in work() of job.py`; c.Thread != "handler" || c.Detail != want {
				t.Errorf("%q: %q, want %q", c.Thread, c.Detail, want)
			}
			return
		}
	}
	t.Error("no wait")
}

// A kernel thread that finishes a transfer is not to blame for it, nor a thread of the cell.
func TestOutsidersAreNotThreadsOfTheCell(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		kworker := b.Thread(-5, -5)
		kworker.SetComm("kworker/0:1")
		t.AppendLine(0, 1, 1, false)
		t.AppendOffCPU(100, 900, 900, timeline.ReasonDisk, 0, kworker.ID(), 0)
	}, 1000)
	if c := a.Host.ByKind[0]; c.Kind != result.CauseHostIO || c.Thread != "" {
		t.Errorf("%+v", c)
	}
	if len(a.Host.Threads) != 1 {
		t.Errorf("%+v", a.Host.Threads)
	}
}

func TestOwnFramesAreSkipped(t *testing.T) {
	for file, want := range map[string]bool{"/env/site-packages/inferscope/lines.py": true, "/home/u/inferscope/model.py": false, "lines.py": false} {
		if own(file) != want {
			t.Errorf("%s", file)
		}
	}
}

func TestManyLinesAreBounded(t *testing.T) {
	a := build(func(t *timeline.ThreadBuilder, b *timeline.Builder) {
		for i := range int64(50_000) {
			t.AppendLine(i, int32(i+1)*37, int32(i+1)*37, false)
		}
	}, 50_000)
	if len(a.Host.Lines) > maxLines {
		t.Errorf("%d lines", len(a.Host.Lines))
	}
}

// renamed are the calls whose names differ between the kernel's header and Go's older list.
var renamed = map[string]bool{"sync_file_range": true, "pread64": true, "pwrite64": true, "newfstatat": true}

// The generated tables agree with those of Go's own syscall package, for both architectures.
func TestSyscallNames(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		path := filepath.Join(gobuild.Default.GOROOT, "src", "syscall", "zsysnum_linux_"+arch+".go")
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "SYS_") {
				number, err := strconv.Atoi(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				want := strings.ToLower(strings.TrimPrefix(spec.Names[0].Name, "SYS_"))
				if got := SyscallName(arch, int16(number)); got != want && !renamed[got] {
					t.Errorf("%s %d is %q, want %q", arch, number, got, want)
				}
				checked++
			}
			return true
		})
		if checked < 250 {
			t.Errorf("%s: only %d calls were checked", arch, checked)
		}
	}
	if SyscallName("mips", 3) != "system call 3" || SyscallName("amd64", -1) != "system call -1" {
		t.Error("unknown calls")
	}
	known := map[string]bool{}
	for _, table := range syscallTables {
		for _, name := range table {
			known[name] = true
		}
	}
	for name := range syscallKinds {
		if !known[name] {
			t.Errorf("%q is no system call of either architecture", name)
		}
	}
}
