package analysis_test

import (
	"math"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// The tests of this file are mistakes that are easily made with such data, one each.

// trapHead is a cell on a GPU; what follows are its statements.
const trapHead = `window 0s 1s
source
for x in xs:
    y = model(x)
    z = y.cpu()
end
thread m main python known period=2ms
device 0 H100 pci=0000:0a:00.0
line m 0s 1
`

func trap(t *testing.T, text string) *result.Result {
	t.Helper()
	f, err := fixture.Parse(trapHead + text)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Timeline.Check(); err != nil {
		t.Fatal(err)
	}
	return analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
}

func says(r *result.Result, id string) bool {
	for _, f := range r.Findings {
		if f.ID == id {
			return true
		}
	}
	return false
}

// A GPU that is busy for 99 % from its first operation to its last may have starved before it.
func TestTrapBusyInItsOwnWindow(t *testing.T) {
	r := trap(t, `
line m 600ms 2
repeat 300 every 2ms
sample m 2ms native module=/env/numpy/core/_multiarray_umath.so
end
repeat 40 every 10ms
kernel m 600010us 600020us 600030us 609960us gemm
end`)
	d := r.Devices[0]
	if share := float64(d.BusyNs) / float64(d.WindowNs); share < 0.99 {
		t.Fatalf("the GPU is busy for %.3f of its window only: the case is none", share)
	}
	if r.Verdict.Class != result.CPUBound || r.Idle.TotalNs < 600_000_000 || says(r, "healthy") || !says(r, "cpu-only-section") {
		t.Errorf("%s, idle %d ns, %+v", r.Verdict.Class, r.Idle.TotalNs, r.Findings)
	}
}

// What an earlier cell launched is neither this cell's work nor a reason to speed up its kernels.
func TestTrapCarryInCounted(t *testing.T) {
	r := trap(t, `
carry 0s 400ms sgemm_nn
carry 400ms 900ms sgemm_nn
call m 1ms 900ms sync cudaDeviceSynchronize
kernel m 900010us 900020us 900030us 999ms nvjet_tst_256x128_64x4_2x1_v_bz_coopA_NNT`)
	if r.Verdict.Class == result.GPUBound || says(r, "fp32-matmul") || says(r, "one-kernel-dominates") || !says(r, "carry-in") {
		t.Errorf("%s: %+v", r.Verdict.Class, r.Findings)
	}
	for _, l := range r.Host.Lines {
		if l.Launches > 1 {
			t.Errorf("line %d launched %d kernels", l.Line.Number, l.Launches)
		}
	}
}

// A GPU that copies is not idle.
func TestTrapCopiesCountedAsIdle(t *testing.T) {
	r := trap(t, `
repeat 100 every 10ms
line m 1us 2
copy m 10us 20us 25us 9990us HtoD pinned device 500000000
call m 30us 9995us sync cudaStreamSynchronize
end`)
	if r.Idle.TotalNs > 10_000_000 || r.Verdict.Class != result.MemoryTransferBound {
		t.Errorf("idle %d ns, %s", r.Idle.TotalNs, r.Verdict.Class)
	}
	for _, f := range r.Findings {
		if strings.Contains(f.Evidence, "with the GPU idle") {
			t.Errorf("%s: %s", f.ID, f.Evidence)
		}
	}
}

// Waits for the GPU are no kernels, and make it no busier.
func TestTrapSynchronisationsCountedAsKernels(t *testing.T) {
	r := trap(t, `
repeat 100 every 10ms
line m 1us 2
kernel m 10us 20us 25us 1ms gemm
call m 30us 9ms sync cudaStreamSynchronize
call m 9010us 9020us event cudaEventRecord
end`)
	if d := r.Devices[0]; d.Kernels != 100 || d.BusyNs != 100*975_000 {
		t.Errorf("%d kernels, busy for %d ns", d.Kernels, d.BusyNs)
	}
}

// Idle time after the launch has returned is not the launch's fault, nor the host's.
func TestTrapIdleAfterTheLaunchBlamedOnIt(t *testing.T) {
	r := trap(t, `
repeat 1000 every 1ms
line m 1us 2
kernel m 10us 14us 700us 705us add
end`)
	for _, id := range []string{"launch-bound-small-kernels", "cpu-only-section", "pure-python-hot-loop"} {
		if says(r, id) {
			t.Errorf("%s: %+v", id, r.Findings)
		}
	}
	if top := r.Idle.Causes[0]; top.Kind != result.CauseDeviceWait || !says(r, "device-wait") {
		t.Errorf("the largest cause is %+v", top)
	}
	for _, f := range r.Findings {
		if f.ID == "device-wait" && (f.Saving.HighNs > 0 || f.Line.Number > 0) {
			t.Errorf("what is not explained has no line and no saving: %+v", f)
		}
	}
}

// One per cent of tracing, or of anything else, is no bottleneck.
func TestTrapOnePerCentCalledTheBottleneck(t *testing.T) {
	r := trap(t, `
repeat 100 every 10ms
line m 1us 2
kernel m 10us 20us 25us 9890us gemm
call m 30us 9890us sync cudaStreamSynchronize
overhead 9890us 9990us
end`)
	if r.Verdict.Class != result.GPUBound || r.Verdict.TopCause.Kind == result.CauseProfiler || strings.Contains(r.Verdict.Sentence, "tracing") {
		t.Errorf("%s: %s", r.Verdict.Class, r.Verdict.Sentence)
	}
	if !says(r, "healthy") {
		t.Errorf("%+v", r.Findings)
	}
}

// Four bytes from pageable memory in each step are not worth a word about pinning.
func TestTrapTinyPageableCopies(t *testing.T) {
	r := trap(t, `
repeat 100 every 10ms
line m 1us 2
kernel m 10us 20us 25us 5ms gemm
line m 30us 3
copy m 40us 5100us 5ms 5010us DtoH device pageable 4
line m 5200us 1
end`)
	if says(r, "pageable-copies") || says(r, "synchronous-copies") {
		t.Errorf("%+v", r.Findings)
	}
}

// Every share of idle time is one of the same wall, and busy and idle time make it up.
func TestTrapSharesOfDifferentWindows(t *testing.T) {
	seen := 0
	for seed := range uint64(500) {
		tl := chaos.Devices(seed)
		r := analysis.Analyze(tl, analysis.Input{Arch: fixture.Arch})
		if len(r.Devices) != 1 {
			continue
		}
		seen++
		wall := tl.Extent.Ns()
		// What runs on past the wall is busy time too.
		if d := r.Devices[0]; d.BusyNs+d.CellIdleNs < wall || d.CellIdleNs != r.Idle.TotalNs {
			t.Fatalf("seed %d: busy %d and idle %d (%d) of %d ns", seed, d.BusyNs, d.CellIdleNs, r.Idle.TotalNs, wall)
		}
		var sum float64
		for _, c := range r.Idle.Causes {
			sum += c.Share
			if math.Abs(c.Share*float64(wall)-float64(c.Ns)) > 1 {
				t.Fatalf("seed %d: %+v is no share of %d ns", seed, c, wall)
			}
		}
		if math.Abs(sum*float64(wall)-float64(r.Idle.TotalNs)) > 1 {
			t.Fatalf("seed %d: the shares sum to %f", seed, sum)
		}
	}
	if seen < 100 {
		t.Errorf("only %d cells with one GPU", seen)
	}
}

// Kernels of a microsecond and a half lose a third of their time when it is rounded.
func TestTrapWholeMicroseconds(t *testing.T) {
	r := trap(t, `
repeat 10000 every 100us
line m 1us 2
kernel m 10us 14us 20us 21501ns add
end`)
	if d := r.Devices[0]; d.BusyNs != 10_000*1_501 || d.KernelSumNs != 10_000*1_501 {
		t.Errorf("busy for %d ns, kernels of %d ns", d.BusyNs, d.KernelSumNs)
	}
}

// A kernel may have most of the kernels' time and next to nothing of the cell's.
func TestTrapAKernelsShareOfKernels(t *testing.T) {
	r := trap(t, `
repeat 100 every 10ms
line m 1us 2
kernel m 10us 20us 25us 250us ampere_sgemm_128x64_tn
kernel m 30us 40us 250us 425us add
line m 500us 1
off m 600us 9900us 9900us sleep syscall=clock_nanosleep
end`)
	if top := r.Devices[0].TopKernels[0]; float64(top.Ns) < 0.55*float64(r.Devices[0].KernelSumNs) {
		t.Fatalf("%+v is no case", top)
	}
	if says(r, "one-kernel-dominates") || says(r, "fp32-matmul") {
		t.Errorf("%+v", r.Findings)
	}
}
