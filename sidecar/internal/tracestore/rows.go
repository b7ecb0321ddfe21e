package tracestore

import "github.com/inferscope/inferscope/analysis/timeline"

// lookup finds the texts that rows refer to: in a timeline, or in a builder that is
// still being filled.
type lookup interface {
	Name(timeline.NameID) string
	Deepest(timeline.StackID) (timeline.Frame, bool)
	Thread(timeline.ThreadID) (pid, tid int32, name string)
}

// built looks up in a timeline.
type built struct{ tl *timeline.Timeline }

func (b built) Name(id timeline.NameID) string { return b.tl.Names.String(id) }

func (b built) Deepest(id timeline.StackID) (timeline.Frame, bool) { return b.tl.Stacks.Deepest(id) }

func (b built) Thread(id timeline.ThreadID) (pid, tid int32, name string) {
	if id == 0 || int(id) >= len(b.tl.Threads) {
		return 0, 0, ""
	}
	t := &b.tl.Threads[id]
	return t.PID, t.TID, t.Name
}

func threadOf(look lookup, id timeline.ThreadID) threadColumns {
	pid, tid, name := look.Thread(id)
	return threadColumns{int32(id), pid, tid, name}
}

func frameOf(look lookup, id timeline.StackID) frameColumns {
	f, _ := look.Deepest(id)
	return frameColumns{int32(id), look.Name(f.Func), look.Name(f.File), f.Line}
}

