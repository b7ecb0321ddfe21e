package whatif_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/whatif"
)

const ms = 1_000_000

func attributed(tl *timeline.Timeline) *attribution.Attribution {
	a := attribution.Host(tl, attribution.Options{Arch: fixture.Arch})
	plan := coverage.Of(tl)
	a.Devices(devices.Sum(tl, plan), plan)
	return a
}

func model(t *testing.T, text string) (*whatif.Model, *attribution.Attribution) {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	a := attributed(f.Timeline)
	return whatif.Of(f.Timeline, a, replay.Of(f.Timeline)), a
}

// Each step of 10 ms: a launch on line 1, a wait on line 2 for its kernel of 4 ms, a sleep of
// 3 ms on line 3, one of 2 ms on line 4, and work on line 5.
const steps = `window 0s 1s
source
y = model(x)
y.sum().item()
time.sleep(0.003)
pause()
log(y)
end
device 0 H100
thread m main python known period=2ms
repeat 100 every 10ms
line m 0s 1
kernel m 1us 5us 10us 4010us gemm
line m 6us 2
call m 10us 4020us sync cudaStreamSynchronize
line m 4025us 3
off m 4025us 7025us 7025us sleep syscall=clock_nanosleep
line m 7030us 4
off m 7030us 9030us 9030us sleep syscall=clock_nanosleep
line m 9100us 5
end
`

