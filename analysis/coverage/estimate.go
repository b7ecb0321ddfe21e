package coverage

import (
	"cmp"
	"math"
	"slices"

	"github.com/inferscope/inferscope/analysis/internal/student"
	"github.com/inferscope/inferscope/analysis/result"
)

// Sums is a quantity as it was seen, by slot; see Plan.Slots.
type Sums []int64

// seen is the sum of all that was seen.
func (x Sums) seen() (sum int64) {
	for _, n := range x {
		sum += n
	}
	return sum
}

// Add adds y, which is empty or as long, slot by slot.
func (x Sums) Add(y Sums) {
	for i, n := range y {
		x[i] += n
	}
}

// Weighted is the sum with a weight for each slot.
func (x Sums) Weighted(weights []float64) (sum float64) {
	for i, n := range x {
		sum += float64(n) * weights[i]
	}
	return sum
}

// Work is what x makes of the whole cell: a quantity that comes with the work that
// is launched, such as kernels, their time or their bytes.
func (p *Plan) Work(x Sums) float64 {
	sum := float64(x[len(x)-1])
	for i := range p.strata {
		sum += float64(x[i]) * (1 + p.strata[i].extra)
	}
	return sum
}

// Total is Work as a whole number, with its interval.
func (p *Plan) Total(x Sums) (int64, result.Range) {
	n := Round(p.Work(x))
	return n, p.Within(n, x)
}

// Within is the interval of n, which Work or Apportion made of x; zero when nothing was estimated.
func (p *Plan) Within(n int64, x Sums) result.Range {
	if p.Whole() {
		return result.Range{}
	}
	return around(n, x.seen(), p.half(x))
}

// Kernels is Total of kernels, of which own were launched by calls of their own: how many of
// those were missed is counted where the driver's numbers are known.
func (p *Plan) Kernels(all, own Sums) (int64, result.Range) {
	n := Round(p.Work(all))
	if p.Whole() {
		return n, result.Range{}
	}
	for i := range p.strata {
		if float64(own[i]) != p.strata[i].kernels { // other devices have a share that varies
			return n, p.Within(n, all)
		}
	}
	graphs := make(Sums, len(all))
	for i := range graphs {
		graphs[i] = all[i] - own[i]
	}
	return n, around(n, all.seen(), math.Hypot(p.half(graphs), p.timed(own)))
}

// around is n with half on each side, and not less than what was seen.
func around(n, seen int64, half float64) result.Range {
	return result.Range{Low: max(Round(math.Floor(float64(n)-half)), min(seen, n)), High: max(Round(math.Ceil(float64(n)+half)), n)}
}

// Round is x as a whole number of ns, bytes or operations.
func Round(x float64) int64 {
	return int64(math.Round(min(max(x, -most63), most63)))
}

// most63 is the largest number that a float64 holds and an int64 as well.
const most63 = math.MaxInt64 - 1023

// half is half of the interval of Work of x.
func (p *Plan) half(x Sums) float64 { return math.Hypot(p.numbered(x), p.timed(x)) }

// numbered is the part of half that comes from what was missed by number.
func (p *Plan) numbered(x Sums) float64 {
	return spread(x, len(p.strata), func(i int) (of, stands float64) {
		t := &p.strata[i]
		if !t.stands() {
			return 0, 0
		}
		return t.kernels, t.missed
	})
}

// timed is the part of half that comes from what was missed by time.
func (p *Plan) timed(x Sums) float64 {
	half := spread(x, len(p.strata), func(i int) (of, stands float64) {
		t := &p.strata[i]
		if !t.stands() {
			return 0, 0
		}
		return t.ns, t.unseen
	})
	if !p.doubt {
		return half
	}
	for i := range p.strata { // all of what was assumed of the capture's cost may be wrong
		if t := &p.strata[i]; t.ns > 0 {
			half += float64(x[i]) * t.unseen / t.ns * t.cost / (1 + t.cost)
		}
	}
	return half
}

