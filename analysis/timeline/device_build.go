package timeline

import (
	"fmt"
	"math"
	"slices"
)

// build makes the calls' table; rows outside of the window are left out.
func (c *CallBuilder) build(l limits, fix *repairs, freed *garbage) (Calls, correlations) {
	cut := restore(c.budget, &c.calls, &c.cut, c.batch)
	order := c.calls.runs.order(&c.calls.start, freed)
	out := c.calls.take(order, freed)
	n := 0
	for i := range out.Start {
		start, end, ok := clip(out.Start[i], out.End[i], l.window, fix)
		if !ok {
			continue
		}
		thread, class, name := out.Thread[i], out.Class[i], out.Name[i]
		if thread >= l.threads {
			fix.badThread++
			thread = 0
		}
		if class >= NumCallClasses {
			fix.badKind++
			class = CallOther
		}
		if name >= l.names {
			fix.badStack++
			name = 0
		}
		out.Start[n], out.End[n], out.Thread[n], out.Class[n], out.Name[n] = start, end, thread, class, name
		out.Correlation[n] = out.Correlation[i]
		if out.Bytes != nil {
			out.Bytes[n] = max(out.Bytes[i], 0)
		}
		n++
	}
	out = out.first(n)
	index := correlate(&out)
	if cut && c.cut.from != 0 {
		index.until = c.cut.from
	}
	return out, index
}

// first is the table cut to its first n rows; it shares the columns.
func (c *Calls) first(n int) Calls {
	out := Calls{c.Start[:n], c.End[:n], c.Thread[:n], c.Class[:n], c.Name[:n], c.Correlation[:n], c.Bytes}
	if c.Bytes != nil {
		out.Bytes = c.Bytes[:n]
	}
	return out
}

// correlations finds the call of a correlation id. The ids of one capture are
// nearly dense, so an array serves; a sparse range falls back to a map.
type correlations struct {
	first uint32
	dense []int32
	rest  map[uint32]int32
	// until is the start of the first call that was handed over.
	until int64
}

func correlate(c *Calls) correlations {
	if c.Len() == 0 {
		return correlations{until: math.MaxInt64}
	}
	first, last := slices.Min(c.Correlation), slices.Max(c.Correlation)
	index := correlations{first: first, until: math.MaxInt64}
	if uint64(last-first) < 16*uint64(c.Len())+1024 {
		index.dense = make([]int32, int(last-first)+1)
		for i := range index.dense {
			index.dense[i] = -1
		}
	} else {
		index.rest = make(map[uint32]int32, c.Len())
	}
	for row, id := range c.Correlation {
		if index.row(id) >= 0 {
			continue // a driver call nested in a runtime call repeats its id: the outer one began first
		}
		if index.dense != nil {
			index.dense[id-first] = int32(row)
		} else {
			index.rest[id] = int32(row)
		}
	}
	return index
}

func (c *correlations) row(id uint32) int32 {
	if c.dense != nil {
		if at := id - c.first; uint64(at) < uint64(len(c.dense)) {
			return c.dense[at]
		}
		return -1
	}
	if row, ok := c.rest[id]; ok {
		return row
	}
	return -1
}

// build makes the device's track. Operations of the cell are kept whole, also
// where they end after the window; operations launched before it are clipped to
// its start.
func (d *DeviceBuilder) build(l limits, calls *correlations, fix *repairs, freed *garbage) Device {
	restore(d.budget, &d.ops, &d.cut, d.batch)
	order := d.ops.runs.order(&d.ops.start, freed)
	out, ids := d.ops.take(order, freed)
	n := 0
	late := Batch{Device: d.device.Index}
	for i, id := range ids {
		start, end, kind, name := out.Start[i], out.End[i], out.Kind[i], out.Name[i]
		if end < start {
			fix.inverted++
			continue
		}
		call := int32(-1)
		if id != 0 {
			call = calls.row(id)
		}
		if call < 0 && id != 0 && start >= calls.until {
			late.add(&out, i, id) // launched by a call that was handed over: it follows it
			continue
		}
		if end < l.window.Start || (call < 0 && start >= l.window.End) {
			continue
		}
		start = max(start, l.window.Start)
		if kind >= NumOpKinds {
			fix.badKind++
			continue
		}
		if name >= l.names {
			fix.badStack++
			name = 0
		}
		out.Start[n], out.End[n], out.Kind[n], out.Stream[n], out.Name[n] = start, end, kind, out.Stream[i], name
		out.Bytes[n], out.Copy[n], out.Source[n], out.Target[n] = max(out.Bytes[i], 0), out.Copy[i], out.Source[i], out.Target[i]
		out.Graph[n], out.Call[n] = out.Graph[i], call
		n++
	}
	if late.Ops.Len() > 0 {
		d.budget.later(late)
	}
	device := d.device
	device.Ops = Ops{out.Start[:n], out.End[:n], out.Kind[:n], out.Stream[:n], out.Name[:n], out.Bytes[:n],
		out.Copy[:n], out.Source[:n], out.Target[:n], out.Graph[:n], out.Call[:n]}
	return device
}

