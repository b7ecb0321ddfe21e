package comparison

import (
	"context"
	"errors"
	"slices"

	"github.com/inferscope/inferscope/analysis/compare"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

const (
	// mostLooked is how many of the kept runs are looked at for versions of a cell.
	mostLooked = 200
	// mostRepeated is how many runs of the version before are read unasked, to know the noise.
	mostRepeated = 10
)

// version is a kept run with what its cell is made of.
type version struct {
	path   string
	source []string
}

// Last compares the last run with the run before it of the same cell, edited or not, or
// else with the run before it. most is how many runs are read: of those that precede
// them, further ones of the version before join it. 0 reads as many as
// there are where the cell was edited, and two where it was not. Errors are as for Of.
func (f Finder) Last(ctx context.Context, most int) (*result.Comparison, error) {
	runs := f.runs()
	if len(runs) < 2 {
		return nil, f.tooFew(len(runs))
	}
	last, err := f.describe(ctx, runs[len(runs)-1])
	if err != nil {
		return nil, err
	}
	rest := runs[max(0, len(runs)-1-mostLooked) : len(runs)-1]
	slices.Reverse(rest)
	var before []version // the newest first
	var other *version
	for _, path := range rest {
		v, err := f.describe(ctx, path)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue // another kernel writes it, or it has gone: it is no run that could be meant
		}
		if !compare.Related(v.source, last.source) {
			if other == nil {
				other = &v
			}
			continue
		}
		if len(before) > 0 && !slices.Equal(v.source, before[0].source) {
			break
		}
		before = append(before, v)
		if len(before) == wanted(most, slices.Equal(before[0].source, last.source)) {
			break
		}
	}
	if len(before) == 0 {
		if other == nil {
			return nil, f.tooFew(1)
		}
		before = []version{*other}
	}
	slices.Reverse(before)
	names := make([]string, len(before))
	for i, v := range before {
		names[i] = v.path
	}
	return f.Of(ctx, names, []string{last.path})
}

// wanted is how many runs before are read.
func wanted(most int, same bool) int {
	switch {
	case most > 0:
		return min(most-1, compare.MaxRuns)
	case same:
		return 1
	}
	return mostRepeated
}

// describe reads what a kept run is of. One that was never finished is an error.
func (f Finder) describe(ctx context.Context, path string) (version, error) {
	if err := ctx.Err(); err != nil {
		return version{}, err
	}
	meta, err := tracestore.Describe(path)
	switch {
	case errors.Is(err, tracestore.ErrBusy):
		return version{}, &Error{Sentence: "the trace of the last run is still being written", Hint: "try again in a moment", Unreadable: true, Err: err}
	case err == nil && !meta.Complete:
		err = errors.New("it was never finished")
	}
	if err != nil {
		return version{}, &Error{Sentence: runID(path) + " cannot be read: " + err.Error(), Hint: "name the runs to compare", Unreadable: true, Err: err}
	}
	return version{path, compare.Source(&result.Result{Cell: meta.Cell})}, nil
}

// tooFew is the answer where there are no two runs.
func (f Finder) tooFew(kept int) error {
	if !f.History.On() {
		return &Error{Sentence: "there are no two runs to compare, for the history is switched off",
			Hint: "set history.runs and history.bytes above 0, then profile the cell before and after the change"}
	}
	if _, err := f.History.Dir(); err != nil {
		return &Error{Sentence: "there are no two runs to compare: " + err.Error(), Hint: "set history.path to a folder of yours", Err: err}
	}
	said := "no run is kept"
	if kept == 1 {
		said = "only one run is kept"
	}
	return &Error{Sentence: "there are no two runs to compare: " + said, Hint: "profile the cell once before and once after the change"}
}
