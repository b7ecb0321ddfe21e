package findings_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

func spansOf(t *testing.T, name, id string) []result.Span {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	f := of(t, string(text), id)
	if f == nil {
		t.Fatalf("%s says nothing of %s", name, id)
	}
	return f.Spans
}

// A loop that waits in each step is shown by its gaps and the calls that waited.
func TestSpansOfSynchronisations(t *testing.T) {
	var gaps, calls int
	for _, s := range spansOf(t, "sync-in-loop", "sync-in-loop") {
		switch {
		case s.Kind == result.SpanGap && s.Device == 0 && s.Row == -1 && s.Thread == 1:
			gaps++
		case s.Kind == result.SpanCall && s.Device == -1 && s.Row >= 0 && s.Label == "cudaMemcpyAsync" && s.Line == 4:
			calls++
		default:
			t.Errorf("%+v", s)
		}
	}
	if gaps != 10 || calls != 10 {
		t.Errorf("%d gaps, %d calls", gaps, calls)
	}
}

// A sleep is shown by the thread that slept, whole.
func TestSpansOfAWait(t *testing.T) {
	list := spansOf(t, "sleep", "sleep")
	if len(list) == 0 {
		t.Fatal("none")
	}
	for _, s := range list {
		if s.Kind != result.SpanThread || s.Label != "asleep" || s.Device != -1 || s.Row != -1 {
			t.Errorf("%+v", s)
		}
	}
}

// Whatever a timeline holds, spans are few, in order, within the cell, and name rows that exist.
func TestSpansAreBounded(t *testing.T) {
	seen := 0
	for seed := range uint64(1000) {
		tl := chaos.Devices(seed)
		if seed%4 == 0 {
			tl = chaos.Windows(seed)
		}
		r := analysis.Analyze(tl, analysis.Input{Arch: fixture.Arch})
		for _, f := range r.Findings {
			if f.Spans == nil || len(f.Spans) > result.MaxSpans {
				t.Fatalf("seed %d: %s has %d spans (nil: %t)", seed, f.ID, len(f.Spans), f.Spans == nil)
			}
			if !slices.IsSortedFunc(f.Spans, func(x, y result.Span) int { return int(x.Start - y.Start) }) {
				t.Fatalf("seed %d: %s: spans are out of order", seed, f.ID)
			}
			for _, s := range f.Spans {
				seen++
				rows := 0
				switch s.Kind {
				case result.SpanCall:
					rows = tl.Calls.Len()
				case result.SpanKernel, result.SpanCopy:
					for i := range tl.Devices {
						if tl.Devices[i].Index == s.Device {
							rows = tl.Devices[i].Ops.Len()
						}
					}
				}
				if s.Start < 0 || s.End <= s.Start || s.End > tl.Extent.Ns() || int(s.Thread) >= len(tl.Threads) || int(s.Row) >= rows || s.Row < 0 && rows > 0 {
					t.Fatalf("seed %d: %s: %+v of %d rows", seed, f.ID, s, rows)
				}
			}
		}
	}
	if seen < 1000 {
		t.Errorf("only %d spans", seen)
	}
}

// Running time is shown where it was, though samples share it out.
func TestSpansOfRunningTime(t *testing.T) {
	list := spansOf(t, "pure-python-hot-loop", "pure-python-hot-loop")
	if len(list) != result.MaxSpans {
		t.Errorf("%d spans", len(list))
	}
	for _, s := range list {
		if s.Kind != result.SpanThread || s.Label != "on the CPU" || s.Line == 0 || s.Thread != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// Times count from the cell's begin, wherever that lies.
func TestSpansCountFromTheCellsBegin(t *testing.T) {
	f := of(t, "window 10s 11s\nsource\ntime.sleep(1)\nend\nthread m main python known\nline m 10s 1\noff m 10100ms 10900ms 10900ms sleep syscall=clock_nanosleep\n", "sleep")
	if f == nil || len(f.Spans) != 1 || f.Spans[0].Start != 100_000_000 || f.Spans[0].End != 900_000_000 {
		t.Errorf("%+v", f)
	}
}
