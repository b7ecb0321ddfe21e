// Package coverage tells which part of a cell the capture of its GPU work saw, and
// estimates from that part what happened in all of the cell.
//
// A capture in windows is a sample: what lies between them was not seen, but how many
// kernels were launched there is mostly known, for the driver numbers them. The seen
// parts are cut into strata: windows, equal blocks of a window that is much longer
// than the others, or, when there are very many, neighbouring windows together. Each
// unseen stretch is given to the two pieces beside it, so that a cell whose work
// changes over time is followed, and the start of a cell stands for itself alone.
//
// Work (operations, their time and bytes, what a line launched) is a ratio estimate: a
// stratum that saw x beside K numbered kernels and stands for m missed ones adds x*m/K.
// Where the driver's numbers are not known, it is x*u/T: u is the length of what it
// stands for, T that of the stratum without what the capture itself cost its launches.
//
// Idle time is what the work leaves: the unseen time less the estimated work in it, and
// never less than none. It is split by cause and line as the idle time of the stratum
// that stands for it. What the capture itself held up (its switching, the end of each
// launch) is no part of what is unseen, and stands for itself alone.
//
// The intervals are of 95 %: Student's t over the strata that stand for something
// unseen, from the variation of x/K (or x/T, or of idle time by time) among them. One
// or two show no variation to rely on: then the interval reaches from what was seen to as
// much again as was added, and for time that is bounded to that bound.
package coverage

import (
	"math"
	"slices"

	"github.com/inferscope/inferscope/analysis/internal/student"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// most is how many strata stand for something unseen at most. With one more for the
	// start, and the slot of what stands for itself, they are as many as attribution.Blocks.
	most = 62
	// least is how many strata must stand for something to show how they vary.
	least = 3
	// mostBlocks is into how many blocks a window is cut at most, and a lone one is.
	mostBlocks = 8
	// launchCostNs is by how much the capture slows a launch, where nothing of this cell
	// tells; GOVERNOR_LAUNCH_NS of cupti/governor.h.
	launchCostNs = 1_250
	// besideNs is how far apart a window's end and the switching of the capture may lie: their clocks differ.
	besideNs = 10_000
	// enough is how many kernels must have been missed to tell that cost from their rate.
	enough = 1_000
)

// Plan says how a cell was captured, and what each part that was seen stands for.
type Plan struct {
	// Share is the part of the cell's window that was captured, 0..1, in Windows windows; 1 and 0 when it was captured whole.
	Share   float64
	Windows int
	// Unsampled is how many kernels are known to have been launched between windows none of which saw any.
	Unsampled int64
	// CostNs is by how much the capture slowed a launch, in ns.
	CostNs float64
	// Devices has one entry for each of the timeline.
	Devices []Device

	strata []stratum
	// few says that too few strata stand for something to vary.
	few bool
	// costOpen is half of the interval of CostNs, as a share of it: 1 when it is assumed, not measured in this cell.
	costOpen float64
	// doubt says that amounts by time rest on an assumed CostNs.
	doubt bool
}

// stratum is a part of the cell that was seen, and what it stands for beyond itself.
type stratum struct {
	// kernels were launched in it by calls of their own; ns is its length, without the capture's cost.
	kernels, ns float64
	// queued is how many of the kernels the device was not ready for when they had been launched.
	queued float64
	// cost is the capture's cost of its launches as a share of ns.
	cost float64
	// missed kernels and unseen ns are what it stands for.
	missed, unseen float64
	// extra is how many times it stands for its like, beside itself.
	extra float64
}

func (t *stratum) stands() bool { return t.missed > 0 || t.unseen > 0 }

// piece is a part of a window that lies in one stratum.
type piece struct {
	start, end int64
	// held is how much of it the capture held the program up.
	held    int64
	window  int32
	slot    int16
	kernels float64
	// queued is how many of the kernels the device was not ready for when they had been launched.
	queued float64
}

// gap is an unseen stretch, which belongs to the pieces before and after it.
type gap struct {
	before, after int // after is -1 at the end of the cell
	// from and until are when the capture had been switched off and when it began to be
	// switched on again: until and from then the thread that runs the cell was held up,
	// and launched nothing. ns is what lies between, missed how many kernels were launched in it.
	from, until, ns, missed int64
	// part is the share of it that the piece before stands for.
	part float64
}

// Of reads from a timeline how its devices were captured.
func Of(tl *timeline.Timeline) *Plan {
	p := &Plan{Share: 1, Devices: make([]Device, len(tl.Devices))}
	gaps := Unseen(tl)
	if len(gaps) == 0 {
		for i := range p.Devices {
			p.Devices[i] = whole(tl, &tl.Devices[i].Ops)
		}
		return p
	}
	var unseen int64
	for _, g := range gaps {
		unseen += g.Ns()
	}
	p.Windows = len(tl.Windows)
	p.Share = 1 - float64(unseen)/float64(tl.Window.Ns())
	s := &sampling{tl: tl, plan: p, pieces: cut(tl.Windows)}
	s.number()
	for i := range tl.Devices {
		s.sort(i)
	}
	s.weigh()
	for i := range tl.Devices {
		s.observe(i)
	}
	return p
}

