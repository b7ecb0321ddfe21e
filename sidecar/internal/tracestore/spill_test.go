package tracestore

import (
	"cmp"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// spill writes a random cell as one that has more rows than limit, and returns its folder
// and the cell's own timeline, which was not bounded.
func spill(t *testing.T, seed uint64, most int, limit int64) (dir string, whole *timeline.Timeline, until int64) {
	t.Helper()
	b := timeline.NewBuilder()
	whole = b.Build(fill(rand.New(rand.NewPCG(seed, 3)), b, most, 0))

	dir = filepath.Join(t.TempDir(), "spilled"+Suffix)
	meta := exampleMeta()
	w, err := Create(dir, meta, Options{PartRows: 3 * batchRows})
	if err != nil {
		t.Fatal(err)
	}
	b = timeline.NewBuilder()
	b.Bound(limit, func(batch timeline.Batch) {
		if err := w.Spill(batch, b.View()); err != nil {
			t.Fatal(err)
		}
	})
	tl := b.Build(fill(rand.New(rand.NewPCG(seed, 3)), b, most, 0))
	if spilled, at := b.Beyond(); spilled > 0 {
		until = at
		meta.AnalysedUntilNs = at
	}
	if err := w.Finish(tl, meta); err != nil {
		t.Fatal(err)
	}
	return dir, whole, until
}

// A cell that was spilled comes back as the one that was not: nothing is lost, and every
// operation finds the call that launched it.
func TestSpilledTraceIsWhole(t *testing.T) {
	cut := 0
	for seed := range uint64(8) {
		dir, whole, until := spill(t, seed, 9000, 4000)
		if until == 0 {
			continue
		}
		cut++
		got, meta := open(t, dir)
		if meta.AnalysedUntilNs != until {
			t.Errorf("analysed until %d, want %d", meta.AnalysedUntilNs, until)
		}
		got.Losses, whole.Losses = nil, nil
		for i := range got.Threads { // is not known of a thread whose rows were cut off
			if got.Threads[i].CPUNs == -1 {
				whole.Threads[i].CPUNs = -1
			}
		}
		// How far past the window's end tracing held the process up is told by the operations kept.
		past := func(o timeline.Interval) bool { return o.End >= whole.Window.End }
		got.Overheads, whole.Overheads = slices.DeleteFunc(got.Overheads, past), slices.DeleteFunc(whole.Overheads, past)
		sortTies(got)
		sortTies(whole)
		same(t, got, whole)
	}
	if cut < 4 {
		t.Fatalf("only %d of the cells were spilled", cut)
	}
}

// sortTies orders operations that begin at the same moment, which may be stored in any order.
func sortTies(tl *timeline.Timeline) {
	for i := range tl.Devices {
		o := &tl.Devices[i].Ops
		rows := make(rowsOf, o.Len())
		for row := range rows {
			rows[row] = row
		}
		slices.SortFunc(rows, func(x, y int) int {
			return cmp.Or(cmp.Compare(o.Start[x], o.Start[y]), cmp.Compare(o.End[x], o.End[y]), cmp.Compare(o.Bytes[x], o.Bytes[y]))
		})
		tl.Devices[i].Ops = pickOps(rows, o)
	}
}

// With a bound on the rows that are read, what the report was made from is read.
func TestBoundedOpenEndsWhereTheAnalysisDid(t *testing.T) {
	dir, whole, until := spill(t, 1, 9000, 4000)
	if until == 0 {
		t.Fatal("the cell was not spilled")
	}
	m, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept, spilled := int64(0), int64(0)
	for _, p := range m.Parts {
		if p.Spilled {
			spilled += p.Rows
		} else {
			kept += p.Rows
		}
	}
	if kept == 0 || spilled == 0 {
		t.Fatalf("%d rows kept, %d spilled", kept, spilled)
	}
	tl, meta, err := OpenBounded(dir, kept+spilled-1)
	if err != nil {
		t.Fatal(err)
	}
	if tl.Window.End != until || meta.AnalysedUntilNs != until {
		t.Errorf("the window ends at %d, want %d", tl.Window.End, until)
	}
	if !lost(tl, "more events than are read at once") {
		t.Errorf("no loss says so: %v", tl.Losses)
	}
	if got, want := tl.Threads[1].Lines.Len(), whole.Until(until).Threads[1].Lines.Len(); got != want {
		t.Errorf("%d lines up to there, want %d", got, want)
	}
}

// Rows that had not ended have the end of the format, and the window's when they are read.
func TestOpenEndsOfSpilledRows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open"+Suffix)
	w, err := Create(dir, exampleMeta(), DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	b := timeline.NewBuilder()
	main := b.Thread(1, 2)
	main.SetKnown(timeline.Interval{Start: 0, End: 100})
	batch := timeline.Batch{Thread: main.ID(), Rows: timeline.Thread{PID: 1, TID: 2}}
	s := &batch.Rows.Sched
	s.Off, s.Wake, s.On = []int64{10, 90}, []int64{timeline.Open, 0}, []int64{20, 0}
	s.Reason, s.Syscall = []timeline.Reason{timeline.ReasonPreempted, timeline.ReasonSleep}, []int16{-1, -1}
	s.Waker, s.Stack = []timeline.ThreadID{0, 0}, []timeline.StackID{0, 0}
	if err := w.Spill(batch, b.View()); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(b.Build(timeline.Interval{Start: 0, End: 100}), exampleMeta()); err != nil {
		t.Fatal(err)
	}
	tl, _ := open(t, dir)
	got := tl.Threads[1].Sched
	if got.Wake[0] != 10 || got.On[0] != 20 || got.Wake[1] != 100 || got.On[1] != 100 {
		t.Errorf("off %v, wake %v, on %v", got.Off, got.Wake, got.On)
	}
	if strings.Contains(strings.Join(reasons(tl), " "), "contradict") {
		t.Errorf("losses %v", tl.Losses)
	}
}

func reasons(tl *timeline.Timeline) (out []string) {
	for _, l := range tl.Losses {
		out = append(out, l.Reason)
	}
	return out
}
