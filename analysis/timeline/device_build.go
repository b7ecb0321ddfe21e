package timeline

import (
	"fmt"
	"slices"
)

// build makes the calls' table; rows outside of the window are left out.
func (c *CallBuilder) build(l limits, fix *repairs, freed *garbage) Calls {
	order := c.runs.order(&c.start, freed)
	out := Calls{Start: c.start.take(order, freed), End: c.end.take(order, freed), Thread: c.thread.take(order, freed),
		Class: c.class.take(order, freed), Name: c.name.take(order, freed), Correlation: c.correlation.take(order, freed)}
	if c.bytes.len() > 0 {
		out.Bytes = c.bytes.take(order, freed)
	}
	c.runs = runs{}
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
	return out.first(n)
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
}

func correlate(c *Calls) correlations {
	if c.Len() == 0 {
		return correlations{}
	}
	first, last := slices.Min(c.Correlation), slices.Max(c.Correlation)
	index := correlations{first: first}
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
	order := d.runs.order(&d.start, freed)
	out := Ops{Start: d.start.take(order, freed), End: d.end.take(order, freed), Kind: d.kind.take(order, freed),
		Stream: d.stream.take(order, freed), Name: d.name.take(order, freed), Bytes: d.bytes.take(order, freed),
		Copy: d.copies.take(order, freed), Source: d.source.take(order, freed), Target: d.target.take(order, freed),
		Graph: d.graph.take(order, freed)}
	ids := d.correlation.take(order, freed)
	d.runs = runs{}
	out.Call = make([]int32, len(ids))
	n := 0
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
	device := d.device
	device.Ops = Ops{out.Start[:n], out.End[:n], out.Kind[:n], out.Stream[:n], out.Name[:n], out.Bytes[:n],
		out.Copy[:n], out.Source[:n], out.Target[:n], out.Graph[:n], out.Call[:n]}
	return device
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
