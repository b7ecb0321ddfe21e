package ebpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

// covers says whether a thread was off the CPU for nearly all of the window.
func covers(th *timeline.Thread, w timeline.Interval) bool {
	off := int64(0)
	for i := range th.Sched.Off {
		off += th.Sched.On[i] - th.Sched.Off[i]
	}
	return off*100 >= w.Ns()*99
}

func TestThreadBlockedThroughTheWholeCell(t *testing.T) {
	tl, p := scenario(t, "blocked")
	th := threadByID(t, tl, p.told["blocked"])
	if !covers(th, tl.Window) || th.Sched.Reason[0] != timeline.ReasonLock {
		t.Errorf("window %s, but: %s", ms(tl.Window.Ns()), describe(th))
	}
	if th.Sched.Known != tl.Window {
		t.Errorf("known over %+v, window %+v", th.Sched.Known, tl.Window)
	}
	if !th.Python {
		t.Error("not known as a Python thread")
	}
	if stack := stackText(tl, th.Sched.Stack[0]); !strings.Contains(stack, "Event.wait") && !strings.Contains(stack, "wait") {
		t.Errorf("blocked in %q", stack)
	}
}

func TestChildrenAreFollowed(t *testing.T) {
	tl, p := scenario(t, "children")
	for _, name := range []string{"before", "inside", "executed"} {
		th := threadByID(t, tl, p.told[name])
		if th.PID != int32(p.told[name]) {
			t.Errorf("%s: thread %d of process %d", name, th.TID, th.PID)
		}
		if ns := blockedNs(th)[timeline.ReasonSleep]; ns < 100e6 {
			t.Errorf("%s: %s", name, describe(th))
		}
	}
	inside := threadByID(t, tl, p.told["inside"])
	if stack := stackText(tl, inside.Sched.Stack[longest(inside)]); !strings.HasPrefix(stack, "fork_sleep < children") {
		t.Errorf("the forked child slept in %q", stack)
	}
	executed := threadByID(t, tl, p.told["executed"])
	if executed.Name != "sleep" {
		t.Errorf("the child that executed another program is called %q", executed.Name)
	}
	if stack := stackText(tl, executed.Sched.Stack[longest(executed)]); stack != "" {
		t.Errorf("a program that is not Python has the stack %q", stack)
	}
	if known := inside.Sched.Known; known.Start <= tl.Window.Start || known.End >= tl.Window.End {
		t.Errorf("a child that came and went is known over %+v, window %+v", known, tl.Window)
	}
	if inside.CPUNs <= 0 || inside.CPUNs > 100e6 {
		t.Errorf("CPU time of the child: %d ns", inside.CPUNs)
	}
}

// longest is the index of a thread's longest episode off the CPU.
func longest(th *timeline.Thread) int {
	best := 0
	for i := range th.Sched.Off {
		if th.Sched.On[i]-th.Sched.Off[i] > th.Sched.On[best]-th.Sched.Off[best] {
			best = i
		}
	}
	return best
}

func TestWakerIsNamed(t *testing.T) {
	tl, p := scenario(t, "waker")
	main := mainThread(t, tl)
	i := longest(main)
	if main.Sched.Reason[i] != timeline.ReasonLock {
		t.Fatalf("longest wait: %s; %s", main.Sched.Reason[i], describe(main))
	}
	if got := tl.Threads[main.Sched.Waker[i]].TID; int64(got) != p.told["releaser"] {
		t.Errorf("woken by %d, want %d", got, p.told["releaser"])
	}
	// A clock ended the releaser's sleep: no thread did.
	releaser := threadByID(t, tl, p.told["releaser"])
	i = longest(releaser)
	if w := releaser.Sched.Waker[i]; releaser.Sched.Reason[i] != timeline.ReasonSleep || w != 0 {
		t.Errorf("%s ended by %q", releaser.Sched.Reason[i], tl.Threads[w].Name)
	}
}

