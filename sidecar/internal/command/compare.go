package command

import (
	"context"
	"errors"
	"strconv"

	"github.com/inferscope/inferscope/analysis/compare"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/text"
	"github.com/inferscope/inferscope/sidecar/internal/comparison"
)

func compareCommand() Command {
	return Command{
		Name:    "compare",
		Summary: "say what changed between two runs, and whether it helped",
		Details: "A RUN is the trace of a profiled cell (a folder), the trace of another tool (a file, as for analyze), or the id of a kept " +
			"run: the name of its folder among the last runs, or a beginning or an end of it that no other run has.\n\n" +
			"Without --to the first RUN is the one before the change and the second the one after. With it any number of runs of one version " +
			"may stand on each side: their spread is the noise that a difference must exceed. With one run on a side the noise is " +
			"assumed, and the answer says so. docs/comparing.md has the method.\n\n" +
			"The exit status is 0 whatever the outcome, and 3 when a trace cannot be read.",
		Flags: append([]Flag{
			{Name: "to", Value: "RUN", Help: "a run after the change; may be given several times", Kind: File},
			{Name: "last", Value: "N", Help: "compare the last kept run with the N-1 before it of one version of its cell"},
		}, reportFlags...),
		Operands: []Operand{{Name: "RUN", Help: "the runs before the change, or one before and one after", Kind: File, Optional: true, Repeated: true}},
		Examples: []Example{
			{"compare --last 2", "did the last edit help?"},
			{"compare before.inferscope after.inferscope -o difference.html", "two traces, as a page"},
			{"compare a.inferscope b.inferscope c.inferscope --to d.inferscope --to e.inferscope", "three runs before and two after"},
			{"compare old.pt.trace.json new.pt.trace.json --format json", "two traces of the PyTorch profiler, for a program"},
		},
		Run: runCompare,
	}
}

func runCompare(ctx context.Context, env Env, args Args) error {
	c, err := compared(ctx, env, args)
	var told *comparison.Error
	switch {
	case errors.As(err, &told) && told.Unreadable:
		return &Error{Code: ExitUnreadable, Sentence: told.Sentence, Hint: told.Hint, Err: err}
	case errors.As(err, &told):
		return &Error{Code: ExitUsage, Sentence: told.Sentence, Hint: told.Hint, Err: err}
	case err != nil:
		return err
	}
	return writeRendering(env, args, "comparison", comparisonRenderings, text.Terminal.Comparison, c)
}

// compared compares the runs that the arguments name.
func compared(ctx context.Context, env Env, args Args) (*result.Comparison, error) {
	const see = "see `inferscope compare --help`"
	finder := comparison.Finder{Dir: env.Dir, Version: env.Version, History: env.history()}
	before, after := args.Operands, args.Values("to")
	if args.Has("last") {
		if len(before)+len(after) > 0 {
			return nil, Usage("leave out --last, or the runs", "--last chooses the runs itself")
		}
		n, err := strconv.Atoi(args.Value("last"))
		if err != nil || n < 2 || n > compare.MaxRuns {
			return nil, Usage("--last 2 compares the last two", "--last must be a number from 2 to %d; it is %q", compare.MaxRuns, args.Value("last"))
		}
		return finder.Last(ctx, n)
	}
	switch {
	case len(after) > 0 && len(before) == 0:
		return nil, Usage(see, "compare needs a RUN before those of --to")
	case len(after) > 0:
	case len(before) == 2:
		before, after = before[:1], before[1:]
	case len(before) > 2:
		return nil, Usage("put --to before each run after the change: compare A B --to C --to D", "compare needs --to to tell the sides of %d runs apart", len(before))
	default:
		return nil, Usage("name two, or write --last 2", "compare needs two runs")
	}
	return finder.Of(ctx, before, after)
}
