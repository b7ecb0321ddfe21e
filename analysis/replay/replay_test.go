package replay_test

import (
	"math/rand/v2"
	"testing"

	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const us = 1_000

// maker builds timelines; times are us.
type maker struct {
	b           *timeline.Builder
	main        *timeline.ThreadBuilder
	correlation uint32
}

func newMaker() *maker {
	m := &maker{b: timeline.NewBuilder()}
	m.main = m.b.Thread(1, 1)
	m.main.SetMain()
	m.b.Device(0)
	return m
}

func (m *maker) call(t *timeline.ThreadBuilder, start, end int64, class timeline.CallClass, name string) {
	m.b.Calls().Append(start*us, end*us, t.ID(), class, m.b.Name(name), 0)
}

func (m *maker) launch(start, end, from, to int64, stream uint32, name string) {
	m.work(start, end, from, to, stream, name, timeline.CallLaunch, timeline.OpKernel)
}

func (m *maker) work(start, end, from, to int64, stream uint32, name string, class timeline.CallClass, kind timeline.OpKind) {
	m.correlation++
	m.b.Calls().Append(start*us, end*us, m.main.ID(), class, m.b.Name("cudaCall"), m.correlation)
	m.b.Device(0).Append(timeline.Op{Start: from * us, End: to * us, Kind: kind, Stream: stream, Name: m.b.Name(name), Correlation: m.correlation})
}

func (m *maker) graph(t *testing.T, end int64) (*replay.Graph, *timeline.Timeline) {
	t.Helper()
	tl := m.b.Build(timeline.Interval{Start: 0, End: end * us})
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	g := replay.Of(tl)
	if g == nil {
		t.Fatal(replay.Refused(tl))
	}
	if e := g.IdentityError(); e != 0 {
		t.Errorf("the unchanged replay is %.4f%% off", e*100)
	}
	return g, tl
}

// removing is a change of stretches.
func removing(list ...replay.Removal) replay.Change {
	c := replay.Change{Removals: &replay.Removals{}}
	for _, x := range list {
		c.Removals.Add(x)
	}
	return c
}

func low(t *testing.T, g *replay.Graph, what string, c replay.Change, want int64) {
	t.Helper()
	if got := g.Predict(&c).LowNs; got != want*us {
		t.Errorf("%s: %d us are predicted, want %d", what, got/us, want)
	}
}

// Each step of 100 us: 40 of the host, a launch of 10, 6 until the kernel, 34 of kernel, 2
// until the wait for it returns, 8 of the host.
func syncEachStep(m *maker, name string) {
	for at := int64(0); at < 1000; at += 100 {
		m.launch(at+40, at+50, at+56, at+90, 1, "k")
		m.call(m.main, at+50, at+92, timeline.CallSync, name)
	}
}

func TestSyncEachStep(t *testing.T) {
	for _, name := range []string{"cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize"} {
		t.Run(name, func(t *testing.T) { testSync(t, name) })
	}
}

func testSync(t *testing.T, call string) {
	m := newMaker()
	syncEachStep(m, call)
	g, tl := m.graph(t, 1000)
	low(t, g, "no kernels", replay.Change{Kernels: true}, 660)
	low(t, g, "no host", replay.Change{Host: true}, 400)
	low(t, g, "neither", replay.Change{Host: true, Kernels: true}, 60)
	// A step is 50 until the launch is made, 5 of the call that no longer waits, 8; the last kernel ends 90 after its step began.
	low(t, g, "no waits", replay.Change{Unawaited: func(int32) bool { return true }}, 657)
	name := tl.Devices[0].Ops.Name[0]
	low(t, g, "no k", replay.Change{Named: func(n timeline.NameID) bool { return n == name }}, 660)
	low(t, g, "half a step of the host", removing(replay.Removal{Thread: tl.Main(), Start: 100 * us, End: 140 * us, Share: 0.5}), 980)
	low(t, g, "a launch's latency", removing(replay.Removal{Device: true, Start: 150 * us, End: 156 * us, Share: 1}), 994)
	if p := g.Predict(&replay.Change{Kernels: true}); p.HighNs != 830*us {
		t.Errorf("half of the kernels: %d, want 830 us", p.HighNs)
	}
}

// Each step of 100 us: 40 of the host, a copy that its call waits for, 28 of the host.
func TestBlockingCopy(t *testing.T) {
	m := newMaker()
	for at := int64(0); at < 1000; at += 100 {
		m.work(at+40, at+72, at+46, at+70, 1, "", timeline.CallCopy, timeline.OpMemcpy)
	}
	g, _ := m.graph(t, 1000)
	low(t, g, "no copies", replay.Change{Copies: true}, 760)
	low(t, g, "no such copies", replay.Change{Transfers: func(call int32) bool { return call < 5 }}, 880)
}

// Without scheduler data: the main thread is silent while another makes calls.
func TestHandedOver(t *testing.T) {
	m := newMaker()
	worker := m.b.Thread(1, 2)
	m.call(m.main, 0, 10, timeline.CallOther, "cudaCall")
	for i := range int64(10) {
		m.call(worker, 100+80*i, 105+80*i, timeline.CallOther, "cudaCall")
	}
	m.launch(1000, 1005, 1010, 1100, 1, "k")
	g, tl := m.graph(t, 1010)
	of := func(id timeline.ThreadID, from, to int64) replay.Change {
		return removing(replay.Removal{Thread: id, Start: from * us, End: to * us, Share: 1})
	}
	low(t, g, "the worker's work", of(worker.ID(), 110, 180), 1030)
	low(t, g, "the main thread's silence", of(tl.Main(), 300, 400), 1100)
}

func TestOverlapped(t *testing.T) {
	m := newMaker()
	for i := range int64(10) {
		m.launch(10*i, 10*i+5, 10+50*i, 60+50*i, 1, "k")
	}
	g, _ := m.graph(t, 100)
	low(t, g, "no host", replay.Change{Host: true}, 505)
	low(t, g, "no kernels", replay.Change{Kernels: true}, 100)
}

func TestTwoStreamsWithAnEvent(t *testing.T) {
	m := newMaker()
	m.launch(0, 5, 10, 60, 1, "a")
	m.call(m.main, 5, 6, timeline.CallEvent, "cudaEventRecord")
	m.call(m.main, 6, 7, timeline.CallEvent, "cudaStreamWaitEvent")
	m.launch(7, 10, 62, 100, 2, "b")
	g, tl := m.graph(t, 20)
	named := func(row int) replay.Change {
		return replay.Change{Named: func(n timeline.NameID) bool { return n == tl.Devices[0].Ops.Name[row] }}
	}
	low(t, g, "no a", named(0), 53)
	low(t, g, "no b", named(1), 62)
}

// The host launches in 5 us what takes 20, until 1,024 launches are outstanding.
func TestQueueBound(t *testing.T) {
	const n, depth = 3000, 1024
	m := newMaker()
	ends := make([]int64, n)
	at, busy := int64(0), int64(0)
	for i := range n {
		back := at + 5
		if i >= depth {
			back = max(back, ends[i-depth])
		}
		begin := max(back+5, busy)
		busy = begin + 20
		ends[i] = busy
		m.launch(at, back, begin, busy, 1, "k")
		at = back
	}
	g, _ := m.graph(t, at)
	low(t, g, "no host", replay.Change{Host: true}, 5+20*n)
	low(t, g, "no kernels", replay.Change{Kernels: true}, 5*n+5)
}

// The main thread waits for another from 100 to 600; that works from 100 on, when it is woken.
func TestTwoThreads(t *testing.T) {
	m := newMaker()
	worker := m.b.Thread(1, 2)
	for _, th := range []*timeline.ThreadBuilder{m.main, worker} {
		th.SetKnown(timeline.Interval{Start: 0, End: 800 * us})
	}
	worker.AppendOffCPU(0, 100*us, 100*us, timeline.ReasonLock, -1, m.main.ID(), 0)
	m.main.AppendOffCPU(100*us, 600*us, 600*us, timeline.ReasonLock, -1, worker.ID(), 0)
	m.launch(700, 705, 710, 900, 1, "k")
	g, _ := m.graph(t, 800)
	of := func(id timeline.ThreadID, from, to int64) replay.Change {
		return removing(replay.Removal{Thread: id, Start: from * us, End: to * us, Share: 1})
	}
	low(t, g, "the worker's work", of(worker.ID(), 200, 500), 600)
	low(t, g, "most of the main thread's wait", of(m.main.ID(), 200, 500), 600)
	low(t, g, "all of it", of(m.main.ID(), 100, 600), 400)
	low(t, g, "the worker's work, and half of the wait for it", removing(
		replay.Removal{Thread: worker.ID(), Start: 200 * us, End: 500 * us, Share: 1}, replay.Removal{Thread: m.main.ID(), Start: 100 * us, End: 600 * us, Share: 0.5}), 500)
	low(t, g, "what it did before", of(m.main.ID(), 0, 50), 850)
}

// A thread that nobody waits for does not hold the wall up.
func TestWatchdog(t *testing.T) {
	m := newMaker()
	syncEachStep(m, "cudaStreamSynchronize")
	watchdog := m.b.Thread(1, 2)
	m.call(watchdog, 500, 501, timeline.CallOther, "cudaEventQuery")
	m.call(watchdog, 990, 991, timeline.CallOther, "cudaEventQuery")
	g, _ := m.graph(t, 1000)
	low(t, g, "no kernels", replay.Change{Kernels: true}, 660)
}

// A stream that runs its operations out of order contradicts the graph, and is not predicted from.
func TestContradictionIsRefused(t *testing.T) {
	m := newMaker()
	for i := range int64(10) {
		m.launch(10*i, 10*i+5, 10*i+10, 10*i+60, 1, "k")
	}
	g := replay.Of(m.b.Build(timeline.Interval{Start: 0, End: 100 * us}))
	if g.IdentityError() <= replay.MaxIdentityError || g.Distrusted() == "" {
		t.Errorf("the replay is %.2f%% off, %q", g.IdentityError()*100, g.Distrusted())
	}
}

func TestRefused(t *testing.T) {
	if g := replay.Of(timeline.NewBuilder().Build(timeline.Interval{Start: 0, End: us})); g != nil {
		t.Error("a cell without a device is replayed")
	}
	m := newMaker()
	syncEachStep(m, "cudaStreamSynchronize")
	tl := m.b.Build(timeline.Interval{Start: 0, End: 1000 * us})
	if replay.RefusedBeyond(tl, 50) != "" || replay.RefusedBeyond(tl, 49) == "" { // ten launches, their kernels and ten waits
		t.Errorf("%d calls: %q, %q", tl.Calls.Len(), replay.RefusedBeyond(tl, 50), replay.RefusedBeyond(tl, 49))
	}
	m = newMaker()
	syncEachStep(m, "cudaStreamSynchronize")
	m.b.AddWindow(timeline.Window{Start: 0, End: 500 * us})
	if tl := m.b.Build(timeline.Interval{Start: 0, End: 1000 * us}); replay.Of(tl) != nil || replay.Refused(tl) == "" {
		t.Error("a capture in windows is replayed")
	}
}

// random is a program of launches, copies, waits and host work on two streams, run as CUDA would.
func random(seed uint64) (*maker, int64, [2]int64) {
	r := rand.New(rand.NewPCG(seed, 7))
	m := newMaker()
	at := int64(0)
	var busy, work [2]int64
	for range 1 + r.IntN(300) {
		at += r.Int64N(60)
		s := r.IntN(2)
		switch r.IntN(6) {
		case 0: // waits for all
			back := max(at+3, busy[0]+2, busy[1]+2)
			m.call(m.main, at, back, timeline.CallSync, "cudaDeviceSynchronize")
			at = back
		case 1: // a copy that returns when it is done
			begin := max(at+4, busy[s])
			busy[s] = begin + 1 + r.Int64N(50)
			work[s] += busy[s] - begin
			m.work(at, busy[s]+1, begin, busy[s], uint32(s), "", timeline.CallCopy, timeline.OpMemcpy)
			at = busy[s] + 1
		default:
			back := at + 2 + r.Int64N(8)
			begin := max(back+5, busy[s])
			busy[s] = begin + 1 + r.Int64N(200)
			work[s] += busy[s] - begin
			m.launch(at, back, begin, busy[s], uint32(s), "k")
			at = back
		}
	}
	m.launch(at, at+5, max(at+10, busy[0]), max(at+10, busy[0])+1, 0, "k")
	work[0]++
	return m, at + 10, work
}

func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(300) {
		m, end, work := random(seed)
		g, tl := m.graph(t, end)
		again := replay.Of(tl)
		r := rand.New(rand.NewPCG(seed, 8))
		more := removing()
		last := g.ObservedNs()
		from := r.Int64N(end * us)
		for range 5 { // each removes more than the one before
			x := replay.Removal{Thread: tl.Main(), Start: from, End: from + r.Int64N(end*us/5), Share: r.Float64()}
			more.Removals.Add(x)
			from = x.End
			p := g.Predict(&more)
			if p.LowNs > last || p.LowNs > p.HighNs || p != again.Predict(&more) {
				t.Fatalf("seed %d: %+v after %d", seed, p, last)
			}
			last = p.LowNs
		}
		host := g.Predict(&replay.Change{Host: true})
		if least := max(work[0], work[1]) * us; host.LowNs < least {
			t.Fatalf("seed %d: without the host %d is predicted, and one stream works for %d", seed, host.LowNs, least)
		}
		all := g.Predict(&replay.Change{Host: true, Kernels: true})
		if all.LowNs > host.LowNs {
			t.Fatalf("seed %d: removing more predicts more", seed)
		}
	}
}

// BenchmarkMillionEvents builds and replays 500,000 launches with their kernels; the budget is 2 s.
func BenchmarkMillionEvents(b *testing.B) {
	m := newMaker()
	const n = 500_000
	for i := range int64(n) {
		m.launch(10*i, 10*i+5, 10*i+9, 10*i+18, 1, "k")
	}
	tl := m.b.Build(timeline.Interval{Start: 0, End: 10 * n * us})
	for b.Loop() {
		g := replay.Of(tl)
		g.Predict(&replay.Change{Host: true})
	}
}
