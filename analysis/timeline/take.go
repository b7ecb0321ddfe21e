package timeline

// The take methods empty a table of a thread and return its rows in the given order;
// nil means as appended.

func (s *schedTable) take(order []uint32, freed *garbage) Sched {
	s.runs = runs{}
	return Sched{
		Off: s.off.take(order, freed), Wake: s.wake.take(order, freed), On: s.on.take(order, freed),
		Reason: s.reason.take(order, freed), Syscall: s.syscall.take(order, freed),
		Waker: s.waker.take(order, freed), Stack: s.stack.take(order, freed),
	}
}

func (t *lineTable) take(order []uint32, freed *garbage) Lines {
	t.runs = runs{}
	return Lines{Time: t.time.take(order, freed), Line: t.line.take(order, freed),
		Top: t.top.take(order, freed), Sampled: t.sampled.take(order, freed)}
}

func (t *sampleTable) take(order []uint32, freed *garbage) Samples {
	t.runs = runs{}
	return Samples{Time: t.time.take(order, freed), Kind: t.kind.take(order, freed),
		Syscall: t.syscall.take(order, freed), Stack: t.stack.take(order, freed), Module: t.module.take(order, freed)}
}

func (t *scopeTable) take(order []uint32, freed *garbage) Scopes {
	t.runs = runs{}
	return Scopes{Start: t.start.take(order, freed), End: t.end.take(order, freed),
		Name: t.name.take(order, freed), Depth: t.depth.take(order, freed)}
}

func (t *rangeTable) take(order []uint32, freed *garbage) Ranges {
	t.runs = runs{}
	return Ranges{Start: t.start.take(order, freed), End: t.end.take(order, freed),
		Name: t.name.take(order, freed), Kind: t.kind.take(order, freed)}
}

func (t *markTable) take(order []uint32, freed *garbage) Marks {
	t.runs = runs{}
	return Marks{Time: t.time.take(order, freed), Name: t.name.take(order, freed), Attributes: t.attributes.take(order, freed)}
}

func (t *gcTable) take(order []uint32, freed *garbage) GC {
	t.runs = runs{}
	return GC{Start: t.start.take(order, freed), End: t.end.take(order, freed),
		Generation: t.generation.take(order, freed), Collected: t.collected.take(order, freed)}
}

// threadCuts has one entry for each table of a thread: see spillable.
type threadCuts struct {
	sched   spillable[schedTable]
	lines   spillable[lineTable]
	samples spillable[sampleTable]
	scopes  spillable[scopeTable]
	ranges  spillable[rangeTable]
	marks   spillable[markTable]
	gc      spillable[gcTable]
}

// batch is the beginning of a batch of one of the thread's tables.
func (t *ThreadBuilder) batch() Batch {
	return Batch{Thread: t.id, Rows: Thread{PID: t.pid, TID: t.tid}}
}

func (t *ThreadBuilder) schedBatch() Batch {
	b := t.batch()
	b.Rows.Sched = t.sched.take(nil, &garbage{})
	return b
}

func (t *ThreadBuilder) linesBatch() Batch {
	b := t.batch()
	b.Rows.Lines = t.lines.take(nil, &garbage{})
	return b
}

func (t *ThreadBuilder) samplesBatch() Batch {
	b := t.batch()
	b.Rows.Samples = t.samples.take(nil, &garbage{})
	return b
}

func (t *ThreadBuilder) scopesBatch() Batch {
	b := t.batch()
	b.Rows.Scopes = t.scopes.take(nil, &garbage{})
	return b
}

func (t *ThreadBuilder) rangesBatch() Batch {
	b := t.batch()
	b.Rows.Ranges = t.ranges.take(nil, &garbage{})
	return b
}

func (t *ThreadBuilder) marksBatch() Batch {
	b := t.batch()
	b.Rows.Marks = t.marks.take(nil, &garbage{})
	return b
}

func (t *ThreadBuilder) gcBatch() Batch {
	b := t.batch()
	b.Rows.GC = t.gc.take(nil, &garbage{})
	return b
}

// restore puts the tables that were cut off back to what they held then. It says whether
// that of the scheduler was.
func (t *ThreadBuilder) restore() (sched bool) {
	b := t.budget
	restore(b, &t.lines, &t.cut.lines, t.linesBatch)
	restore(b, &t.samples, &t.cut.samples, t.samplesBatch)
	restore(b, &t.scopes, &t.cut.scopes, t.scopesBatch)
	restore(b, &t.ranges, &t.cut.ranges, t.rangesBatch)
	restore(b, &t.marks, &t.cut.marks, t.marksBatch)
	restore(b, &t.gc, &t.cut.gc, t.gcBatch)
	return restore(b, &t.sched, &t.cut.sched, t.schedBatch)
}