func TestSavings(t *testing.T) {
	m, a := model(t, steps)
	sleep := []result.CauseKind{result.CauseSleep}
	got := m.Savings([]whatif.Cost{
		{Idle: sleep, Line: 3, Ns: 1000 * ms},
		{Idle: sleep, Ns: 1000 * ms},
		{Idle: sleep, Ns: 100 * ms},
		{Idle: []result.CauseKind{result.CauseGC}, Ns: 1000 * ms},
		{Unawaited: true, Line: 2, Ns: 1000 * ms},
		{Unawaited: true, Line: 4, Ns: 1000 * ms},
		{Ns: 70 * ms},
		{Kernels: func(name string) bool { return name == "gemm" }, Ns: 1000 * ms},
		{Kernels: func(name string) bool { return name != "gemm" }, Ns: 1000 * ms},
	})
	want := []result.Saving{
		{LowNs: 150 * ms, HighNs: 300 * ms},   // the sleep of one line
		{LowNs: 250 * ms, HighNs: 500 * ms},   // of both
		{LowNs: 100 * ms, HighNs: 100 * ms},   // no more than there is said to be
		{},                                    // nothing of it
		{LowNs: 200250000, HighNs: 400500000}, // of each wait of 4,010 us the call's own 5 stay
		{},                                    // no call of that line waits
		{HighNs: 70 * ms},
		{LowNs: 200 * ms, HighNs: 400 * ms},
		{},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
	s := m.Sides()
	if s.Kernels.Saving.HighNs != 400*ms || s.Copies.Saving.HighNs != 0 || s.Host.Saving.HighNs < 590*ms || s.Host.Saving.HighNs > a.GPU.Idle.TotalNs {
		t.Errorf("%+v", s)
	}
}

// A wait that another thread ended is removed with its cause, although that thread goes on.
func TestWaitForAThread(t *testing.T) {
	m, _ := model(t, `window 0s 1s
source
y = model(x)
y.sum().item()
log(y)
end
device 0 H100
thread m main python known period=2ms
thread spin python known period=2ms
line m 0s 1
repeat 100 every 10ms
line m 1us 1
kernel m 1us 5us 10us 2010us gemm
line m 6us 2
call m 10us 2020us sync cudaStreamSynchronize
line m 2025us 3
off m 4ms 9ms 9ms gil waker=spin
end
`)
	s := m.Savings([]whatif.Cost{{Idle: []result.CauseKind{result.CauseGIL}, Ns: 1000 * ms}})
	if s[0] != (result.Saving{LowNs: 250 * ms, HighNs: 500 * ms}) {
		t.Errorf("%+v", s)
	}
}

// A thread that had the GIL when another wanted it is none that the other waits for: with less to do it goes on earlier.
func TestTheGILIsNoWaitForWhoHadIt(t *testing.T) {
	m, _ := model(t, `window 0s 1s
source
y = model(x)
loop(y)
end
device 0 H100
thread m main python known period=2ms
thread timer python known period=2ms
repeat 100 every 10ms
line m 0s 1
kernel m 1us 5us 10us 20us k
line m 20us 2
sample m 2ms python
sample m 4ms python
sample m 8ms python
off timer 100us 5ms 5ms sleep
off m 5ms 5100us 5100us gil waker=timer
end
`)
	s := m.Savings([]whatif.Cost{{Idle: []result.CauseKind{result.CausePython}, Line: 2, Ns: 1000 * ms}})
	if s[0].HighNs < 900*ms {
		t.Errorf("%+v", s)
	}
}

// The host moves what is not pinned itself, and its call returns when that is done, a little before the device's
// record of it ends by its own clock: all of the call goes with the copy.
func TestPageableCopiesTakeTheHostWithThem(t *testing.T) {
	m, _ := model(t, `window 0s 1s
source
d = x.cuda()
log(y)
end
device 0 H100
thread m main python known period=2ms
repeat 100 every 10ms
line m 0s 1
copy m 10us 8ms 100us 8005us HtoD pageable device 1000
line m 8ms 2
end
`)
	s := m.Savings([]whatif.Cost{{Idle: []result.CauseKind{result.CausePageableCopy}, Pageable: true, Ns: 1000 * ms}})
	if s[0].HighNs < 790*ms || s[0].HighNs > 800*ms {
		t.Errorf("%+v", s)
	}
	// That the call is the copy's own is no work of the host's, which would do as much without the copy.
	if s := m.Sides(); s.Copies.Saving.HighNs < 780*ms || s.Host.Saving.HighNs > 220*ms {
		t.Errorf("%+v", s)
	}
}

// What the driver's own thread does for each launch goes with the launches, and what another library's thread does stays.
func TestTheDriversThreadGoesWithTheLaunches(t *testing.T) {
	for name, most := range map[string]int64{"cuda-EvtHandlr": 90 * ms, "loader": 41 * ms} {
		m, _ := model(t, `window 0s 200ms
source
y = step(y)
done(y)
end
device 0 H100
thread m main python known period=2ms
thread `+name+` known
line m 0s 1
repeat 900 every 100us
off `+name+` 0us 45us 45us gpu_driver waker=m
kernel m 90us 95us 100us 104us k
end
line m 90ms 2
off m 90ms 90100us 90100us lock waker=`+name+`
`)
		s := m.Savings([]whatif.Cost{{Launches: 10_000, Ns: 200 * ms}})
		if s[0].HighNs < most-2*ms || s[0].HighNs > most {
			t.Errorf("%s: %+v, want %d", name, s, most)
		}
	}
}

// A compiler that works on threads of its own, and tries its kernels on the device, does so no more.
func TestACompilersThreadsGoWithIt(t *testing.T) {
	m, _ := model(t, `window 0s 1s
source
y = compiled(x)
end
device 0 H100
thread m main python known period=2ms
thread xla known
stack compile backend_compile@/env/jax/_src/compiler.py:9 <module>@<cell>:1
line m 0s 1
off m 10ms 900ms 900ms lock waker=xla stack=compile
kernel xla 500ms 500005us 500010us 501ms trial
kernel m 950ms 950005us 950010us 951ms k
`)
	s := m.Savings([]whatif.Cost{{Idle: []result.CauseKind{result.CauseCompile}, Ns: 1000 * ms}})
	if s[0].HighNs < 880*ms || s[0].HighNs > 890*ms {
		t.Errorf("%+v", s)
	}
}

// One launch in place of many takes what the host does between them with it, also beside a busy device: of
// each 100 us on line 1 all but a sleep of 40, and nothing of line 2.
func TestFewerLaunches(t *testing.T) {
	const text = `window 0s 200ms
source
y = step(y)
log(y)
end
device 0 H100
thread m main python known period=2ms
line m 0s 1
repeat 1000 every 100us
off m 10us 50us 50us sleep syscall=clock_nanosleep
kernel m 90us 95us 100us 104us k
end
line m 100ms 2
repeat 100 every 2ms
sample m 1080us python
end
`
	costs := []whatif.Cost{{Launches: 10_000, Ns: 200 * ms}, {Launches: 4_000, Ns: 200 * ms}}
	m, _ := model(t, text)
	s := m.Savings(costs)
	if s[0].HighNs < 59*ms || s[0].HighNs > 60*ms || s[0].LowNs < 29*ms || s[0].LowNs > 30*ms || s[1].HighNs != 0 {
		t.Errorf("%+v", s)
	}
	// Of what the line does while the device is idle three tenths are to allocate.
	m, _ = model(t, strings.Replace(text, "kernel m", "call m 60us 75us alloc cudaMalloc\nkernel m", 1))
	if s := m.Savings(costs); s[0].HighNs < 40*ms || s[0].HighNs > 45*ms {
		t.Errorf("beside allocations: %+v", s)
	}
}

// What the host does while the GPU works for it costs nothing.
func TestHiddenWorkSavesNothing(t *testing.T) {
	m, _ := model(t, strings.ReplaceAll(steps, "10us 4010us gemm", "10us 9990us gemm"))
	if s := m.Sides(); s.Host.Saving.HighNs > 10*ms {
		t.Errorf("the GPU is busy, and the host would save %+v", s.Host.Saving)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ more, words string }{
		"windows":                     {"captured 0s 300ms\ncaptured 600ms 700ms\n", "in windows"},
		"lost records":                {"loss cupti 500 GPU records did not fit into the ring\n", "were lost"},
		"few are lost":                {"loss cupti 0 GPU records did not fit into the ring\n", ""},
		"one stream runs two at once": {"repeat 100 every 10ms\nkernel m 10us 12us 15us 25ms gemm\nend\n", "not understood well enough"},
	} {
		m, _ := model(t, steps+c.more)
		if got := m.Refused(); !strings.Contains(got, c.words) || (got == "") != (c.words == "") {
			t.Errorf("%s: %q", name, got)
		}
		if c.words == "" {
			continue
		}
		if m.Sides() != nil {
			t.Errorf("%s: sides are predicted", name)
		}
		if s := m.Savings([]whatif.Cost{{Idle: []result.CauseKind{result.CauseSleep}, Ns: 500 * ms}}); s[0] != (result.Saving{HighNs: 500 * ms}) {
			t.Errorf("%s: %+v, where only a bound is known", name, s)
		}
	}
	m, _ := model(t, "window 0s 1s\nthread m main known\n")
	if m != nil || m.Refused() != "" || m.Error() != 0 || m.Sides() != nil {
		t.Error("a cell without GPU work is replayed")
	}
}

// Whatever the events: savings are ranges within what the cause holds, blocks sum to them, and the answer is one.
func TestAnySavings(t *testing.T) {
	predicted, seeds := 0, uint64(1500)
	if testing.Short() {
		seeds = 150
	}
	for seed := range seeds {
		tl := chaos.Devices(seed)
		a := attributed(tl)
		m := whatif.Of(tl, a, replay.Of(tl))
		if m == nil {
			continue
		}
		var costs []whatif.Cost
		for _, c := range a.GPU.Idle.Causes {
			costs = append(costs, whatif.Cost{Idle: []result.CauseKind{c.Kind}, Line: c.Line.Number, Ns: c.Ns},
				whatif.Cost{All: true, Line: c.Line.Number, Ns: c.Ns}, whatif.Cost{Unawaited: true, Line: c.Line.Number, Ns: c.Ns})
		}
		costs = append(costs, whatif.Cost{Pageable: true, Ns: tl.Extent.Ns()}, whatif.Cost{Launches: 1000, Idle: []result.CauseKind{result.CauseFramework}, Ns: tl.Extent.Ns()},
			whatif.Cost{Kernels: devices.Communication, Ns: tl.Extent.Ns()})
		savings, sides := m.Savings(costs), m.Sides()
		for i, s := range savings {
			if s.LowNs < 0 || s.LowNs > s.HighNs || s.HighNs > costs[i].Ns {
				t.Fatalf("seed %d: %+v saves %+v", seed, costs[i], s)
			}
		}
		if (sides == nil) != (m.Refused() != "") {
			t.Fatalf("seed %d: %+v, refused %q", seed, sides, m.Refused())
		}
		if sides == nil {
			continue
		}
		predicted++
		for _, s := range []whatif.Side{sides.Kernels, sides.Copies, sides.Host} {
			var sum int64
			for _, ns := range s.Blocks {
				sum += ns
			}
			if sum != s.Saving.HighNs || s.Saving.LowNs < 0 || s.Saving.LowNs > s.Saving.HighNs || s.Saving.HighNs > tl.Extent.Ns() {
				t.Fatalf("seed %d: %+v, of which the blocks have %d", seed, s.Saving, sum)
			}
		}
		if sides.Host.Saving.HighNs > a.GPU.Idle.TotalNs {
			t.Fatalf("seed %d: the host saves %+v of %d ns of idle time", seed, sides.Host.Saving, a.GPU.Idle.TotalNs)
		}
		if again := whatif.Of(tl, a, replay.Of(tl)); !reflect.DeepEqual(again.Sides(), sides) || !reflect.DeepEqual(again.Savings(costs), savings) {
			t.Fatalf("seed %d: two answers to one question", seed)
		}
	}
	if uint64(predicted) < seeds/15 {
		t.Errorf("only %d timelines were replayed", predicted)
	}
}