// take empties the table and returns its rows in the given order, and their
// correlations; nil means as appended. Call is not yet filled.
func (t *opTable) take(order []uint32, freed *garbage) (Ops, []uint32) {
	t.runs = runs{}
	ids := t.correlation.take(order, freed)
	return Ops{Start: t.start.take(order, freed), End: t.end.take(order, freed), Kind: t.kind.take(order, freed),
		Stream: t.stream.take(order, freed), Name: t.name.take(order, freed), Bytes: t.bytes.take(order, freed),
		Copy: t.copies.take(order, freed), Source: t.source.take(order, freed), Target: t.target.take(order, freed),
		Graph: t.graph.take(order, freed), Call: make([]int32, len(ids))}, ids
}

func (d *DeviceBuilder) batch() Batch {
	ops, ids := d.ops.take(nil, &garbage{})
	for i := range ops.Call {
		ops.Call[i] = -1
	}
	return Batch{Device: d.device.Index, Ops: ops, Correlation: ids}
}

// add appends a row of o whose call is not known here.
func (b *Batch) add(o *Ops, row int, correlation uint32) {
	to := &b.Ops
	to.Start, to.End = append(to.Start, o.Start[row]), append(to.End, o.End[row])
	to.Kind, to.Stream, to.Name = append(to.Kind, o.Kind[row]), append(to.Stream, o.Stream[row]), append(to.Name, o.Name[row])
	to.Bytes, to.Copy = append(to.Bytes, o.Bytes[row]), append(to.Copy, o.Copy[row])
	to.Source, to.Target = append(to.Source, o.Source[row]), append(to.Target, o.Target[row])
	to.Graph, to.Call = append(to.Graph, o.Graph[row]), append(to.Call, -1)
	b.Correlation = append(b.Correlation, correlation)
}

func (t *callTable) take(order []uint32, freed *garbage) Calls {
	t.runs = runs{}
	out := Calls{Start: t.start.take(order, freed), End: t.end.take(order, freed), Thread: t.thread.take(order, freed),
		Class: t.class.take(order, freed), Name: t.name.take(order, freed), Correlation: t.correlation.take(order, freed)}
	if t.bytes.len() > 0 {
		out.Bytes = t.bytes.take(order, freed)
	}
	return out
}

func (c *CallBuilder) batch() Batch {
	return Batch{Calls: c.calls.take(nil, &garbage{})}
}

// extent is the window prolonged to the end of the last operation that the cell launched.
func extent(window Interval, devices []Device) Interval {
	for i := range devices {
		ops := &devices[i].Ops
		for row, call := range ops.Call {
			if call >= 0 {
				window.End = max(window.End, ops.End[row])
			}
		}
	}
	return window
}

// checkDevices wants the tables of the devices and their calls to keep the model's invariants.
func (t *Timeline) checkDevices() error {
	c := &t.Calls
	lengths := []int{len(c.End), len(c.Thread), len(c.Class), len(c.Name), len(c.Correlation)}
	if c.Bytes != nil {
		lengths = append(lengths, len(c.Bytes))
	}
	if err := columns("calls", c.Start, lengths...); err != nil {
		return err
	}
	for i := range t.Devices {
		o := &t.Devices[i].Ops
		if err := columns("operations", o.Start, len(o.End), len(o.Kind), len(o.Stream), len(o.Name), len(o.Bytes),
			len(o.Copy), len(o.Source), len(o.Target), len(o.Graph), len(o.Call)); err != nil {
			return err
		}
		for row, call := range o.Call {
			if int(call) >= c.Len() || o.End[row] < o.Start[row] || o.Start[row] < t.Window.Start || o.Kind[row] >= NumOpKinds {
				return errRow("operations", row)
			}
		}
	}
	return nil
}

// columns wants starts sorted and every other column of the same length.
func columns(table string, starts []int64, lengths ...int) error {
	for _, n := range lengths {
		if n != len(starts) {
			return fmt.Errorf("%s: columns differ in length", table)
		}
	}
	if !slices.IsSorted(starts) {
		return fmt.Errorf("%s: not sorted by start", table)
	}
	return nil
}

func errRow(table string, row int) error {
	return fmt.Errorf("%s: row %d breaks the model", table, row)
}
