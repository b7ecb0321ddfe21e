// Package comparison finds the runs that are to be compared, opens them and compares
// them: for the command, and for the notebook.
//
// A run is named by the path of a trace, or by its id in the run history: the name of
// its folder, whole or a part at its beginning or end that no other run has.
package comparison

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/compare"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// Error is why there is no comparison, as a user reads it.
type Error struct {
	// Sentence has no full stop; Hint says what to do, and may be empty.
	Sentence, Hint string
	// Unreadable says that a trace is not there, or cannot be read.
	Unreadable bool
	// Err is the cause; may be nil.
	Err error
}

// Error is the sentence.
func (e *Error) Error() string { return e.Sentence }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Finder finds runs.
type Finder struct {
	// History is where the last runs are kept.
	History *runhistory.History
	// Dir is the directory that relative paths start from.
	Dir string
	// Version is InferScope's.
	Version string
}

// Of compares the runs that are named. Every error is an *Error, or that of ctx.
func (f Finder) Of(ctx context.Context, before, after []string) (*result.Comparison, error) {
	x, err := f.side(ctx, before)
	if err != nil {
		return nil, err
	}
	y, err := f.side(ctx, after)
	if err != nil {
		return nil, err
	}
	return compared(x, y)
}

func compared(before, after []compare.Run) (*result.Comparison, error) {
	c, err := compare.Of(before, after)
	var mixed *compare.MixedError
	switch {
	case errors.As(err, &mixed):
		return nil, &Error{Sentence: err.Error(), Hint: "the runs of one side must be of one version of a cell: their spread is the noise", Err: err}
	case err != nil:
		return nil, &Error{Sentence: err.Error(), Err: err}
	}
	return c, nil
}

// side opens the runs of one side.
func (f Finder) side(ctx context.Context, names []string) ([]compare.Run, error) {
	if len(names) > compare.MaxRuns { // told before all of them are read
		return nil, &Error{Sentence: compare.ErrTooMany.Error(), Err: compare.ErrTooMany}
	}
	runs := make([]compare.Run, 0, len(names))
	for _, name := range names {
		path, shown, err := f.find(name)
		if err != nil {
			return nil, err
		}
		r, err := f.open(ctx, path, shown)
		if err != nil {
			return nil, err
		}
		runs = append(runs, compare.Run{Name: shown, Result: r})
	}
	return runs, nil
}

// open analyses the trace at path; shown is what a user calls it.
func (f Finder) open(ctx context.Context, path, shown string) (*result.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return f.own(path, shown)
	}
	if isSummary(path) {
		return nil, &Error{Sentence: shown + " is a summary, which has neither the cell's source nor all of its lines", Unreadable: true,
			Hint: "give the trace of the run: inferscope.last().trace is its folder"}
	}
	trace, err := tracefile.Open(ctx, path, importer.Whole())
	var broken *importer.Error
	switch {
	case errors.As(err, &broken):
		return nil, &Error{Sentence: fmt.Sprintf("%s cannot be read: %v", shown, err), Hint: broken.Hint, Unreadable: true, Err: err}
	case err != nil:
		return nil, err
	}
	r := analysis.Analyze(trace.Timeline, analysis.Input{
		Source: result.Source{Kind: trace.Kind, Path: shown, ToolVersion: f.Version},
		Cell:   result.Cell{Name: filepath.Base(shown), Outcome: "ok"},
	})
	return r, nil
}

// own analyses a trace of InferScope's own. One that does not hold its whole cell is
// refused: its wall would be too short.
func (f Finder) own(path, shown string) (*result.Result, error) {
	unreadable := func(reason error, hint string) error {
		return &Error{Sentence: fmt.Sprintf("%s cannot be read: %v", shown, reason), Hint: hint, Unreadable: true, Err: reason}
	}
	tl, meta, err := tracestore.Open(path)
	var broken *tracestore.TraceError
	switch {
	case errors.Is(err, tracestore.ErrBusy):
		return nil, unreadable(tracestore.ErrBusy, "try again in a moment")
	case errors.As(err, &broken):
		return nil, unreadable(fmt.Errorf("%s: %w", broken.Where, broken.Err), "a trace of InferScope is a folder with "+tracestore.ManifestName)
	case err != nil:
		return nil, err
	case !meta.Complete:
		return nil, unreadable(errors.New("the trace was never finished, so how long the cell took is not known"), "profile the cell again")
	case meta.AnalysedUntilNs > 0 && tl.Window.End <= meta.AnalysedUntilNs:
		return nil, unreadable(errors.New("it has more events than are read at once"), "profile the cell with less work")
	}
	return analysis.Analyze(tl, OwnInput(meta, shown, f.Version)), nil
}

