package replay_test

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// copyIn is a call of 1 us at a moment, whose copy from some memory to the device runs in [from, to) us.
func (m *maker) copyIn(at, from, to int64, source timeline.MemoryKind) {
	m.correlation++
	m.b.Calls().Append(at*us, (at+1)*us, m.main.ID(), timeline.CallCopy, m.b.Name("cudaMemcpyAsync"), m.correlation)
	m.b.Device(0).Append(timeline.Op{Start: from * us, End: to * us, Kind: timeline.OpMemcpy, Stream: 1, Copy: timeline.CopyHtoD,
		Source: source, Target: timeline.MemoryDevice, Bytes: 1 << 20, Correlation: m.correlation})
}

// Ten steps of a copy and a kernel on its data, all launched in the first 40 us.
func inTurn(t *testing.T, copies, kernel int64, source timeline.MemoryKind) *replay.Graph {
	m := newMaker()
	step := copies + kernel
	for i := range int64(10) {
		m.copyIn(4*i, 50+step*i, 50+step*i+copies, source)
		m.launch(4*i+2, 4*i+3, 50+step*i+copies+1, 50+step*(i+1), 1, "k")
		m.work(4*i+1, 4*i+2, 50+step*i+copies, 50+step*i+copies+1, 1, "", timeline.CallCopy, timeline.OpMemset)
	}
	m.call(m.main, 41, 50+10*step, timeline.CallSync, "cudaDeviceSynchronize")
	g, _ := m.graph(t, 50+10*step)
	return g
}

func TestCopiesAheadOfKernels(t *testing.T) {
	// All copies, and the kernel after the last one.
	low(t, inTurn(t, 40, 10, timeline.MemoryPinned), "long copies", replay.Change{Ahead: true}, 50+10*40+10)
	// All kernels, and the copy before the first one: a copy waits for one of two buffers.
	low(t, inTurn(t, 10, 40, timeline.MemoryPinned), "long kernels", replay.Change{Ahead: true}, 50+10+10*40)
	low(t, inTurn(t, 40, 10, timeline.MemoryPageable), "what is not pinned waits", replay.Change{Ahead: true}, 550)
	low(t, inTurn(t, 40, 10, timeline.MemoryPinned), "no kernels, in turn as they were", replay.Change{Kernels: true}, 50+10*41)
	if p := inTurn(t, 40, 10, timeline.MemoryPinned).Predict(&replay.Change{Ahead: true}); p.HighNs != (550-45)*us {
		t.Errorf("half of it: %d us", p.HighNs/us)
	}
}

// A copy back that stands between the kernel and the next copy may be what that waits for.
func TestACopyBackKeepsTheTurn(t *testing.T) {
	m := newMaker()
	for i := range int64(10) {
		m.copyIn(6*i, 70+100*i, 110+100*i, timeline.MemoryPinned)
		m.launch(6*i+2, 6*i+3, 110+100*i, 150+100*i, 1, "k")
		m.work(6*i+4, 6*i+5, 150+100*i, 170+100*i, 1, "", timeline.CallCopy, timeline.OpMemcpy)
	}
	m.call(m.main, 61, 1070, timeline.CallSync, "cudaDeviceSynchronize")
	g, _ := m.graph(t, 1070)
	low(t, g, "copies ahead", replay.Change{Ahead: true}, 1070)
}

// Two streams take turns by events: a kernel of each, ten times, all launched in the first 80 us.
func TestStreamsThatDoNotWait(t *testing.T) {
	m := newMaker()
	for i := range int64(20) {
		m.launch(4*i, 4*i+1, 100+50*i, 150+50*i, uint32(1+i%2), "k")
		m.call(m.main, 4*i+1, 4*i+2, timeline.CallEvent, "cudaEventRecord")
		m.call(m.main, 4*i+2, 4*i+3, timeline.CallEvent, "cudaStreamWaitEvent")
	}
	m.call(m.main, 81, 1100, timeline.CallSync, "cudaDeviceSynchronize")
	g, _ := m.graph(t, 1100)
	// The second stream begins right after its first launch, and runs ten kernels.
	low(t, g, "no events", replay.Change{Unordered: true}, 600)
	var n, ns int64
	g.EventWaits(func(_ int32, waited int64) { n++; ns += waited })
	// The first kernel waits for none, the second from its launch on, the others for a kernel each.
	if n != 19 || ns < (18*50+130)*us || ns > (18*50+145)*us {
		t.Errorf("%d waits of %d us in all", n, ns/us)
	}
}
