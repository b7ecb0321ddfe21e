package session

import (
	"fmt"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

// took is a run of a cell that slept on its second line.
func took(ms int64, outcome string, lines ...string) *result.Result {
	ns := ms * 1e6
	sleep := []result.Cause{{Kind: result.CauseSleep, Ns: ns, Share: 1}}
	return &result.Result{Source: result.Source{Kind: "cell"}, Cell: result.Cell{Lines: lines, Outcome: outcome}, WallNs: ns,
		Host: result.Host{Causes: sleep, ByKind: sleep, Lines: []result.LineStat{{Line: result.Line{Number: 2, Text: lines[1]}, WallNs: ns, Causes: sleep}}}}
}

func TestACellIsComparedWithItsRunBefore(t *testing.T) {
	var before ran
	a, edited := []string{"work()", "time.sleep(x)", "done()"}, []string{"work()", "time.sleep(x / 2)", "done()"}
	other := []string{"import numpy", "numpy.dot(a, b)"}
	for i, step := range []struct {
		cell string
		run  *result.Result
		off  bool
		want result.Outcome
	}{
		{"1", took(1000, "ok", a...), false, ""},
		{"2", took(9000, "ok", other...), false, ""},
		{"1", took(500, "ok", edited...), false, result.Faster},
		{"1", took(100, "error", edited...), false, ""},          // did not come to its end:
		{"1", took(1000, "ok", edited...), false, result.Slower}, // so that the one before it counts
		{"1", took(1001, "ok", edited...), false, ""},            // noise
		{"3", took(200, "ok", edited...), false, result.Faster},  // a copy of the cell below it
		{"1", took(500, "ok", edited...), false, result.Faster},  // than its own run, though the copy was faster
		{"2", took(3000, "ok", other...), true, ""},              // not wanted
		{"2", took(9000, "ok", other...), false, result.Slower},  // and remembered all the same
		{"", took(4000, "ok", other...), false, result.Faster},   // a front end without names
	} {
		var got result.Outcome
		if change := before.since(step.cell, step.run, !step.off); change != nil {
			got = change.Outcome
		}
		if got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}

func TestOnlySoManyRunsAreRemembered(t *testing.T) {
	var before ran
	for i := range 3 * maxRan {
		line := fmt.Sprintf("f%d()", i)
		before.since(fmt.Sprint(i), took(1000, "ok", line, line), true)
	}
	if len(before) != maxRan || before[maxRan-1].cell != fmt.Sprint(3*maxRan-1) {
		t.Errorf("%d are remembered", len(before))
	}
}
