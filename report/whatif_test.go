package report_test

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
)

func TestWhatIf(t *testing.T) {
	const ms = 1_000_000
	cell, trace := &result.Result{}, &result.Result{Host: result.Host{Rung: timeline.RungTrace}}
	for want, c := range map[string]struct {
		of *result.Result
		w  result.WhatIf
	}{
		"If you remove the sleep on line 4, the cell takes 500 to 750 ms instead of 1 s: up to 500 ms less.":  {cell, result.WhatIf{LowNs: 500 * ms, HighNs: 750 * ms, NowNs: 1000 * ms, SavesNs: 500 * ms}},
		"If you remove the sleep on line 4, the trace takes 500 to 750 ms instead of 1 s: up to 500 ms less.": {trace, result.WhatIf{LowNs: 500 * ms, HighNs: 750 * ms, NowNs: 1000 * ms, SavesNs: 500 * ms}},
		"If you remove the sleep on line 4, the cell takes 900 ms to 1.2 s instead of 2 s: up to 1.1 s less.": {cell, result.WhatIf{LowNs: 900 * ms, HighNs: 1200 * ms, NowNs: 2000 * ms, SavesNs: 1100 * ms}},
		"If you remove the sleep on line 4, the cell takes as long as now.":                                   {cell, result.WhatIf{LowNs: 1000 * ms, HighNs: 1000 * ms, NowNs: 1000 * ms}},
	} {
		c.w.Change = "remove the sleep on line 4"
		if got := report.WhatIf(c.of, c.w, 100); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// What is saved of less than is shown is nothing.
	if got := report.WhatIf(cell, result.WhatIf{Change: "x", LowNs: 999 * ms, HighNs: 1000 * ms, NowNs: 1000 * ms, SavesNs: ms}, 9); !strings.HasSuffix(got, "as long as now.") {
		t.Errorf("%q", got)
	}
	// All of the wall may go.
	if got := report.WhatIf(cell, result.WhatIf{Change: "x", HighNs: 500 * ms, NowNs: 1000 * ms, SavesNs: 1000 * ms}, 9); !strings.HasSuffix(got, "takes up to 500 ms instead of 1 s: up to 1 s less.") {
		t.Errorf("%q", got)
	}
}

func TestUnpredicted(t *testing.T) {
	if got := report.Unpredicted(&result.Result{}, 100); got != "" {
		t.Errorf("%q", got)
	}
	got := report.Unpredicted(&result.Result{Unpredicted: "records were lost"}, 100)
	if got != "What a change would save could not be predicted: records were lost. A saving is at most the time of its cause." {
		t.Errorf("%q", got)
	}
}