// Unseen lists the stretches of the cell's window in which the devices were not captured, in order.
func Unseen(tl *timeline.Timeline) []timeline.Interval {
	var out []timeline.Interval
	if len(tl.Windows) == 0 {
		return nil
	}
	at := tl.Window.Start
	for _, w := range append(slices.Clip(tl.Windows), timeline.Window{Start: tl.Window.End}) {
		if w.Start > at {
			out = append(out, timeline.Interval{Start: at, End: w.Start})
		}
		at = w.End
	}
	return out
}

// Whole says that nothing was left out, and that therefore nothing is estimated. It may be asked of nil.
func (p *Plan) Whole() bool { return p == nil || len(p.strata) == 0 }

// Slots is the length of Sums: one for each stratum, and one for what stands for
// itself alone, the last. Of a whole capture that is the only one.
func (p *Plan) Slots() int { return len(p.strata) + 1 }

// Record is what a result says of the coverage, without the intervals; nil of a whole capture.
func (p *Plan) Record() *result.Coverage {
	if p.Whole() {
		return nil
	}
	return &result.Coverage{Share: p.Share, Windows: p.Windows}
}

// cut makes pieces of windows and puts them into strata.
func cut(windows []timeline.Window) []piece {
	length := windows[0].End - windows[0].Start
	if rest := windows[1:]; len(rest) > 0 {
		lengths := make([]int64, len(rest))
		for i, w := range rest {
			lengths[i] = w.End - w.Start
		}
		slices.Sort(lengths)
		length = lengths[(len(lengths)-1)/2]
	} else {
		length /= mostBlocks
	}
	var out []piece
	first := 0 // how many blocks the first window has
	for i, w := range windows {
		ns := w.End - w.Start
		blocks := min(max((ns+length/2)/max(length, 1), 1), mostBlocks)
		if i == 0 {
			first = int(blocks)
		}
		for k := range blocks {
			out = append(out, piece{start: w.Start + ns*k/blocks, end: w.Start + ns*(k+1)/blocks, window: int32(i)})
		}
	}
	// The start of the cell, but for its last block, is a stratum of its own: it is beside no gap.
	head, slot := first-1, int16(0)
	if head > 0 {
		slot = 1
	}
	rest := len(out) - head
	for i := range out[head:] {
		out[head+i].slot = slot + int16(i*min(rest, most)/rest)
	}
	return out
}

// sampling makes a plan.
type sampling struct {
	tl     *timeline.Timeline
	plan   *Plan
	pieces []piece
	gaps   []gap
	// calls has the piece that each CUDA call began in, -1 for none.
	calls []int32
	// owned has, a device, the piece of each of its operations; see sort.
	owned [][]int32
}

// number finds the gaps, and the piece of each call.
func (s *sampling) number() {
	tl := s.tl
	last := len(s.pieces) - 1
	for i := 1; i <= last; i++ {
		from, to := s.pieces[i-1].window, s.pieces[i].window
		if start, missed := s.pieces[i].start, tl.Windows[to].Missed; to != from && (start > s.pieces[i-1].end || missed > 0) {
			s.gaps = append(s.gaps, gap{before: i - 1, after: i, from: s.pieces[i-1].end, until: start, missed: missed})
		}
	}
	if end := s.pieces[last].end; end < tl.Window.End {
		s.gaps = append(s.gaps, gap{before: last, after: -1, from: end, until: tl.Window.End, missed: -1})
	}
	s.hold()
	s.switching()
	s.calls = make([]int32, tl.Calls.Len())
	at := 0
	for row, start := range tl.Calls.Start {
		for at < last && s.pieces[at].end <= start {
			at++
		}
		s.calls[row] = Unknown
		if p := &s.pieces[at]; p.start <= start && start < p.end {
			s.calls[row] = int32(at)
		}
	}
	s.owned = make([][]int32, len(tl.Devices))
}

// ns is the length of a piece, without what the capture held up.
func (x *piece) ns() float64 {
	if x == nil {
		return 0
	}
	return float64(x.end - x.start - x.held)
}

// launched is the number of kernels of a piece; there may be none.
func (x *piece) launched() float64 {
	if x == nil {
		return 0
	}
	return x.kernels
}

// hold finds how much of each piece the capture held up.
func (s *sampling) hold() {
	at, until := 0, int64(0)
	for _, x := range s.tl.Overheads {
		start := max(x.Start, until)
		until = max(until, x.End)
		for at+1 < len(s.pieces) && s.pieces[at].end <= start {
			at++
		}
		for i := at; i < len(s.pieces) && s.pieces[i].start < x.End; i++ {
			p := &s.pieces[i]
			p.held += max(min(p.end, x.End)-max(p.start, start), 0)
		}
	}
}