// spread is half of the interval of what n strata, each with x beside the amount of
// something (kernels, ns), make of the amount that each stands for: Student's t times
// the standard error. What a stratum stands for varies in itself as strata of its
// size do. A stratum of no amount is left out.
func spread(x Sums, n int, amounts func(int) (of, stands float64)) float64 {
	var sum, all, squares, extra float64
	count := 0
	for i := range n {
		if of, stands := amounts(i); of > 0 {
			sum += float64(x[i])
			all += of
			squares += stands*stands + stands*of
			extra += stands * float64(x[i]) / of
			count++
		}
	}
	if count < least {
		return extra
	}
	var variance float64
	for i := range n {
		if of, _ := amounts(i); of > 0 {
			d := float64(x[i])/of - sum/all
			variance += d * d
		}
	}
	return student.Quantile(count-1) * math.Sqrt(variance/float64(count-1)*squares)
}

// Weights says, for each slot, how much idle time in all of the cell each ns of the idle
// time that was seen there stands for, itself included. seen is that idle time: its last
// slot stands for itself alone. What falls to strata that saw none is split as that of the others.
func (d *Device) Weights(seen Sums) []float64 {
	out := make([]float64, len(seen))
	var beside, anywhere, homeless float64
	for i := range out {
		out[i] = 1
		if i == len(d.idle) {
			break
		}
		if seen[i] <= 0 {
			homeless += d.idle[i]
			continue
		}
		out[i] += d.idle[i] / float64(seen[i])
		anywhere += float64(seen[i])
		if d.unseen[i] > 0 {
			beside += float64(seen[i])
		}
	}
	for i := range d.idle {
		switch {
		case seen[i] <= 0:
		case beside == 0:
			out[i] += homeless / anywhere
		case d.unseen[i] > 0:
			out[i] += homeless / beside
		}
	}
	return out
}

// IdleWithin is the interval of n, the idle time of one cause or line that x was seen of: from how the part of
// the time that it took varies among strata, from how far the sum of all is open, and from how
// well it is known what the capture cost, which is in the last slot of x.
func (d *Device) IdleWithin(n int64, x Sums) result.Range {
	seen := x.seen()
	most := seen + int64(d.unseenNs)
	half := float64(most)
	standing := 0
	amounts := func(i int) (of, stands float64) {
		if d.unseen[i] <= 0 {
			return 0, 0
		}
		return d.known[i], d.unseen[i]
	}
	for i := range d.known {
		if of, _ := amounts(i); of > 0 {
			standing++
		}
	}
	if standing >= least {
		half = spread(x, len(d.known), amounts)
		half = math.Hypot(half, math.Hypot(float64(max(n-seen, 0))*d.open, float64(x[len(x)-1])*d.costOpen))
	}
	r := around(n, seen, half)
	return result.Range{Low: r.Low, High: max(min(r.High, most), n)}
}

// Busy is how long the device is estimated to have worked in what a stratum stands for, beside itself.
func (d *Device) Busy(slot int) float64 {
	if slot >= len(d.unseen) {
		return 0
	}
	return max(d.unseen[slot]-d.idle[slot], 0)
}

// Apportion rounds parts so that they sum to total, which they do but for rounding: by the
// largest remainders. Parts that sum to something else are scaled.
func Apportion(total int64, parts []float64) []int64 {
	out := make([]int64, len(parts))
	var sum float64
	for _, x := range parts {
		sum += max(x, 0)
	}
	if total <= 0 || sum <= 0 {
		return out
	}
	order := make([]int, 0, len(parts))
	rests := make([]float64, len(parts))
	left := total
	for i, x := range parts {
		if x <= 0 {
			continue
		}
		exact := x * (float64(total) / sum)
		out[i] = min(int64(min(exact, most63)), left)
		rests[i] = exact - float64(out[i])
		left -= out[i]
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rests[b], rests[a]) })
	for k := 0; left > 0; k = (k + 1) % len(order) {
		out[order[k]]++
		left--
	}
	return out
}
