package command

import (
	"errors"
	"fmt"
	"io"
	"os"
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

// writeReport writes a report where and how the flags say.
func writeReport(env Env, args Args, r *result.Result) error {
	return writeRendering(env, args, "report", renderings, r)
}

// writeRendering writes what one of the renderings makes of a value; what is a word for it.
func writeRendering[T any](env Env, args Args, what string, renderings map[string]func(T) []byte, value T) error {
	format, path := args.Value("format"), args.Value("output")
	if format == "" {
		format = formatOfExtension[strings.ToLower(filepath.Ext(path))]
	}
	if format == "" {
		format = "text"
	}
	content := renderings[format](value)
	if path == "" || path == "-" {
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

// unwritten is why what was made did not get to a path, as a user sees it.
func unwritten(what, path string, err error) error {
	reason := err
	var at *os.PathError
	if errors.As(err, &at) {
		reason = at.Err // without the name of the file on its way
	}
	return &Error{Sentence: fmt.Sprintf("%s cannot be written to %s: %v", what, path, reason), Hint: "name a place where you may write with -o", Err: err}
}

// replaceFile writes a file as a whole: whoever reads it sees the old content or the new.
// What is no regular file, such as /dev/stdout, is written to.
func replaceFile(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		err = write(file)
		if closing := file.Close(); err == nil {
			err = closing
		}
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already once it was renamed
	err = write(file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Chmod(file.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	return err
}
