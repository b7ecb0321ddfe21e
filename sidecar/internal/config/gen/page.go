package main

import (
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/config"
)

const intro = `# Configuration

Generated from ` + "`sidecar/internal/config`" + ` by ` + "`make generate`" + `.

Nothing has to be configured. What can be, later wins:

1. the defaults
2. your own file, ` + "`$XDG_CONFIG_HOME/inferscope/config.toml`" + ` or ` + "`~/.config/inferscope/config.toml`" + `; ` + "`inferscope config path`" + ` names it
3. ` + "`[tool.inferscope]`" + ` in the nearest ` + "`pyproject.toml`" + `, looked for in the kernel's working directory and above
4. environment variables
5. the options of one cell, or of one command

` + "```toml" + `
# ~/.config/inferscope/config.toml
hz = 199
multi_gpu = "allow"

[history]
runs = 50
` + "```" + `

` + "```toml" + `
# pyproject.toml
[tool.inferscope]
functions = true
` + "```" + `

A cell takes what counts at the moment it begins: the files as they are then, the kernel's environment and working
directory. What is wrong in a file or a variable is said in one sentence, with its line, and left out; the cell runs.
` + "`inferscope config show`" + ` shows every value and where it comes from, and exits with 2 when something is wrong.
` + "`inferscope config schema`" + ` prints a JSON schema of the file for editors.

`

// page is docs/configuration.md.
func page() string {
	var b strings.Builder
	b.WriteString(intro + "| setting | default | of a cell | |\n|---|---|---|---|\n")
	for _, s := range config.All {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s |\n", s.Name, anchor(s.Name), defaultOf(s), options(s, ", "), firstSentence(s.Doc))
	}
	for _, s := range config.All {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.Name, s.Doc)
		fmt.Fprintf(&b, "- value: %s\n- default: %s\n- environment: `%s`\n", s.Wants(), defaultOf(s), s.Variable())
		if s.Option != "" {
			fmt.Fprintf(&b, "- option of `%%%%inferscope`: %s\n", options(s, " or "))
		}
		fmt.Fprintf(&b, "- takes effect: %s\n", strings.ToLower(s.Applies[:1])+strings.TrimSuffix(s.Applies[1:], "."))
	}
	return b.String()
}

func defaultOf(s config.Setting) string {
	if s.Derived != "" {
		return s.Derived
	}
	return "`" + s.Default + "`"
}

// options are the ways to write the option of a cell.
func options(s config.Setting, separator string) string {
	if s.Option == "" {
		return ""
	}
	ways := []string{"--" + s.Option}
	if s.Short != "" {
		ways = append([]string{"-" + s.Short}, ways...)
	}
	switch s.Kind() {
	case config.KindBool:
		ways = append(ways, "--no-"+s.Option)
	case config.KindChoice:
		ways[len(ways)-1] += " " + strings.Join(s.Choices, "` or `--"+s.Option+" ")
	default:
		ways[len(ways)-1] += " N"
	}
	return "`" + strings.Join(ways, "`"+separator+"`") + "`"
}

// anchor is the name that a heading's link has on the usual hosts.
func anchor(heading string) string { return strings.ReplaceAll(heading, ".", "") }

func firstSentence(doc string) string {
	if i := strings.Index(doc, ". "); i >= 0 {
		return doc[:i+1]
	}
	return doc
}
