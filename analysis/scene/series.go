package scene

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// telling are the counters of a GPU in the order in which they tell why a cell is slow;
// what else is counted comes behind them.
var telling = []string{timeline.CounterSMActivity, timeline.CounterTensorActivity, timeline.CounterDRAMBandwidth,
	timeline.CounterDRAMRead, timeline.CounterDRAMWrite, timeline.CounterPower,
	timeline.CounterSMClock, timeline.CounterMemory, timeline.CounterUtilisation, timeline.CounterSMOccupancy}

// series are the counters that tell most, each with at most mostPoints points; those of
// GPUs that did nothing for the cell come last.
func series(tl *timeline.Timeline) []result.SceneSeries {
	type ranked struct {
		counter *timeline.Counter
		rank    int
	}
	worked := workedGPUs(tl)
	list := make([]ranked, len(tl.Counters))
	for i := range tl.Counters {
		r := ranked{&tl.Counters[i], len(telling)}
		gpu, what, ok := timeline.SplitGPUCounter(r.counter.Name)
		if at := slices.Index(telling, what); ok && at >= 0 {
			r.rank = at
		}
		if ok && worked != nil && !worked[gpu] {
			r.rank += len(telling) + 1
		}
		list[i] = r
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	out := []result.SceneSeries{}
	for _, r := range list {
		if len(out) == mostSeries {
			break
		}
		if s := points(r.counter, tl.Extent); len(s.Time) > 1 {
			out = append(out, s)
		}
	}
	return out
}

// workedGPUs are the GPUs with operations, by the number that their counters' names have;
// nil where it is not known which counters are theirs.
func workedGPUs(tl *timeline.Timeline) map[int]bool {
	var worked map[int]bool
	for i := range tl.Devices {
		d := &tl.Devices[i]
		for _, s := range tl.Sensors {
			if d.Ops.Len() > 0 && d.PCI != "" && strings.EqualFold(s.PCI, d.PCI) {
				if worked == nil {
					worked = map[int]bool{}
				}
				worked[s.Index] = true
			}
		}
	}
	return worked
}

// points thins a counter: of neighbours the extremes are kept.
func points(c *timeline.Counter, w timeline.Interval) result.SceneSeries {
	s := result.SceneSeries{Name: phrase.Code(c.Name), Unit: phrase.Code(c.Unit), Time: []int64{}, Low: []float64{}, High: []float64{}}
	piece := w.Ns()/mostPoints + 1
	if len(c.Time) <= mostPoints {
		piece = 1
	}
	last := int64(-1)
	for i, at := range c.Time {
		v := c.Value[i]
		if at < w.Start || at > w.End || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		at -= w.Start
		if n := len(s.Time) - 1; n >= 0 && at/piece == last {
			s.Low[n], s.High[n] = min(s.Low[n], v), max(s.High[n], v)
			continue
		}
		last = at / piece
		s.Time, s.Low, s.High = append(s.Time, at), append(s.Low, v), append(s.High, v)
	}
	return s
}