// switching takes from each gap, at its beginning and its end, the time in which the
// capture was switched: the records of it touch the windows.
func (s *sampling) switching() {
	at := 0
	list := s.tl.Overheads
	for i := range s.gaps {
		g := &s.gaps[i]
		from, until := g.from, g.until
		for ; at < len(list) && list[at].Start < until; at++ {
			x := list[at]
			if x.Start >= from-besideNs && x.Start <= from+besideNs {
				g.from = min(max(g.from, x.End), until)
			}
			if g.after >= 0 && x.End >= until-besideNs && x.End <= until+besideNs && x.Start > from+besideNs {
				g.until = max(min(g.until, x.Start), g.from)
			}
		}
		g.until = max(g.until, g.from)
		g.ns = g.until - g.from
	}
}

// weigh gives each gap to the pieces beside it and finds what every stratum stands for.
func (s *sampling) weigh() {
	p := s.plan
	slots := 0
	for _, x := range s.pieces {
		slots = max(slots, int(x.slot)+1)
	}
	p.strata = make([]stratum, slots)
	var all float64
	for _, x := range s.pieces {
		t := &p.strata[x.slot]
		t.kernels += x.kernels
		t.queued += x.queued
		t.ns += x.ns()
		all += x.kernels
	}
	measured := s.cost()
	for i := range p.strata {
		t := &p.strata[i]
		slowed := t.kernels
		if !measured { // a launch that is slower delays nothing when the device is behind anyway
			slowed -= t.queued
		}
		ns := max(t.ns-p.CostNs*slowed, t.ns/2)
		if ns > 0 {
			t.cost = (t.ns - ns) / ns
		}
		t.ns = ns
	}
	for i := range s.gaps {
		g := &s.gaps[i]
		before, after := s.beside(g)
		weights := func(x *piece) float64 {
			if g.missed > 0 && all > 0 && before.launched()+after.launched() > 0 {
				return x.launched()
			}
			return x.ns()
		}
		a, b := weights(before), weights(after)
		g.part = 1
		if a+b > 0 {
			g.part = a / (a + b)
		}
		switch {
		case g.missed >= 0 && all > 0:
			if g.missed > 0 && before.launched()+after.launched() == 0 {
				for k := range p.strata { // neither tells what a kernel is like
					p.strata[k].missed += float64(g.missed) * p.strata[k].kernels / all
				}
				break
			}
			s.spread(g, float64(g.missed), func(t *stratum, x float64) { t.missed += x })
		default:
			p.Unsampled += max(g.missed, 0)
			p.doubt = p.doubt || !measured
			s.spread(g, float64(g.ns), func(t *stratum, x float64) { t.unseen += x })
		}
	}
	standing := 0
	for i := range p.strata {
		t := &p.strata[i]
		if t.kernels > 0 {
			t.extra += t.missed / t.kernels
		}
		if t.ns > 0 {
			t.extra += t.unseen / t.ns
		}
		if t.stands() {
			standing++
		}
	}
	p.few = standing < least
}

// beside are the pieces next to a gap; after is nil at the end of the cell.
func (s *sampling) beside(g *gap) (before, after *piece) {
	if g.after >= 0 {
		after = &s.pieces[g.after]
	}
	return &s.pieces[g.before], after
}

// spread gives the strata beside a gap their parts of amount.
func (s *sampling) spread(g *gap, amount float64, to func(*stratum, float64)) {
	before, after := s.beside(g)
	to(&s.plan.strata[before.slot], amount*g.part)
	if after != nil {
		to(&s.plan.strata[after.slot], amount*(1-g.part))
	}
}

// cost finds by how many ns the capture slowed a launch, from how much faster kernels
// came where they were only counted than in the pieces beside; not more than half of
// the time that a launch took. It is false when nothing told, and the cost assumed.
func (s *sampling) cost() (measured bool) {
	var seen, kernels, unseen, missed float64
	var each []float64 // the cost that each gap shows
	for i := range s.gaps {
		g := &s.gaps[i]
		if g.missed < 0 {
			continue
		}
		before, after := s.beside(g)
		ns, n := before.ns()+after.ns(), before.launched()+after.launched()
		unseen, missed = unseen+float64(g.ns), missed+float64(g.missed)
		seen, kernels = seen+ns, kernels+n
		if n > 0 && g.missed > 0 {
			each = append(each, ns/n-float64(g.ns)/float64(g.missed))
		}
	}
	p := s.plan
	if missed < enough || kernels < enough {
		p.CostNs, p.costOpen = launchCostNs, 1
		return false
	}
	p.CostNs, p.costOpen = min(max(seen/kernels-unseen/missed, 0), seen/kernels/2), 1
	if n := float64(len(each)); n > 1 && p.CostNs > 0 {
		var mean, variance float64
		for _, c := range each {
			mean += c / n
		}
		for _, c := range each {
			variance += (c - mean) * (c - mean) / (n - 1)
		}
		// Each window is beside two gaps, so that half of the gaps tell something of their own.
		p.costOpen = min(student.Quantile(len(each)-1)*math.Sqrt(2*variance/n)/p.CostNs, 1)
	}
	return true
}
