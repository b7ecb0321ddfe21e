package command

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// traceOperand is the trace of a command that reads one.
var traceOperand = Operand{Name: "TRACE", Help: "the trace's file", Kind: File}

// narrowFlags are those of commands that read a trace: what of it they read.
var narrowFlags = []Flag{
	{Name: "device", Value: "N", Help: "leave out all GPUs but this one"},
	{Name: "step", Value: "STEP", Help: "take one step alone: its name, or the N of ProfilerStep#N"},
}

// opened is a trace that was read.
type opened struct {
	timeline *timeline.Timeline
	cell     result.Cell
	source   result.Source
	// notes are sentences about the trace that a reader must know.
	notes []string
}

// input is what an exporter writes.
func (o opened) input() track.Input {
	return track.Input{Timeline: o.timeline, Cell: o.cell, Source: o.source}
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
	trace, err := tracefile.Open(ctx, env.Path(name), opts)
	if err != nil {
		return opened{}, unread(name, err)
	}
	return opened{timeline: trace.Timeline, cell: result.Cell{Name: filepath.Base(name), Outcome: "ok"},
		source: result.Source{Kind: trace.Kind, Path: name, ToolVersion: env.Version}, notes: trace.Notes}, nil
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
