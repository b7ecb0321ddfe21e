package findings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// asleep is a cell whose host sleeps for 8 of every 10 ms, while the GPU is busy for some of it.
const asleep = `window 0s 1s
source
for x in xs:
    y = model(x)
    time.sleep(0.008)
end
device 0 H100
thread MainThread main python known period=2ms
line MainThread 0s 1
repeat 100 every 10ms
line MainThread 1us 2
kernel MainThread 10us 15us 20us BUSY gemm
line MainThread 20us 3
off MainThread 1ms 9ms 9ms sleep syscall=clock_nanosleep
end
`

func of(t *testing.T, text, id string) *result.Finding {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
	for i := range r.Findings {
		if r.Findings[i].ID == id {
			return &r.Findings[i]
		}
	}
	return nil
}

// What the host does while the GPU is busy costs nothing, and idle time below a tenth of the wall is not spoken of.
func TestHostFindingsCountIdleTime(t *testing.T) {
	f := of(t, strings.ReplaceAll(asleep, "BUSY", "5ms"), "sleep")
	if f == nil || f.Saving.HighNs != 400_000_000 || f.Line.Number != 3 || !strings.Contains(f.Evidence, "400 ms of the cell's 1 s (40%, with the GPU idle)") {
		t.Errorf("half of the sleep is idle time: %+v", f)
	}
	if f := of(t, strings.ReplaceAll(asleep, "BUSY", "9200us"), "sleep"); f != nil {
		t.Errorf("the GPU is busy while the host sleeps: %+v", f)
	}
	if f := of(t, strings.ReplaceAll(asleep, "BUSY", "9200us"), "healthy"); f == nil {
		t.Error("a busy GPU is nothing to repair")
	}
}

// Pinning memory inline costs more than it saves, so nobody is told to.
func TestPinningInlineIsNeverAdvised(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "pageable-copies.txt"))
	if err != nil {
		t.Fatal(err)
	}
	f := of(t, string(text), "pageable-copies")
	if f == nil || strings.Contains(f.Advice+f.After, ".pin_memory()") {
		t.Errorf("%+v", f)
	}
}

// CUPTI waits for earlier work before the cell; that is told, and not as the cell's time.
func TestEarlierWorkThatWasWaitedFor(t *testing.T) {
	cell := "window 0s 100ms\nsource\ntorch.cuda.synchronize()\nend\nthread MainThread main python known period=2ms\nline MainThread 0s 1\n" +
		"repeat 50 every 2ms\nsample MainThread 1ms python\nend\n"
	f := of(t, cell+"watched earlier=810000000", "carry-in")
	if f == nil || f.Severity != result.Info || f.Saving.HighNs != 0 || !strings.Contains(f.Evidence, "busy for another 810 ms with what had been launched earlier") {
		t.Errorf("%+v", f)
	}
	if f := of(t, cell+"watched earlier=1000000", "carry-in"); f != nil {
		t.Errorf("a millisecond is nothing to speak of: %+v", f)
	}
}

// What is compiled in a burst, or at the beginning and once more, is not compiled all through the cell.
func TestCompilationsThatAreNoLoop(t *testing.T) {
	cell := "window 0s 2s\nsource\nstep(x)\nend\nthread MainThread main python known period=2ms\ndevice 0 H100\nline MainThread 0s 1\n"
	for name, at := range map[string][]string{
		"a burst and one more": {"1ms 51ms 60ms", "61ms 111ms 120ms", "1800ms 1900ms 1990ms"},
		"only its first half":  {"1ms 101ms 200ms", "300ms 400ms 500ms", "600ms 700ms 1990ms"},
	} {
		text := cell
		for _, times := range at {
			w := strings.Fields(times)
			text += "call MainThread " + w[0] + " " + w[1] + " module cuModuleLoadData\nkernel MainThread " + w[1] + " " + w[1] + " " + w[1] + " " + w[2] + " k\n"
		}
		if f := of(t, text, "recompilation"); f != nil {
			t.Errorf("%s: %+v", name, f)
		}
		if f := of(t, text, "compile-in-cell"); f == nil {
			t.Errorf("%s: nothing is said", name)
		}
	}
}

// Copies from pageable memory block whatever one asks for: another rule speaks of them.
func TestBlockingCopiesOfPageableMemory(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "synchronous-copies.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if f := of(t, strings.ReplaceAll(string(text), "HtoD pinned", "HtoD pageable"), "synchronous-copies"); f != nil {
		t.Errorf("%+v", f)
	}
	// A result of four bytes is read, not copied.
	if f := of(t, strings.ReplaceAll(string(text), "67108864", "4"), "synchronous-copies"); f != nil {
		t.Errorf("%+v", f)
	}
	// A call that blocks by itself needs no wait after it.
	blocking := strings.ReplaceAll(strings.ReplaceAll(string(text), "copy MainThread 20us 30us 40us 3ms HtoD pinned device 67108864",
		"copy MainThread 20us 3010us 40us 3ms HtoD pinned device 67108864 call=cudaMemcpy"), "call MainThread 32us 3010us sync cudaStreamSynchronize", "")
	if f := of(t, blocking, "synchronous-copies"); f == nil {
		t.Error("cudaMemcpy blocks")
	}
}

// Servers that a worker keeps for others, and calls that are compiled once in parts, are neither files nor loops.
func TestWhatOnlyLooksLikeIt(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := read("data-loader-worker-io")
	if f := of(t, strings.ReplaceAll(text, "disk stack=load syscall=read", "network stack=load syscall=recvfrom"), "data-loader-worker-io"); f == nil {
		t.Error("workers that wait for the network are not seen")
	}
	if f := of(t, strings.ReplaceAll(text, "disk stack=load syscall=read", "network stack=load syscall=accept4"), "data-loader-worker-io"); f != nil {
		t.Errorf("an idle server: %+v", f)
	}
	once := strings.Replace(read("recompilation"), "line MainThread 1ms 3\n", "", 1)
	once = strings.Replace(once, "line MainThread 0s 1\n", "line MainThread 0s 1\nline MainThread 1ms 3\n", 1)
	if f := of(t, once, "recompilation"); f != nil {
		t.Errorf("one call: %+v", f)
	}
	if f := of(t, once, "compile-in-cell"); f == nil {
		t.Error("one call that compiles in parts compiles")
	}
}
