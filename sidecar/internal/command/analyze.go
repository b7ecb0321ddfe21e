package command

import (
	"context"
	"slices"

	"github.com/inferscope/inferscope/analysis"
)

func analyzeCommand() Command {
	return Command{
		Name:    "analyze",
		Summary: "say why the program of a trace is slow",
		Details: "Reads the trace of the PyTorch profiler (Kineto's JSON, or another tool's in Chrome's format) or the SQLite export of " +
			"Nsight Systems, compressed by gzip or not: which it is, is seen from its content. A folder is a trace of InferScope's own, " +
			"as it keeps of the last profiled cells (inferscope.last().trace).\n\n" +
			"The exit status is 3 when the trace cannot be read.",
		Flags:    slices.Concat(narrowFlags, reportFlags),
		Operands: []Operand{traceOperand},
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
	trace, err := openTrace(ctx, env, args)
	if err != nil {
		return err
	}
	r := analysis.Analyze(trace.timeline, trace.input)
	r.Notes = append(r.Notes, trace.notes...)
	return writeReport(env, args, r)
}
