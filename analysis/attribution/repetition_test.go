package attribution_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// loop is a cell whose loop of lines 2 and 3 makes passes of these lengths; line 3 calls a function on line 7 twice.
func loop(t *testing.T, passes []time.Duration) result.Repetition {
	t.Helper()
	var b strings.Builder
	at := 10 * time.Millisecond
	for _, p := range passes {
		fmt.Fprintf(&b, "line m %v 2\nline m %v 3\n", at, at+p/10)
		for k := range time.Duration(2) {
			fmt.Fprintf(&b, "line m %v 7 top=3\nline m %v 3\n", at+p*(2+2*k)/10, at+p*(3+2*k)/10)
		}
		at += p
	}
	fmt.Fprintf(&b, "line m %v 2\nline m %v 4\n", at, at+time.Millisecond)
	f, err := fixture.Parse(fmt.Sprintf("window 0s %v\nsource\nsetup()\nfor x in xs:\n    f(x)\nend_of_it()\n\ndef f(x):\n    pass\nend\nthread m main known python period=2ms\nline m 0s 1\n%s", at+20*time.Millisecond, b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return attribution.Host(f.Timeline, attribution.Options{Source: f.Source, Arch: fixture.Arch}).Repetition()
}

func lengths(n int, of func(i int) float64) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(of(i) * 1e6)
	}
	return out
}

func TestRepetition(t *testing.T) {
	even := loop(t, lengths(50, func(int) float64 { return 10 }))
	if even.Line.Number != 3 || even.Line.Text != "    f(x)" || even.Passes != 49 || even.SpanNs != 490e6 || even.NoiseNs > 1000 {
		t.Errorf("an even loop: %+v", even)
	}
	// That a loop gets slower steadily is no variation.
	if r := loop(t, lengths(60, func(i int) float64 { return 10 + float64(i) })); float64(r.NoiseNs) > 0.02*float64(r.SpanNs) {
		t.Errorf("a loop with a trend: %+v", r)
	}
	for _, few := range [][]time.Duration{nil, lengths(5, func(int) float64 { return 10 })} {
		if r := loop(t, few); r != (result.Repetition{}) {
			t.Errorf("a loop of %d passes: %+v", len(few), r)
		}
	}
}

// The interval holds the sum of another 60 passes of the same kind: their sums differ by
// two random amounts, so by 1.4 times the noise at most in 95 of 100.
func TestNoiseOfPasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	held, rounds := 0, 400
	for range rounds {
		draw := func(int) float64 { return 10 * math.Exp(0.3*rng.NormFloat64()) }
		r, other := loop(t, lengths(60, draw)), loop(t, lengths(60, draw))
		if math.Abs(float64(r.SpanNs-other.SpanNs)) <= math.Sqrt2*float64(r.NoiseNs) {
			held++
		}
	}
	if rate := float64(held) / float64(rounds); rate < 0.92 || rate > 0.98 {
		t.Errorf("%.3f of the intervals hold another run", rate)
	}
}
