package verdict_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/verdict"
)

func parse(t *testing.T, text string) *fixture.Fixture {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func decide(f *fixture.Fixture, o result.Overhead) result.Verdict {
	return analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch, Overhead: o}).Verdict
}

// keep drops rows of a column.
func keep[T any](column []T, rows []bool) []T {
	out := []T{}
	for i, v := range column {
		if rows[i] {
			out = append(out, v)
		}
	}
	return out
}

// thinned is a timeline with a share of its events dropped and counted, as a full ring buffer does.
func thinned(tl *timeline.Timeline, share float64, seed uint64) *timeline.Timeline {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := *tl
	out.Threads = append([]timeline.Thread(nil), tl.Threads...)
	var lost int64
	pick := func(n int) []bool {
		rows := make([]bool, n)
		for i := range rows {
			rows[i] = rng.Float64() >= share
			if !rows[i] {
				lost++
			}
		}
		return rows
	}
	for i := range out.Threads {
		t := &out.Threads[i]
		s, r := t.Sched, pick(t.Sched.Len())
		t.Sched = timeline.Sched{Off: keep(s.Off, r), Wake: keep(s.Wake, r), On: keep(s.On, r), Reason: keep(s.Reason, r),
			Syscall: keep(s.Syscall, r), Waker: keep(s.Waker, r), Stack: keep(s.Stack, r), Known: s.Known}
		m, r := t.Samples, pick(t.Samples.Len())
		t.Samples = timeline.Samples{Time: keep(m.Time, r), Kind: keep(m.Kind, r), Syscall: keep(m.Syscall, r),
			Stack: keep(m.Stack, r), Module: keep(m.Module, r), PeriodNs: m.PeriodNs}
		l, r := t.Lines, pick(t.Lines.Len())
		t.Lines = timeline.Lines{Time: keep(l.Time, r), Line: keep(l.Line, r), Top: keep(l.Top, r), Sampled: keep(l.Sampled, r)}
	}
	host := lost
	calls, at := pick(tl.Calls.Len()), make([]int32, tl.Calls.Len())
	n := int32(0)
	for i, kept := range calls {
		at[i] = -1
		if kept {
			at[i] = n
			n++
		}
	}
	c := tl.Calls
	out.Calls = timeline.Calls{Start: keep(c.Start, calls), End: keep(c.End, calls), Thread: keep(c.Thread, calls),
		Class: keep(c.Class, calls), Name: keep(c.Name, calls), Correlation: keep(c.Correlation, calls)}
	out.Devices = append([]timeline.Device(nil), tl.Devices...)
	for i := range out.Devices {
		o := out.Devices[i].Ops
		r := pick(o.Len())
		call := append([]int32(nil), o.Call...)
		for row, of := range call {
			if of >= 0 {
				call[row] = at[of]
			}
		}
		out.Devices[i].Ops = timeline.Ops{Start: keep(o.Start, r), End: keep(o.End, r), Kind: keep(o.Kind, r), Stream: keep(o.Stream, r),
			Name: keep(o.Name, r), Bytes: keep(o.Bytes, r), Copy: keep(o.Copy, r), Source: keep(o.Source, r), Target: keep(o.Target, r),
			Graph: keep(o.Graph, r), Call: keep(call, r)}
	}
	if device := lost - host; device > 0 {
		out.Losses = append(append([]timeline.Loss(nil), tl.Losses...), timeline.Loss{Source: "cupti", Reason: "GPU records did not fit into the ring", Count: device})
		lost = host
	}
	if lost > 0 {
		out.Losses = append(append([]timeline.Loss(nil), out.Losses...), timeline.Loss{Source: "ebpf", Reason: "records were dropped", Count: lost})
	}
	return &out
}

