package analysis_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

func explained(t *testing.T, name string) *analysis.Explained {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("findings", "testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fixture.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return analysis.Explain(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
}

// An explanation has the gaps, what lay around them, the calls, the threads and their states, and who held them up.
func TestExplanationsHaveTheEvidence(t *testing.T) {
	for _, c := range []struct {
		fixture, subject string
		wants            []string
	}{
		{"sync-in-loop", "sync-in-loop", []string{
			"The GPU had nothing to do for this reason in 1000 gaps: 55 µs in the median, 55 µs at the longest, 55 ms in all.",
			"1000 gaps came after a copy device to host, and 999 gaps ended with the kernel `gemm`.",
			"The CUDA call that the thread was in, had just left or had launched with: `cudaMemcpyAsync` (1000 times).",
			"Meanwhile \"MainThread\" was on the CPU for 55 ms.",
			"It is silent below 5% of the cell's wall or 20 ms on one line, below 10 waits, and when the GPU was idle for less than 10% of the wall."}},
		{"sync-in-loop", "sync_refill", []string{
			"It means: the host was in a call that waits for the GPU, or had left it less than 1 ms before and launched nothing yet.",
			"55 ms of the cell's 100 ms (55%) with the GPU idle, the largest part on line 4 (`total += y.item()`).",
			"Meanwhile \"MainThread\" was on the CPU for 55 ms."}},
		{"gil-contention", "gil-contention", []string{
			"The main thread spent it in 200 stretches: 2.8 ms in the median, 4 ms at the longest, 680 ms in all.",
			"Meanwhile \"MainThread\" was waiting for the GIL for 680 ms.",
			"\"spinner\" ended waits of 400 ms.",
			"It is put down to \"spinner\", which was running Python in spin(), line 4."}},
		{"fp32-matmul", "fp32-matmul", []string{"200 operations of GPU 0 were meant: 2 ms in the median, 6 ms at the longest, 800 ms in all."}},
		{"synchronous-copies", "synchronous-copies", []string{"Each held its thread up for 3 ms in the median, from the call's begin to the end of the wait for it."}},
		{"data-loader-starved", "data_loading", []string{
			"Meanwhile \"MainThread\" was waiting on a pipe for 720 ms.",
			"\"worker (process 200)\" ended waits of 720 ms.",
			"It is put down to \"worker (process 200)\", which was running in resize() of transforms.py."}},
	} {
		list := explained(t, c.fixture).Of(c.subject)
		if len(list) == 0 {
			t.Errorf("%s: %s is not explained", c.fixture, c.subject)
			continue
		}
		for _, want := range c.wants {
			if !slices.Contains(list[0].Facts, want) {
				t.Errorf("%s: %s lacks %q:\n%s", c.fixture, c.subject, want, strings.Join(list[0].Facts, "\n"))
			}
		}
	}
}

// Every subject that is named can be explained, with something said; all has every finding; what is not there has nothing.
func TestEverySubjectIsExplained(t *testing.T) {
	for seed := range uint64(200) {
		x := analysis.Explain(chaos.Devices(seed), analysis.Input{Arch: fixture.Arch})
		for _, s := range x.Subjects() {
			list := x.Of(s)
			if len(list) == 0 {
				t.Fatalf("seed %d: %s is not explained", seed, s)
			}
			for _, e := range list {
				if len(e.Facts) < 2 || e.Title == "" || e.Spans == nil || len(e.Spans) > result.MaxSpans {
					t.Fatalf("seed %d: %s: %+v", seed, s, e)
				}
				for _, fact := range e.Facts {
					if !strings.HasSuffix(fact, ".") || strings.ContainsAny(fact, "\n\r") {
						t.Fatalf("seed %d: %s: %q", seed, s, fact)
					}
				}
			}
		}
		if n := len(x.Of(analysis.All)); n != len(x.Result.Findings) {
			t.Fatalf("seed %d: all explains %d of %d findings", seed, n, len(x.Result.Findings))
		}
		if list := x.Of("nonsense"); len(list) != 0 {
			t.Fatalf("seed %d: %+v", seed, list)
		}
	}
}

// Every cause has a meaning.
func TestEveryCauseHasAMeaning(t *testing.T) {
	for seed := range uint64(100) {
		r := analysis.Analyze(chaos.Devices(seed), analysis.Input{Arch: fixture.Arch})
		for _, c := range append(r.Host.Causes, r.Idle.Causes...) {
			if phrase.Meaning(c.Kind) == "" {
				t.Fatalf("%s has none", c.Kind)
			}
		}
	}
}

// The trace of another tool knows nothing of waits: that is said, and no finding of theirs is made.
func TestATraceDoesNotGuess(t *testing.T) {
	f, err := fixture.Parse(`rung trace
nocell
window 0s 1s
thread python main
device 0 V100
repeat 100 every 10ms
range python 0s 9ms operator aten::copy_
kernel python 10us 20us 30us 1ms gemm
end
`)
	if err != nil {
		t.Fatal(err)
	}
	x := analysis.Explain(f.Timeline, analysis.Input{Arch: fixture.Arch})
	for _, k := range []string{"gil_wait", "lock_wait", "page_fault", "host_io", "network_io", "sleep", "preempted", "gc"} {
		list := x.Of(k)
		if len(list) != 1 || !strings.Contains(strings.Join(list[0].Facts, " "), "Whether it happened is not known: the trace of another tool does not record when threads ran or waited") {
			t.Errorf("%s: %+v", k, list)
		}
		if slices.Contains(x.Subjects(), k) {
			t.Errorf("%s is said to be there", k)
		}
	}
	for _, c := range append(x.Result.Idle.Causes, x.Result.Host.Causes...) {
		if c.Kind != result.CauseFramework && c.Kind != result.CauseLaunchLatency && c.Kind != result.CauseUnknown && c.Kind != result.CauseDeviceWait {
			t.Errorf("%+v is guessed", c)
		}
	}
	list := x.Of("framework")
	if len(list) != 1 || !strings.Contains(strings.Join(list[0].Facts, " "), "waits for the GIL, locks, files") || strings.Contains(strings.Join(list[0].Facts, " "), "the cell") {
		t.Errorf("%+v", list)
	}
	// A cell that was watched has no such excuse.
	if list := explained(t, "sleep").Of("gil_wait"); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
