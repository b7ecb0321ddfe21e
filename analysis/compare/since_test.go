package compare

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

func TestSince(t *testing.T) {
	// Of three lines the first takes 100 ms, and the second sleeps.
	slept := func(ns int64, lines ...string) *result.Result {
		const head = 100_000_000
		off := ""
		if ns > 0 {
			off = fmt.Sprintf("off m %dns %dns %dns sleep\n", head, head+ns, head+ns)
		}
		return analysed(t, fmt.Sprintf("window 0s %dns\nsource\n%s\nend\nthread m main known python period=2ms\nline m 0s 1\nline m %dns 2\n%s",
			head+ns, strings.Join(lines, "\n"), head, off))
	}
	const ms = int64(1e6)
	old := slept(2000*ms, "work()", "time.sleep(2)", "done()")
	failed := slept(100*ms, "work()", "time.sleep(0.1)", "done()")
	failed.Cell.Outcome = "error"
	for name, c := range map[string]struct {
		before, now *result.Result
		want        string
	}{
		"edited":      {old, slept(900*ms, "work()", "time.sleep(0.9)", "done()"), "2.1 times faster than the run before: 2.10 s → 1.00 s; sleeping on line 2 took 1.1 s less."},
		"gone":        {old, slept(0, "work()", "pass", "done()"), "21 times faster than the run before: 2.10 s → 100 ms; sleeping on line 2 is gone."},
		"new":         {slept(0, "work()", "pass", "done()"), old, "21 times slower than the run before: 100 ms → 2.10 s; sleeping on line 2 is new."},
		"noise":       {old, slept(2010*ms, "work()", "time.sleep(2)", "done()"), ""},
		"another":     {old, slept(0, "import numpy", "plot(numpy.arange(9))"), ""},
		"failed":      {old, failed, ""},
		"failed then": {failed, old, ""},
	} {
		got := ""
		if change := Since(c.before, c.now); change != nil {
			got = change.Sentence
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if change := Since(old, slept(0, "work()", "pass", "done()")); change.Outcome != result.Faster || change.Wall != (result.Delta{Before: 2100 * ms, After: 100 * ms}) {
		t.Errorf("%+v", change)
	}
}
