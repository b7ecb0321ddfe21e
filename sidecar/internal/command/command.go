// Package command is the command line `inferscope`: one file a command, and what
// all of them share: the reading of arguments, the help, the errors and the exit codes.
//
// A command is a Command value and one line in Commands. Its flags and operands
// are declared, so that parsing, help, completion and the documentation come
// from one place.
package command

import (
	"context"
	"io"
	"path/filepath"
	"strings"
)

// Env is all that a command knows of the world around it. The zero value is an
// empty world without output; ProcessEnv makes the real one.
type Env struct {
	// Version is InferScope's version.
	Version string
	// Stdin, Stdout and Stderr are the caller's; a command closes none of them.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Environ holds the environment as NAME=value.
	Environ []string
	// Dir is the working directory, absolute.
	Dir string
	// Terminal says that a person reads Stdout.
	Terminal bool
	// Width is how many columns a line of Stdout may have; never below minWidth.
	Width int
}

// Lookup returns the variable's value; false when it is not set. The last of several counts.
func (e Env) Lookup(name string) (string, bool) {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e.Environ[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// Path is the absolute path of what a user named on the command line.
func (e Env) Path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(e.Dir, name)
}

// Kind says what a value names, for completion.
type Kind int

const (
	// Text is anything.
	Text Kind = iota
	// File is the path of a file or of a folder.
	File
	// CommandName is the name of a command.
	CommandName
)

// Flag is an option of a command.
type Flag struct {
	// Name is written behind two dashes; Short, one letter, behind one and may be empty.
	Name, Short string
	// Value is what the help calls the flag's value, in capitals; empty for a flag that takes none.
	Value string
	// Help says in half a sentence what it does.
	Help string
	// Default is the value when the flag is not given.
	Default string
	// Choices are the only values that are accepted; any is when there are none.
	Choices []string
	// Kind is what the value names.
	Kind Kind
}

// Operand is an argument that is no flag.
type Operand struct {
	// Name is what the help calls it, in capitals.
	Name string
	// Help says in half a sentence what it is.
	Help string
	// Choices are the only values that are accepted; any is when there are none.
	Choices []string
	// Optional may be left out; the operands behind it are then optional too.
	Optional bool
	// Repeated may be given any number of times. Only the last operand may.
	Repeated bool
	// Kind is what the operand names.
	Kind Kind
}

// Example is a command line that works, and what it is good for.
type Example struct {
	// Line is what follows `inferscope `.
	Line string
	// Use says what one gets, in half a sentence.
	Use string
}

// Command is one command, or one of a group.
type Command struct {
	// Name is what a user types.
	Name string
	// Summary is half a sentence for the list of commands.
	Summary string
	// Details are paragraphs of the command's help, separated by empty lines; filled to the width.
	Details string
	// Examples has at least one, unless the command is a group.
	Examples []Example
	// Flags are the options besides --help.
	Flags []Flag
	// Operands are the arguments in their order.
	Operands []Operand
	// Commands makes it a group: the next word is one of these. It has no Run of its own then.
	Commands []Command
	// Run does the work and writes its result to env.Stdout. An error is written by
	// the frame and sets the exit code, see Error; what was written stays. ctx ends
	// when the user interrupts. It is nil for a command that the Python entry
	// implements: then this program only describes it.
	Run func(ctx context.Context, env Env, args Args) error
}

// Args are the arguments of one call, parsed by what the Command declares.
type Args struct {
	// Operands are the arguments that are no flags, as many as the command declares.
	Operands []string
	flags    map[string][]string
	declared []Flag
}

// Operand returns the i-th operand, empty when it was left out.
func (a Args) Operand(i int) string {
	if i < len(a.Operands) {
		return a.Operands[i]
	}
	return ""
}

// Has says whether the flag was given.
func (a Args) Has(flag string) bool { return len(a.flags[flag]) > 0 }

// Value is the flag's last value, or its default.
func (a Args) Value(flag string) string {
	if values := a.flags[flag]; len(values) > 0 {
		return values[len(values)-1]
	}
	for _, f := range a.declared {
		if f.Name == flag {
			return f.Default
		}
	}
	return ""
}

// Values are the flag's values in the order given; nil when it was not.
func (a Args) Values(flag string) []string { return a.flags[flag] }
