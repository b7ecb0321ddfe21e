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
		Details: whatIsRead + "\n\n" +
			"The exit status is 3 when the trace cannot be read.",
		Flags:    slices.Concat(traceFlags, reportFlags),
		Operands: []Operand{traceOperand},
		Examples: []Example{
			{"analyze train.pt.trace.json.gz", "the report, as text"},
			{"analyze --last", "the report of the cell that was profiled last"},
			{"analyze report.sqlite -o report.html", "the report as a page"},
			{"analyze train.pt.trace.json --step 12 --format json", "the numbers of one step, for a program"},
		},
		Run: analyze,
	}
}

func analyze(ctx context.Context, env Env, args Args) error {
	trace, err := openTrace(ctx, env, "analyze", args)
	if err != nil {
		return err
	}
	r := analysis.Analyze(trace.timeline, trace.input)
	r.Notes = append(r.Notes, trace.notes...)
	return writeReport(env, args, r)
}
