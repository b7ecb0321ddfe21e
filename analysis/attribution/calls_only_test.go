package attribution_test

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// A second of a loop of which only the CUDA calls are known: it launches on line 2 and
// waits on line 3, first blocked and then spinning; another thread waits too.
const calledOnly = `window 0s 1s
source
for x in data:
    y = model(x)
    y.item()
end
thread MainThread main python known period=10ms
thread worker known
line MainThread 0s 1
line MainThread 100ms 2
line MainThread 400ms 3
call MainThread 150ms 151ms launch cuLaunchKernel
call MainThread 160ms 161ms launch cuLaunchKernel
call MainThread 170ms 171ms copy cuMemcpyHtoDAsync bytes=1000
call MainThread 450ms 950ms sync cuStreamSynchronize
call MainThread 500ms 510ms sync cuEventSynchronize
call worker 100ms 900ms sync cuStreamSynchronize
call worker 905ms 906ms launch cuLaunchKernel
off MainThread 500ms 600ms 600ms sleep syscall=clock_nanosleep
off MainThread 600ms 600ms 650ms preempted
off MainThread 700ms 720ms 720ms gil
sample MainThread 110ms python
sample MainThread 800ms native module=/lib/libcuda.so.1
`

// withDevices is the attribution of a fixture, with its device's side.
func withDevices(t *testing.T, text string) *attribution.Attribution {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	plan := coverage.Of(f.Timeline)
	a := attribution.Host(f.Timeline, attribution.Options{Source: f.Source, Arch: fixture.Arch})
	a.Devices(devices.Sum(f.Timeline, plan), plan)
	return a
}

func TestWaitsInCallsAloneAreForTheGPU(t *testing.T) {
	a := withDevices(t, calledOnly)
	ns := map[result.CauseKind]int64{}
	for _, c := range a.Host.ByKind {
		ns[c.Kind] = c.Ns
	}
	// 500 ms of the call, without the CPU that others had and the GIL.
	if ns[result.CauseGPUDriver] != 430e6 || ns[result.CausePreempted] != 50e6 || ns[result.CauseGIL] != 20e6 || ns[result.CauseSleep] != 0 {
		t.Errorf("by kind: %+v", a.Host.ByKind)
	}
	for _, c := range a.Host.Causes {
		if c.Kind == result.CauseGPUDriver && (c.Detail != "cuStreamSynchronize" || c.Line.Number != 3 || c.Count != 1) {
			t.Errorf("the wait: %+v", c)
		}
		if c.Kind == result.CauseNative {
			t.Errorf("a sample within the wait counted: %+v", c)
		}
	}
	if a.GPU != nil {
		t.Error("without operations there is a device's side")
	}
	launches, copies := map[int32]int64{}, map[int32]int64{}
	for _, l := range a.Host.Lines {
		if l.Launches > 0 || l.Copies > 0 {
			launches[l.Line.Number], copies[l.Line.Number] = l.Launches, l.Copies
		}
	}
	// What the other thread launched belongs to the line where the main thread was.
	if len(launches) != 2 || launches[2] != 2 || copies[2] != 1 || launches[3] != 1 {
		t.Errorf("launches %v, copies %v", launches, copies)
	}
	if got := a.CallTotals[timeline.CallCopy]; got != (attribution.CallTotal{Count: 1, Ns: 1e6, Bytes: 1000}) {
		t.Errorf("copies: %+v", got)
	}
	if got := a.CallTotals[timeline.CallSync].Count; got != 3 {
		t.Errorf("%d waits", got)
	}
}

// As soon as one operation is known, the device's side tells, and waits are what the scheduler saw.
func TestWaitsBesideOperationsAreTheDevices(t *testing.T) {
	a := withDevices(t, calledOnly+"kernel MainThread 180ms 181ms 190ms 940ms gemm\n")
	for _, c := range a.Host.ByKind {
		if c.Kind == result.CauseGPUDriver {
			t.Errorf("%+v", c)
		}
	}
	if a.GPU == nil || a.CallTotals != [timeline.NumCallClasses]attribution.CallTotal{} {
		t.Errorf("%+v", a.CallTotals)
	}
}

// The causes still sum to the wall, whatever the calls.
func TestCausesOfCallsAloneSumToTheWall(t *testing.T) {
	used := 0
	for seed := range uint64(1500) {
		tl := chaos.Devices(seed)
		if len(tl.Devices) > 0 || tl.Calls.Len() == 0 {
			continue
		}
		used++
		a := attribution.Host(tl, attribution.Options{Arch: "amd64"})
		a.Devices(nil, coverage.Of(tl))
		var causes, blocks int64
		for _, c := range a.Host.Causes {
			causes += c.Ns
		}
		for _, b := range a.Blocks {
			for _, ns := range b {
				blocks += ns
			}
		}
		if causes != a.WallNs || blocks != a.WallNs {
			t.Fatalf("seed %d: wall %d, causes %d, blocks %d", seed, a.WallNs, causes, blocks)
		}
	}
	if used < 100 {
		t.Errorf("only %d timelines had calls alone", used)
	}
}

// Four samples in the kernel and in no system call, of which two are at the edges of a call.
const probedCalls = `window 0s 100ms
source
run()
end
thread MainThread main python known period=25ms
line MainThread 0s 1
call MainThread 12ms 12010us launch cuLaunchKernel
call MainThread 40ms 60ms launch cuLaunchKernel
sample MainThread 11990us fault
sample MainThread 50ms fault
sample MainThread 60001us fault
sample MainThread 80ms fault
`

func TestTimeInProbesIsInferScopesOwn(t *testing.T) {
	const lost = "loss cudaprobe 0 kernels were not seen, only the CUDA calls that launch them\n"
	for name, c := range map[string]struct {
		text          string
		tracing, page int64
	}{
		"probed":                        {probedCalls + lost, 50e6, 50e6},
		"recorded by CUPTI":             {probedCalls, 0, 100e6},
		"in what stands for a probe":    {probedCalls + lost + "sample MainThread 81ms native module=[uprobes]\n", 60e6, 40e6},
		"in the kernel's way to probes": {probedCalls + lost + "sample MainThread 81ms syscall syscall=uretprobe\n", 60e6, 40e6},
	} {
		a := host(t, c.text)
		page := int64(0)
		for _, cause := range a.Host.ByKind {
			if cause.Kind == result.CausePageFault {
				page = cause.Ns
			}
		}
		if a.TracingNs() != c.tracing || page != c.page {
			t.Errorf("%s: %+v", name, a.Host.ByKind)
		}
	}
}
