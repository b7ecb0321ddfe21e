package perfevent

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs/proctest"
	"github.com/inferscope/inferscope/sidecar/wire"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// usable skips where the kernel has no perf events for this user, and says how that is known.
func usable(t *testing.T) *Collector {
	t.Helper()
	c := New()
	t.Cleanup(func() { _ = c.Close() })
	if s := c.Status(); !s.Available {
		if level, ok := paranoid(); ok && (level <= 2 || proctest.Privileged()) {
			t.Errorf("perf events should work at level %d: %s", level, s.Detail)
		}
		t.Skip(s.Detail)
	}
	if err := c.Warm(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWithoutPrivileges(t *testing.T) {
	if level, ok := paranoid(); !ok || level > 2 {
		t.Skipf("kernel.perf_event_paranoid is %d (%v): unprivileged perf events are switched off", level, ok)
	}
	proctest.AsNobody(t, "TestLive.*")
}

func TestLiveSleep(t *testing.T) {
	p := proctest.Start(t, "sleep", "300")
	tl := proctest.Collect(t, usable(t), p)
	th := proctest.Thread(tl, int32(p.PID))
	if s := proctest.StatesOf(th); s.Share(s.Blocked[timeline.ReasonSleep]) < 0.8 {
		t.Errorf("a sleeping thread: %+v", s)
	}
	if th.Name != "target" {
		t.Errorf("name %q", th.Name)
	}
}

// Threads that are blocked through the whole cell and never switch are seen too.
func TestLiveLock(t *testing.T) {
	p := proctest.Start(t, "lock", "300", "3")
	tl := proctest.Collect(t, usable(t), p)
	for _, tid := range p.TIDs {
		if s := proctest.StatesOf(proctest.Thread(tl, tid)); s.Share(s.Blocked[timeline.ReasonLock]) < 0.8 {
			t.Errorf("a thread behind a mutex: %+v", s)
		}
	}
	p = proctest.Start(t, "sleep", "200", "2")
	tl = proctest.Collect(t, usable(t), p)
	if th := proctest.Thread(tl, int32(p.PID)); th == nil || th.Sched.Len() == 0 {
		t.Error("the sleeping main thread has no rows")
	}
}

func TestLiveSpinAgreesWithTheKernelsAccount(t *testing.T) {
	before := proctest.Stolen(t)
	p := proctest.Start(t, "spin", "300", "1")
	tl := proctest.Collect(t, usable(t), p)
	stolen := proctest.Stolen(t) - before
	th := proctest.Thread(tl, int32(p.PID))
	s := proctest.StatesOf(th)
	if th.CPUNs < 280e6 {
		t.Errorf("300 ms of CPU were burnt, %d ms accounted", th.CPUNs/1e6)
	}
	if diff := s.Running - th.CPUNs; diff > 30e6+stolen || diff < -30e6 {
		t.Errorf("the rows leave %d ms of running, the kernel accounts %d", s.Running/1e6, th.CPUNs/1e6)
	}
}

func TestLivePreempted(t *testing.T) {
	p := proctest.Start(t, "preempt", "250", "2")
	tl := proctest.Collect(t, usable(t), p)
	for _, tid := range p.TIDs {
		th := proctest.Thread(tl, tid)
		s := proctest.StatesOf(th)
		if s.Share(s.Runnable) < 0.15 {
			t.Errorf("two threads on one CPU: %+v", s)
		}
		// Each burns 250 ms, for the most part in user mode: the samples, at 499 Hz, must say so.
		n := int64(0)
		for i, k := range th.Samples.Kind {
			switch k {
			case timeline.SampleNative:
				n++
			case timeline.SampleSyscall: // it asks the kernel for its CPU time
			default:
				t.Fatalf("sample %d of a C program is of kind %d", i, k)
			}
		}
		if got := n * th.Samples.PeriodNs; got < 125e6 || got > 375e6 {
			t.Errorf("%d samples of %d ns", n, th.Samples.PeriodNs)
		}
	}
}

func TestLivePipeChildAndSocket(t *testing.T) {
	c := usable(t)
	p := proctest.Start(t, "pipe", "300")
	s := proctest.StatesOf(proctest.Thread(proctest.Collect(t, c, p), int32(p.PID)))
	if s.Share(s.Blocked[timeline.ReasonPipe]) < 0.8 {
		t.Errorf("reading a pipe: %+v", s)
	}
	p = proctest.Start(t, "child", "600")
	tl := proctest.Collect(t, c, p)
	s = proctest.StatesOf(proctest.Thread(tl, int32(p.PID)))
	if s.Share(s.Blocked[timeline.ReasonChild]) < 0.8 {
		t.Errorf("waiting for a child: %+v", s)
	}
	var child *timeline.Thread
	for i := range tl.Threads {
		if tl.Threads[i].Name == "the-child" {
			child = &tl.Threads[i]
		}
	}
	if child == nil {
		t.Fatal("the child is missing")
	}
	s = proctest.StatesOf(child)
	if child.PID == int32(p.PID) || s.Blocked[timeline.ReasonSleep] < 270e6 || s.Running < 270e6 {
		t.Errorf("the child spins and sleeps for as long: %+v", s)
	}
	p = proctest.Start(t, "pingpong", "20000", "2")
	tl = proctest.Collect(t, c, p)
	for _, tid := range p.TIDs {
		th := proctest.Thread(tl, tid)
		s := proctest.StatesOf(th)
		var blocked int64
		for _, ns := range s.Blocked {
			blocked += ns
		}
		blocked -= s.Blocked[timeline.ReasonLock] // of the end of the test
		if th.Sched.Len() < 5000 || s.Blocked[timeline.ReasonNetwork] < blocked/2 {
			t.Errorf("a socket pair: %d rows, %+v", th.Sched.Len(), s)
		}
	}
}

const gilFight = `
import os, sys, threading, time
go = threading.Event()
def work():
    go.wait()
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
print("ready", os.getpid(), *[t.native_id for t in threads], flush=True)
sys.stdin.readline()
go.set()
for t in threads: t.join()
print("done", flush=True)
sys.stdin.read()
`

func TestLiveGIL(t *testing.T) {
	p := proctest.Python(t, gilFight)
	tl := proctest.Collect(t, usable(t), p)
	for _, tid := range p.TIDs {
		th := proctest.Thread(tl, tid)
		s := proctest.StatesOf(th)
		if s.Blocked[timeline.ReasonGIL] < 100e6 || s.Blocked[timeline.ReasonGIL] < 3*(s.Blocked[timeline.ReasonLock]+s.Blocked[timeline.ReasonUnknown]) {
			t.Errorf("two threads fight for the GIL: %+v", s)
		}
		if th.Samples.Len() != 0 {
			t.Error("a Python thread samples itself: two sources would count twice")
		}
	}
}

const inKernel = `
import os, sys, time
print("ready", os.getpid(), os.getpid(), flush=True)
sys.stdin.readline()
end = time.thread_time() + 0.5
while time.thread_time() < end:
    os.getrandom(1 << 20)
print("done", flush=True)
sys.stdin.read()
`

// An event that leaves the kernel out takes no samples there; that they are missing tells.
func TestLiveTimeInTheKernel(t *testing.T) {
	p := proctest.Python(t, inKernel)
	b := timeline.NewBuilder()
	one, err := usable(t).Begin(context.Background(), collect.Target{PID: p.PID,
		Start: wire.Start{MainTID: p.PID}, Options: wire.Options{SampleHz: 499}}, b)
	if err != nil {
		t.Fatal(err)
	}
	begin := clock.Monotonic()
	p.Act()
	end := clock.Monotonic()
	if err := one.Finish(timeline.Interval{Start: begin, End: end}); err != nil {
		t.Fatal(err)
	}
	kinds := map[timeline.SampleKind]int{}
	for at := begin; at < end; at += 1e6 {
		if kind, _, ok := one.(collect.Witness).Executing(int32(p.PID), at); ok {
			kinds[kind]++
		}
	}
	if kernel := kinds[timeline.SampleSyscall]; kernel < 350 || kernel < 5*(kinds[timeline.SamplePython]+kinds[timeline.SampleNative]) {
		t.Errorf("500 ms in the kernel, told by kind: %v", kinds)
	}
}

func TestLiveSamplesTellPythonFromNative(t *testing.T) {
	p := proctest.Python(t, gilFight)
	c := usable(t)
	b := timeline.NewBuilder()
	target := collect.Target{PID: p.PID, Start: wire.Start{MainTID: p.PID}, Options: wire.Options{SampleHz: 499}}
	one, err := c.Begin(context.Background(), target, b)
	if err != nil {
		t.Fatal(err)
	}
	begin := clock.Monotonic()
	p.Act()
	end := clock.Monotonic()
	if err := one.Finish(timeline.Interval{Start: begin, End: end}); err != nil {
		t.Fatal(err)
	}
	told := one.(collect.Witness)
	python, native := 0, 0
	for _, tid := range p.TIDs {
		for at := begin; at < end; at += 1e6 {
			switch kind, module, ok := told.Executing(tid, at); {
			case !ok || kind == timeline.SampleWaiting:
			case kind == timeline.SamplePython && module != 0:
				python++
			default:
				native++
			}
		}
	}
	if python < 100 || python < native {
		t.Errorf("Python code: %d ms seen in the interpreter, %d ms elsewhere", python, native)
	}
	if kind, _, ok := told.Executing(p.TIDs[0], begin-1e9); ok && kind != timeline.SampleWaiting {
		t.Error("a sample long before the cell")
	}
}

// 200 threads sleep 20 times 20 ms each.
func TestLiveCrowd(t *testing.T) {
	p := proctest.Start(t, "crowd", "400", "200")
	tl := proctest.Collect(t, usable(t), p)
	asleep := 0
	for _, tid := range p.TIDs {
		th := proctest.Thread(tl, tid)
		if th == nil {
			t.Fatalf("thread %d is missing", tid)
		}
		s := proctest.StatesOf(th)
		if th.Sched.Len() < 20 || s.Blocked[timeline.ReasonSleep]+s.Blocked[timeline.ReasonUnknown] < 390e6 {
			t.Errorf("thread %d has %d rows: %+v", tid, th.Sched.Len(), s)
		}
		if s.Blocked[timeline.ReasonSleep] > 200e6 {
			asleep++
		}
	}
	if asleep < 150 { // the looks may starve on a busy machine
		t.Errorf("of only %d of 200 threads it is seen that they sleep", asleep)
	}
}

func TestLiveThreadsThatComeAndGo(t *testing.T) {
	p := proctest.Start(t, "churn", "20")
	tl := proctest.Collect(t, usable(t), p)
	hostile := 0
	for i := range tl.Threads {
		th := &tl.Threads[i]
		if th.Name != "a) S (\n1 2" {
			continue
		}
		hostile++
		s := proctest.StatesOf(th)
		if s.Running < 3e6 || s.Known < 18e6 || s.Known > 500e6 {
			t.Errorf("a thread that burns 5 ms and sleeps 15: %+v", s)
		}
	}
	if hostile != 20 {
		t.Errorf("%d of 20 short threads are seen", hostile)
	}
}

func TestLiveProcessThatDies(t *testing.T) {
	p := proctest.Start(t, "die", "100", "2")
	c := usable(t)
	b := timeline.NewBuilder()
	target := collect.Target{PID: p.PID, Start: wire.Start{MainTID: p.PID}, Options: wire.Options{SampleHz: 499}}
	one, err := c.Begin(context.Background(), target, b)
	if err != nil {
		t.Fatal(err)
	}
	begin := clock.Monotonic()
	p.Act()
	p.Reap()
	window := timeline.Interval{Start: begin, End: clock.Monotonic()}
	if err := one.Finish(window); err != nil {
		t.Error(err)
	}
	tl := b.Build(window)
	if err := tl.Check(); err != nil {
		t.Error(err)
	}
	if s := proctest.StatesOf(proctest.Thread(tl, int32(p.PID))); s.Running < 80e6 {
		t.Errorf("what it did before is kept: %+v", s)
	}
	if _, err := c.Begin(context.Background(), target, timeline.NewBuilder()); !errors.Is(err, errNoThread) {
		t.Errorf("a process that has ended: %v", err)
	}
}

// The descriptors of an aborted and of a finished cell are all given back.
func TestLiveNothingIsLeftOpen(t *testing.T) {
	c := usable(t)
	p := proctest.Start(t, "sleep", "50", "20")
	count := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	target := collect.Target{PID: p.PID}
	before := count()
	for range 3 {
		one, err := c.Begin(context.Background(), target, timeline.NewBuilder())
		if err != nil {
			t.Fatal(err)
		}
		one.Abort()
	}
	proctest.Collect(t, c, p)
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
