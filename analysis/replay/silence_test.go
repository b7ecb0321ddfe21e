package replay_test

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// asleep is a wait of each step, which begins at at.
func asleep(reason timeline.Reason, waker timeline.ThreadID) func(*maker, int64) {
	return func(m *maker, at int64) {
		m.main.AppendOffCPU((at+150)*us, (at+901)*us, (at+902)*us, reason, -1, waker, 0)
	}
}

// Each step of 1 ms: 100 us of the host until a launch, a kernel from 116 to 900, and 100 of
// the host. No call waits for the kernel. A wait that no call shows counts as one for the device, unless something else ended it or explains it.
func TestSilence(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*maker, int64)
		kernels   int64 // the wall if kernels cost nothing
	}{
		// Of each step the 750 us of the wait until the kernel is done are gone.
		"it polls":                         {asleep(timeline.ReasonPoll, 0), 10_000 - 10*750},
		"it is in the driver":              {asleep(timeline.ReasonGPUDriver, 0), 10_000 - 10*750},
		"it sleeps":                        {asleep(timeline.ReasonSleep, 0), 10_000},
		"it works":                         {func(*maker, int64) {}, 10_000},
		"it waits for a thread that works": {asleep(timeline.ReasonLock, 2), 10_000},
		"a sample shows it in native code": {func(m *maker, at int64) { m.main.AppendSample((at+500)*us, timeline.SampleNative, -1, 0, 0) }, 10_000},
		"a short wait is not worth a thought": {func(m *maker, at int64) {
			m.main.AppendOffCPU((at+880)*us, (at+901)*us, (at+902)*us, timeline.ReasonPoll, -1, 0, 0)
		}, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaker()
			m.b.SetRung(timeline.RungEBPF)
			m.main.SetKnown(timeline.Interval{Start: 0, End: 10_000 * us})
			m.b.Thread(1, 2)
			for at := int64(0); at < 10_000; at += 1000 {
				m.launch(at+100, at+110, at+116, at+900, 1, "k")
				c.meanwhile(m, at)
			}
			g, _ := m.graph(t, 10_000)
			low(t, g, "no kernels", replay.Change{Kernels: true}, c.kernels)
		})
	}
}

// A trace of another tool shows by ranges that its threads work.
func TestSilenceOfATrace(t *testing.T) {
	for name, covered := range map[string]bool{"in a range": true, "outside": false} {
		m := newMaker()
		m.b.SetRung(timeline.RungTrace)
		for at := int64(0); at < 10_000; at += 1000 {
			m.launch(at+100, at+110, at+116, at+900, 1, "k")
			if covered {
				m.main.AppendRange((at+110)*us, (at+1000)*us, m.b.Name("aten::add"), timeline.RangeOperator)
			}
		}
		g, _ := m.graph(t, 10_000)
		want := int64(10_000)
		if !covered { // each launch and its latency, 200 from there to the next, 100 before the first and after the last
			want = 10*(10+6) + 9*200 + 2*100
		}
		low(t, g, name, replay.Change{Kernels: true}, want)
	}
}

// What a change saves of the pieces of the wall sums to what it saves.
func TestSavedByPieces(t *testing.T) {
	m := newMaker()
	syncEachStep(m, "cudaDeviceSynchronize")
	g, _ := m.graph(t, 1000)
	for _, n := range []int{1, 10, 64} {
		var sum int64
		_, pieces := g.Saved(&replay.Change{Kernels: true}, n)
		for _, ns := range pieces {
			sum += ns
			if n == 10 && (ns < 31*us || ns > 37*us) { // between what is known it grows evenly
				t.Errorf("a step saves %d ns, not some 34 us", ns)
			}
		}
		if sum != 340*us {
			t.Errorf("%d pieces save %d ns", n, sum)
		}
	}
	for seed := range uint64(100) {
		m, end, _ := random(seed)
		g, _ := m.graph(t, end)
		for _, c := range []replay.Change{{Host: true}, {Kernels: true}, {Copies: true}} {
			var sum int64
			p, pieces := g.Saved(&c, 64)
			for _, ns := range pieces {
				sum += ns
			}
			if want := g.ObservedNs() - g.Predict(&c).LowNs; sum != want || p != g.Predict(&c) {
				t.Fatalf("seed %d: the pieces save %d, the whole %d", seed, sum, want)
			}
		}
	}
}
