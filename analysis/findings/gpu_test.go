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

// Of findings that save about as much, the one that is easier to follow comes first.
func TestTheEasierRepairComesFirst(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "data-loader-worker-io.txt"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fixture.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	list := analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch}).Findings
	if len(list) != 2 || list[0].ID != "data-loader-starved" || list[0].Effort != result.Easy || list[1].Effort != result.Moderate {
		t.Errorf("%+v", list)
	}
}
