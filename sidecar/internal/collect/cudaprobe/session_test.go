package cudaprobe

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

var wantClass = map[string]timeline.CallClass{
	"cuLaunchKernel": timeline.CallLaunch, "cuLaunchKernelEx": timeline.CallLaunch, "cuGraphLaunch": timeline.CallLaunch,
	"cuMemcpyHtoDAsync": timeline.CallCopy, "cuMemcpyDtoH": timeline.CallCopy, "cuMemsetD32Async": timeline.CallCopy, "cuMemsetD2D16": timeline.CallCopy,
	"cuStreamSynchronize": timeline.CallSync, "cuEventSynchronize": timeline.CallSync,
	"cuMemAlloc": timeline.CallAlloc, "cuMemFree": timeline.CallAlloc, "cuModuleLoadData": timeline.CallModule,
}

// check compares what was recorded with what the program tells: each thread's calls in
// their order, each within the time that was taken around it.
func check(t *testing.T, tl *timeline.Timeline, want []told) {
	t.Helper()
	calls := &tl.Calls
	if calls.Len() != len(want) {
		t.Fatalf("%d calls recorded, %d made\n%s", calls.Len(), len(want), reasons(tl))
	}
	byThread := map[int32][]told{}
	for _, w := range want {
		byThread[w.tid] = append(byThread[w.tid], w)
	}
	if len(byThread) != 2 {
		t.Fatalf("the program called from %d threads", len(byThread))
	}
	for row := range calls.Start {
		tid := tl.Threads[calls.Thread[row]].TID
		if len(byThread[tid]) == 0 {
			t.Fatalf("row %d is of thread %d, which made no such call", row, tid)
		}
		w := byThread[tid][0]
		byThread[tid] = byThread[tid][1:]
		name := tl.Names.String(calls.Name[row])
		if name != baseName(w.name) || calls.Class[row] != wantClass[name] || calls.Bytes[row] != w.bytes {
			t.Errorf("row %d: %s of class %d with %d bytes, and %s with %d bytes was called", row, name, calls.Class[row], calls.Bytes[row], w.name, w.bytes)
		}
		if calls.Start[row] < w.before || calls.End[row] > w.after || calls.End[row] < calls.Start[row] {
			t.Errorf("row %d: %s in [%d, %d], called in [%d, %d]", row, name, calls.Start[row], calls.End[row], w.before, w.after)
		}
	}
}

func TestCalls(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	d.do(t, "load")
	var want []told
	tl := d.observe(t, c, func() { want = d.calls(t, 200) })
	if len(want) != 200*14 {
		t.Fatalf("the program made %d calls", len(want))
	}
	check(t, tl, want)
	got := reasons(tl)
	if !strings.Contains(got, "kernels were not seen, only the CUDA calls that launch them: "+held+" (0)") {
		t.Errorf("losses: %s", got)
	}
	if runtime.GOARCH == "amd64" && (!strings.Contains(got, "cuMemHostRegister") || !strings.Contains(got, "were not seen: the kernel cannot step over")) {
		t.Errorf("a function begins with a locked instruction, and the losses are: %s", got)
	}
	// The next cell is its own.
	tl = d.observe(t, c, func() { want = d.calls(t, 3) })
	check(t, tl, want)
}

func TestNoCallsNoLoss(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	d.do(t, "load")
	if tl := d.observe(t, c, func() {}); tl.Calls.Len() != 0 || len(tl.Losses) != 0 {
		t.Errorf("%d calls; %s", tl.Calls.Len(), reasons(tl))
	}
}

// Another process executes the very same file.
func TestOtherProcessesAreNotSeen(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	other := startWith(t, d.library, d.command.Path, d.library)
	d.do(t, "load")
	other.do(t, "load")
	var want []told
	tl := d.observe(t, c, func() {
		if probed(t, other) {
			t.Error("the other process pays for the probes")
		}
		other.calls(t, 5)
		want = d.calls(t, 5)
		other.do(t, "storm", 100)
	})
	check(t, tl, want)
}

func TestCallsOfAChildAreSaid(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	var want []told
	tl := d.observe(t, c, func() {})
	if got := reasons(tl); got != "" {
		t.Errorf("before CUDA was loaded: %s", got)
	}
	d.do(t, "load")
	tl = d.observe(t, c, func() {
		want = d.calls(t, 2)
		d.do(t, "fork", 50)
	})
	check(t, tl, want)
	if got := reasons(tl); !strings.Contains(got, "child processes are not seen; 1 of them had CUDA loaded") {
		t.Errorf("losses: %s", got)
	}
}

