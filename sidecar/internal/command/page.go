package command

import (
	"bytes"
	"fmt"
	"strings"
)

//go:generate go run ./gendocs

// pageWidth is the width of the help in the documentation.
const pageWidth = 96

// Page is docs/command.md: the help of every command, as the command itself writes it.
func Page() string {
	var b strings.Builder
	b.WriteString("# The command `inferscope`\n\nGenerated from `sidecar/internal/command` by `make generate`: what `inferscope help` says.\n")
	block := func(write func(*bytes.Buffer)) {
		var text bytes.Buffer
		write(&text)
		fmt.Fprintf(&b, "\n```text\n%s```\n", text.String())
	}
	block(func(w *bytes.Buffer) { writeOverview(w, pageWidth, Commands()) })
	var visit func(path string, c Command)
	visit = func(path string, c Command) {
		fmt.Fprintf(&b, "\n## %s\n", path)
		block(func(w *bytes.Buffer) { writeHelp(w, pageWidth, program+" "+path, c) })
		for _, inner := range c.Commands {
			visit(path+" "+inner.Name, inner)
		}
	}
	for _, c := range Commands() {
		visit(c.Name, c)
	}
	return b.String()
}
