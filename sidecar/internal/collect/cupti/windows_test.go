package cupti

import "testing"

// The recording makes 200 launches in 9 ms. By the governor's estimate that costs some 3 % of its time.
const (
	tight = 15_000
	wide  = 500_000
	// rounds take some three seconds: enough for another window after the whole beginning.
	rounds = 300
)

func TestGovernorCutsACaptureIntoWindows(t *testing.T) {
	p := start(t, "adds", false)
	one := begin(t, newCollector(t), p)
	p.do("govern %d", tight)
	if o := p.outcome("begin %s 0 0 0", one.session.RingPath()); o.result != 0 {
		t.Fatalf("begin: %+v", o)
	}
	p.replay(rounds)
	end := p.outcome("end")
	if end.result != 0 || end.finalized != 1 || end.ungoverned != 0 || end.windows < 2 {
		t.Errorf("end: %+v", end)
	}
	tl := one.finish(t)
	lossless(t, tl)
	if n := tl.Devices[0].Ops.Len(); n == 0 || n >= rounds*200 {
		t.Errorf("%d of %d kernels", n, rounds*200)
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
	one := begin(t, newCollector(t), p)
	p.do("govern %d", tight)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	p.replay(50)
	if end := p.outcome("end"); end.windows != 0 || end.ungoverned != 2 {
		t.Errorf("end: %+v", end)
	}
	same(t, one.finish(t), readRecording(t, p.file), 50)
}

func TestDevicesThatWorked(t *testing.T) {
	p := start(t, "adds", false, "MOCK_CUPTI_DEVICES=2", "MOCK_CUDA_DEVICES=2")
	_, end := capture(t, newCollector(t), p, 1)
	if end.worked != 0b01 {
		t.Errorf("%b", end.worked)
	}
}
