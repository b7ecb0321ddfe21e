package main

import (
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/rules"
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
	b.WriteString("\n" + rulesHead)
	for _, f := range config.RuleFields {
		doc := f.Doc
		if f.Required {
			doc = "Required. " + doc
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, strings.ReplaceAll(doc, "|", "\\|"))
	}
	fmt.Fprintf(&b, rulesTail, rules.Entries, rules.Bytes, "`"+strings.Join(rules.Functions, "`, `")+"`", config.MaxRules)
	return b.String()
}

const rulesHead = `## rules

Findings of your own, in your file as ` + "`[[rules]]`" + ` and in a ` + "`pyproject.toml` as `[[tool.inferscope.rules]]`" + `. Where the expression holds, the
report has the finding, without a saving, after those that save something.

` + "```toml" + `
[[rules]]
name = "too-many-copies"
when = "sum(devices, .memcpy_ns) > 0.2 * wall_ns and any(host.lines, .copies > 100)"
severity = "medium"
title = "Copies take a fifth of the cell"
advice = "Our loader can pin its buffers: set pin=True."

[[rules]]
name = "slow-decode"
when = "any(host.scopes, .name == 'decode' and .median_ns > 5e6)"
advice = "Decode with libjpeg-turbo."
` + "```" + `

| key | |
|---|---|
`

const rulesTail = `
The expression is in the language of [Expr](https://expr-lang.org/docs/language-definition), over the JSON summary
(` + "`inferscope.last().summary`, `report/summary/schema.json`" + `): its keys are names, and null is an empty value. Of each list it sees the first %d entries, of each text
%d bytes. Its functions are %s. A name that the summary does not have is refused when the file is read.
One that takes longer than 0.3 s, or cannot be evaluated, becomes a note in the report, with the rule's name. A file may have %d rules; of
two with one name, that of the later file counts.
` + "`inferscope config show`" + ` lists them and says what is wrong in them.
`

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