// OwnInput is what the analysis of a trace of InferScope's own needs beside its timeline: what the trace
// says, its path as a user wrote it, and the version of InferScope that analyses it.
func OwnInput(meta tracestore.Meta, path, version string) analysis.Input {
	kind := "inferscope"
	if meta.Source.Kind == result.KindScript { // what is said of it then speaks of a script
		kind = meta.Source.Kind
	}
	return analysis.Input{
		Source:     result.Source{Kind: kind, Path: path, ToolVersion: version},
		Cell:       meta.Cell,
		Collectors: meta.Collectors,
		Overhead:   meta.Overhead,
		Functions:  meta.Functions,
		Arch:       meta.Versions["arch"],
	}
}

// isSummary says that a file is a report's JSON.
func isSummary(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // to open a pipe waits for whoever writes to it
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, 200))
	return err == nil && bytes.Contains(head, []byte(`"inferscope.summary/`))
}

// find is the path of a run, and what it is called.
func (f Finder) find(name string) (path, shown string, err error) {
	path = name
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.Dir, name)
	}
	if _, err := os.Stat(path); name != "" && (err == nil || strings.ContainsRune(name, filepath.Separator)) {
		if err != nil {
			return "", "", &Error{Sentence: name + " cannot be opened: " + reason(err), Hint: f.known(), Unreadable: true, Err: err}
		}
		if strings.ContainsRune(name, filepath.Separator) {
			name = f.idOf(path, name)
		}
		return path, name, nil
	}
	id := strings.TrimSuffix(name, tracestore.Suffix)
	var found []string
	for _, run := range f.runs() {
		switch known := runID(run); {
		case known == id:
			return run, known, nil
		case id != "" && (strings.HasPrefix(known, id) || strings.HasSuffix(known, id)):
			found = append(found, run)
		}
	}
	switch len(found) {
	case 0:
		return "", "", &Error{Sentence: fmt.Sprintf("there is no trace and no kept run %q", name), Hint: f.known(), Unreadable: true}
	case 1:
		return found[0], runID(found[0]), nil
	}
	return "", "", &Error{Sentence: fmt.Sprintf("%d kept runs begin or end with %q", len(found), name), Hint: "give more of the id: " + ids(found)}
}

// idOf is a run's id where path is in the history, else the name.
func (f Finder) idOf(path, name string) string {
	if dir, err := f.History.Dir(); err == nil && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir) {
		return runID(path)
	}
	return name
}

func reason(err error) string {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

// runID is what a run of the history is called.
func runID(path string) string { return strings.TrimSuffix(filepath.Base(path), tracestore.Suffix) }

// runs are the paths of the kept runs, oldest first.
func (f Finder) runs() []string {
	list, err := f.History.List()
	if err != nil {
		return nil // there is no directory, so no run
	}
	paths := make([]string, len(list))
	for i, r := range list {
		paths[i] = r.Path
	}
	return paths
}

// known is a hint with the last runs.
func (f Finder) known() string {
	runs := f.runs()
	if len(runs) == 0 {
		return "name a trace's folder or file; no run is kept here" + f.off()
	}
	return "the last kept runs are " + ids(runs[max(0, len(runs)-3):])
}

func ids(paths []string) string {
	const most = 5
	var list []string
	for _, p := range paths[max(0, len(paths)-most):] {
		list = append(list, runID(p))
	}
	return strings.Join(list, ", ")
}

// off ends a hint where the history is switched off.
func (f Finder) off() string {
	if f.History.On() {
		return ""
	}
	return ": set history.runs and history.bytes above 0 to keep the next ones"
}
