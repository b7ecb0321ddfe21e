// Command sample writes every sample result and comparison in every rendering, to look at them:
//
//	go run ./report/internal/sample -out DIR [-large]
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/inferscope/inferscope/report/html"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/markdown"
	"github.com/inferscope/inferscope/report/summary"
	"github.com/inferscope/inferscope/report/text"
)

func main() {
	out := flag.String("out", "", "the folder to write to")
	large := flag.Bool("large", false, "also the report on a million kernels, timeline_million")
	flag.Parse()
	if *out == "" {
		fmt.Fprintln(os.Stderr, "sample: name a folder with -out")
		os.Exit(2)
	}
	if err := write(*out, *large); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func write(dir string, large bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range fixtures.All() {
		if err := writeAll(dir, c.Name, map[string][]byte{"html": html.Render(c.Result), "md": markdown.Render(c.Result),
			"txt": text.Render(c.Result), "json": summary.Render(c.Result)}); err != nil {
			return err
		}
	}
	timelines := fixtures.Timelines()
	if large {
		timelines = append(slices.Clip(timelines), fixtures.Case{Name: "timeline_million", Result: fixtures.Kernels(1_000_000)})
	}
	for _, c := range timelines {
		if err := writeAll(dir, c.Name, map[string][]byte{"html": html.Render(c.Result), "page.html": html.Document(c.Result)}); err != nil {
			return err
		}
	}
	for _, c := range fixtures.Comparisons() {
		if err := writeAll(dir, c.Name, map[string][]byte{"html": html.Comparison(c.Comparison), "md": markdown.Comparison(c.Comparison),
			"txt": text.Comparison(c.Comparison), "json": summary.Comparison(c.Comparison)}); err != nil {
			return err
		}
	}
	return nil
}

// writeAll writes the renderings of one sample, by extension.
func writeAll(dir, name string, renderings map[string][]byte) error {
	for extension, content := range renderings {
		path := filepath.Join(dir, name+"."+extension)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
		fmt.Println(path, len(content))
	}
	return nil
}
