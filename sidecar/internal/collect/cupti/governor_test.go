package cupti

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
)

// The recording makes 200 launches in 9 ms. By the governor's estimate that costs some 3 % of its time; five times as fast,
// 14 %, and even on a machine with much else to do more than the tight budget.
const (
	tight = 20_000
	wide  = 900_000
)

func TestGovernorCutsACaptureIntoWindows(t *testing.T) {
	p := start(t, "adds", false, "MOCK_CUPTI_FAST=5")
	one := begin(t, newCollector(t), p)
	p.do("govern %d", tight)
	if o := p.outcome("begin %s 0 0 0", one.session.RingPath()); o.result != 0 {
		t.Fatalf("begin: %+v", o)
	}
	// Closed, opened, closed: a second window follows when the budget has room for it.
	rounds := int64(0)
	eventually(t, "a second window", func() bool {
		p.replay(10)
		rounds += 10
		return p.do("stepped") >= "3"
	})
	end := p.outcome("end")
	if end.result != 0 || end.finalized != 1 || end.ungoverned != 0 || end.windows < 2 {
		t.Errorf("end: %+v", end)
	}
	tl := one.finish(t)
	lossless(t, tl)
	launched := rounds * 200
	seen, missed, launches := int64(tl.Devices[0].Ops.Len()), int64(0), int64(0)
	for i, w := range tl.Windows {
		missed += w.Missed
		launches += w.Launches
		if i > 0 && w.Missed <= 0 {
			t.Errorf("window %d: %d were missed before it", i, w.Missed)
		}
	}
	if len(tl.Windows) != end.windows || seen == 0 || seen >= launched || launches != seen {
		t.Errorf("%d windows, %d launches, %d of %d kernels", len(tl.Windows), launches, seen, launched)
	}
	// CUPTI counts its ids anew in each window; a kernel still finds the call that launched it.
	ops := &tl.Devices[0].Ops
	for i, call := range ops.Call {
		if call < 0 || ops.Start[i] < tl.Calls.Start[call] || ops.Start[i] > tl.Calls.Start[call]+100*ms {
			t.Fatalf("kernel %d has call %d", i, call)
		}
	}
	// What was launched after the last window is not known; all the rest is, to the kernel.
	tail := one.window.End - tl.Windows[len(tl.Windows)-1].End
	after := launched * tail / (one.window.End - one.window.Start)
	if sum := seen + missed; sum > launched || sum+2*after+2000 < launched {
		t.Errorf("%d seen and %d missed of %d, some %d after the last window", seen, missed, launched, after)
	}
	// It is estimated, from a replay that keeps no steady pace on a busy machine.
	if d := devices.Sum(tl, coverage.Of(tl))[0]; d.Coverage == nil || d.Kernels < seen+missed || d.Kernels > 2*launched {
		t.Errorf("%d kernels are estimated, %d and more were counted; coverage %+v", d.Kernels, seen+missed, d.Coverage)
	}
}

func TestGovernorLeavesACheapCaptureWhole(t *testing.T) {
	p := start(t, "adds", false)
	one := begin(t, newCollector(t), p)
	p.do("govern %d", wide)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	p.replay(50)
	if end := p.outcome("end"); end.windows != 0 || end.ungoverned != 0 {
		t.Errorf("end: %+v", end)
	}
	same(t, one.finish(t), readRecording(t, p.file), 50)
}

func TestGovernorWithoutFinalize(t *testing.T) {
	// CUDA 12.0 cannot be taken out of a process: windows would not take the cost away.
	p := start(t, "adds", false, "MOCK_CUPTI_LAYOUT=12.0", "MOCK_CUPTI_VERSION=19")
	collector := newCollector(t)
	p.do("govern %d", tight)
	// The governor's thread needs its turns on a busy machine: as much work as it takes.
	for rounds := 50; ; rounds *= 2 {
		one := begin(t, collector, p)
		p.outcome("begin %s 0 0 0", one.session.RingPath())
		p.replay(rounds)
		end := p.outcome("end")
		same(t, one.finish(t), readRecording(t, p.file), rounds)
		if end.windows != 0 || end.ungoverned != 2 && end.ungoverned != 0 || rounds > 3000 {
			t.Fatalf("end after %d rounds: %+v", rounds, end)
		}
		if end.ungoverned == 2 {
			return
		}
	}
}

func TestDevicesThatWorked(t *testing.T) {
	p := start(t, "adds", false, "MOCK_CUPTI_DEVICES=2", "MOCK_CUDA_DEVICES=2")
	_, end := capture(t, newCollector(t), p, 1)
	if end.worked != 0b01 {
		t.Errorf("%b", end.worked)
	}
}
