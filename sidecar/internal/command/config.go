package command

import (
	"context"
	"fmt"
	"io"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/rules"
)

// place is where the configuration of a command is looked for.
func (e Env) place() config.Place { return config.Place{Dir: e.Dir, Environ: e.Environ} }

func configCommand() Command {
	return Command{
		Name:    "config",
		Summary: "show the configuration, and where it comes from",
		Details: "Later wins: the defaults, your own file, [tool.inferscope] in the nearest pyproject.toml, the environment " +
			"(INFERSCOPE_HZ for hz), the options of a cell.",
		Commands: []Command{configShow(), configPath(), configSchema()},
	}
}

func configShow() Command {
	return Command{
		Name:    "show",
		Summary: "show every setting and rule, its value and where it comes from",
		Details: "Rules of your own are listed after the settings. What is wrong in a file or in the environment is said on standard error and left out; the exit status is then 2.",
		Flags:   []Flag{formatFlag},
		Examples: []Example{
			{"config show", "what counts in this directory, as a table"},
			{"config show --format json", "the same for a program"},
		},
		Run: func(_ context.Context, env Env, args Args) error {
			resolved, _ := rules.Resolve(env.place(), nil)
			var err error
			if args.Value("format") == "json" {
				err = writeJSON(env.Stdout, configDocument(resolved))
			} else {
				err = writeConfig(env.Stdout, resolved)
			}
			if err != nil {
				return err
			}
			return problems(env.Stderr, resolved)
		},
	}
}

// problems writes what is wrong in a configuration. The error is nil when nothing is.
func problems(w io.Writer, resolved config.Resolved) error {
	for _, p := range resolved.Problems {
		say(w, p.String(), p.Hint)
	}
	if len(resolved.Problems) > 0 {
		return &Error{Code: ExitUsage}
	}
	return nil
}

func writeConfig(w io.Writer, resolved config.Resolved) error {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, s := range config.All {
		rows = append(rows, []string{s.Name, s.Format(resolved.Settings), resolved.Origins[s.Name].String()})
	}
	if err := writeTable(w, rows); err != nil {
		return err
	}
	if len(resolved.Rules) > 0 {
		rows = [][]string{{"RULE", "SEVERITY", "WHEN", "FROM"}}
		for _, r := range resolved.Rules {
			rows = append(rows, []string{r.Name, r.Severity, r.When, r.Origin.String()})
		}
		fmt.Fprintln(w)
		if err := writeTable(w, rows); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	for _, f := range resolved.Files {
		state := "read"
		switch {
		case f.Path == "":
			f.Path, state = "none", "the environment names no home"
		case !f.Found && f.Kind == config.OriginUser:
			state = "nothing is set there"
		case !f.Found:
			state = "no [tool.inferscope] there"
		}
		if _, err := fmt.Fprintf(w, "%s: %s (%s)\n", f.Kind, printable(f.Path), state); err != nil {
			return err
		}
	}
	return nil
}

// configDocument is what --format json writes. Its lists are never null.
func configDocument(resolved config.Resolved) any {
	type origin struct {
		Kind  string `json:"kind"`
		Where string `json:"where"`
	}
	type setting struct {
		Name   string `json:"name"`
		Value  any    `json:"value"`
		Text   string `json:"text"`
		Origin origin `json:"origin"`
	}
	type rule struct {
		Name     string `json:"name"`
		When     string `json:"when"`
		Severity string `json:"severity"`
		Title    string `json:"title"`
		Advice   string `json:"advice"`
		Origin   origin `json:"origin"`
	}
	type file struct {
		Kind  string `json:"kind"`
		Path  string `json:"path"`
		Found bool   `json:"found"`
	}
	type problem struct {
		Where   string `json:"where"`
		Problem string `json:"problem"`
		Hint    string `json:"hint"`
	}
	document := struct {
		Schema   string    `json:"schema"`
		Settings []setting `json:"settings"`
		Rules    []rule    `json:"rules"`
		Files    []file    `json:"files"`
		Problems []problem `json:"problems"`
	}{"inferscope.config/1", []setting{}, []rule{}, []file{}, []problem{}}
	for _, s := range config.All {
		document.Settings = append(document.Settings, setting{s.Name, s.Value(resolved.Settings), s.Format(resolved.Settings),
			origin(resolved.Origins[s.Name])})
	}
	for _, r := range resolved.Rules {
		document.Rules = append(document.Rules, rule{r.Name, r.When, r.Severity, r.Title, r.Advice, origin(r.Origin)})
	}
	for _, f := range resolved.Files {
		document.Files = append(document.Files, file(f))
	}
	for _, p := range resolved.Problems {
		document.Problems = append(document.Problems, problem{p.Where, p.What, p.Hint})
	}
	return document
}

func configPath() Command {
	return Command{
		Name:    "path",
		Summary: "print the path of a file that settings are read from",
		Details: "The file need not exist. `user` is your own; `project` is the nearest pyproject.toml in this directory or above.",
		Operands: []Operand{{Name: "WHICH", Help: "the file that is meant, user unless given", Optional: true,
			Choices: []string{"user", "project"}}},
		Examples: []Example{{"config path", "the file to write your own settings into"}},
		Run: func(_ context.Context, env Env, args Args) error {
			path := env.place().UserFile()
			if args.Operand(0) == "project" {
				if path = env.place().ProjectFile(); path == "" {
					return &Error{Sentence: "there is no pyproject.toml in " + env.Dir + " or above", Hint: "change into the project"}
				}
			}
			if path == "" {
				return &Error{Sentence: "the environment names no home", Hint: "set HOME or XDG_CONFIG_HOME to an absolute path"}
			}
			_, err := fmt.Fprintln(env.Stdout, path)
			return err
		},
	}
}

func configSchema() Command {
	return Command{
		Name:     "schema",
		Summary:  "print a JSON schema of the file, for editors",
		Details:  "It describes the user's file, and [tool.inferscope] of a pyproject.toml.",
		Examples: []Example{{"config schema", "the schema on standard output"}},
		Run: func(_ context.Context, env Env, _ Args) error {
			return writeJSON(env.Stdout, config.Schema())
		},
	}
}