// Dropping events never makes the verdict more certain.
func TestDroppedEventsNeverRaiseConfidence(t *testing.T) {
	paths, err := filepath.Glob("../findings/testdata/*.txt")
	if err != nil || len(paths) < 10 {
		t.Fatal(len(paths), err)
	}
	cells := map[string]*fixture.Fixture{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cells[filepath.Base(path)] = parse(t, string(text))
	}
	for until := 3; until <= 9; until++ { // from mostly Python over a tie to mostly asleep
		cells[fmt.Sprintf("asleep until %d ms of 10", until)] = cell(t, "", until, "")
	}
	for busy := 10; busy <= 90; busy += 20 { // from idle to busy over a tie
		cells[fmt.Sprintf("a GPU busy for %d%%", busy)] = parse(t, gpuCell(100, busy))
	}
	for name, f := range cells {
		for seed := range uint64(4) {
			before := decide(f, result.Overhead{}).Confidence
			for _, share := range []float64{0.1, 0.3, 0.6} {
				less := &fixture.Fixture{Source: f.Source, Timeline: thinned(f.Timeline, share, seed)}
				v := decide(less, result.Overhead{})
				if v.Confidence > before+1e-9 {
					t.Errorf("%s, %.0f%% dropped: confidence rose from %.3f to %.3f (%+v)", name, share*100, before, v.Confidence, v)
				}
				before = v.Confidence
			}
		}
	}
}

// Lost samples cast doubt on what samples tell, not on recorded waits.
func TestLossesCountWhereTheyMatter(t *testing.T) {
	asleep, busy := cell(t, "", 9, "loss ebpf 1000 samples found no room"), cell(t, "", 3, "loss ebpf 1000 samples found no room")
	if v := decide(asleep, result.Overhead{}); v.Class != result.CPUBound || v.Evidence < 0.7 || v.Evidence > 0.9 {
		t.Errorf("asleep: %+v", v)
	}
	if v := decide(busy, result.Overhead{}); v.Class != result.Unknown {
		t.Errorf("busy: %+v", v)
	}
	if v := decide(cell(t, "", 9, "loss ebpf 1000 scheduler records found no room"), result.Overhead{}); v.Class != result.Unknown {
		t.Errorf("switches were lost: %+v", v)
	}
	if v := decide(cell(t, "", 9, "loss procfs 1000 threads ended"), result.Overhead{}); v.Evidence < 0.95 {
		t.Errorf("not records: %+v", v)
	}
}

const loop = `window 0s 1s
source
for x in xs:
    time.sleep(0.005)
end
thread MainThread main python known period=2ms %s
line MainThread 0s 1
repeat 100 every 10ms
line MainThread 1ms 2
off MainThread 2ms %dms %dms sleep syscall=clock_nanosleep
sample MainThread 1500us python
line MainThread 9900us 1
sample MainThread 9950us python
end
%s`

func cell(t *testing.T, thread string, until int, more string) *fixture.Fixture {
	return parse(t, fmt.Sprintf(loop, thread, until, until, more))
}

func TestConfidenceIsTheProductOfItsParts(t *testing.T) {
	v := decide(cell(t, "", 9, ""), result.Overhead{})
	if v.Class != result.CPUBound || v.Confidence != v.Evidence*v.Margin*v.Quality || v.Confidence < 0.9 {
		t.Errorf("%+v", v)
	}
	if v.TopCause.Kind != result.CauseSleep || v.TopCause.Line.Number != 2 {
		t.Errorf("top cause %+v", v.TopCause)
	}
}

// Two causes of the same size: which one is named does not matter, only one that is far behind does.
func TestTiesAreKept(t *testing.T) {
	if v := decide(cell(t, "", 6, ""), result.Overhead{}); v.Class != result.CPUBound {
		t.Errorf("%+v", v)
	}
}