// thread writes the rows of one thread.
func (w *Writer) thread(look lookup, id timeline.ThreadID, t *timeline.Thread) error {
	of := threadOf(look, id)
	for _, write := range []func(lookup, threadColumns, *timeline.Thread) error{
		w.schedulerRows, w.lineRows, w.sampleRows, w.scopeRows, w.rangeRows, w.markRows, w.gcRows,
	} {
		if err := write(look, of, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) schedulerRows(look lookup, of threadColumns, t *timeline.Thread) error {
	s := &t.Sched
	for i := range s.Off {
		waker := threadOf(look, s.Waker[i])
		err := w.scheduler.add(schedulerRow{Off: s.Off[i], Wake: s.Wake[i], On: s.On[i], threadColumns: of,
			Reason: reasonWords.name(s.Reason[i]), Syscall: int32(s.Syscall[i]), Waker: waker.Thread, WakerTID: waker.TID,
			WakerName: waker.ThreadName, frameColumns: frameOf(look, s.Stack[i])})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) lineRows(_ lookup, of threadColumns, t *timeline.Thread) error {
	l := &t.Lines
	for i, line := range l.Line {
		text := ""
		if n := int(line) - 1; n >= 0 && n < len(w.lines) {
			text = w.lines[n]
		}
		if err := w.line.add(lineRow{l.Time[i], of, line, l.Top[i], l.Sampled[i], text}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) sampleRows(look lookup, of threadColumns, t *timeline.Thread) error {
	s := &t.Samples
	for i := range s.Time {
		err := w.samples.add(sampleRow{s.Time[i], s.PeriodNs, of, sampleWords.name(s.Kind[i]), int32(s.Syscall[i]),
			look.Name(s.Module[i]), frameOf(look, s.Stack[i])})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) scopeRows(look lookup, of threadColumns, t *timeline.Thread) error {
	s := &t.Scopes
	for i := range s.Start {
		if err := w.scopes.add(scopeRow{s.Start[i], s.End[i], of, look.Name(s.Name[i]), int32(s.Depth[i])}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) rangeRows(look lookup, of threadColumns, t *timeline.Thread) error {
	r := &t.Ranges
	for i := range r.Start {
		if err := w.ranges.add(rangeRow{r.Start[i], r.End[i], of, look.Name(r.Name[i]), rangeWords.name(r.Kind[i])}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) markRows(look lookup, of threadColumns, t *timeline.Thread) error {
	m := &t.Marks
	for i := range m.Time {
		if err := w.marks.add(markRow{m.Time[i], of, look.Name(m.Name[i]), look.Name(m.Attributes[i])}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) gcRows(_ lookup, of threadColumns, t *timeline.Thread) error {
	g := &t.GC
	for i := range g.Start {
		if err := w.gc.add(gcRow{g.Start[i], g.End[i], of, int32(g.Generation[i]), g.Collected[i]}); err != nil {
			return err
		}
	}
	return nil
}

// calls writes CUDA calls; number is that of the first, or callByCorrelation for all.
func (w *Writer) calls(look lookup, c *timeline.Calls, number int32) error {
	for i := range c.Start {
		n, bytes := number, int64(bytesUnknown)
		if number >= 0 {
			n += int32(i)
		}
		if c.Bytes != nil {
			bytes = c.Bytes[i]
		}
		err := w.call.add(callRow{c.Start[i], c.End[i], threadOf(look, c.Thread[i]), classWords.name(c.Class[i]),
			look.Name(c.Name[i]), c.Correlation[i], bytes, n})
		if err != nil {
			return err
		}
	}
	return nil
}

// ops writes a device's operations; correlation and call give those columns of a row.
func (w *Writer) ops(look lookup, d *timeline.Device, correlation func(row int) (id uint32, call int32)) error {
	o := &d.Ops
	for i := range o.Start {
		id, call := correlation(i)
		err := w.op.add(deviceOpRow{Start: o.Start[i], End: o.End[i], Device: d.Index, DeviceName: d.Name, Stream: o.Stream[i],
			Kind: opWords.name(o.Kind[i]), Name: look.Name(o.Name[i]), Bytes: o.Bytes[i], Copy: copyWords.name(o.Copy[i]),
			Source: memoryWords.name(o.Source[i]), Target: memoryWords.name(o.Target[i]), Graph: o.Graph[i], Correlation: id, Call: call})
		if err != nil {
			return err
		}
	}
	return nil
}

// tables writes everything of a timeline.
func (w *Writer) tables(tl *timeline.Timeline) error {
	look := built{tl}
	for i := 1; i < tl.Names.Len(); i++ {
		if err := w.names.add(nameRow{tl.Names.String(timeline.NameID(i))}); err != nil {
			return err
		}
	}
	for i := 1; i < tl.Stacks.Len(); i++ {
		f, _ := tl.Stacks.Deepest(timeline.StackID(i))
		row := stackRow{int32(i), int32(tl.Stacks.Caller(timeline.StackID(i))), look.Name(f.Func), look.Name(f.File), f.Line, f.Native}
		if err := w.stacks.add(row); err != nil {
			return err
		}
	}
	for i := range tl.Threads {
		t := &tl.Threads[i]
		if i > 0 {
			row := threadRow{int32(i), t.PID, t.TID, t.Name, t.Main, t.Python, t.CPUNs, t.Sched.Known.Start, t.Sched.Known.End, t.Samples.PeriodNs}
			if err := w.threads.add(row); err != nil {
				return err
			}
		}
		if err := w.thread(look, timeline.ThreadID(i), t); err != nil {
			return err
		}
	}
	if err := w.calls(look, &tl.Calls, 0); err != nil {
		return err
	}
	return w.gpuTables(look, tl)
}

// gpuTables writes the devices, and what is of no thread.
func (w *Writer) gpuTables(look lookup, tl *timeline.Timeline) error {
	for i := range tl.Devices {
		d := &tl.Devices[i]
		if err := w.devices.add(deviceRow{d.Index, d.Name, d.PCI, d.MemoryBytes}); err != nil {
			return err
		}
		err := w.ops(look, d, func(row int) (uint32, int32) {
			call := d.Ops.Call[row]
			if call < 0 || int(call) >= tl.Calls.Len() {
				return 0, callUnknown
			}
			return tl.Calls.Correlation[call], call
		})
		if err != nil {
			return err
		}
	}
	for i := range tl.Counters {
		c := &tl.Counters[i]
		for row := range c.Time {
			if err := w.counters.add(counterRow{c.Time[row], int32(i), c.Name, c.Unit, c.Value[row]}); err != nil {
				return err
			}
		}
	}
	for _, o := range tl.Overheads {
		if err := w.overheads.add(overheadRow{o.Start, o.End}); err != nil {
			return err
		}
	}
	return nil
}

// closeEnds gives rows as they were collected the form of the format: what had not
// ended has timeline.Open as its end, and a wait whose wake-up is not known was one
// until its end.
func closeEnds(b *timeline.Batch) {
	open := func(ends []int64) {
		for i, end := range ends {
			if end == 0 {
				ends[i] = timeline.Open
			}
		}
	}
	s := &b.Rows.Sched
	open(s.On)
	for i, wake := range s.Wake {
		switch {
		case s.Reason[i] == timeline.ReasonPreempted:
			s.Wake[i] = s.Off[i]
		case wake == 0 || wake == timeline.Open:
			s.Wake[i] = s.On[i]
		}
	}
	open(b.Rows.Scopes.End)
	open(b.Rows.Ranges.End)
	open(b.Rows.GC.End)
	open(b.Calls.End)
}
