package command

import (
	"context"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/markdown"
	"github.com/inferscope/inferscope/report/text"
	"github.com/inferscope/inferscope/sidecar/internal/nearest"
	"github.com/inferscope/inferscope/sidecar/internal/rules"
)

func analyzeCommand() Command {
	return Command{
		Name:    "analyze",
		Summary: "say why the program of a trace is slow",
		Details: whatIsRead + "\n\n" +
			"The exit status is 3 when the trace cannot be read.",
		Flags: slices.Concat(traceFlags, []Flag{{Name: "explain", Value: "CAUSE",
			Help: "say only why the report says so: of a finding, by its id, of a cause, or of all findings (all)"}}, reportFlags),
		Operands: []Operand{traceOperand},
		Examples: []Example{
			{"analyze train.pt.trace.json.gz", "the report, as text"},
			{"analyze --last", "the report of the cell that was profiled last"},
			{"analyze report.sqlite -o report.html", "the report as a page"},
			{"analyze --last --explain gil_wait", "the evidence behind one cause: how often, for how long, who held it up"},
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
	x := analysis.Explain(trace.timeline, trace.input)
	resolved, own := rules.Resolve(env.place(), nil)
	own.Apply(x.Result)
	if note := resolved.Note(); note != "" {
		x.Result.Notes = append(x.Result.Notes, "The configuration has something wrong: "+note)
	}
	if args.Has("explain") {
		return explain(env, args, x)
	}
	x.Result.Notes = append(x.Result.Notes, trace.notes...)
	return writeReport(env, args, x.Result)
}

// explanations are the forms of an explanation, by the value of --format.
var explanations = map[string]func([]result.Explanation) []byte{"md": markdown.Explanations, "text": text.Explanations}

// explain writes why a report says so of what --explain names.
func explain(env Env, args Args, x *analysis.Explained) error {
	subject := args.Value("explain")
	format := formatOf(args)
	if explanations[format] == nil {
		return Usage("write it as text or md", "--explain has no form as %s", format)
	}
	list := x.Of(subject)
	if len(list) > 0 {
		return writeRendering(env, args, "explanation", explanations, text.Terminal.Explanations, list)
	}
	subjects := x.Subjects()
	hint := "there is " + strings.Join(subjects, ", ")
	if len(subjects) == 0 {
		hint = "nothing was recorded of it"
	}
	if phrase.Meaning(result.CauseKind(subject)) != "" || findings.ByID(subject) != nil {
		return &Error{Sentence: "nothing here is due to " + subject, Hint: hint}
	}
	known := slices.Clone(subjects)
	for _, k := range phrase.Kinds() {
		known = append(known, string(k))
	}
	for _, r := range findings.Registry {
		known = append(known, r.ID)
	}
	if meant, ok := nearest.Of(subject, known); ok {
		hint = "did you mean " + meant + "? " + hint
	}
	return Usage(hint, "there is no finding and no cause %.60q", subject)
}