func TestOwnOverheadLowersQuality(t *testing.T) {
	last := 1.0
	for _, slow := range []float64{1, 1.05, 1.3, 1.8, 3} {
		v := decide(cell(t, "", 9, ""), result.Overhead{EstimatedSlowdown: slow})
		if v.Quality > last || slow > 1.02 && v.Quality == 1 {
			t.Errorf("slowdown %.2f: quality %.2f after %.2f", slow, v.Quality, last)
		}
		last = v.Quality
	}
	if last != 0 {
		t.Errorf("three times slower: quality %.2f", last)
	}
}

func TestKernelAccountsThatDisagreeLowerQuality(t *testing.T) {
	if v := decide(cell(t, "cpu=300ms", 9, ""), result.Overhead{}); v.Quality != 1 {
		t.Errorf("they agree: %+v", v)
	}
	if v := decide(cell(t, "cpu=900ms", 9, ""), result.Overhead{}); v.Class != result.Unknown || v.Quality > 0.1 {
		t.Errorf("they disagree: %+v", v)
	}
}

func TestGPUThatWasNotCaptured(t *testing.T) {
	for _, more := range []string{
		"loss cupti 0 GPU work was " + verdict.GPUNotCaptured,
		"sample MainThread 9960us native module=/usr/lib/libcuda.so.1",
		"off MainThread 9960us 9970us 9970us gpu_driver syscall=ioctl",
	} {
		v := decide(cell(t, "", 9, more), result.Overhead{})
		if v.Class != result.Unknown || v.Evidence > 0.2 || !strings.Contains(v.Sentence, "not captured") {
			t.Errorf("%q: %+v", more, v)
		}
	}
	// Where CUPTI was on and has no record, whatever used the driver was no work for the device.
	if v := decide(cell(t, "", 9, "sample MainThread 9960us native module=/usr/lib/libcuda.so.1\nwatched"), result.Overhead{}); v.Class != result.CPUBound {
		t.Errorf("%+v", v)
	}
	// A source that is absent while nothing used the GPU is no reason for doubt.
	if v := decide(cell(t, "", 9, "loss cupti 0 no CUDA device"), result.Overhead{}); v.Class != result.CPUBound {
		t.Errorf("%+v", v)
	}
}

func TestWithoutSchedulerData(t *testing.T) {
	f := parse(t, `rung in_process
window 0s 1s
source
job.join()
end
thread MainThread main python period=5ms
stack join join@/usr/lib/python3.12/threading.py:1000
line MainThread 0s 1
repeat 200 every 5ms
sample MainThread 1ms waiting stack=join
end`)
	v := decide(f, result.Overhead{})
	if v.TopCause.Kind != result.CauseLock || v.Evidence > 0.8 {
		t.Errorf("%+v", v)
	}
	f = parse(t, `rung in_process
window 0s 1s
source
time.sleep(1)
end
thread MainThread main python period=5ms
line MainThread 0s 1
repeat 200 every 5ms
sample MainThread 1ms waiting
end`)
	v = decide(f, result.Overhead{})
	if v.Class != result.Unknown || v.Leaning != result.CPUBound || !strings.Contains(v.Sentence, "line 1") {
		t.Errorf("%+v", v)
	}
}

func TestSentences(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing": {"window 0s 0s", "Nothing was recorded of this cell."},
		"short": {"window 0s 300us\nthread m main known\nline m 0s 1",
			"The cell took 300 µs: too short to say where the time went."},
		"no main thread": {"window 0s 1s", "What took most of the cell's 1 s was not seen"},
		"hostile": {"window 0s 1s\nsource\n<script>alert(1)</script>`\nend\nthread m main known period=2ms\nline m 0s 1\noff m 0s 1s 1s sleep",
			"Almost all of the cell's 1 s was spent sleeping on line 1 (`<script>alert(1)</script>`); no GPU work was seen."},
	} {
		v := decide(parse(t, c.text), result.Overhead{})
		if !strings.HasPrefix(v.Sentence, c.want) || !strings.HasSuffix(v.Sentence, ".") || strings.ContainsAny(v.Sentence, "\n\r") {
			t.Errorf("%s: %q", name, v.Sentence)
		}
	}
}
