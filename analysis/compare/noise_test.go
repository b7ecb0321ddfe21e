package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

// The exact distribution of Mann and Whitney's U: coverages that tables of critical values give.
func TestRankOf(t *testing.T) {
	for _, c := range []struct {
		n, m, rank int
		covered    float64
	}{
		{1, 1, 0, 1}, {2, 2, 0, 1}, {3, 3, 0, 1}, {3, 4, 0, 1},
		{4, 4, 1, 1 - 2.0/70}, {3, 5, 1, 1 - 2.0/56}, {2, 8, 1, 1 - 2.0/45}, {8, 2, 1, 1 - 2.0/45},
		{5, 5, 3, 1 - 2*4.0/252}, {6, 6, 6, 1 - 2*19.0/924}, {1, 39, 1, 0.95}, {10, 10, 24, 0.9567},
	} {
		if rank, covered := rankOf(c.n, c.m); rank != c.rank || math.Abs(covered-c.covered) > 1e-4 {
			t.Errorf("%d and %d runs: rank %d with %v, want %d with %v", c.n, c.m, rank, covered, c.rank, c.covered)
		}
	}
	if rank, covered := rankOf(MaxRuns, MaxRuns); rank < 1600 || covered < level {
		t.Errorf("%d and %d runs: rank %d with %v", MaxRuns, MaxRuns, rank, covered)
	}
}

// sampled is a side of n runs of a second whose walls vary as draw says.
func sampled(n int, draw func() float64) []Run {
	runs := make([]Run, n)
	for i := range runs {
		wall := int64(1e9 * draw())
		runs[i] = Run{"r", &result.Result{WallNs: wall, Cell: result.Cell{Outcome: "ok"}, Host: result.Host{ByKind: []result.Cause{{Kind: result.CausePython, Ns: wall}},
			Causes: []result.Cause{{Kind: result.CausePython, Ns: wall}}}}}
	}
	return runs
}

// Runs of the same code are told apart no more often than the level says, whatever
// their noise is and however it is distributed; those that differ are told apart.
func TestCalibration(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	spread := func(sd float64) func() float64 {
		return func() float64 { return math.Exp(sd * rng.NormFloat64()) }
	}
	outliers := func() float64 { // one run in five is disturbed
		if rng.IntN(5) == 0 {
			return 1.02 + rng.ExpFloat64()
		}
		return math.Exp(0.01 * rng.NormFloat64())
	}
	const rounds = 1500
	for _, c := range []struct {
		name   string
		n, m   int
		draw   func() float64
		factor float64 // how much faster the runs after are
		// The rates at which the outcome may be "faster" or "slower".
		low, high float64
	}{
		{"1 and 3, noise 2%", 1, 3, spread(0.02), 1, 0.03, 0.07},
		{"2 and 2, noise 20%", 2, 2, spread(0.2), 1, 0.03, 0.07},
		{"3 and 3, noise 2%", 3, 3, spread(0.02), 1, 0.03, 0.07},
		{"4 and 4, noise 2%", 4, 4, spread(0.02), 1, 0.015, 0.05},
		{"4 and 4, noise 40%", 4, 4, spread(0.4), 1, 0.015, 0.05},
		{"5 and 8, outliers", 5, 8, outliers, 1, 0.015, 0.06},
		{"12 and 10, outliers", 12, 10, outliers, 1, 0.025, 0.06},
		{"1 and 1, noise 1%", 1, 1, spread(0.01), 1, 0, 0.005},
		{"1 and 1, noise 1.8%", 1, 1, spread(0.018), 1, 0, 0.06},
		{"1 and 1, a tenth faster", 1, 1, spread(0.01), 0.9, 0.98, 1},
		{"3 and 3, a tenth faster", 3, 3, spread(0.01), 0.9, 0.98, 1},
		{"10 and 10, 3% faster", 10, 10, spread(0.01), 0.97, 0.98, 1},
		{"5 and 8, outliers, a tenth faster", 5, 8, outliers, 0.9, 0.5, 1},
	} {
		told, wrong := 0, 0
		for range rounds {
			x, y := sampled(c.n, c.draw), sampled(c.m, func() float64 { return c.factor * c.draw() })
			switch compared(t, x, y).Outcome {
			case result.Faster:
				told++
			case result.Slower:
				told++
				if c.factor < 1 {
					wrong++
				}
			}
		}
		if rate := float64(told) / rounds; rate < c.low || rate > c.high {
			t.Errorf("%s: told apart in %.3f, not within %v and %v", c.name, rate, c.low, c.high)
		}
		if wrong > rounds/100 {
			t.Errorf("%s: %d times slower", c.name, wrong)
		}
	}
}

