package command

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

func analyzeCommand() Command {
	return Command{
		Name:    "analyze",
		Summary: "say why the program of a trace is slow",
		Details: "Reads the trace of the PyTorch profiler (Kineto's JSON, or another tool's in Chrome's format) or the SQLite export of " +
			"Nsight Systems, compressed by gzip or not: which it is, is seen from its content. A folder is a trace of InferScope's own, " +
			"as it keeps of the last profiled cells (inferscope.last().trace).\n\n" +
			"The exit status is 3 when the trace cannot be read.",
		Flags: append([]Flag{
			{Name: "device", Value: "N", Help: "leave out all GPUs but this one"},
			{Name: "step", Value: "STEP", Help: "analyse one step alone: its name, or the N of ProfilerStep#N"},
		}, reportFlags...),
		Operands: []Operand{{Name: "TRACE", Help: "the trace's file, or folder", Kind: File}},
		Examples: []Example{
			{"analyze train.pt.trace.json.gz", "the report, as text"},
			{"analyze ~/.local/state/inferscope/runs/RUN.inferscope", "the report of a cell that was profiled"},
			{"analyze report.sqlite -o report.html", "the report as a page"},
			{"analyze train.pt.trace.json --step 12 --format json", "the numbers of one step, for a program"},
		},
		Run: analyze,
	}
}

func analyze(ctx context.Context, env Env, args Args) error {
	opts := importer.Whole()
	opts.Step = args.Value("step")
	if args.Has("device") {
		n, err := strconv.ParseInt(args.Value("device"), 10, 32)
		if err != nil || n < 0 {
			return Usage("a GPU's number is 0, 1, …", "--device may not be %q", args.Value("device"))
		}
		opts.Device = int32(n)
	}
	if args.Has("step") && opts.Step == "" {
		return Usage("give a step's name or number", "--step is empty")
	}
	name := args.Operand(0)
	if isFolder(env.Path(name)) {
		if args.Has("device") || args.Has("step") {
			return Usage("leave them out", "--device and --step are for the traces of other tools")
		}
		r, err := analyzeOwn(env, name)
		if err != nil {
			return err
		}
		return writeReport(env, args, r)
	}
	trace, err := tracefile.Open(ctx, env.Path(name), opts)
	if err != nil {
		return unread(name, err)
	}
	r := analysis.Analyze(trace.Timeline, analysis.Input{
		Source: result.Source{Kind: trace.Kind, Path: name, ToolVersion: env.Version},
		Cell:   result.Cell{Name: filepath.Base(name), Outcome: "ok"},
	})
	r.Notes = append(r.Notes, trace.Notes...)
	return writeReport(env, args, r)
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
