package timeline

import (
	"math"
	"sync/atomic"
)

// spillRows is how many rows a table gathers before it looks whether they are too many,
// and how many it hands over at a time from then on.
const spillRows = 1024

// Batch is a stretch of rows of one table that a Builder does not keep. Rows are as
// they were appended: neither sorted nor clipped to the window.
type Batch struct {
	// Thread is the thread of Rows, which then has one table filled; 0 for the tables below.
	Thread ThreadID
	Rows   Thread
	// Device and Ops are operations; Ops.Call is -1 throughout and Correlation leads to the calls.
	Device      int32
	Ops         Ops
	Correlation []uint32
	Calls       Calls
}

// Bound makes the builder keep about limit rows in memory. From then on every table
// hands what it gets to spill, which owns the batch and may be called by several
// goroutines at once; it may block the source of the events. A nil spill drops the rows.
// Bound is called before the first Append; Beyond says what became of the rows.
func (b *Builder) Bound(limit int64, spill func(Batch)) {
	b.budget.limit, b.budget.spill = limit, spill
}

// Beyond says, after Build, how many rows were not kept, and up to which time the
// timeline has all of them, scopes and ranges aside: Timeline.Until that time is what can be analysed.
func (b *Builder) Beyond() (rows, until int64) {
	return b.budget.spilled.Load(), b.budget.until.Load()
}

// budget counts the rows of all tables of a builder.
type budget struct {
	limit   int64 // 0 is none
	spill   func(Batch)
	rows    atomic.Int64
	spilled atomic.Int64
	// until is the earliest time of a row that was not kept.
	until atomic.Int64
	// last belongs to Build: rows to be handed over once it holds no lock.
	last []Batch
}

// over counts spillRows rows and says whether there are too many of them.
func (b *budget) over() bool {
	return b.rows.Add(spillRows) > b.limit && b.limit > 0
}

// note counts the rows of a batch, and returns the earliest time of one.
func (b *budget) note(batch *Batch) int64 {
	from, rows := batch.extent()
	b.spilled.Add(rows)
	for until := b.until.Load(); from < until && !b.until.CompareAndSwap(until, from); until = b.until.Load() {
	}
	return from
}

// extent is the earliest time from which the batch has what is needed to know what a
// thread or a device did, and how many rows it has. A scope or a range says nothing of
// that, and is known at its end only, so that an outermost one would void the whole cell.
func (b *Batch) extent() (from, rows int64) {
	from = math.MaxInt64
	for _, times := range [][]int64{b.Rows.Sched.Off, b.Rows.Lines.Time, b.Rows.Samples.Time, b.Rows.Marks.Time, b.Rows.GC.Start,
		b.Ops.Start, b.Calls.Start} {
		rows += int64(len(times))
		for _, at := range times {
			from = min(from, at)
		}
	}
	return from, rows + int64(b.Rows.Scopes.Len()+b.Rows.Ranges.Len())
}

// spillable is what a table has that can be cut off: kept is what it held when it was,
// and the table itself gathers the rows that come after.
type spillable[T any] struct {
	kept *T
	// from is the earliest time of a row that was handed over; 0 when none was.
	from int64
}

func (s *spillable[T]) gave(from int64) {
	if s.from == 0 || from < s.from {
		s.from = from
	}
}

// cutTable decides what becomes of a table that has gathered spillRows rows more: take
// empties it into a batch.
func cutTable[T any](b *budget, table *T, s *spillable[T], take func() Batch) {
	if !b.over() {
		return
	}
	if s.kept == nil {
		kept := *table
		var empty T
		*table = empty
		s.kept = &kept
		return
	}
	batch := take()
	s.gave(b.note(&batch))
	if b.spill != nil {
		b.spill(batch)
	}
}

// restore is used by Build: it puts the kept rows back in the table's place. What the
// table had gathered since is handed over once Build holds no lock.
func restore[T any](b *budget, table *T, s *spillable[T], take func() Batch) (cut bool) {
	if s.kept == nil {
		return false
	}
	if batch := take(); batch.rows() > 0 {
		s.gave(b.later(batch))
	}
	*table = *s.kept
	s.kept = nil
	return true
}

// later hands a batch over at the end of Build, and returns the earliest time of a row.
func (b *budget) later(batch Batch) int64 {
	from := b.note(&batch)
	if b.spill != nil {
		b.last = append(b.last, batch)
	}
	return from
}

func (b *Batch) rows() int64 {
	_, rows := b.extent()
	return rows
}

// View reads the names of a Builder that is being filled. Its methods are safe for
// concurrent use.
type View struct{ b *Builder }

// View is the builder seen by whoever takes its batches.
func (b *Builder) View() View { return View{b} }

// Name is the text of a name.
func (v View) Name(id NameID) string {
	t := v.b.names
	t.mu.RLock()
	defer t.mu.RUnlock()
	return (&Names{text: t.text}).String(id)
}

// Deepest is the deepest frame of a stack; false for "no stack".
func (v View) Deepest(id StackID) (Frame, bool) {
	t := v.b.stacks
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.stacks.Deepest(id)
}

// Thread is what is known of a thread so far; zero for a thread that does not exist.
func (v View) Thread(id ThreadID) (pid, tid int32, name string) {
	v.b.mu.RLock()
	defer v.b.mu.RUnlock()
	if id == 0 || int(id) > len(v.b.threads) {
		return 0, 0, ""
	}
	t := v.b.threads[id-1]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.name != "" {
		return t.pid, t.tid, t.name
	}
	return t.pid, t.tid, t.comm
}
