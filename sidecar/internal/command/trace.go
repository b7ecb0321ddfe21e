package command

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// traceOperand is the trace of a command that reads one.
var traceOperand = Operand{Name: "TRACE", Help: "the trace's file, or folder", Kind: File}

// narrowFlags are those of commands that read a trace: what of it they read.
var narrowFlags = []Flag{
	{Name: "device", Value: "N", Help: "leave out all GPUs but this one"},
	{Name: "step", Value: "STEP", Help: "take one step alone: its name, or the N of ProfilerStep#N"},
}

// opened is a trace that was read.
type opened struct {
	timeline *timeline.Timeline
	// input is what else the analysis is told.
	input analysis.Input
	// notes are sentences about the trace that a reader must know.
	notes []string
}

// tracks is what an exporter writes.
func (o opened) tracks() track.Input {
	return track.Input{Timeline: o.timeline, Cell: o.input.Cell, Source: o.input.Source}
}

// openTrace reads the trace that the first operand names, as narrowFlags say.
func openTrace(ctx context.Context, env Env, args Args) (opened, error) {
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
	name := args.Operand(0)
	if isFolder(env.Path(name)) {
		if args.Has("device") || args.Has("step") {
			return opened{}, Usage("leave them out", "--device and --step are for the traces of other tools")
		}
		return openOwn(env, name)
	}
	trace, err := tracefile.Open(ctx, env.Path(name), opts)
	if err != nil {
		return opened{}, unread(name, err)
	}
	return opened{timeline: trace.Timeline, notes: trace.Notes, input: analysis.Input{
		Source: result.Source{Kind: trace.Kind, Path: name, ToolVersion: env.Version},
		Cell:   result.Cell{Name: filepath.Base(name), Outcome: "ok"},
	}}, nil
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
