package coverage

import (
	"math"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// launchNs is how soon after its launch an operation begins when nothing is queued before it.
	launchNs = 20_000
	// queuedNs is more than a device takes from one operation to the next that is queued.
	queuedNs = 2_000
)

// Unknown is the slot of an operation that belongs to no window: a record of it came,
// but it was launched where nothing was captured, and what was missed there stands for it.
const Unknown = -1

// Stretch is a part of the cell over which all that a device did is known.
type Stretch struct {
	timeline.Interval
	// Slot is its stratum.
	Slot int
}

// Device is what was seen of one device.
type Device struct {
	// Carried says of each operation whether it was launched before the cell. A
	// stream keeps the order of its launches, so an operation without a call that
	// follows one of the cell's on its stream is the cell's too, its call was lost. In a
	// trace without a cell none was.
	Carried []bool
	// Stretches are in order and apart. Outside of them nothing is known of the device: it is neither busy nor idle.
	Stretches []Stretch
	// IdleNs is the device's idle time in all of the cell, prolonged to the end of
	// its last operation; Idle is its interval, zero when it is not an estimate.
	IdleNs int64
	Idle   result.Range

	slots []int16
	// seen is the idle time of each stratum, idle what was not seen and the stratum stands for.
	seen, idle []float64
	// known and unseen are the lengths of each stratum's stretches and of what it stands for.
	known, unseen []float64
	unseenNs      float64
	// open is half of Idle as a share of the idle time that was not seen, costOpen that of
	// the idle time which the capture's cost of launches would have made of it.
	open, costOpen float64
}

// Slot is the place of an operation in Sums; Unknown when it has none.
func (d *Device) Slot(row int) int {
	if d.slots == nil {
		return 0
	}
	return int(d.slots[row])
}

// whole is a device that was captured whole.
func whole(tl *timeline.Timeline, ops *timeline.Ops) Device {
	extent := tl.Extent
	d := Device{Carried: make([]bool, ops.Len()), Stretches: []Stretch{{Interval: extent}}}
	own := map[uint32]bool{}
	var last uint32
	known := false // last is a stream with work of the cell
	at := extent.Start
	for i, call := range ops.Call {
		stream := ops.Stream[i]
		switch {
		case call < 0:
			d.Carried[i] = !own[stream] && !tl.NoCell
		case !known || stream != last:
			own[stream] = true
			last, known = stream, true
		}
		if start := min(ops.Start[i], extent.End); start > at {
			d.IdleNs += start - at
		}
		at = max(at, ops.End[i])
	}
	d.IdleNs += max(extent.End-at, 0)
	return d
}

// sort finds the piece of each of a device's operations, by the call that launched
// it. One without a call belongs to its window when it follows, on its stream, one
// that was launched there; otherwise it was launched before the window: before the
// cell, if that is the first, else where nothing was captured.
func (s *sampling) sort(device int) {
	ops := &s.tl.Devices[device].Ops
	d := &s.plan.Devices[device]
	d.Carried = make([]bool, ops.Len())
	of := make([]int32, ops.Len())
	streams := map[uint32]int32{} // the window of the last own operation, plus one
	at := 0
	for row, start := range ops.Start {
		for at+1 < len(s.pieces) && s.pieces[at+1].start <= start {
			at++
		}
		stream := ops.Stream[row]
		of[row] = Unknown
		if call := ops.Call[row]; call >= 0 {
			if of[row] = s.calls[call]; of[row] >= 0 {
				streams[stream] = s.pieces[of[row]].window + 1
			}
		} else if p := &s.pieces[at]; start < p.end {
			switch {
			case streams[stream] == p.window+1:
				of[row] = int32(at)
			case streams[stream] == 0 && p.window == 0:
				d.Carried[row] = true
			}
		}
		if p := of[row]; p >= 0 {
			if ops.Kind[row] == timeline.OpKernel && ops.Graph[row] == 0 {
				s.pieces[p].kernels++
				if s.queued(ops, row) {
					s.pieces[p].queued++
				}
			}
		}
	}
	s.owned[device] = of
}

