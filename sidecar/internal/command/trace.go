package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/comparison"
	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// traceOperand is the trace of a command that reads one.
var traceOperand = Operand{Name: "TRACE", Optional: true, Kind: File,
	Help: "the file of another tool, the folder of a cell's trace, or the name of a kept one"}

// traceFlags are those of commands that read a trace: which, and what of it.
var traceFlags = []Flag{
	{Name: "last", Help: "read the trace of the cell that was profiled last"},
	{Name: "device", Value: "N", Help: "leave out all GPUs but this one, in another tool's trace"},
	{Name: "step", Value: "STEP", Help: "take one step of another tool's trace alone: its name, or the N of ProfilerStep#N"},
}

// whatIsRead explains traceOperand.
const whatIsRead = "Reads the trace of a profiled cell, the trace of the PyTorch profiler (Kineto's JSON, or another tool's in Chrome's " +
	"format) or the SQLite export of Nsight Systems, compressed by gzip or not: which it is, is seen from its content."

// opened is a trace that was read.
type opened struct {
	timeline *timeline.Timeline
	// input is what the analysis needs beside the timeline.
	input analysis.Input
	// notes are sentences about the trace that a reader must know.
	notes []string
}

// drawn is what an exporter writes.
func (o opened) drawn() track.Input {
	return track.Input{Timeline: o.timeline, Cell: o.input.Cell, Source: o.input.Source, Arch: o.input.Arch}
}

// openTrace reads the trace that the operand and traceFlags name.
func openTrace(ctx context.Context, env Env, called string, args Args) (opened, error) {
	name := args.Operand(0)
	switch {
	case name != "" && args.Has("last"):
		return opened{}, Usage("leave one of them out", "%s takes TRACE or --last, not both", called)
	case name == "" && !args.Has("last"):
		return opened{}, Usage("name a file, or take the last profiled cell with --last", "%s needs TRACE", called)
	}
	path := env.Path(name)
	if args.Has("last") {
		last, err := lastRun(env)
		if err != nil {
			return opened{}, err
		}
		name, path = last, last
	} else if kept := keptRun(env, name); kept != "" {
		path = kept
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if args.Has("device") || args.Has("step") {
			return opened{}, Usage("leave them out", "--device and --step are for the traces of other tools")
		}
		return openCell(env, name, path)
	}
	return openForeign(ctx, env, name, path, args)
}

// openCell reads the trace of a profiled cell.
func openCell(env Env, name, path string) (opened, error) {
	tl, meta, err := tracestore.Open(path)
	var broken *tracestore.TraceError
	switch {
	case errors.As(err, &broken) && errors.Is(err, tracestore.ErrBusy):
		return opened{}, &Error{Code: ExitUnreadable, Sentence: name + " is still being written", Hint: "try again when the cell is done", Err: err}
	case errors.As(err, &broken):
		return opened{}, Unreadable(name, "a trace of InferScope is a folder with "+tracestore.ManifestName, fmt.Errorf("%s: %w", broken.Where, broken.Err))
	case err != nil:
		return opened{}, Unreadable(name, "", err)
	}
	return opened{timeline: tl, input: comparison.OwnInput(meta, name, env.Version)}, nil
}

// openForeign reads the trace of another tool.
func openForeign(ctx context.Context, env Env, name, path string, args Args) (opened, error) {
	opts := importer.Whole()
	opts.Step = args.Value("step")
	if args.Has("device") {
		n, err := strconv.ParseInt(args.Value("device"), 10, 32)
		if err != nil || n < 0 {
			return opened{}, Usage("a GPU's number is 0, 1, …", "--device may not be %q", args.Value("device"))
		}
		opts.Device = int32(n)
	}
	if args.Has("step") && opts.Step == "" {
		return opened{}, Usage("give a step's name or number", "--step is empty")
	}
	trace, err := tracefile.Open(ctx, path, opts)
	if err != nil {
		return opened{}, unread(name, err)
	}
	return opened{timeline: trace.Timeline, notes: trace.Notes, input: analysis.Input{
		Source: result.Source{Kind: trace.Kind, Path: name, ToolVersion: env.Version},
		Cell:   result.Cell{Name: filepath.Base(name), Outcome: "ok"}}}, nil
}

// unread is why a trace was not read, as a user sees it.
func unread(name string, err error) error {
	var broken *importer.Error
	var missing *importer.NotThere
	switch {
	case errors.As(err, &broken):
		return Unreadable(name, broken.Hint, err)
	case errors.As(err, &missing):
		return Usage("see what there is with `inferscope analyze "+name+"`", "%v", err)
	}
	return err
}

// history is where the traces of profiled cells are kept.
func (e Env) history() *runhistory.History {
	s := config.Resolve(e.place(), nil).Settings
	return runhistory.New(runhistory.Options{Dir: s.HistoryPath, Runs: s.HistoryRuns, Bytes: s.HistoryBytes})
}

// keptRun is the path of the kept trace of that name, empty when there is none, or
// when there is something of that name where the user is.
func keptRun(env Env, name string) string {
	if _, err := os.Lstat(env.Path(name)); name != filepath.Base(name) || !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	runs, err := env.history().List()
	if err != nil {
		return ""
	}
	for _, run := range runs {
		if base := filepath.Base(run.Path); base == name || strings.TrimSuffix(base, tracestore.Suffix) == name {
			return run.Path
		}
	}
	return ""
}

// lastRun is the path of the newest kept trace.
func lastRun(env Env) (string, error) {
	h := env.history()
	runs, err := h.List()
	if err != nil {
		return "", &Error{Code: ExitUnreadable, Sentence: "the kept traces cannot be listed: " + err.Error(), Hint: "`inferscope config show` says where they are", Err: err}
	}
	if len(runs) == 0 {
		return "", &Error{Code: ExitUnreadable, Sentence: "no trace of a profiled cell is kept", Hint: "`inferscope config show` says where they are looked for, and how many are kept"}
	}
	return runs[len(runs)-1].Path, nil
}