// probed says whether a breakpoint stands at a function of the library in the process's memory.
func probed(t *testing.T, d *driver) bool {
	t.Helper()
	mapped, err := mappedLibraries(d.pid)
	if err != nil || len(mapped) != 1 {
		t.Fatalf("%v, %v", mapped, err)
	}
	l, err := openLibrary(d.pid, mapped[0])
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(d.library)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", d.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", d.pid))
	if err != nil {
		t.Fatal(err)
	}
	changed := false
	for line := range strings.Lines(string(maps)) {
		var low, high, offset uint64
		var rights, rest, inode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %s", &low, &high, &rights, &offset, &rest, &inode); n != 6 ||
			!strings.Contains(line, d.library) || !strings.Contains(rights, "x") {
			continue
		}
		for _, f := range l.functions {
			if f.offset < offset || f.offset-offset >= high-low {
				t.Fatalf("%s is not in the executable mapping", f.name)
			}
			var now [5]byte
			if _, err := memory.ReadAt(now[:], int64(low+f.offset-offset)); err != nil {
				t.Fatal(err)
			}
			changed = changed || !bytes.Equal(now[:], file[f.offset:f.offset+5])
		}
		return changed
	}
	t.Fatal("the library's code is not mapped")
	return false
}

func TestNothingIsLeftAttached(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	d.do(t, "load")
	d.observe(t, c, func() {
		if !probed(t, d) {
			t.Error("no probe stands in the library while calls are recorded")
		}
		d.calls(t, 1)
	})
	if probed(t, d) {
		t.Error("a probe was left in the library")
	}
	b := timeline.NewBuilder()
	s, err := c.Begin(context.Background(), d.target(), b)
	if err != nil {
		t.Fatal(err)
	}
	if !probed(t, d) {
		t.Error("no probe stands in the library")
	}
	s.Abort()
	if probed(t, d) {
		t.Error("an aborted session left a probe")
	}
	d.calls(t, 1) // and the process is well
	if _, err := c.Begin(context.Background(), d.target(), b); err != nil {
		t.Errorf("after an abort: %v", err)
	} else if _, err := c.Begin(context.Background(), d.target(), b); !errors.Is(err, ErrBusy) {
		t.Errorf("a second session at the same time: %v", err)
	}
}

func TestFullRingIsCounted(t *testing.T) {
	c := warm(t, Options{Ring: os.Getpagesize()})
	d := start(t)
	d.do(t, "load")
	const launches = 200_000
	tl := d.observe(t, c, func() { d.do(t, "storm", launches) })
	lost := int64(0)
	for _, l := range tl.Losses {
		if strings.Contains(l.Reason, "no room") {
			lost += l.Count
		}
	}
	if lost == 0 || int64(tl.Calls.Len())+lost != launches {
		t.Errorf("%d seen, %d lost of %d", tl.Calls.Len(), lost, launches)
	}
}

func TestLibraryLoadedInTheCell(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	tl := d.observe(t, c, func() { d.calls(t, 1) })
	got := reasons(tl)
	if tl.Calls.Len() != 0 || !strings.Contains(got, "CUDA was loaded within the cell") || !strings.Contains(got, held) {
		t.Errorf("%d calls; %s", tl.Calls.Len(), got)
	}
	var want []told
	tl = d.observe(t, c, func() { want = d.calls(t, 1) })
	check(t, tl, want)
}

// blocked waits until a thread is in a system call that waits.
func blocked(t *testing.T, pid int, tid string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, tid))
		if err != nil {
			t.Fatal(err)
		}
		if fields := strings.Fields(string(text)); len(fields) > 1 && fields[0] != "running" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the thread does not wait")
		}
	}
}

// A call that outlasts the cell is in it up to the cell's end.
func TestCallUnderWayAtTheEnd(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	d.do(t, "load")
	waiter := ""
	tl := d.observe(t, c, func() {
		waiter = d.do(t, "wait")[0]
		blocked(t, d.pid, waiter)
	})
	if tl.Calls.Len() != 1 || tl.Calls.Class[0] != timeline.CallSync || tl.Calls.End[0] != tl.Window.End ||
		fmt.Sprint(tl.Threads[tl.Calls.Thread[0]].TID) != waiter {
		t.Errorf("%+v, window %+v", tl.Calls, tl.Window)
	}
	// It began before the next cell: that one does not see it.
	if tl = d.observe(t, c, func() {}); tl.Calls.Len() != 0 {
		t.Errorf("%+v", tl.Calls)
	}
}