// queued says that the device was not ready for an operation when its launch had returned.
func (s *sampling) queued(ops *timeline.Ops, row int) bool {
	call := ops.Call[row]
	return call >= 0 && ops.Start[row]-s.tl.Calls.End[call] > launchNs
}

// observe finds the stretches over which a device is known, and its idle time.
func (s *sampling) observe(device int) {
	ops := &s.tl.Devices[device].Ops
	d := &s.plan.Devices[device]
	of := s.owned[device]
	slots := s.plan.Slots()
	d.slots = make([]int16, ops.Len())
	busy := make(Sums, slots)
	at := s.tl.Extent.Start
	for row, start := range ops.Start {
		slot := Unknown
		switch {
		case d.Carried[row]:
			slot = slots - 1
		case of[row] >= 0:
			slot = int(s.pieces[of[row]].slot)
		}
		d.slots[row] = int16(slot)
		end := min(ops.End[row], s.tl.Extent.End)
		if start = max(start, at); end > start && slot >= 0 {
			busy[slot] += end - start
		}
		at = max(at, end)
	}
	known := s.known(device)
	add := func(start, end int64, slot int) {
		if end > start {
			d.Stretches = append(d.Stretches, Stretch{timeline.Interval{Start: start, End: end}, slot})
		}
	}
	gap := 0
	for i := range s.pieces {
		p := &s.pieces[i]
		x := known[p.window]
		start, end := x.Start, x.End
		if i > 0 && s.pieces[i-1].window == p.window {
			start = max(start, p.start)
		} else if p.start > start { // the capture was being switched on
			add(start, min(p.start, end), slots-1)
			start = min(p.start, end)
		}
		last := i+1 == len(s.pieces) || s.pieces[i+1].window != p.window
		if !last {
			end = min(end, p.end)
		}
		off := end // when it began to be switched off
		if last && gap < len(s.gaps) && s.gaps[gap].before == i {
			if s.gaps[gap].from > p.end {
				off = max(min(end, p.end), start)
			}
			gap++
		}
		add(start, off, int(p.slot))
		add(off, end, slots-1)
	}
	d.seen, d.known, d.unseen, d.idle = make([]float64, slots-1), make([]float64, slots-1), make([]float64, slots-1), make([]float64, slots-1)
	for i := range s.gaps {
		g := &s.gaps[i]
		before, after := s.beside(g)
		end := s.tl.Extent.End
		if after != nil {
			end = known[after.window].Start
		}
		ns := float64(max(end-known[before.window].End, 0))
		d.unseenNs += ns
		d.unseen[before.slot] += ns * g.part
		if after != nil {
			d.unseen[after.slot] += ns * (1 - g.part)
		}
	}
	d.estimateIdle(s.plan, busy, d.look(ops))
}

