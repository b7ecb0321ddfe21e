package timeline

import (
	"slices"
	"sync"
	"testing"
)

// gathered collects batches as a writer would, and asks the builder for names meanwhile.
type gathered struct {
	mu      sync.Mutex
	view    View
	batches []Batch
}

func (g *gathered) take(b Batch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.view.Thread(b.Thread) // must not wait for whoever hands the batch over
	g.batches = append(g.batches, b)
}

func TestBoundKeepsTheFirstRowsAndHandsOverTheRest(t *testing.T) {
	const rows, limit = 20 * spillRows, 5 * spillRows
	b := NewBuilder()
	g := &gathered{view: b.View()}
	b.Bound(limit, g.take)
	busy, calm := b.Thread(1, 1), b.Thread(1, 2)
	busy.SetMain()
	for i := range int64(rows) {
		busy.AppendLine(10*i, 7, 7, false)
		if i%1000 == 0 {
			calm.AppendMark(10*i, b.Name("mark"), 0)
		}
	}
	tl := must(t, b.Build(Interval{0, 10 * rows}))
	spilled, until := b.Beyond()
	kept := tl.Threads[1].Lines
	if kept.Len() < limit || kept.Len() > limit+spillRows {
		t.Errorf("%d rows were kept of a limit of %d", kept.Len(), limit)
	}
	if want := kept.Time[kept.Len()-1] + 10; until != want {
		t.Errorf("complete until %d, want the first row's that was not kept, %d", until, want)
	}
	if got := tl.Threads[2].Marks.Len(); got != rows/1000+1 {
		t.Errorf("a table that never filled lost rows: %d of %d", got, rows/1000+1)
	}
	all := slices.Clone(kept.Time)
	for _, batch := range g.batches {
		if batch.Thread != busy.ID() || batch.Rows.TID != 1 {
			t.Fatalf("a batch of thread %d", batch.Thread)
		}
		all = append(all, batch.Rows.Lines.Time...)
	}
	if int64(len(all)-kept.Len()) != spilled || len(all) != rows || !slices.IsSorted(all) {
		t.Errorf("%d rows kept, %d handed over, %d said, %d appended", kept.Len(), len(all)-kept.Len(), spilled, rows)
	}
	if cut := tl.Until(until); cut.Check() != nil || cut.Window.End != until {
		t.Errorf("what can be analysed: %v, %v", cut.Window, cut.Check())
	}
}

// An operation whose call was handed over follows it, so that a reader can join the two;
// one that was launched before the cell stays.
func TestOperationsFollowTheirCalls(t *testing.T) {
	const launches, late, limit = 8 * spillRows, spillRows / 2, 3 * spillRows
	b := NewBuilder()
	g := &gathered{view: b.View()}
	b.Bound(limit, g.take)
	main := b.Thread(1, 1)
	device := b.Device(0)
	device.Append(Op{Start: 4, End: 8, Correlation: 1 << 30})
	for i := range int64(launches) {
		b.Calls().Append(10*i, 10*i+2, main.ID(), CallLaunch, 0, uint32(i+1))
		if i < 10 || i >= launches-late { // too few for the device's own table to be cut off
			device.Append(Op{Start: 10*i + 5, End: 10*i + 9, Correlation: uint32(i + 1)})
		}
	}
	tl := must(t, b.Build(Interval{0, 10 * launches}))
	if calls := tl.Devices[0].Ops.Call; !slices.Equal(calls, []int32{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("the calls of the operations that were kept: %v", calls)
	}
	handed := map[uint32]bool{}
	for _, batch := range g.batches {
		for _, id := range batch.Correlation {
			handed[id] = true
		}
	}
	if len(handed) != late || !handed[launches] || handed[1<<30] {
		t.Errorf("%d operations were handed over with their correlations, want %d", len(handed), late)
	}
}

func TestBoundWithoutAWriterCounts(t *testing.T) {
	b := NewBuilder()
	b.Bound(spillRows, nil)
	th := b.Thread(1, 1)
	for i := range int64(10 * spillRows) {
		th.AppendOffCPU(4*i, 4*i+1, 4*i+2, ReasonLock, -1, 0, 0)
	}
	tl := must(t, b.Build(Interval{0, 40 * spillRows}))
	if spilled, until := b.Beyond(); int(spilled)+tl.Threads[1].Sched.Len() != 10*spillRows || until <= 0 {
		t.Errorf("%d dropped, %d kept, until %d", spilled, tl.Threads[1].Sched.Len(), until)
	}
}

func TestResolveCallsByCorrelation(t *testing.T) {
	b := NewBuilder()
	main := b.Thread(1, 1)
	for i := range int64(3) {
		b.Calls().Append(10*i, 10*i+1, main.ID(), CallLaunch, 0, uint32(7+i))
		b.Device(0).Append(Op{Start: 10*i + 2, End: 10*i + 3, Correlation: uint32(7 + i)})
	}
	tl := b.Build(Interval{0, 20})
	ops := &tl.Devices[0].Ops
	want := slices.Clone(ops.Call)
	ops.Call[0], ops.Call[1] = -2, -2
	tl.ResolveCalls(-2, [][]uint32{{7, 8, 9}})
	if !slices.Equal(ops.Call, want) {
		t.Errorf("calls %v, want %v", ops.Call, want)
	}
	ops.Call[0] = -2
	tl.ResolveCalls(-2, [][]uint32{{99, 8, 9}})
	if ops.Call[0] != -1 {
		t.Errorf("a call that is not there became row %d", ops.Call[0])
	}
}
