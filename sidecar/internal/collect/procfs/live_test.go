package procfs

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// The live tests run as whoever runs them, and as root again without privileges.
func TestWithoutPrivileges(t *testing.T) { proctest.AsNobody(t, "TestLive.*") }

func TestLiveSleep(t *testing.T) {
	p := proctest.Start(t, "sleep", "400")
	tl := proctest.Collect(t, New(), p)
	th := proctest.Thread(tl, int32(p.PID))
	if s := proctest.StatesOf(th); s.Share(s.Blocked[timeline.ReasonSleep]) < 0.8 {
		t.Errorf("a sleeping thread: %+v", s)
	}
	if th.Name != "target" || th.CPUNs < 0 {
		t.Errorf("name %q, CPU %d", th.Name, th.CPUNs)
	}
}

func TestLiveLock(t *testing.T) {
	p := proctest.Start(t, "lock", "400", "3")
	tl := proctest.Collect(t, New(), p)
	for _, tid := range p.TIDs {
		if s := proctest.StatesOf(proctest.Thread(tl, tid)); s.Share(s.Blocked[timeline.ReasonLock]) < 0.8 {
			t.Errorf("a thread behind a mutex: %+v", s)
		}
	}
}

func TestLiveSpinAgreesWithTheKernelsAccount(t *testing.T) {
	before := proctest.Stolen(t)
	p := proctest.Start(t, "spin", "400")
	tl := proctest.Collect(t, New(), p)
	th := proctest.Thread(tl, int32(p.PID))
	s := proctest.StatesOf(th)
	if th.CPUNs < 380e6 {
		t.Errorf("400 ms of CPU were burnt, %d ms accounted", th.CPUNs/1e6)
	}
	if diff := s.Running - th.CPUNs; diff > 40e6+proctest.Stolen(t)-before || diff < -40e6 {
		t.Errorf("the rows leave %d ms of running, the kernel accounts %d", s.Running/1e6, th.CPUNs/1e6)
	}
	if s.Share(s.Blocked[timeline.ReasonSleep]) > 0.1 {
		t.Errorf("a spinning thread does not sleep: %+v", s)
	}
}

func TestLivePreempted(t *testing.T) {
	p := proctest.Start(t, "preempt", "250", "2")
	tl := proctest.Collect(t, New(), p)
	for _, tid := range p.TIDs {
		s := proctest.StatesOf(proctest.Thread(tl, tid))
		if s.Share(s.Runnable) < 0.15 {
			t.Errorf("two threads on one CPU: %+v", s)
		}
	}
}

