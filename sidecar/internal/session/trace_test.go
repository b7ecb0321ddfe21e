package session

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/summary"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
	"github.com/inferscope/inferscope/sidecar/wire"
)

const stepNs = 1000

// service is a sidecar without collectors: all it gets are the client's events. Its
// cells are kept in dir.
func service(t testing.TB, dir string, runs int, maxRows int64) *Service {
	t.Helper()
	environ := []string{"INFERSCOPE_HISTORY_PATH=" + dir, fmt.Sprint("INFERSCOPE_HISTORY_RUNS=", runs)}
	s := New(Config{Version: "1.2.3", PID: os.Getpid(), MaxRows: maxRows, Place: config.Place{Environ: environ}})
	s.keeper.patience = time.Minute
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func start(t testing.TB, s *Service, id string) {
	t.Helper()
	peer := server.Peer{PID: os.Getpid(), UID: uint32(os.Getuid()), Python: "3.12.1"}
	m := wire.Start{CellID: id, MainTID: 77, Source: "a = 1\nb = 2", CellName: "In [5]", Environ: s.config.Place.Environ}
	if _, err := s.Start(context.Background(), peer, m); err != nil {
		t.Fatal(err)
	}
}

// lines sends n line events, one every stepNs from a moment on.
func lines(s *Service, id string, from int64, n int) {
	c := wire.LineColumns{TID: 77}
	for i := range n {
		c.Time = binary.LittleEndian.AppendUint64(c.Time, uint64(from+int64(i)*stepNs))
		c.Line = binary.LittleEndian.AppendUint32(c.Line, uint32(1+i%2))
		c.Top = binary.LittleEndian.AppendUint32(c.Top, uint32(1+i%2))
	}
	s.Events(wire.Events{CellID: id, Lines: []wire.LineColumns{c}})
}

// run profiles a cell of n lines and waits until its trace is written.
func run(t *testing.T, s *Service, id string, n int) wire.Report {
	t.Helper()
	start(t, s, id)
	const begin = 1_000_000
	for sent := 0; sent < n; sent += 1000 {
		lines(s, id, begin+int64(sent)*stepNs, min(1000, n-sent))
	}
	report, err := s.Stop(context.Background(), wire.Stop{CellID: id, Begin: begin, End: begin + int64(n)*stepNs, Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	s.Answered(id)
	flush(t, s)
	return report
}

func flush(t testing.TB, s *Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if s.Flush(ctx); ctx.Err() != nil {
		t.Fatal("the trace was never written")
	}
}

func notes(t *testing.T, report wire.Report) string {
	t.Helper()
	var summary struct{ Notes []string }
	if err := json.Unmarshal([]byte(report.Summary), &summary); err != nil {
		t.Fatal(err)
	}
	return strings.Join(summary.Notes, "\n")
}

func TestTraceOfACellIsKept(t *testing.T) {
	s := service(t, filepath.Join(t.TempDir(), "runs"), 2, 0)
	report := run(t, s, "a", 3000)
	if report.Trace == "" || notes(t, report) != "" {
		t.Fatalf("trace %q, notes %q", report.Trace, notes(t, report))
	}
	tl, meta, err := tracestore.Open(report.Trace)
	if err != nil {
		t.Fatal(err)
	}
	if n := tl.Threads[tl.Main()].Lines.Len(); n != 3000 || len(tl.Losses) != 0 {
		t.Errorf("%d lines, losses %v", n, tl.Losses)
	}
	var got, want any
	if json.Unmarshal(meta.Summary, &got) != nil || json.Unmarshal([]byte(report.Summary), &want) != nil || got == nil {
		t.Errorf("the summary is not the report's")
	}
	again := analysis.Analyze(tl, analysis.Input{Source: meta.Source, Cell: meta.Cell, Collectors: meta.Collectors, Overhead: meta.Overhead})
	if text := string(summary.Render(again)); text != report.Summary {
		t.Errorf("the trace gives another report:\n%s\nthan the cell:\n%s", text, report.Summary)
	}
	if !meta.Complete || meta.Cell.Name != "In [5]" || meta.Cell.Lines[1] != "b = 2" || meta.Versions["python"] != "3.12.1" || meta.ToolVersion != "1.2.3" {
		t.Errorf("meta %+v", meta)
	}
	if off := time.Since(time.Unix(0, meta.WallOffsetNs+clock.Monotonic())); off > time.Minute || off < -time.Minute {
		t.Errorf("the wall clock is off by %v", off)
	}
	status := s.Status().History
	if !status.Available || !strings.Contains(status.Detail, filepath.Dir(report.Trace)) {
		t.Errorf("status %+v", status)
	}
	for range 3 {
		run(t, s, "b", 10)
	}
	if _, err := os.Stat(report.Trace); !os.IsNotExist(err) {
		t.Errorf("the oldest run is still there: %v", err)
	}
}

// A cell with more events than memory holds has them all in its trace; the report is
// made from the first, and says so.
func TestACellBeyondMemory(t *testing.T) {
	const n, limit = 40_000, 10_000
	for _, runs := range []int{5, 0} {
		s := service(t, filepath.Join(t.TempDir(), "runs"), runs, limit)
		report := run(t, s, "a", n)
		var loss *wire.Loss
		for i := range report.Losses {
			if strings.Contains(report.Losses[i].Reason, "more than 10,000 events") {
				loss = &report.Losses[i]
			}
		}
		if loss == nil || loss.Count < n-limit-2048 || loss.Count > n-limit {
			t.Fatalf("losses %+v", report.Losses)
		}
		var summary struct {
			WallNs int64 `json:"wall_ns"`
		}
		if err := json.Unmarshal([]byte(report.Summary), &summary); err != nil {
			t.Fatal(err)
		}
		if want := (n - loss.Count) * stepNs; summary.WallNs != want {
			t.Errorf("the report is about %d ns, want the %d of what was kept", summary.WallNs, want)
		}
		if runs == 0 {
			if report.Trace != "" || !strings.Contains(loss.Reason, "is lost") || loss.Enable == "" {
				t.Errorf("trace %q, loss %+v", report.Trace, loss)
			}
			continue
		}
		tl, meta, err := tracestore.Open(report.Trace)
		if err != nil {
			t.Fatal(err)
		}
		if got := tl.Threads[tl.Main()].Lines.Len(); got != n {
			t.Errorf("%d of %d lines are in the trace", got, n)
		}
		if meta.AnalysedUntilNs-tl.Window.Start != summary.WallNs {
			t.Errorf("analysed until %d, want %d", meta.AnalysedUntilNs-tl.Window.Start, summary.WallNs)
		}
	}
}

// A disk that does not answer costs the report no more than the patience.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	s := service(t, filepath.Join(t.TempDir(), "runs"), 2, 0)
	s.keeper.patience = 0
	start(t, s, "a")
	s.cell.trace.begin.Do(func() {}) // its folder is being made, for ever
	report, err := s.Stop(context.Background(), wire.Stop{CellID: "a", Begin: 10, End: 20, Outcome: "ok"})
	if err != nil || report.Trace != "" || !strings.Contains(notes(t, report), "does not answer") {
		t.Errorf("trace %q, notes %q, %v", report.Trace, notes(t, report), err)
	}
}

func TestWhatCannotBeWrittenIsOneSentence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := service(t, filepath.Join(file, "runs"), 2, 1000)
	report := run(t, s, "a", 5000)
	if report.Trace != "" || !strings.Contains(notes(t, report), "The trace of this cell is not kept: ") || report.HTML == "" {
		t.Errorf("trace %q, notes %q", report.Trace, notes(t, report))
	}
}

// A trace that fails after the report is told by the status, until one is written again.
func TestFailureAfterTheReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	s := service(t, dir, 2, 0)
	start(t, s, "a")
	lines(s, "a", 10, 10)
	report, err := s.Stop(context.Background(), wire.Stop{CellID: "a", Begin: 10, End: 10 + 10*stepNs, Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(report.Trace); err != nil { // as a full disk would, it takes the folder away
		t.Fatal(err)
	}
	s.Answered("a")
	flush(t, s)
	if status := s.Status().History; status.Available || !strings.Contains(status.Detail, "not kept") {
		t.Errorf("status %+v", status)
	}
	run(t, s, "b", 10)
	if status := s.Status().History; !status.Available {
		t.Errorf("status %+v", status)
	}
}

// A cell that is given up leaves nothing on the disk, also when it had begun to spill.
func TestCancelledCellLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	s := service(t, dir, 2, 1000)
	for _, n := range []int{10, 20_000} {
		start(t, s, "a")
		lines(s, "a", 10, n)
		if err := s.Cancel(wire.Cancel{CellID: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	found, err := os.ReadDir(dir)
	if err != nil || len(found) > 0 {
		t.Errorf("%v stay, %v", found, err)
	}
}

// The next cell does not wait for a trace: many short ones are written one after another.
func TestTracesQueue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	s := service(t, dir, 100, 0)
	kept := 0
	for range 2 * maxWaiting {
		start(t, s, "a")
		lines(s, "a", 10, 10)
		report, err := s.Stop(context.Background(), wire.Stop{CellID: "a", Begin: 10, End: 10 + 10*stepNs, Outcome: "ok"})
		if err != nil {
			t.Fatal(err)
		}
		s.Answered("a")
		if report.Trace != "" {
			kept++
		} else if !strings.Contains(notes(t, report), "still being written") {
			t.Errorf("notes %q", notes(t, report))
		}
	}
	flush(t, s)
	found, _ := filepath.Glob(filepath.Join(dir, "*"+tracestore.Suffix))
	if kept < maxWaiting || len(found) != kept {
		t.Errorf("%d traces of %d that were promised", len(found), kept)
	}
}

func TestTraceInANamedFolder(t *testing.T) {
	for _, runs := range []int{2, 0} { // with a history, and without
		history := filepath.Join(t.TempDir(), "runs")
		s := service(t, history, runs, 0)
		m := wire.Start{CellID: "a", MainTID: 77, Kind: wire.KindScript, CellName: "s.py", Environ: s.config.Place.Environ,
			Trace: filepath.Join(t.TempDir(), "t.inferscope")}
		peer := server.Peer{PID: os.Getpid(), UID: uint32(os.Getuid())}
		if _, err := s.Start(context.Background(), peer, m); err != nil {
			t.Fatal(err)
		}
		lines(s, "a", 1_000_000, 10)
		if status := s.Status(); status.Events != 10 || status.GPUBusy != -1 || !s.Profiling() {
			t.Errorf("status %+v, profiling %v", status, s.Profiling())
		}
		report, err := s.Stop(context.Background(), wire.Stop{CellID: "a", Begin: 1_000_000, End: 2_000_000, Outcome: "ok"})
		if err != nil || report.Trace != m.Trace || s.Profiling() {
			t.Fatalf("%v, the trace is %q", err, report.Trace)
		}
		flush(t, s)
		if _, meta, err := tracestore.Open(m.Trace); err != nil || !meta.Complete || meta.Source.Kind != result.KindScript {
			t.Errorf("%v, meta %+v", err, meta)
		}
		if entries, err := os.ReadDir(history); err == nil && len(entries) > 0 {
			t.Errorf("the history has it too: %v", entries)
		}
		// What is there already is not touched.
		before, _ := os.ReadDir(m.Trace)
		m.CellID = "b"
		if _, err := s.Start(context.Background(), peer, m); err != nil {
			t.Fatal(err)
		}
		report, err = s.Stop(context.Background(), wire.Stop{CellID: "b", Begin: 1, End: 2, Outcome: "ok"})
		if err != nil || report.Trace != "" || !strings.Contains(notes(t, report), "file already exists") {
			t.Errorf("%v, trace %q, notes %q", err, report.Trace, notes(t, report))
		}
		flush(t, s)
		if after, _ := os.ReadDir(m.Trace); len(after) != len(before) {
			t.Errorf("%d files, and then %d", len(before), len(after))
		}
		m.Trace = "t.inferscope"
		if _, err := s.Start(context.Background(), peer, m); err == nil {
			t.Error("a path that depends on the sidecar's directory is taken")
		}
	}
}