// The intervals hold the true change as often as they say.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	draw := func() float64 { return math.Exp(0.1 * rng.NormFloat64()) }
	const rounds = 2000
	for _, runs := range [][2]int{{2, 3}, {6, 6}} {
		held := 0
		var n result.Noise
		for range rounds {
			n = compared(t, sampled(runs[0], draw), sampled(runs[1], func() float64 { return 0.8 * draw() })).Noise
			if n.Low <= -0.2 && -0.2 <= n.High {
				held++
			}
		}
		if rate := float64(held) / rounds; math.Abs(rate-n.Level) > 0.02 {
			t.Errorf("%v runs: %.3f of the intervals hold the change, not %.3f", runs, rate, n.Level)
		}
	}
}

// What a single run shows of its own variation makes the noise wider, and is named.
func TestNoiseOfOneRun(t *testing.T) {
	base := func() *result.Result { return sampled(1, func() float64 { return 1 })[0].Result }
	noise := func(change func(*result.Result)) result.Noise {
		r := base()
		change(r)
		return compared(t, one("a", base()), one("b", r)).Noise
	}
	quiet := noise(func(*result.Result) {})
	if math.Abs(quiet.Share-0.05) > 1e-9 || quiet.Ns != 50e6 || quiet.Level != 0 || quiet.Method != result.NoiseAssumed {
		t.Errorf("%+v", quiet)
	}
	for _, c := range []struct {
		change func(*result.Result)
		share  float64
		why    string
	}{
		{func(r *result.Result) { r.Repetition.NoiseNs = 120e6 }, 0.13, "the passes of its loop differ by as much as 12%"},
		{func(r *result.Result) { r.Host.States.RunnableNs = 120e6 }, 0.13, "waiting for a CPU that other work had took as much as 12%"},
		{func(r *result.Result) { r.Overhead.InProcessNs = 40e6 }, 1.05*1.04 - 1, "5% is assumed."},
		{func(r *result.Result) { r.WallNs = 20e6; r.Host.ByKind = nil }, 0.25, "5 ms is assumed."},
	} {
		if n := noise(c.change); math.Abs(n.Share-c.share) > 1e-9 || !strings.Contains(n.Why, c.why) || n.Hint != "" {
			t.Errorf("%+v, want %v and %q", n, c.share, c.why)
		}
	}
	cell := base()
	cell.Source.Kind = "cell"
	if h := compared(t, one("a", cell), one("b", cell)).Noise.Hint; !strings.Contains(h, "With 4 runs before and 4 after") {
		t.Error(h)
	}
	if n := compared(t, one("a", &result.Result{}), one("b", cell)); n.Noise.Method != result.NoiseNone || n.Outcome != result.Incomparable {
		t.Errorf("%+v", n.Noise)
	}
}

// The run in the middle stands for its side: an outlier does not.
func TestMiddle(t *testing.T) {
	walls := []float64{3, 1, 9, 2}
	i := 0
	next := func() float64 { i++; return walls[(i-1)%4] }
	c := compared(t, sampled(4, next), sampled(3, next))
	if c.Before.Middle != 3 || c.Wall.Before != 2e9 || c.After.Middle != 0 || c.Wall.After != 3e9 {
		t.Errorf("%+v, %d and %d", c.Wall, c.Before.Middle, c.After.Middle)
	}
	if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "in the middle") {
		t.Error(c.Notes)
	}
}

func TestWideNoiseIsAFactor(t *testing.T) {
	for share, want := range map[float64]string{0.05: "±5%", 0.49: "±49%", 0.5: "a factor of 1.5", 1.47: "a factor of 2.5"} {
		if got := noiseWords(share); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}