func TestLivePipeAndChild(t *testing.T) {
	p := proctest.Start(t, "pipe", "400")
	s := proctest.StatesOf(proctest.Thread(proctest.Collect(t, New(), p), int32(p.PID)))
	if s.Share(s.Blocked[timeline.ReasonPipe]) < 0.8 {
		t.Errorf("reading a pipe: %+v", s)
	}
	p = proctest.Start(t, "child", "800")
	tl := proctest.Collect(t, New(), p)
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
	if s := proctest.StatesOf(child); s.Blocked[timeline.ReasonSleep] == 0 || child.PID == int32(p.PID) {
		t.Errorf("the child: %+v", s)
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
	tl := proctest.Collect(t, New(), p)
	for _, tid := range p.TIDs {
		s := proctest.StatesOf(proctest.Thread(tl, tid))
		if s.Blocked[timeline.ReasonGIL] < 60e6 || s.Blocked[timeline.ReasonGIL] < 3*s.Blocked[timeline.ReasonLock] {
			t.Errorf("two threads fight for the GIL: %+v", s)
		}
	}
}

func TestLiveProcessThatDies(t *testing.T) {
	p := proctest.Start(t, "die", "100")
	b := timeline.NewBuilder()
	target := collect.Target{PID: p.PID}
	one, err := New().Begin(context.Background(), target, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewAccounting().Begin(context.Background(), target, b)
	if err != nil {
		t.Fatal(err)
	}
	begin := clock.Monotonic()
	p.Act()
	p.Reap()
	window := timeline.Interval{Start: begin, End: clock.Monotonic()}
	for _, s := range []collect.Session{one, two} {
		if err := s.Finish(window); err != nil {
			t.Error(err)
		}
	}
	tl := b.Build(window)
	if err := tl.Check(); err != nil {
		t.Error(err)
	}
	if len(tl.Losses) < 2 {
		t.Errorf("the end of the process is not told: %+v", tl.Losses)
	}
	if _, err := New().Begin(context.Background(), target, timeline.NewBuilder()); err == nil {
		t.Error("a process that has ended cannot be sampled")
	}
	if _, err := NewAccounting().Begin(context.Background(), target, timeline.NewBuilder()); err == nil {
		t.Error("a process that has ended has no accounting")
	}
}

// 200 threads sleep 20 times 20 ms each.
func TestLiveCrowd(t *testing.T) {
	p := proctest.Start(t, "crowd", "400", "200")
	tl := proctest.Collect(t, New(), p)
	asleep := 0
	for _, tid := range p.TIDs {
		th := proctest.Thread(tl, tid)
		if th == nil {
			t.Fatalf("thread %d is missing", tid)
		}
		if s := proctest.StatesOf(th); s.Blocked[timeline.ReasonSleep] > 200e6 {
			asleep++
		}
	}
	if asleep < 150 { // the looks may starve on a busy machine
		t.Errorf("of only %d of 200 threads it is seen that they sleep", asleep)
	}
}

func TestLiveThreadsThatComeAndGo(t *testing.T) {
	p := proctest.Start(t, "churn", "20")
	tl := proctest.Collect(t, New(), p)
	hostile := 0
	for i := range tl.Threads {
		if tl.Threads[i].Name == "a) S (\n1 2" {
			hostile++
		}
	}
	if hostile == 0 {
		t.Error("no thread with a hostile name was seen")
	}
}

func TestLiveAccounting(t *testing.T) {
	p := proctest.Start(t, "touch", "200")
	tl := proctest.Collect(t, NewAccounting(), p)
	got := tl.Process
	if got.PID != int32(p.PID) || got.MinorFaults < 50_000 || got.MinorFaults > 60_000 {
		t.Errorf("200 MiB touched page by page are 51,200 faults: %+v", got)
	}
	if got.RSSPeak < 200<<20 || got.RSSPeak > 260<<20 || got.RSSEnd > 100<<20 || got.RSSStart <= 0 {
		t.Errorf("the peak of the memory: %+v", got)
	}
	if got.UserNs+got.SystemNs < 5e6 || got.CPUs < 1 || got.VoluntarySwitches < 0 || got.InvoluntarySwitches < 0 {
		t.Errorf("accounting: %+v", got)
	}
	if len(tl.Counters) != 1 || tl.Counters[0].Name != "rss" || tl.Counters[0].Unit != "bytes" || len(tl.Counters[0].Value) == 0 {
		t.Errorf("counters: %+v", tl.Counters)
	}
	if got.NUMANodes == 1 && (len(got.NUMA) != 1 || got.NUMA[0].Bytes != got.RSSEnd || got.NUMA[0].CPUShare != 1) {
		t.Errorf("one node: %+v", got.NUMA)
	}
	if _, err := os.Stat("/sys/devices/system/node/online"); err == nil && got.NUMANodes == 0 {
		t.Error("the nodes are not known although the kernel tells them")
	}
}

func TestLiveAccountingOfCPUAndSwitches(t *testing.T) {
	p := proctest.Start(t, "spin", "300")
	got := proctest.Collect(t, NewAccounting(), p).Process
	if total := got.UserNs + got.SystemNs; total < 290e6 || total > 500e6 {
		t.Errorf("300 ms of CPU: %+v", got)
	}
	p = proctest.Start(t, "pingpong", "2000", "2")
	got = proctest.Collect(t, NewAccounting(), p).Process
	if got.VoluntarySwitches < 1000 {
		t.Errorf("2,000 rounds of ping-pong: %+v", got)
	}
}

func TestLiveAccountingOfWrites(t *testing.T) {
	p := proctest.Start(t, "files", "8")
	if got := proctest.Collect(t, NewAccounting(), p).Process; got.WriteBytes < 4<<20 {
		t.Errorf("8 MiB written and synced: %+v", got)
	}
}

// A machine with two nodes, as sysfs would tell of it; the pages are really those of the target.
func TestLiveTwoNodes(t *testing.T) {
	sys := t.TempDir()
	for name, text := range map[string]string{"has_memory": "0-1\n", "node0/cpulist": "0-1023\n", "node1/cpulist": "1024\n"} {
		path := filepath.Join(sys, "devices/system/node", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat("/proc/self/numa_maps"); err != nil {
		t.Skipf("no NUMA in this kernel: %v", err)
	}
	p := proctest.Start(t, "spin", strconv.Itoa(200))
	got := proctest.Collect(t, &Accounting{sys: sys}, p).Process
	if got.NUMANodes != 2 || len(got.NUMA) != 2 || got.NUMA[0].Bytes < 100<<10 || got.NUMA[0].CPUShare != 1 || got.NUMA[1].CPUShare != 0 {
		t.Errorf("two nodes: %+v", got)
	}
}

func TestLiveWatcherWithoutTheRightToTrace(t *testing.T) {
	if proctest.Privileged() {
		// Root may look at anybody. What is left to see is tested below with the wait channel alone.
		if reasonOfChannel("hrtimer_nanosleep") != timeline.ReasonSleep {
			t.Error("a sleep by its wait channel")
		}
		return
	}
	w := NewWatcher(1)
	wait, err := w.Read(1, 'S')
	if err == nil && (!wait.Guessed || wait.Syscall != -1 || w.Denied() != 1) {
		t.Errorf("process 1 belongs to root, and yet %+v", wait)
	}
	if w.Denied() != 1 {
		t.Errorf("refused %d times", w.Denied())
	}
}

// A file stays open for each thread that is looked at, up to a bound, until Close.
func TestLiveWatcherGivesItsFilesBack(t *testing.T) {
	p := proctest.Start(t, "crowd", "400", "100")
	open := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	w := NewWatcher(p.PID)
	before := open()
	for range 2 {
		for _, tid := range p.TIDs {
			if wait, err := w.Read(tid, 0); err != nil || !wait.Running && wait.Reason == timeline.ReasonUnknown {
				t.Fatalf("thread %d: %+v, %v", tid, wait, err)
			}
		}
	}
	if kept := open() - before; kept != min(maxWatched, len(p.TIDs)) {
		t.Errorf("%d files are kept of %d threads", kept, len(p.TIDs))
	}
	w.Close()
	w.Close()
	if after := open(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if wait, err := w.Read(p.TIDs[0], 0); err != nil {
		t.Errorf("after Close: %+v, %v", wait, err)
	}
	w.Close()
}

func TestStatus(t *testing.T) {
	if s := New().Status(); !s.Available || s.Name != "procfs" || s.Detail == "" {
		t.Errorf("%+v", s)
	}
	if s := NewAccounting().Status(); !s.Available {
		t.Errorf("%+v", s)
	}
	if s := rungStatus("procfs", t.TempDir()); s.Available || s.Detail == "" {
		t.Errorf("without /proc: %+v", s)
	}
}
