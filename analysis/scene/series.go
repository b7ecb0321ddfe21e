package scene

import (
	"math"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// series are the counters, each with at most mostPoints points.
func series(tl *timeline.Timeline) []result.SceneSeries {
	out := []result.SceneSeries{}
	for i := range tl.Counters {
		if len(out) == mostSeries {
			break
		}
		if s := points(&tl.Counters[i], tl.Extent); len(s.Time) > 1 {
			out = append(out, s)
		}
	}
	return out
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
