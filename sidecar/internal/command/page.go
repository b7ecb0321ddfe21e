package command

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
)

//go:generate go run ./gendocs

const (
	// pageWidth is the width of the help in the documentation.
	pageWidth = 96
	generated = "<!-- Generated from sidecar/internal/command by make generate: what `inferscope help` says. -->\n\n"
	// overviewPage and pagesFolder are where the pages lie below docs.
	overviewPage = "command.md"
	pagesFolder  = "commands"
)

// furtherReading are the pages that people wrote about what a command shows.
var furtherReading = map[string]string{
	"run":     "[Reading the report](../reading-the-report.md) explains each word of it; [configuration](../configuration.md) has the settings.",
	"analyze": "[Reading the report](../reading-the-report.md) explains each word of it; [the trace on disk](../trace-format.md) has the tables of a cell's trace.",
	"compare": "[Comparing](../comparing.md) has the method.",
	"config":  "[Configuration](../configuration.md) has every setting.",
}

// Pages are the pages of the command by their path below docs: an overview, and one for each command, with what the command
// itself says.
func Pages() map[string]string {
	pages := map[string]string{}
	var overview strings.Builder
	overview.WriteString("# The command `inferscope`\n\n" + generated + "| command | does |\n|---|---|\n")
	for _, c := range Commands() {
		file := path.Join(pagesFolder, c.Name+".md")
		fmt.Fprintf(&overview, "| [%s](%s) | %s |\n", c.Name, file, c.Summary)
		pages[file] = page(c)
	}
	overview.WriteString(block(func(w io.Writer) { writeOverview(w, pageWidth, Commands()) }))
	pages[overviewPage] = overview.String()
	return pages
}

// page is the page of a command, with a part for each command of a group.
func page(c Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n%s%s.\n", program, c.Name, generated, strings.ToUpper(c.Summary[:1])+c.Summary[1:])
	if further := furtherReading[c.Name]; further != "" {
		b.WriteString("\n" + further + "\n")
	}
	var help func(called string, c Command, depth int)
	help = func(called string, c Command, depth int) {
		if depth > 0 {
			fmt.Fprintf(&b, "\n%s %s\n", strings.Repeat("#", 1+depth), called)
		}
		b.WriteString(block(func(w io.Writer) { writeHelp(w, pageWidth, called, c) }))
		for _, inner := range c.Commands {
			help(called+" "+inner.Name, inner, depth+1)
		}
	}
	help(program+" "+c.Name, c, 0)
	return b.String()
}

// block is text as it is in a terminal.
func block(write func(io.Writer)) string {
	var text bytes.Buffer
	write(&text)
	return "\n```text\n" + text.String() + "```\n"
}
