package attribution_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

func host(t *testing.T, text string) *attribution.Attribution {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return attribution.Host(f.Timeline, attribution.Options{Source: f.Source, Arch: fixture.Arch})
}

// Whatever the package consists of is known to be InferScope's, and nothing else is.
func TestEveryModuleOfThePackageIsOwn(t *testing.T) {
	entries, err := os.ReadDir("../../ipython_ext/inferscope")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".py") {
			continue
		}
		seen++
		if !attribution.Own("/site-packages/inferscope/" + e.Name()) {
			t.Errorf("%s is not known as a module of the package", e.Name())
		}
	}
	if seen < 10 {
		t.Fatalf("only %d modules", seen)
	}
	for _, file := range []string{"/home/me/inferscope/train.py", "/home/me/project/lines.py", "lines.py", "<cell>", ""} {
		if attribution.Own(file) {
			t.Errorf("%q is taken for ours", file)
		}
	}
}

const pkg = "/x/site-packages/inferscope/"

// InferScope's threads and frames, and the sidecar, are no part of the cell.
func TestOwnThreadsAndFramesAreHidden(t *testing.T) {
	a := host(t, `window 0s 1s
source
%%inferscope
work()
end
thread MainThread main python known period=10ms
thread inferscope-recorder python known period=10ms
thread python python known period=10ms
thread inferscope-side pid=7 known
thread worker python known period=10ms
stack mine Counter.__init__@/usr/lib/python3.12/collections/__init__.py:1 LineEvents.add@`+pkg+`lines.py:10 work@<cell>:2
stack scoped load@/home/me/data.py:4 scope.<locals>.inner@`+pkg+`api.py:20 <module>@<cell>:2
stack sender Event.wait@/usr/lib/python3.12/threading.py:600 Recorder._run@`+pkg+`recorder.py:200 Thread.run@/usr/lib/python3.12/threading.py:1000
stack theirs work@<cell>:2
line MainThread 0s 1
line MainThread 10ms 2
sample MainThread 15ms python stack=scoped
repeat 50 every 10ms
sample MainThread 20ms python stack=mine
sample python 21ms python stack=sender
sample inferscope-recorder 22ms python stack=sender
sample worker 23ms python stack=theirs
end
off worker 600ms 900ms 900ms sleep
`)
	var threads, functions []string
	for _, th := range a.Host.Threads {
		threads = append(threads, th.Name)
	}
	if !slices.Equal(threads, []string{"MainThread", "worker"}) {
		t.Errorf("threads %v", threads)
	}
	for _, f := range a.Host.Functions {
		functions = append(functions, f.Name)
		if want := map[string]int64{"work": 50, "load": 1}[f.Name]; f.Samples != want {
			t.Errorf("%d samples of %s", f.Samples, f.Name)
		}
	}
	if !slices.Equal(functions, []string{"work", "load"}) {
		t.Errorf("functions %v", functions)
	}
	if a.OwnThreadsNs != 3e9 || a.RunningThreads != 1.7e9 {
		t.Errorf("own threads ran %d, the cell's %d", a.OwnThreadsNs, a.RunningThreads)
	}
	// Line 1 asks for the profile: its time is no line's.
	for _, l := range a.Host.Lines {
		if l.Line.Number != 2 {
			t.Errorf("line %+v", l)
		}
	}
	for _, c := range a.Host.Causes {
		if strings.Contains(c.Detail, "Counter") || strings.Contains(c.Detail, "LineEvents") {
			t.Errorf("cause %+v", c)
		}
	}
}

func TestDirectiveLine(t *testing.T) {
	for source, want := range map[string]int32{
		"%%inferscope\nx = 1":                   1,
		"# a comment\n\n  %%inferscope -o r\nx": 3,
		"%%time\n%%inferscope\nx":               2,
		"%inferscope\nx":                        1,
		"%%inferscopes\nx":                      0,
		"x = 1\n%%inferscope":                   0,
		"text = '''\n%%inferscope\n'''":         0,
		"":                                      0,
	} {
		if got := attribution.DirectiveLine(strings.Split(source, "\n")); got != want {
			t.Errorf("%q: %d, not %d", source, got, want)
		}
	}
}

// What is known of frames without a line comes from the line in force.
func TestFrameOnTheDirectiveNamesNoLine(t *testing.T) {
	a := host(t, `window 0s 1s
source
%%inferscope
a()
b()
end
thread MainThread main python known period=10ms
stack late <module>@<cell>:1
line MainThread 0s 1
line MainThread 1ms 2
line MainThread 2ms 3 sampled
off MainThread 10ms 900ms 900ms sleep stack=late
sample MainThread 950ms python stack=late
`)
	if c := a.Host.Causes[0]; c.Kind != result.CauseSleep || c.Line.Number != 3 {
		t.Errorf("%+v", c)
	}
}

// Modules and functions in the words of the user; a lookup through the dynamic loader is the interpreter's.
func TestWordsOfDetails(t *testing.T) {
	a := host(t, `window 0s 1s
source
x()
y()
z()
end
thread MainThread main python known period=10ms
stack gen work.<locals>.<genexpr>@<cell>:2
stack imp read@<frozen~importlib._bootstrap_external>:9 <module>@<cell>:3
line MainThread 0s 1
line MainThread 300ms 2
line MainThread 600ms 3
repeat 25 every 10ms
sample MainThread 10ms native module=/x/site-packages/numpy/_multiarray_umath.cpython-312-x86_64-linux-gnu.so
sample MainThread 310ms native stack=gen module=/lib64/ld-linux-x86-64.so.2
sample MainThread 610ms native stack=imp module=/lib64/ld-linux-x86-64.so.2
end
`)
	want := map[int32]string{1: "native _multiarray_umath", 2: "python in work()", 3: "native ld-linux-x86-64.so.2 in Python's import system"}
	for _, c := range a.Host.Causes {
		if got := string(c.Kind) + " " + c.Detail; c.Kind != result.CauseUnknown && got != want[c.Line.Number] {
			t.Errorf("line %d: %q", c.Line.Number, got)
		}
	}
}

// IPython's open() is the cell's.
func TestOpenOfIPython(t *testing.T) {
	a := host(t, `window 0s 1s
source
open(p)
end
thread MainThread main python known period=10ms
stack open _modified_open@/x/IPython/core/interactiveshell.py:300 <module>@<cell>:1
line MainThread 0s 1
off MainThread 10ms 990ms 990ms disk syscall=openat stack=open
`)
	if c := a.Host.Causes[0]; c.Detail != "openat" {
		t.Errorf("%+v", c)
	}
}

// A wait inside the standard library's hand-overs is for a thread, one in the program's own code for a lock.
func TestHandovers(t *testing.T) {
	a := host(t, `window 0s 1s
source
f.result()
with lock: pass
end
thread MainThread main python known period=10ms
stack result Condition.wait@/usr/lib/python3.12/threading.py:300 Future.result@/usr/lib/python3.12/concurrent/futures/_base.py:440 <module>@<cell>:1
stack lock <module>@<cell>:2
line MainThread 0s 1
line MainThread 500ms 2
off MainThread 10ms 490ms 490ms lock stack=result
off MainThread 510ms 990ms 990ms lock stack=lock
`)
	if !a.Handovers[1] || a.Handovers[2] {
		t.Errorf("%v", a.Handovers)
	}
}
