package proctest

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// Collect profiles what the process does in Act with one collector.
func Collect(t testing.TB, c collect.Collector, p *Process) *timeline.Timeline {
	t.Helper()
	b := timeline.NewBuilder()
	target := collect.Target{PID: p.PID, Start: wire.Start{MainTID: p.PID}, Options: wire.Options{SampleHz: 499}}
	session, err := c.Begin(context.Background(), target, b)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	begin := clock.Monotonic()
	p.Act()
	window := timeline.Interval{Start: begin, End: clock.Monotonic()}
	if err := session.Finish(window); err != nil {
		t.Fatalf("finish: %v", err)
	}
	tl := b.Build(window)
	if err := tl.Check(); err != nil {
		t.Errorf("the timeline contradicts itself: %v", err)
	}
	for _, l := range tl.Losses {
		t.Logf("loss: %s: %s (%d) %s", l.Source, l.Reason, l.Count, l.Enable)
		if l.Source == "timeline" {
			t.Errorf("the builder had to repair: %s (%d)", l.Reason, l.Count)
		}
	}
	return tl
}

// Stolen is the CPU time, in ns, that a hypervisor has given to others so far. The
// kernel does not account it to the thread that was on the CPU.
func Stolen(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	ticks, err := strconv.ParseInt(strings.Fields(string(text))[8], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return ticks * 10_000_000
}

// States adds up where a thread's known time went, in ns.
type States struct {
	Known, Running, Runnable int64
	Blocked                  [timeline.NumReasons]int64
}

// Share is a part of the known time, 0..1.
func (s States) Share(ns int64) float64 {
	if s.Known == 0 {
		return 0
	}
	return float64(ns) / float64(s.Known)
}

// StatesOf adds up a thread's rows.
func StatesOf(th *timeline.Thread) States {
	s := States{Known: th.Sched.Known.Ns(), Running: th.Sched.Known.Ns()}
	for i := range th.Sched.Off {
		off, wake, on := th.Sched.Off[i], th.Sched.Wake[i], th.Sched.On[i]
		s.Blocked[th.Sched.Reason[i]] += wake - off
		s.Runnable += on - wake
		s.Running -= on - off
	}
	return s
}

// Thread finds a thread by its id; nil when the timeline does not have it.
func Thread(tl *timeline.Timeline, tid int32) *timeline.Thread {
	for i := range tl.Threads {
		if tl.Threads[i].TID == tid && i > 0 {
			return &tl.Threads[i]
		}
	}
	return nil
}
