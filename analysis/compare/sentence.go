package compare

import (
	"math"
	"strconv"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// enough is how many runs a side make the interval independent of any distribution:
// with four and four it has its level.
const enough = 4

// sentence says whether it helped, by how much, and what made the difference.
func sentence(c *result.Comparison) string {
	walls := wall(c.Wall.Before) + " → " + wall(c.Wall.After)
	change := signed(c.Change)
	switch c.Outcome {
	case result.Faster, result.Slower:
		word := "Faster"
		if c.Outcome == result.Slower {
			word = "Slower"
		}
		return word + ": " + walls + " (" + change + ", beyond the noise of " + noiseWords(c.Noise.Share) + ")." + because(c)
	case result.NoDifference:
		return "No difference that can be told from noise: " + walls + " (" + change + ", noise of " + noiseWords(c.Noise.Share) + ")."
	}
	switch {
	case c.Noise.Method == result.NoiseNone:
		return "Nothing can be compared: one of the runs took no time."
	case recorder(c.Before) != recorder(c.After):
		return "The runs cannot be compared as a whole, for they were recorded by different tools: " + walls + "."
	}
	return "The runs cannot be compared as a whole, for not all of them came to their end: " + walls + "."
}

// wide is the noise from which it is told as a factor: −60% is not within ±100%, for less and more are no longer the same share.
const wide = 0.5

// noiseWords is by how much runs differ: "±5%", "a factor of 2.5".
func noiseWords(share float64) string {
	if share < wide {
		return "±" + percent(share)
	}
	return "a factor of " + strconv.FormatFloat(1+share, 'f', 1, 64)
}

// because names the line that made most of the difference, and the cause.
func because(c *result.Comparison) string {
	sign := int64(1)
	word := " more"
	if c.Wall.Diff() < 0 {
		sign, word = -1, " less"
	}
	out := ""
	for _, l := range c.Lines { // the largest comes first
		if d := l.Wall.Diff() * sign; d <= 0 || !l.Beyond || d*3 < c.Wall.Diff()*sign {
			continue
		}
		if l.Match == result.OutsideLines {
			break
		}
		out = " " + capital(named(l)) + " took " + phrase.Duration(l.Wall.Diff()*sign) + word
		for _, k := range l.Causes {
			if d := k.Time.Diff() * sign; d > 0 && d*2 >= l.Wall.Diff()*sign {
				out += ", mostly " + phrase.Kind(k.Kind)
				break
			}
		}
		return out + "."
	}
	for _, k := range c.Causes {
		if d := k.Time.Diff() * sign; d > 0 && k.Beyond {
			return " " + capital(phrase.Kind(k.Kind)) + " took " + phrase.Duration(d) + word + "."
		}
	}
	return ""
}

// named is a line with what it was.
func named(l result.LineChange) string {
	switch l.Match {
	case result.RemovedLine:
		return phrase.Line(l.Before) + ", which is gone,"
	case result.AddedLine:
		return phrase.Line(l.After) + ", which is new,"
	case result.EditedLine:
		if was := phrase.Code(l.Before.Text); was != "" && was != phrase.Code(l.After.Text) {
			return phrase.Line(l.After) + ", which was `" + was + "`,"
		}
	}
	return phrase.Line(l.After)
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// wall writes a wall time with three digits: two walls that differ by a few percent must read differently.
func wall(ns int64) string {
	for _, u := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		v := float64(ns) / u.ns
		switch {
		case v >= 99.95:
			return strconv.FormatFloat(v, 'f', 0, 64) + " " + u.name
		case v >= 9.995:
			return strconv.FormatFloat(v, 'f', 1, 64) + " " + u.name
		case v >= 0.9995:
			return strconv.FormatFloat(v, 'f', 2, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(ns, 10) + " ns"
}

// signed writes a change: "−25%", "+4.2%", "±0%" for less than a thousandth.
func signed(change float64) string {
	text := percent(math.Abs(change))
	switch {
	case math.Abs(change) < 0.001:
		return "±0%"
	case change < 0:
		return "−" + text
	}
	return "+" + text
}

// plain is how many times the noise a change must be to need no further runs.
const plain = 3

// hint says how the answer would become surer; empty when it is sure, and for
// traces of other tools.
func hint(c *result.Comparison) string {
	n, m := len(c.Before.Runs), len(c.After.Runs)
	sure := c.Outcome != result.NoDifference && math.Abs(c.Change) > plain*c.Noise.Share
	if c.Outcome == result.Incomparable || c.Noise.Method == result.NoiseRanks || sure || c.Before.Kind != "cell" && c.Before.Kind != "inferscope" {
		return ""
	}
	return "With " + strconv.Itoa(max(n, enough)) + " runs before and " + strconv.Itoa(max(m, enough)) +
		" after, their own spread decides: run the cell again, and give all runs of each version."
}

// notes say what makes the sides less comparable.
func notes(before, after side) []string {
	out := []string{}
	x, y := before.middle(), after.middle()
	if len(before.runs) > 1 || len(after.runs) > 1 {
		out = append(out, "Lines, causes and findings are those of the run in the middle of each side.")
	}
	if x.Host.Rung != y.Host.Rung {
		out = append(out, "The scheduler was seen by different means ("+rung(x.Host.Rung)+" before, "+rung(y.Host.Rung)+
			" after): a cause may differ because of that.")
	}
	if v, w := x.Source.ToolVersion, y.Source.ToolVersion; v != w && v != "" && w != "" {
		out = append(out, "The analysis was made by different versions of InferScope ("+phrase.Plain(v)+" and "+phrase.Plain(w)+").")
	}
	if len(x.Cell.Lines) > 0 && len(y.Cell.Lines) > 0 && !Related(trimmed(Source(x)), trimmed(Source(y))) {
		out = append(out, "The two cells have little in common: they may not be versions of one.")
	}
	for _, s := range []struct {
		r    *result.Result
		when string
	}{{x, "before"}, {y, "after"}} {
		if o := s.r.Cell.Outcome; o != "" && o != "ok" {
			out = append(out, "The run "+s.when+" ended early ("+phrase.Plain(o)+"): its time is that until then.")
		}
		for _, d := range s.r.Devices {
			if d.Coverage != nil {
				out = append(out, "GPU work of the run "+s.when+" was captured in part: what is said of it is estimated.")
				break
			}
		}
	}
	return out
}

func rung(r timeline.Rung) string {
	if r == "" {
		return "nothing"
	}
	return phrase.Plain(string(r))
}
