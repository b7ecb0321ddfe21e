// Package compare says what changed between runs of a cell, and whether it helped.
//
// A side is one run, or several of the same source: then the spread of the runs is the
// noise that a difference must exceed. See docs/comparing.md.
package compare

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/result"
)

// MaxRuns is how many runs a side may have.
const MaxRuns = 64

// Run is one run to compare. Of reads Result and keeps slices of it.
type Run struct {
	// Name is how the run was asked for.
	Name   string
	Result *result.Result
}

// ErrNoRun is the error of a side without runs, ErrTooMany of one with more than MaxRuns.
var (
	ErrNoRun   = errors.New("a side of the comparison has no run")
	ErrTooMany = fmt.Errorf("a side of the comparison has more than %d runs", MaxRuns)
)

// MixedError is a side whose runs are not of one source.
type MixedError struct {
	// First and Other are the names of two runs that differ.
	First, Other string
}

// Error names the two.
func (e *MixedError) Error() string {
	return fmt.Sprintf("%s and %s are not runs of the same code", e.First, e.Other)
}

// side is one side with its run in the middle.
type side struct {
	runs []Run
	mid  int
}

func (s side) middle() *result.Result { return s.runs[s.mid].Result }

// Of compares the runs before a change with those after it. The answer depends on
// nothing but its arguments, and exchanging them exchanges the sides and negates
// every difference. Errors are ErrNoRun, ErrTooMany and *MixedError.
func Of(before, after []Run) (*result.Comparison, error) {
	b, err := sideOf(before)
	if err != nil {
		return nil, err
	}
	a, err := sideOf(after)
	if err != nil {
		return nil, err
	}
	x, y := b.middle(), a.middle()
	c := &result.Comparison{
		Before: b.describe(), After: a.describe(),
		Wall:  result.Delta{Before: x.WallNs, After: y.WallNs},
		Noise: noiseOf(b, a),
		Idle:  result.Delta{Before: x.Idle.TotalNs, After: y.Idle.TotalNs},
	}
	if x.WallNs > 0 {
		c.Change = float64(c.Wall.Diff()) / float64(x.WallNs)
	}
	p := pair(x.Cell.Lines, y.Cell.Lines)
	c.Edited, c.Added, c.Removed = p.counts(x.Cell.Lines, y.Cell.Lines)
	c.Lines = lines(x, y, p, c.Noise.Ns)
	c.Causes = causes(x.Host.Causes, y.Host.Causes, c.Wall, p, x, y, c.Noise.Ns)
	c.IdleCauses = causes(x.Idle.Causes, y.Idle.Causes, c.Idle, p, x, y, c.Noise.Ns)
	c.Devices = devices(x, y)
	c.KernelTime, c.Kernels = kernels(x, y)
	c.Copies = copies(x, y)
	for i := range c.Devices {
		c.Devices[i].Beyond = size(c.Devices[i].Busy) > c.Noise.Ns
	}
	for i := range c.Kernels {
		c.Kernels[i].Beyond = size(c.Kernels[i].Time) > c.Noise.Ns
	}
	for i := range c.Copies {
		c.Copies[i].Beyond = size(c.Copies[i].Time) > c.Noise.Ns
	}
	c.Gone, c.New, c.Kept = findings(x, y, p)
	c.Notes = notes(b, a)
	c.Outcome = outcome(c, b, a)
	c.Noise.Hint = hint(c)
	c.Sentence = sentence(c)
	return c, nil
}

// sideOf checks a side and finds its middle.
func sideOf(runs []Run) (side, error) {
	switch {
	case len(runs) == 0:
		return side{}, ErrNoRun
	case len(runs) > MaxRuns:
		return side{}, ErrTooMany
	}
	first := Source(runs[0].Result)
	for _, r := range runs[1:] {
		if !slices.Equal(Source(r.Result), first) {
			return side{}, &MixedError{First: runs[0].Name, Other: r.Name}
		}
	}
	order := make([]int, len(runs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(runs[i].Result.WallNs, runs[j].Result.WallNs) })
	return side{runs, order[(len(runs)-1)/2]}, nil
}

func (s side) describe() result.Side {
	r := s.middle()
	out := result.Side{Runs: []result.SideRun{}, Middle: s.mid, Cell: r.Cell, Verdict: r.Verdict, Kind: r.Source.Kind, ToolVersion: r.Source.ToolVersion}
	if out.Cell.Lines == nil {
		out.Cell.Lines = []string{}
	}
	for _, run := range s.runs {
		out.Runs = append(out.Runs, result.SideRun{Name: run.Name, WallNs: run.Result.WallNs})
	}
	return out
}

// Source is what makes two runs ones of the same code: the cell's lines, without the line
// that asks for the profile and the space at their ends.
func Source(r *result.Result) []string { return source(r, attribution.DirectiveLine(r.Cell.Lines)) }

// Related says that two sources are versions of one cell: half of the lines of the
// shorter one, the empty ones aside, are in the other or were edited.
func Related(x, y []string) bool {
	p := pair(x, y)
	n, m, matched := filledLines(x), filledLines(y), 0
	for i, line := range x {
		if p.after[i+1] > 0 && line != "" {
			matched++
		}
	}
	return matched > 0 && matched*2 >= min(n, m)
}

func filledLines(lines []string) int {
	n := 0
	for _, l := range lines {
		if l != "" {
			n++
		}
	}
	return n
}

// recorder is the tool that recorded the runs of a side: InferScope cells and scripts alike.
func recorder(s result.Side) string {
	if s.Kind == result.KindScript {
		return "inferscope"
	}
	return s.Kind
}

// outcome says whether it helped.
func outcome(c *result.Comparison, before, after side) result.Outcome {
	if c.Noise.Method == result.NoiseNone || recorder(c.Before) != recorder(c.After) {
		return result.Incomparable
	}
	for _, s := range []side{before, after} {
		for _, r := range s.runs {
			if o := r.Result.Cell.Outcome; o != "" && o != "ok" {
				return result.Incomparable
			}
		}
	}
	switch d := c.Wall.Diff(); {
	case c.Noise.High < 0 && d < 0:
		return result.Faster
	case c.Noise.Low > 0 && d > 0:
		return result.Slower
	}
	return result.NoDifference
}

// larger orders differences by size, the largest first; of equal ones that of the larger amounts.
func larger(x, y result.Delta) int {
	return cmp.Or(cmp.Compare(size(y), size(x)), cmp.Compare(max(y.Before, y.After), max(x.Before, x.After)))
}

func size(d result.Delta) int64 {
	if n := d.Diff(); n >= 0 {
		return n
	}
	return -d.Diff()
}
