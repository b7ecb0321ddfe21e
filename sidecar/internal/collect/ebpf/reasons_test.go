package ebpf

import (
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
)

func ms(ns int64) string { return time.Duration(ns).Round(time.Microsecond).String() }

// Each scenario waits for a known reason: at least min of the main thread's time
// must be under it, and no other reason may have as much.
func TestReasons(t *testing.T) {
	const msec = int64(time.Millisecond)
	for _, test := range []struct {
		scenario string
		reason   timeline.Reason
		min      int64
	}{
		{"sleep", timeline.ReasonSleep, 300 * msec},
		{"lock", timeline.ReasonLock, 150 * msec},
		{"gil", timeline.ReasonGIL, 50 * msec},
		{"disk", timeline.ReasonDisk, 1 * msec},
		{"fault", timeline.ReasonPageFault, 1 * msec},
		{"pipe", timeline.ReasonPipe, 150 * msec},
		{"network", timeline.ReasonNetwork, 150 * msec},
		{"child", timeline.ReasonChild, 120 * msec},
		{"poll", timeline.ReasonPoll, 200 * msec},
		{"runnable", timeline.ReasonPreempted, 150 * msec},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			tl, _ := scenario(t, test.scenario)
			main := mainThread(t, tl)
			t.Log(describe(main))
			sums := blockedNs(main)
			if sums[test.reason] < test.min {
				t.Errorf("%s under %s, want at least %s", ms(sums[test.reason]), test.reason, ms(test.min))
			}
			for other, ns := range sums {
				// On a busy machine a thread may be runnable for any time.
				if r := timeline.Reason(other); r != test.reason && r != timeline.ReasonPreempted && ns >= sums[test.reason] {
					t.Errorf("%s under %s, more than under %s", ms(ns), timeline.Reason(other), test.reason)
				}
			}
			if tl.Rung != timeline.RungEBPF {
				t.Errorf("rung %q", tl.Rung)
			}
			for _, l := range tl.Losses {
				// A child may have ended before the reader came, and its memory with it.
				if test.scenario == "child" && strings.Contains(l.Reason, "gone before their names") {
					continue
				}
				t.Errorf("loss: %+v", l)
			}
		})
	}
}
