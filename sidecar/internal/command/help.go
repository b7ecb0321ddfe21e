package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

func helpCommand() Command {
	return Command{
		Name:    "help",
		Summary: "explain a command, with examples",
		Details: "Without a name it lists the commands, as `inferscope --help` does.",
		Operands: []Operand{{Name: "COMMAND", Help: "the command to explain, with its group's name before it", Optional: true,
			Repeated: true, Kind: CommandName}},
		Examples: []Example{{"help version", "what the command does and takes"}},
		Run: func(_ context.Context, env Env, args Args) error {
			if len(args.Operands) == 0 {
				writeOverview(env.Stdout, env.Width, Commands())
				return nil
			}
			c, path, rest, err := resolve(Commands(), args.Operands)
			if err == nil && len(rest) > 0 {
				err = Usage("see `"+path+" --help`", "%s no command %q", subject(path), rest[0])
			}
			if err != nil {
				return err
			}
			writeHelp(env.Stdout, env.Width, path, c)
			return nil
		},
	}
}

const (
	minWidth, maxWidth = 40, 100
	notebook           = "In a notebook: %load_ext inferscope, then %%inferscope on the first line of a cell."
	exitCodes          = "Exit status: 0 on success, 2 when the command line or the configuration is wrong, 3 when a trace " +
		"cannot be read or a result cannot be written, 1 for any other failure."
)

// writeOverview writes the list of commands.
func writeOverview(w io.Writer, width int, commands []Command) {
	width = min(max(width, minWidth), maxWidth)
	fmt.Fprintf(w, "usage: %s COMMAND [ARGUMENTS]\n\n%s\n\ncommands:\n", program,
		fill("Why is this notebook cell slow, and what would fixing it save?", "", width))
	var rows [][2]string
	var examples []Example
	for _, c := range commands {
		rows = append(rows, [2]string{c.Name, c.Summary})
		for _, one := range append([]Command{c}, c.Commands...) {
			if len(one.Examples) > 0 { // a group's are those of its first command
				examples = append(examples, one.Examples[0])
				break
			}
		}
	}
	writeRows(w, rows, width)
	writeExamples(w, examples, width)
	fmt.Fprintf(w, "\n%s\n%s\n%s\n", fill("`inferscope help COMMAND` explains one.", "", width),
		fill(notebook, "", width), fill(exitCodes, "", width))
}

// writeHelp writes all about one command; path is how a user calls it.
func writeHelp(w io.Writer, width int, path string, c Command) {
	width = min(max(width, minWidth), maxWidth)
	fmt.Fprintf(w, "%s\n\n%s\n", fill("usage: "+usageLine(path, c), "", width), fill(sentence(c.Summary), "", width))
	for _, paragraph := range paragraphs(c.Details) {
		fmt.Fprintf(w, "\n%s\n", fill(paragraph, "", width))
	}
	var rows [][2]string
	for _, sub := range c.Commands {
		rows = append(rows, [2]string{sub.Name, sub.Summary})
	}
	if len(rows) > 0 {
		fmt.Fprint(w, "\ncommands:\n")
		writeRows(w, rows, width)
	}
	rows = nil
	for _, o := range c.Operands {
		rows = append(rows, [2]string{o.Name, describe(o.Help, o.Choices, "")})
	}
	if len(rows) > 0 {
		fmt.Fprint(w, "\narguments:\n")
		writeRows(w, rows, width)
	}
	rows = nil
	for _, f := range append(append([]Flag{}, c.Flags...), helpFlag) {
		rows = append(rows, [2]string{f.spelling(), describe(f.Help, f.Choices, f.Default)})
	}
	fmt.Fprint(w, "\noptions:\n")
	writeRows(w, rows, width)
	writeExamples(w, c.Examples, width)
}

// usageLine is the command's call with its arguments.
func usageLine(path string, c Command) string {
	line := path
	if len(c.Commands) > 0 {
		return line + " COMMAND"
	}
	if len(c.Flags) > 0 {
		line += " [OPTIONS]"
	}
	end := ""
	for _, o := range c.Operands {
		word := o.Name
		if o.Repeated {
			word += "..."
		}
		if o.Optional {
			word, end = "["+word, end+"]"
		}
		line += " " + word
	}
	return line + end
}

// spelling is how a flag is written, in the help.
func (f Flag) spelling() string {
	text := "    --" + f.Name
	if f.Short != "" {
		text = "-" + f.Short + ", --" + f.Name
	}
	if f.Value != "" {
		text += " " + f.Value
	}
	return text
}

func describe(help string, choices []string, def string) string {
	if len(choices) > 0 {
		help += ": " + oneOf(choices)
	}
	if def != "" {
		help += " (" + def + " unless given)"
	}
	return help
}

func writeExamples(w io.Writer, examples []Example, width int) {
	if len(examples) == 0 {
		return
	}
	fmt.Fprint(w, "\nexamples:\n")
	for _, e := range examples {
		// A command line is not broken: it is to be copied.
		fmt.Fprintf(w, "  %s %s\n%s\n", program, e.Line, fill(e.Use, "      ", width))
	}
}

// writeRows writes names and what they mean, the meanings below each other.
func writeRows(w io.Writer, rows [][2]string, width int) {
	column := 0
	for _, row := range rows {
		column = max(column, min(utf8.RuneCountInString(row[0]), 24))
	}
	indent := strings.Repeat(" ", column+4)
	for _, row := range rows {
		text := fill(row[1], indent, width)
		if utf8.RuneCountInString(row[0]) > column {
			fmt.Fprintf(w, "  %s\n%s\n", row[0], text)
			continue
		}
		fmt.Fprintf(w, "  %-*s%s\n", column+2, row[0], strings.TrimPrefix(text, indent))
	}
}

// fill breaks a paragraph into lines of at most width columns, each behind indent.
func fill(text, indent string, width int) string {
	var b strings.Builder
	line := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case line == 0:
			b.WriteString(indent)
			line = len(indent)
		case line+1+n > width:
			b.WriteString("\n" + indent)
			line = len(indent)
		default:
			b.WriteString(" ")
			line++
		}
		b.WriteString(word)
		line += n
	}
	return b.String()
}

func paragraphs(text string) []string {
	var all []string
	for _, paragraph := range strings.Split(text, "\n\n") {
		if strings.TrimSpace(paragraph) != "" {
			all = append(all, paragraph)
		}
	}
	return all
}

// sentence makes one of half a sentence.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
