package timeline

// RangeKind says what kind of code a range is.
type RangeKind uint8

// The kinds of range. Their order is stable.
const (
	// RangeOperator: an operator of a framework, or another part of it that marks itself.
	RangeOperator RangeKind = iota
	// RangePython: a Python function, named "file(line): function" as the PyTorch profiler does.
	RangePython
	// RangeLoader: a data loader, from being asked for the next batch until it has it.
	RangeLoader
	// NumRangeKinds is how many kinds there are.
	NumRangeKinds
)

// Ranges holds the stretches of one thread over which a piece of code was active,
// as the program, or a tool that instruments it, marked them; sorted by Start. They
// nest like calls. A live cell has none; imported traces have them by the million.
type Ranges struct {
	Start, End []int64
	Name       []NameID
	Kind       []RangeKind
}

// Len is the number of rows.
func (r *Ranges) Len() int { return len(r.Start) }

// AppendRange adds a stretch over which code was active; end may be Open.
func (t *ThreadBuilder) AppendRange(start, end int64, name NameID, kind RangeKind) {
	r := &t.ranges
	r.runs.note(start)
	r.start.push(start)
	r.end.push(end)
	r.name.push(name)
	r.kind.push(kind)
	if r.runs.rows%spillRows == 0 {
		cutTable(t.budget, r, &t.cut.ranges, t.rangesBatch)
	}
}

type rangeTable struct {
	runs       runs
	start, end column[int64]
	name       column[NameID]
	kind       column[RangeKind]
}

func (t *rangeTable) build(l limits, fix *repairs, freed *garbage) Ranges {
	order := t.runs.order(&t.start, freed)
	out := t.take(order, freed)
	n := 0
	for i := range out.Start {
		start, end, ok := clip(out.Start[i], out.End[i], l.window, fix)
		if !ok {
			continue
		}
		name, kind := out.Name[i], out.Kind[i]
		if name >= l.names {
			fix.badStack++
			name = 0
		}
		if kind >= NumRangeKinds {
			fix.badKind++
			kind = RangeOperator
		}
		out.Start[n], out.End[n], out.Name[n], out.Kind[n] = start, end, name, kind
		n++
	}
	return Ranges{out.Start[:n], out.End[:n], out.Name[:n], out.Kind[:n]}
}
