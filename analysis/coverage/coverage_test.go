package coverage_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

func parse(t *testing.T, text string) *timeline.Timeline {
	t.Helper()
	f, err := fixture.Parse("window 0s 1s\nthread m main python known period=2ms\nline m 0s 1\n" + text)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Timeline.Check(); err != nil {
		t.Fatal(err)
	}
	return f.Timeline
}

// stretches are those over which the first device is known, as "from-to slot" in ms.
func stretches(tl *timeline.Timeline) string {
	var out []string
	for _, s := range coverage.Of(tl).Devices[0].Stretches {
		out = append(out, fmt.Sprintf("%v-%v %d", float64(s.Start)/1e6, float64(s.End)/1e6, s.Slot))
	}
	return strings.Join(out, ", ")
}

// A device is known from when nothing unseen can be running on it to when something unseen may be.
func TestStretches(t *testing.T) {
	// Two windows of 100 ms and a kernel of 1 ms in the first: four strata at most, the last slot is 2.
	windows := "captured 0s 100ms\ncaptured 500ms 600ms\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing is launched: idle after the longest kernel seen": {windows + "kernel m 1ms 2ms 2ms 12ms k", "0-100 0, 510-600 1"},
		"from the first launch on":                                {windows + "kernel m 1ms 2ms 2ms 12ms k\nkernel m 503ms 504ms 504ms 505ms k", "0-100 0, 504-600 1"},
		"a queued operation tells that others were before it":     {windows + "kernel m 1ms 2ms 2ms 12ms k\nkernel m 503ms 504ms 590ms 592ms k", "0-100 0, 590-600 1"},
		"working on after the window": {windows + "kernel m 1ms 2ms 2ms 3ms k\nkernel m 98ms 99ms 99ms 150ms k\nkernel m 99ms 99.5ms 150ms 160ms k\nkernel m 503ms 504ms 504ms 505ms k",
			"0-160 0, 504-600 1"},
		"a record of what was launched before the window": {windows + "kernel m 1ms 2ms 2ms 12ms k\ncarry 400ms 550ms k\nkernel m 560ms 561ms 561ms 562ms k", "0-100 0, 550-600 1"},
		"work from before the whole window":               {windows + "kernel m 1ms 2ms 2ms 12ms k\ncarry 400ms 595ms k", "0-100 0, 595-600 1"},
		"switched off and on": {windows + "overhead 100ms 104ms\noverhead 480ms 500ms\nkernel m 1ms 2ms 2ms 12ms k\nkernel m 98ms 99ms 99ms 102ms k\nkernel m 503ms 504ms 504ms 505ms k",
			"0-100 0, 100-104 2, 490-500 2, 500-600 1"},
		"a window that ends with the cell": {"captured 0s 100ms\ncaptured 900ms 1s\nkernel m 1ms 2ms 2ms 3ms k\nkernel m 999ms 999.5ms 1s 1200ms k", "0-100 0, 1000-1200 1"},
		"windows that touch":               {"captured 0s 100ms\ncaptured 100ms 200ms missed=0\nkernel m 99ms 99.5ms 99.5ms 140ms k", "0-140 0, 140-200 1"},
		"late capture":                     {"captured 300ms 400ms\nkernel m 301ms 302ms 302ms 303ms k", "0-50 0, 50-100 0, 100-150 0, 150-200 0, 200-250 0, 250-300 0, 300-350 0, 350-400 1"},
	} {
		if got := stretches(parse(t, c.text)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// An operation that was launched where nothing was captured is not carry-in, and none of the sample.
func TestWorkOfUnseenStretchesIsNotCarriedIn(t *testing.T) {
	tl := parse(t, `captured 0s 100ms
captured 500ms 600ms missed=10
carry 0s 2ms earlier
kernel m 10ms 11ms 11ms 12ms k
carry 12ms 13ms lost
carry 490ms 510ms unseen
carry 520ms 530ms unseen stream=3
kernel m 540ms 541ms 541ms 542ms k
carry 542ms 543ms lost`)
	plan := coverage.Of(tl)
	var got []string
	d := &plan.Devices[0]
	for row, name := range tl.Devices[0].Ops.Name {
		got = append(got, fmt.Sprintf("%s %d %v", tl.Names.String(name), d.Slot(row), d.Carried[row]))
	}
	// The last slot, 2, is of what stands for itself.
	want := []string{"earlier 2 true", "k 0 false", "lost 0 false", "unseen -1 false", "unseen -1 false", "k 1 false", "lost 1 false"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	sums := devices.Sum(tl, plan)[0]
	if sums.CarryInNs != 2e6 {
		t.Errorf("carry-in %d", sums.CarryInNs)
	}
	// Five operations of four kernels that have no call of their own were seen, and one more was carried in.
	if c := sums.Coverage; sums.Kernels <= 15 || c.Kernels.Low > sums.Kernels {
		t.Errorf("%d kernels in %+v", sums.Kernels, c.Kernels)
	}
}

// The start of a cell stands for itself alone: what an unseen stretch was like is told
// by what is beside it, also when there are more windows than strata.
func TestTheStartStandsForItself(t *testing.T) {
	for _, every := range []int{50, 6} { // ms from window to window, half of which is seen
		var b strings.Builder
		b.WriteString("captured 0s 250ms\nline m 190ms 2\noff m 0s 190ms 190ms sleep\n")
		seen := func(ms int) bool { return ms < 250 || ms >= 250+every/2 && (ms-250)%every >= every/2 }
		kernels, missed := 0, 0
		for ms := 190; ms < 1000; ms++ {
			kernels++
			if !seen(ms) {
				missed++
				continue
			}
			fmt.Fprintf(&b, "kernel m %dus %dus %dus %dus k\n", 1000*ms+500, 1000*ms+503, 1000*ms+505, 1000*ms+800)
			if !seen(ms - 1) {
				fmt.Fprintf(&b, "captured %dms %dms missed=%d\n", ms, ms+every/2, missed)
				missed = 0
			}
		}
		tl := parse(t, b.String())
		if plan := coverage.Of(tl); plan.Slots() > attribution.Blocks {
			t.Errorf("%d slots", plan.Slots())
		} else if s := plan.Devices[0].Stretches; every == 6 && (s[6].Slot != 0 || s[7].Slot != 1) { // eight blocks, the last beside a gap
			t.Errorf("%v", s[:9])
		}
		r := analysis.Analyze(tl, analysis.Input{})
		for _, c := range r.Idle.Causes {
			if c.Kind == result.CauseSleep && (c.Ns != 190e6 || c.Range.High > 191e6) {
				t.Errorf("%+v", c)
			}
		}
		d := r.Devices[0]
		if want := (result.Range{Low: int64(kernels), High: int64(kernels)}); d.Kernels != want.Low || d.Coverage.Kernels != want ||
			math.Abs(float64(d.BusyNs)-float64(kernels)*295e3) > 1e6 {
			t.Errorf("every %d ms: %d kernels in %+v, busy %d, want %v and %v", every, d.Kernels, d.Coverage.Kernels, d.BusyNs, want, float64(kernels)*295e3)
		}
	}
}

// One window shows no variation: the interval reaches from what was seen to all that is possible.
func TestOneWindowIsHonest(t *testing.T) {
	r := analysis.Analyze(parse(t, "captured 0s 250ms\nrepeat 250 every 1ms\nkernel m 500us 503us 505us 800us k\nend"), analysis.Input{})
	d := r.Devices[0]
	c := d.Coverage
	if c.Kernels.Low != 250 || c.Kernels.High < 1700 || d.Kernels < 950 || d.Kernels > 1050 || c.CellIdleNs.Low > 177e6 || c.CellIdleNs.High < 920e6 {
		t.Errorf("%d kernels in %+v, idle %d in %+v", d.Kernels, c.Kernels, d.CellIdleNs, c.CellIdleNs)
	}
	if r.Verdict.Evidence > 0.7 {
		t.Errorf("evidence %v", r.Verdict.Evidence)
	}
}

func TestApportion(t *testing.T) {
	for _, c := range []struct {
		total int64
		parts []float64
		want  []int64
	}{
		{10, []float64{1, 1, 1}, []int64{4, 3, 3}},
		{3, []float64{0.4, 0.6, 2}, []int64{0, 1, 2}},
		{100, []float64{0, -5, 7}, []int64{0, 0, 100}},
		{5, nil, []int64{}}, {5, []float64{0, 0}, []int64{0, 0}}, {0, []float64{1}, []int64{0}}, {-3, []float64{1}, []int64{0}},
		{1 << 52, []float64{1, 1e-300}, []int64{1 << 52, 0}},
	} {
		if got := coverage.Apportion(c.total, c.parts); !reflect.DeepEqual(got, c.want) {
			t.Errorf("Apportion(%d, %v) = %v, want %v", c.total, c.parts, got, c.want)
		}
	}
}
