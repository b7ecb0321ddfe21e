package command

import (
	"cmp"
	"io"
	"path/filepath"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/html"
	"github.com/inferscope/inferscope/report/markdown"
	"github.com/inferscope/inferscope/report/summary"
	"github.com/inferscope/inferscope/report/text"
)

// renderings are the forms of a report, by the value of --format.
var renderings = map[string]func(*result.Result) []byte{"html": html.Document, "md": markdown.Render, "text": text.Render, "json": summary.Render}

// comparisonRenderings are those of a comparison.
var comparisonRenderings = map[string]func(*result.Comparison) []byte{"html": html.ComparisonDocument, "md": markdown.Comparison,
	"text": text.Comparison, "json": summary.Comparison}

// formatOfExtension is the form that a file's name asks for.
var formatOfExtension = map[string]string{".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".json": "json", ".txt": "text"}

// reportFlags are those of commands that write a report.
var reportFlags = []Flag{
	{Name: "format", Short: "f", Value: "FORMAT", Help: "how to write it; else by the extension of PATH, else text", Choices: []string{"html", "md", "text", "json"}},
	{Name: "output", Short: "o", Value: "PATH", Help: "where to write it, instead of standard output", Kind: File},
}

// formatOf is the form that the flags ask for.
func formatOf(args Args) string {
	return cmp.Or(args.Value("format"), formatOfExtension[strings.ToLower(filepath.Ext(args.Value("output")))], "text")
}

// writeReport writes a report where and how the flags say.
func writeReport(env Env, args Args, r *result.Result) error {
	return writeRendering(env, args, "report", renderings, text.Terminal.Render, r)
}

// writeRendering writes what one of the renderings makes of a value; what is a word for it,
// and onTerminal its text where a person reads it at once.
func writeRendering[T any](env Env, args Args, what string, renderings map[string]func(T) []byte, onTerminal func(text.Terminal, T) []byte, value T) error {
	format, path := formatOf(args), args.Value("output")
	content := renderings[format](value)
	if path == "" || path == "-" {
		if format == "text" && env.Terminal {
			content = onTerminal(terminalOf(env), value)
		}
		_, err := env.Stdout.Write(content)
		return err
	}
	err := replaceFile(env.Path(path), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return unwritten("the "+what, path, err)
	}
	return nil
}

// terminalOf is the terminal on standard output. NO_COLOR (no-color.org), with any value,
// and a terminal that calls itself dumb go without colours.
func terminalOf(env Env) text.Terminal {
	no, _ := env.Lookup("NO_COLOR")
	kind, _ := env.Lookup("TERM")
	return text.Terminal{Columns: env.Width, Colour: no == "" && kind != "" && kind != "dumb"}
}
