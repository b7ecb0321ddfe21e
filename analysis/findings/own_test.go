package findings_test

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// waiting is a cell that waits for the GIL for 80 % of its time, for HOLDER alone on line 1, and for it, in part, on line 2.
const waiting = `window 0s 1s
source
fit(x)
fit(y)
end
thread MainThread main python known period=5ms
thread HOLDER python known period=5ms
thread logger python known period=5ms
stack run Thread.run@/usr/lib/python3.12/threading.py:1000
line MainThread 0s 1
repeat 10 every 50ms
off MainThread 1ms 41ms 41ms gil syscall=futex waker=HOLDER
sample HOLDER 20ms python stack=run
end
line MainThread 500ms 2
repeat 10 every 50ms
off MainThread 501ms 541ms 541ms gil syscall=futex waker=OTHER
sample OTHER 520ms python stack=run
end
`

// A wait for InferScope's own threads is told as that, and never as a thread to be repaired.
func TestOwnThreadsAreNoHolders(t *testing.T) {
	for thread, name := range map[string]string{"inferscope-recorder": "InferScope's recorder", "inferscope-sampler": "InferScope's sampler",
		"inferscope-gov": "InferScope's own thread", "spinner": "spinner"} {
		for _, other := range []string{thread, "logger"} {
			f, err := fixture.Parse(strings.NewReplacer("HOLDER", thread, "OTHER", other).Replace(waiting))
			if err != nil {
				t.Fatal(err)
			}
			r := analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
			own := thread != "spinner"
			for _, c := range r.Host.Causes {
				if c.Kind == result.CauseGIL && c.Line.Number == 1 && (c.Thread != name || attribution.OwnHolder(c) != own || own == strings.Contains(c.Detail, "Thread.run")) {
					t.Errorf("%s: %+v", thread, c)
				}
			}
			var high int64
			for _, finding := range r.Findings {
				if finding.ID != "gil-contention" {
					continue
				}
				high = finding.Saving.HighNs
				if strings.Contains(finding.Evidence, "InferScope") {
					t.Errorf("%s: %s", thread, finding.Evidence)
				}
			}
			want := map[bool]int64{true: 800e6, false: 400e6}[!own]
			if own && other == thread {
				want = 0
			}
			if high != want {
				t.Errorf("%s and %s: %d ms are saved, want %d", thread, other, high/1e6, want/1e6)
			}
		}
	}
}

// A cell whose GPU work was not seen is not said to be healthy.
func TestNothingIsHealthyWithoutTheGPU(t *testing.T) {
	const text = `window 0s 1s
source
y = model(x)
end
thread MainThread main python known period=5ms
line MainThread 0s 1
repeat 190 every 5ms
sample MainThread 2ms native module=/lib/libcuda.so.1
end
`
	if of(t, strings.ReplaceAll(text, "libcuda.so.1", "libnp.so"), "healthy") == nil || of(t, text, "healthy") != nil {
		t.Error("healthy is told of what was not seen, or not told of what was")
	}
}