// known finds, for each window, over which stretch all that the device did is known.
//
// It ends when the capture had been switched off, or later, as long as the device works
// on without a pause: what is launched after a window queues behind what was launched in
// it. And it begins late: what was launched before the window may be running yet, and no
// record of it comes. It is done when the first operation of the window begins, or, where
// that one was not queued, at the latest after the longest time that the device was ever
// seen to work without a pause; nothing was launched any more while the capture was
// switched on.
func (s *sampling) known(device int) []timeline.Interval {
	tl := s.tl
	ops := &tl.Devices[device].Ops
	of := s.owned[device]
	out := make([]timeline.Interval, len(tl.Windows))
	first := make([]int, len(tl.Windows)) // the row of a window's first operation
	for i, w := range tl.Windows {
		out[i], first[i] = timeline.Interval{Start: w.Start, End: w.End}, -1
	}
	after := make([]bool, len(tl.Windows)) // what lies before the window was not seen
	for i := range s.gaps {
		g := &s.gaps[i]
		out[s.pieces[g.before].window].End = g.from
		if g.after >= 0 {
			w := s.pieces[g.after].window
			out[w].Start, after[w] = g.until, true
		}
	}
	var longest, began, until int64
	for row, start := range ops.Start {
		if of[row] < 0 {
			continue
		}
		w := s.pieces[of[row]].window
		if first[w] < 0 {
			first[w] = row
		}
		if start <= out[w].End+queuedNs {
			out[w].End = max(out[w].End, min(ops.End[row], tl.Extent.End))
		}
		if start > until+queuedNs {
			began = start
		}
		until = max(until, ops.End[row])
		longest = max(longest, until-began)
	}
	for i := range out {
		if x := &out[i]; after[i] {
			done := x.Start + longest
			if row := first[i]; row >= 0 && (s.queued(ops, row) || ops.Start[row] < done) {
				done = ops.Start[row]
			}
			x.Start = max(x.Start, min(done, x.End))
		}
	}
	// Records of what was launched where nothing was captured: the device is known only after them.
	at := 0
	for row, start := range ops.Start {
		for at < len(out) && out[at].End <= start {
			at++
		}
		if at < len(out) && of[row] < 0 && !s.plan.Devices[device].Carried[row] && (first[at] < 0 || row < first[at]) {
			out[at].Start = max(out[at].Start, min(ops.End[row], out[at].End))
		}
	}
	out[0].Start = tl.Extent.Start
	for i := 1; i < len(out); i++ {
		x := &out[i]
		x.Start = max(x.Start, out[i-1].End)
		x.End = max(x.End, x.Start)
	}
	last := len(out) - 1
	if tl.Windows[last].End == tl.Window.End {
		out[last].End = max(tl.Extent.End, out[last].Start)
	}
	return out
}

// look measures the idle time of each stratum, and sums it.
func (d *Device) look(ops *timeline.Ops) (sum int64) {
	row, at := 0, int64(math.MinInt64)
	for i := range d.Stretches {
		x := &d.Stretches[i]
		var idle int64
		at = max(at, x.Start)
		for ; row < len(ops.Start) && ops.Start[row] < x.End; row++ {
			if start := ops.Start[row]; start > at {
				idle += start - at
			}
			at = max(at, ops.End[row])
		}
		if at < x.End {
			idle += x.End - at
			at = x.End
		}
		if x.Slot < len(d.seen) {
			d.known[x.Slot] += float64(x.Ns())
			d.seen[x.Slot] += float64(idle)
		}
		sum += idle
	}
	return sum
}

// estimateIdle finds the idle time of all of the cell: what was seen, and what the
// work that is estimated to have been done unseen leaves of the unseen time.
func (d *Device) estimateIdle(p *Plan, busy Sums, seen int64) {
	var work, positive float64
	for i := range d.idle {
		unseen := float64(busy[i]) * p.strata[i].extra
		work += unseen
		d.idle[i] = max(d.unseen[i]-unseen, 0)
		positive += d.idle[i]
	}
	// Idle time that was seen nowhere has no cause and is none.
	total := 0.0
	if seen > 0 {
		total = min(max(d.unseenNs-work, 0), d.unseenNs)
	}
	for i := range d.idle { // one stratum's shortage is another's surplus: only the sum may not be negative
		if positive > 0 {
			d.idle[i] *= total / positive
		}
	}
	d.IdleNs = seen + Round(total)
	low, high := 0.0, d.unseenNs
	if !p.few {
		half := p.half(busy)
		low, high = min(max(d.unseenNs-work-half, 0), total), max(min(d.unseenNs-work+half, d.unseenNs), total)
	}
	d.Idle = result.Range{Low: seen + int64(low), High: seen + int64(math.Ceil(high))}
	var known float64
	for _, ns := range d.known {
		known += ns
	}
	if known > 0 {
		d.costOpen = p.costOpen * d.unseenNs / known
	}
	if total > 0 {
		d.open = (high - low) / 2 / total
	}
}