// A process in a pid namespace of its own is found by its id outside and reports its ids inside.
func TestProcessInAnotherPIDNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a pid namespace needs root")
	}
	c := warm(t, Options{})
	d := start(t, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
	if d.tid != 1 {
		t.Fatalf("the program is thread %d in its namespace", d.tid)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", d.pid))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &d.pid); err != nil {
		t.Fatal(err)
	}
	d.do(t, "load")
	var want []told
	tl := d.observe(t, c, func() { want = d.calls(t, 2) })
	check(t, tl, want)
}

func TestProcessOfAnotherUser(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	target := d.target()
	target.UID++
	if _, err := c.Begin(context.Background(), target, timeline.NewBuilder()); !errors.Is(err, privilege.ErrOtherUser) {
		t.Errorf("%v", err)
	}
}

func TestLibraryThatIsGone(t *testing.T) {
	c := warm(t, Options{})
	d := start(t)
	d.do(t, "load")
	if err := os.Remove(d.library); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Begin(context.Background(), d.target(), timeline.NewBuilder()); !errors.Is(err, errGone) {
		t.Errorf("%v", err)
	}
}

func TestProcessThatEnds(t *testing.T) {
	c := warm(t, Options{})
	_, program := build(t)
	d := exec.Command(program, "none")
	in, err := d.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	target := (&driver{pid: d.Process.Pid}).target()
	s, err := c.Begin(context.Background(), target, timeline.NewBuilder())
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := d.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(timeline.Interval{End: clock.Monotonic()}); err != nil {
		t.Error(err)
	}
	if _, err := c.Begin(context.Background(), target, timeline.NewBuilder()); err == nil {
		t.Error("a process that is gone was probed")
	}
}

// What the kernel refuses is found also where isRefused does not know of it, and the rest is probed.
func TestRefusedFunctionIsLeftOut(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the instructions of the library are x86-64's")
	}
	c := warm(t, Options{})
	d := start(t)
	d.do(t, "load")
	l, err := openLibrary(d.pid, d.library)
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(d.library)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == "cuMemHostRegister_v2" {
			start, _, ok := codeAt(file, s)
			if !ok {
				t.Fatal("the function has no code")
			}
			l.functions = slices.Insert(l.functions, 3, newFunction(s.Name, false, start))
		}
	}
	programs, _ := c.source.Loaded()
	links, refused, err := programs.attach(d.pid, l.path, l.functions, 0)
	defer func() {
		for _, l := range links {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	if err != nil || !slices.Equal(refused, []string{"cuMemHostRegister"}) {
		t.Errorf("%v, refused %v", err, refused)
	}
	probes := 0
	for _, l := range links {
		info, err := l.Info()
		if err != nil {
			t.Fatal(err)
		}
		probes += int(info.UprobeMulti().Count)
	}
	if probes != 2*(len(l.functions)-1) {
		t.Errorf("%d probes for %d functions", probes, len(l.functions))
	}
}

// What a handful of bytes may say is bounded.
func TestDecode(t *testing.T) {
	var r callsCallRecord
	if decode(make([]byte, recordBytes-1), &r) {
		t.Error("a short record was read")
	}
	b := timeline.NewBuilder()
	s := &session{builder: b, calls: b.Calls(), functions: make([]function, 1), names: make([]timeline.NameID, 1), threads: map[uint32]timeline.ThreadID{}}
	for _, bad := range []callsCallRecord{{Function: 1, Start: 1}, {}, {Start: 5, End: 4}} {
		s.handle(&bad)
	}
	if s.malformed != 3 || s.seen != 0 {
		t.Errorf("%d malformed, %d seen", s.malformed, s.seen)
	}
}

func TestOffsetsArePastTheMarks(t *testing.T) {
	name, _ := build(t)
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var l library
	if err := l.read(file); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range l.functions {
		names = append(names, f.name)
	}
	for _, want := range []string{"cuLaunchKernel", "cuMemFree", "cuInit"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	if slices.Contains(names, "cuStreamQuery") || slices.Contains(names, "mock_cuda_wait") {
		t.Errorf("functions that are not wanted: %v", names)
	}
}