// Something outside of the profiled process ends its wait: it is named by its comm.
func TestWakerOutside(t *testing.T) {
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", "stdin")
	b := timeline.NewBuilder()
	s, err := c.Begin(context.Background(), p.target(), b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	p.receive(t, &struct{}{}) // it is about to wait
	// The writer is a shell, with the target's input as its output.
	writer := exec.Command("sh", "-c", "sleep 0.1; echo go")
	writer.Stdout = p.stdin
	if err := writer.Run(); err != nil {
		t.Fatal(err)
	}
	p.receive(t, &p.told)
	if err := s.Finish(p.window()); err != nil {
		t.Fatal(err)
	}
	tl := b.Build(p.window())
	main := mainThread(t, tl)
	i := longest(main)
	waker := tl.Threads[main.Sched.Waker[i]]
	if main.Sched.Reason[i] != timeline.ReasonPipe || waker.Name != "sh" || waker.PID >= 0 {
		t.Errorf("%s ended by %q of %d", main.Sched.Reason[i], waker.Name, waker.PID)
	}
}

// A process in a pid namespace of its own is observed by its id outside, and
// reported by its ids inside.
func TestProcessInAnotherPIDNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a pid namespace needs root")
	}
	c := warm(t, Options{})
	p := start(t, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", python(t), "testdata/target.py", "waker")
	if p.hello.PID != 1 {
		t.Fatalf("the target is process %d in its namespace", p.hello.PID)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var outside int
	if _, err := fmt.Sscan(string(children), &outside); err != nil {
		t.Fatal(err)
	}
	tl := observe(t, c, p, p.as(outside))
	main := mainThread(t, tl)
	if main.PID != 1 || main.TID != 1 {
		t.Errorf("reported as thread %d of process %d", main.TID, main.PID)
	}
	i := longest(main)
	if main.Sched.Reason[i] != timeline.ReasonLock {
		t.Errorf("longest wait: %s", main.Sched.Reason[i])
	}
	if got := tl.Threads[main.Sched.Waker[i]].TID; int64(got) != p.told["releaser"] {
		t.Errorf("woken by %d, want %d", got, p.told["releaser"])
	}
	if stack := stackText(tl, main.Sched.Stack[i]); !strings.HasPrefix(stack, "waker < main") {
		t.Errorf("waits in %q", stack)
	}
}

// A ring that nobody reads in time loses records, and says how many.
func TestOverflowIsCounted(t *testing.T) {
	c := warm(t, Options{SchedulerRing: os.Getpagesize(), SampleRing: os.Getpagesize()})
	p := start(t, python(t), "testdata/target.py", "storm")
	b := timeline.NewBuilder()
	programs, _ := c.source.Loaded()
	s := newSession(c, programs, p.target(), 0, b)
	if err := s.attach(); err != nil { // and no reader
		t.Fatal(err)
	}
	p.run(t)
	if err := s.Finish(p.window()); err != nil {
		t.Fatal(err)
	}
	lost := map[string]int64{}
	for _, l := range b.Build(p.window()).Losses {
		lost[l.Reason] = l.Count
	}
	if n := lost["scheduler records found no room in the kernel's buffer: some waits are missing"]; n < 1000 {
		t.Errorf("%d scheduler records are said to be lost of a storm: %v", n, lost)
	}
	if n := lost["samples found no room in the kernel's buffer"]; n == 0 {
		t.Errorf("no samples are said to be lost: %v", lost)
	}
}

// Threads that switch at a great rate lose nothing in a ring of the default size.
func TestStormIsComplete(t *testing.T) {
	tl, _ := scenario(t, "storm")
	for _, l := range tl.Losses {
		t.Errorf("loss: %+v", l)
	}
	if main := mainThread(t, tl); main.Sched.Len() < 10000 {
		t.Errorf("%d episodes in 20,000 round trips", main.Sched.Len())
	}
}

// The kernel-side state is the same after fifty cells as after one.
func TestCellsLeaveNothing(t *testing.T) {
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", "none")
	cell := func(abort bool) {
		t.Helper()
		s, err := c.Begin(context.Background(), p.target(), timeline.NewBuilder())
		if err != nil {
			t.Fatal(err)
		}
		if abort {
			s.Abort()
			return
		}
		if err := s.Finish(timeline.Interval{}); err != nil {
			t.Fatal(err)
		}
	}
	cell(false)
	before := descriptors(t)
	begin := time.Now()
	for i := range 50 {
		cell(i%5 == 0)
	}
	t.Logf("%s a cell", time.Since(begin)/50)
	if after := descriptors(t); !slices.Equal(before, after) {
		t.Errorf("descriptors before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	p.run(t)
}

// descriptors lists what this process's descriptors are.
func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to != fmt.Sprintf("/proc/%d/fd", os.Getpid()) {
			all = append(all, to)
		}
	}
	slices.Sort(all)
	return all
}

func TestOneSessionAtATime(t *testing.T) {
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", "none")
	s, err := c.Begin(context.Background(), p.target(), timeline.NewBuilder())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Begin(context.Background(), p.target(), timeline.NewBuilder()); !errors.Is(err, ErrBusy) {
		t.Errorf("a second session: %v", err)
	}
	s.Abort()
	s.Abort()
	if err := s.Finish(timeline.Interval{}); err == nil {
		t.Error("a session that was aborted can be finished")
	}
	p.run(t)
}

func TestProcessOfAnotherUserIsRefused(t *testing.T) {
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", "none")
	as := p.target()
	as.UID++
	if _, err := c.Begin(context.Background(), as, timeline.NewBuilder()); !errors.Is(err, privilege.ErrOtherUser) {
		t.Errorf("not refused: %v", err)
	}
	p.run(t)
}

func TestProcessThatIsGone(t *testing.T) {
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", "none")
	b := timeline.NewBuilder()
	s, err := c.Begin(context.Background(), p.target(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.killed = true
	p.command.Wait()
	if err := s.Finish(timeline.Interval{}); err != nil {
		t.Error(err)
	}
	if _, err := c.Begin(context.Background(), p.target(), timeline.NewBuilder()); err == nil {
		t.Error("a process that is gone can be observed")
	}
}

// Without a calibration everything but Python frames is there, and the report says why.
func TestWithoutCalibration(t *testing.T) {
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", "gil")
	as := p.target()
	as.Start.Calibration.Valid = false
	as.Start.Calibration.Why = "a reason"
	as.Start.Calibration.Fields = nil
	tl := observe(t, c, p, as)
	main := mainThread(t, tl)
	if ns := blockedNs(main)[timeline.ReasonGIL]; ns < 50e6 {
		t.Errorf("waits for the interpreter lock are not told: %s", describe(main))
	}
	if len(tl.Losses) != 1 || !strings.Contains(tl.Losses[0].Reason, "a reason") {
		t.Errorf("losses %+v", tl.Losses)
	}
}

// Every wait of a thread is there, also where the kernel hides a switch.
func TestEveryWaitIsSeen(t *testing.T) {
	tl, _ := scenario(t, "sleeps")
	main := mainThread(t, tl)
	slept, unbroken := 0, int64(0)
	for i := range main.Sched.Off {
		// Where the kernel hid the switch back, the end is worked out from CPU time and may be some 100 us early.
		if main.Sched.On[i]-main.Sched.Off[i] >= 4_500_000 {
			slept++
		}
		if i > 0 {
			unbroken = max(unbroken, main.Sched.Off[i]-main.Sched.On[i-1])
		}
	}
	if slept < 200 {
		t.Errorf("%d of 200 sleeps were seen; the thread seems to run for %s on end", slept, ms(unbroken))
	}
}

// A few stacks without callers hide nothing; where they are many the report counts them.
func TestStacksWithoutCallersAreTold(t *testing.T) {
	for _, c := range []struct{ stacked, cut, told int64 }{{0, 0, 0}, {1000, 1, 0}, {1000, 50, 50}, {3, 1, 1}} {
		b := timeline.NewBuilder()
		s := newSession(New(Options{}), nil, collect.Target{}, 0, b)
		s.layout.valid = true
		s.stacked, s.cut = c.stacked, c.cut
		s.addLosses(probeLossCounts{})
		told := int64(0)
		for _, l := range b.Build(timeline.Interval{Start: 0, End: 1}).Losses {
			told += l.Count
		}
		if told != c.told {
			t.Errorf("%d of %d: %d are told of, not %d", c.cut, c.stacked, told, c.told)
		}
	}
}
