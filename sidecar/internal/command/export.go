package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
)

func exportCommand() Command {
	formats, about := []string{}, []string{}
	for _, e := range tracefile.Exporters() {
		formats = append(formats, e.Name)
		about = append(about, e.Name+" is "+e.About)
	}
	return Command{
		Name:    "export",
		Summary: "write a trace in the format of another tool",
		Details: whatIsRead + "\n\nOf the formats, " + strings.Join(about, "; ") + ".\n\n" +
			"Without -o the file is made in the working directory, with the trace's name and an extension of its own; one that is there " +
			"already is left alone. The file's path is printed.",
		Flags: append([]Flag{
			{Name: "to", Value: "FORMAT", Help: "the format to write", Choices: formats},
			{Name: "output", Short: "o", Value: "PATH", Help: "where to write the file; - is standard output", Kind: File},
		}, traceFlags...),
		Operands: []Operand{traceOperand},
		Examples: []Example{
			{"export --last --to perfetto -o cell.pftrace", "the cell that was profiled last, for ui.perfetto.dev"},
			{"export train.pt.trace.json --to perfetto", "train.pftrace, the same of a trace of the PyTorch profiler"},
			{"export report.sqlite --to chrome -o report.json", "a trace of Nsight Systems for tools of PyTorch's traces"},
			{"export train.pt.trace.json --to pprof", "train.pb.gz, for `go tool pprof -top train.pb.gz`"},
		},
		Run: export,
	}
}

func export(ctx context.Context, env Env, args Args) error {
	format := args.Value("to")
	if format == "" {
		return Usage("it is one of "+strings.Join(exportCommand().Flags[0].Choices, ", "), "export needs --to FORMAT")
	}
	var exporter tracefile.Exporter
	for _, e := range tracefile.Exporters() {
		if e.Name == format {
			exporter = e
		}
	}
	path := args.Value("output")
	if path == "-" && env.Terminal {
		return Usage("name a file with -o, or send it on with |", "a %s file is nothing to read on a terminal", format)
	}
	trace, err := openTrace(ctx, env, "export", args)
	if err != nil {
		return err
	}
	if path == "" {
		path = bareName(trace.input.Source.Path) + exporter.Extension
		if _, err := os.Lstat(env.Path(path)); err == nil {
			return &Error{Code: ExitUnwritten, Sentence: "there is a file " + path + " already", Hint: "write to it, or to another, with -o"}
		}
	}
	write := func(w io.Writer) error { return exporter.Write(cancelled{ctx, w}, trace.drawn()) }
	if path == "-" {
		return write(env.Stdout)
	}
	if err := replaceFile(env.Path(path), write); errors.Is(err, context.Canceled) {
		return err
	} else if err != nil {
		return unwritten("the "+format+" file", path, err)
	}
	_, err = fmt.Fprintln(env.Stdout, printable(path))
	return err
}

// bareName is the name of a trace without its folder and the extensions that traces have.
func bareName(path string) string {
	name := filepath.Base(path)
	for _, extension := range []string{".gz", ".json", ".sqlite", ".inferscope", ".trace", ".pt"} {
		if rest := strings.TrimSuffix(name, extension); rest != "" {
			name = rest
		}
	}
	return name
}

// cancelled is a writer that fails once its context has ended: what is exported for long stops there.
type cancelled struct {
	ctx context.Context
	w   io.Writer
}

func (c cancelled) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
