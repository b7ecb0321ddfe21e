package compare

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// gone is the share of a cause below which it counts as gone.
const gone = 0.05

// Since says what changed from the run before to this run of the same cell. It is nil where
// that is nothing beyond the noise, and where the two cells are not versions of one.
func Since(before, now *result.Result) *result.Change {
	if !Related(trimmed(Source(before)), trimmed(Source(now))) {
		return nil
	}
	c, err := Of([]Run{{Result: before}}, []Run{{Result: now}})
	if err != nil || c.Outcome != result.Faster && c.Outcome != result.Slower {
		return nil
	}
	sentence := capital(times(c) + string(c.Outcome) + " than the run before: " + wall(c.Wall.Before) + " → " + wall(c.Wall.After))
	if why := reason(c); why != "" {
		sentence += "; " + why
	}
	return &result.Change{Outcome: c.Outcome, Wall: c.Wall, Sentence: sentence + "."}
}

// times writes a factor, or a share where the factor would read like none: "1.9 times ", "8% ".
func times(c *result.Comparison) string {
	long, short := float64(max(c.Wall.Before, c.Wall.After)), float64(max(1, min(c.Wall.Before, c.Wall.After)))
	switch factor := long / short; {
	case factor >= 9.95:
		return strconv.FormatFloat(factor, 'f', 0, 64) + " times "
	case factor >= 1.15:
		return strconv.FormatFloat(factor, 'f', 1, 64) + " times "
	}
	return phrase.Percent(max(c.Change, -c.Change)) + " "
}

// reason names the line that made most of the difference, by its cause: "sleeping on line 3
// is gone". Empty when none did.
func reason(c *result.Comparison) string {
	sign, less := int64(1), "more"
	if c.Outcome == result.Faster {
		sign, less = -1, "less"
	}
	for _, l := range c.Lines { // the largest comes first
		changed := l.Wall.Diff() * sign
		if changed <= 0 || !l.Beyond || changed*3 < c.Wall.Diff()*sign || l.Match == result.OutsideLines {
			continue
		}
		line := "line " + strconv.Itoa(int(l.After.Number))
		if l.Match == result.RemovedLine {
			line = "what was line " + strconv.Itoa(int(l.Before.Number))
		}
		for _, k := range l.Causes {
			if d := k.Time.Diff() * sign; d <= 0 || d*2 < changed {
				continue
			}
			switch cause := phrase.Kind(k.Kind); {
			case float64(k.Time.After) < gone*float64(k.Time.Before):
				return cause + " on " + line + " is gone"
			case float64(k.Time.Before) < gone*float64(k.Time.After):
				return cause + " on " + line + " is new"
			default:
				return cause + " on " + line + " took " + phrase.Duration(k.Time.Diff()*sign) + " " + less
			}
		}
		return line + " took " + phrase.Duration(changed) + " " + less
	}
	return ""
}
