package command

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/nearest"
)

// program is what users type; the help and the errors call it so whatever the file is called.
const program = "inferscope"

// topFlags are those that need no command.
var topFlags = []Flag{helpFlag, {Name: "version", Help: "print the version"}}

// Main runs one command line, without the program's name, and returns the exit code.
func Main(ctx context.Context, env Env, words []string) int {
	return report(env.Stderr, answer(ctx, env, Commands(), words))
}

// answer runs a command line. What did not get to standard output is an error of its own, whether the command looked or not.
func answer(ctx context.Context, env Env, commands []Command, words []string) error {
	stdout := &watched{w: env.Stdout}
	env.Stdout = stdout
	err := run(ctx, env, commands, words)
	if stdout.err != nil {
		return &Error{Code: ExitUnwritten, Sentence: fmt.Sprintf("standard output cannot be written: %v", reason(stdout.err)),
			Hint: "send it to a place with room", Err: stdout.err}
	}
	return err
}

// watched is a writer that keeps its first error.
type watched struct {
	w   io.Writer
	err error
}

func (o *watched) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func run(ctx context.Context, env Env, commands []Command, words []string) error {
	if len(words) == 0 {
		writeOverview(env.Stderr, env.Width, commands)
		return &Error{Code: ExitUsage}
	}
	switch words[0] {
	case "-h", "--help":
		writeOverview(env.Stdout, env.Width, commands)
		return nil
	case "--version":
		words = append([]string{"version"}, words[1:]...)
	}
	c, path, rest, err := resolve(commands, words)
	if err != nil {
		return err
	}
	if len(c.Commands) > 0 {
		return group(env, c, path, rest)
	}
	if c.Run == nil && (len(rest) == 0 || !isHelp(rest[0])) {
		return &Error{Sentence: c.Name + " is run by the Python package", Hint: "python -m inferscope " + strings.Join(words, " ")}
	}
	args, asksHelp, err := parse(path, c, rest)
	if asksHelp {
		writeHelp(env.Stdout, env.Width, path, c)
		return nil
	}
	if err != nil {
		return err
	}
	return c.Run(ctx, env, args)
}

// resolve finds the command that words begin with, into groups; path is how a
// user calls it and rest is what follows. A group is returned only when no name
// follows it.
func resolve(commands []Command, words []string) (c Command, path string, rest []string, err error) {
	path, rest = program, words
	for {
		name := rest[0]
		if strings.HasPrefix(name, "-") {
			return c, path, rest, unknownFlag(path, name, topFlags)
		}
		next := lookup(commands, name)
		if next == nil {
			return c, path, rest, unknown(path, name, commands)
		}
		c, path, rest, commands = *next, path+" "+name, rest[1:], next.Commands
		if len(commands) == 0 || len(rest) == 0 || isHelp(rest[0]) {
			return c, path, rest, nil
		}
	}
}

// group answers a group that is called without one of its commands.
func group(env Env, c Command, path string, rest []string) error {
	if len(rest) > 0 { // resolve stops early only for --help
		writeHelp(env.Stdout, env.Width, path, c)
		return nil
	}
	return Usage("see `"+path+" --help`", "%s needs one of %s", c.Name, strings.Join(names(c.Commands), ", "))
}

func unknown(path, name string, commands []Command) error {
	hint := "`" + path + " --help` lists what there is"
	if meant, ok := nearest.Of(name, names(commands)); ok {
		hint = "did you mean `" + path + " " + meant + "`? " + hint
	}
	return Usage(hint, "%s no command %q", subject(path), name)
}

// subject begins a sentence about what is not there.
func subject(path string) string {
	if name, ok := strings.CutPrefix(path, program+" "); ok {
		return name + " has"
	}
	return "there is"
}

func lookup(commands []Command, name string) *Command {
	for i := range commands {
		if commands[i].Name == name {
			return &commands[i]
		}
	}
	return nil
}

func names(commands []Command) []string {
	var all []string
	for _, c := range commands {
		all = append(all, c.Name)
	}
	return all
}
