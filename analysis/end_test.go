package analysis

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

func analyzed(t *testing.T, outcome, text string) *result.Result {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return Analyze(f.Timeline, Input{Cell: result.Cell{Lines: f.Source, Outcome: outcome}, Arch: fixture.Arch})
}

const failing = `window 0s 1s
source
%%inferscope
time.sleep(0.4)
values[7]

end
thread MainThread main python known period=10ms
stack show getmodule@/usr/lib/python3.12/inspect.py:900 InteractiveShell.showtraceback@/x/site-packages/IPython/core/interactiveshell.py:2100 InteractiveShell.run_code@/x/site-packages/IPython/core/interactiveshell.py:3500
line MainThread 0s 1
line MainThread 100ms 2
off MainThread 101ms 400ms 400ms sleep
line MainThread 400ms 3
`

// The time in which IPython shows an error is not the cell's, whichever source tells when it began.
func TestShowingAnErrorIsNotTheCell(t *testing.T) {
	for name, more := range map[string]string{
		"by the last line":   "line MainThread 410ms 0\nrepeat 50 every 10ms\nsample MainThread 420ms python stack=show\nend",
		"by samples":         "repeat 50 every 10ms\nsample MainThread 410ms python stack=show\nend",
		"by a wait":          "off MainThread 410ms 800ms 800ms disk stack=show",
		"by the first of it": "off MainThread 410ms 800ms 800ms disk stack=show\nsample MainThread 900ms python stack=show",
	} {
		r := analyzed(t, "error", failing+more)
		if r.WallNs != 410e6 || r.Picture.Window.Ns() != 410e6 || r.Verdict.TopCause.Kind != result.CauseSleep {
			t.Errorf("%s: wall %d, picture %d: %s", name, r.WallNs, r.Picture.Window.Ns(), r.Verdict.Sentence)
		}
		if len(r.Notes) == 0 || !strings.Contains(strings.Join(r.Notes, " "), "another 590 ms") {
			t.Errorf("%s: notes %q", name, r.Notes)
		}
		// The same in a cell that ended well is its own.
		if r := analyzed(t, "ok", failing+more); r.WallNs != 1e9 {
			t.Errorf("%s, ended well: wall %d", name, r.WallNs)
		}
	}
}

// The directive has a place in the listing and in nothing else; empty lines at the end have none.
func TestListingOfTheCell(t *testing.T) {
	r := analyzed(t, "ok", failing)
	if len(r.Cell.Lines) != 3 || r.Cell.Lines[0] != "%%inferscope" {
		t.Errorf("%q", r.Cell.Lines)
	}
	for _, lane := range r.Picture.Lanes {
		for _, s := range lane.Slices {
			if s.Line == 1 {
				t.Errorf("lane %s shows %+v", lane.Name, s)
			}
		}
	}
}

func TestOwnThreadsAreToldInANote(t *testing.T) {
	r := analyzed(t, "ok", failing+"thread inferscope-recorder known\n")
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "InferScope's own threads") {
		t.Errorf("notes %q", r.Notes)
	}
	for _, lane := range r.Picture.Lanes {
		if strings.HasPrefix(lane.Name, "inferscope") {
			t.Errorf("lane %q", lane.Name)
		}
	}
}

func TestFunctionsShowNoPathOfTheMachine(t *testing.T) {
	r := analyzed(t, "ok", failing+"repeat 50 every 10ms\nsample MainThread 410ms python stack=show\nend")
	if len(r.Host.Functions) != 1 || r.Host.Functions[0].File != "python3.12/inspect.py" {
		t.Errorf("%+v", r.Host.Functions)
	}
}

// A timeline that was cut keeps every invariant, and the one it was cut from is as it was.
func TestUntil(t *testing.T) {
	for seed := range uint64(300) {
		tl := chaos.Timeline(seed)
		window := tl.Window
		for part := range int64(5) {
			end := window.Start + window.Ns()/4*part
			cut := tl.Until(end)
			if err := cut.Check(); err != nil {
				t.Fatalf("seed %d, cut at %d of 4: %v", seed, part, err)
			}
			if want := min(max(end, window.Start), window.End); cut.Window.End != want {
				t.Fatalf("seed %d: ends at %d, not %d", seed, cut.Window.End, want)
			}
		}
		if err := tl.Check(); err != nil || tl.Window != window {
			t.Fatalf("seed %d: the original changed: %v", seed, err)
		}
	}
}

// What was seen of a GPU whose kernels were not is told in a note; where they could have been, nothing is missing.
func TestCallsAloneAreToldInANote(t *testing.T) {
	calls := failing + "call MainThread 1ms 2ms launch cuLaunchKernel\ncall MainThread 3ms 4ms copy cuMemcpyHtoD bytes=2048\n"
	r := analyzed(t, "ok", calls+"loss cudaprobe 0 kernels were not seen, only the CUDA calls that launch them\n")
	if len(r.Notes) != 1 || r.Notes[0] != "Of the GPU, only the calls were seen, on all threads: 1 launch that took 1 ms, 1 copy or set of 2.0 KiB." {
		t.Errorf("notes %q", r.Notes)
	}
	if r = analyzed(t, "ok", calls); len(r.Notes) != 0 {
		t.Errorf("notes %q", r.Notes)
	}
}
