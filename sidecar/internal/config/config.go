// Package config is InferScope's configuration: every setting is declared once, in
// settings.go, and what else there is of it follows from that: reading and checking,
// `inferscope config show`, the documentation, the JSON schema, the options of the magic.
//
// Later wins: the defaults, the user's file, the project's pyproject.toml, the
// environment, the options of one cell or command. What is wrong in one of them is a
// Problem and leaves the value of the one before; nothing here fails as a whole.
package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/inferscope/inferscope/sidecar/internal/nearest"
)

// Settings are the values that count. The table in settings.go says what each means.
type Settings struct {
	HZ            int
	EBPF          bool
	GPU           bool
	Functions     bool
	Quiet         bool
	Live          bool
	Changes       bool
	MultiGPU      string
	GPUBudget     float64
	Full          bool
	CUPTIFinalize bool
	HistoryRuns   int
	HistoryBytes  int64
	// HistoryPath is absolute; empty when the environment names no home, so that nothing can be kept.
	HistoryPath string
	IdleExit    time.Duration
}

// Setting describes one setting.
type Setting struct {
	// Name is what files call it; a point separates a table from its key.
	Name string
	// Doc says what it does: whole sentences, the first of which stands alone in lists.
	Doc string
	// Default is its value in the text form of Parse.
	Default string
	// Derived says, for a Default that depends on the environment, on what.
	Derived string
	// Min and Max bound a number; both included.
	Min, Max float64
	// Choices are the only values of a text, the default among them.
	Choices []string
	// Applies says when and where a change takes effect.
	Applies string
	// Option is the long option of %%inferscope that sets it, without dashes, and Short the
	// short one. Both are empty for a setting that no cell has to itself.
	Option, Short string
	// Help is half a sentence for the help of the option.
	Help string

	field func(*Settings) any
}

// Variable is the environment variable of the setting.
func (s Setting) Variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.Name, ".", "_"))
}

const variablePrefix = "INFERSCOPE_"

// Place is where a configuration is looked for.
type Place struct {
	// Dir is a working directory, absolute; the project's file is looked for in it and
	// above. Empty for none.
	Dir string
	// Environ is an environment as NAME=value.
	Environ []string
}

// lookup returns a variable's value; an empty one counts as not set.
func (p Place) lookup(name string) string {
	value := ""
	for _, entry := range p.Environ {
		if rest, ok := strings.CutPrefix(entry, name+"="); ok {
			value = rest
		}
	}
	return value
}

// The kinds of Origin, in the order in which later wins.
const (
	OriginDefault     = "default"
	OriginUser        = "user file"
	OriginProject     = "project file"
	OriginEnvironment = "environment"
	OriginOption      = "option"
)

// Origin is where a value comes from.
type Origin struct {
	// Kind is one of the Origin constants.
	Kind string
	// Where is a file with its line, a variable, an option; empty for a default.
	Where string
}

func (o Origin) String() string {
	if o.Where == "" {
		return o.Kind
	}
	return o.Where
}

// Problem is something that is wrong in a configuration and was left out.
type Problem struct {
	// Where is a file with its line, a variable, an option.
	Where string
	// What says what is wrong, without a full stop.
	What string
	// Hint names what was probably meant, or what is allowed; may be empty.
	Hint string
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// File is a file in which settings were looked for.
type File struct {
	// Kind is OriginUser or OriginProject.
	Kind string
	// Path is absolute; empty for a user's file when the environment names no home.
	Path string
	// Found says that it exists and has settings of ours, be they right or wrong.
	Found bool
}

// Resolved is a configuration with the story of its values.
type Resolved struct {
	Settings Settings
	// Origins has the origin of every setting, by its name.
	Origins map[string]Origin
	// Problems are in the order of the sources, and of the lines within a file.
	Problems []Problem
	// Rules are the user's own, in the order of the files; each name once.
	Rules []Rule
	// Files are the user's and the project's; the latter only when there is a pyproject.toml.
	Files []File
}

// maxProblems bounds what one broken source has to say.
const maxProblems = 20

// Resolve finds the values that count at a place. options are those of one cell or
// command, by the setting's name, in the text form of Parse.
func Resolve(place Place, options map[string]string) Resolved {
	r := resolver{Resolved: Resolved{Origins: map[string]Origin{}}, place: place}
	for i := range All {
		s := &All[i]
		text := s.Default
		if s.Name == historyPath {
			text = place.defaultHistory()
		}
		if text != "" {
			r.set(s, Origin{Kind: OriginDefault}, text)
		}
		r.Origins[s.Name] = Origin{Kind: OriginDefault}
	}
	r.readUser()
	r.readProject()
	r.readEnvironment()
	r.readOptions(options)
	return r.Resolved
}

// resolver is a configuration that is being read.
type resolver struct {
	Resolved
	place Place
}

// Undo says how to get another value than the one that counts, for a hint: what to
// leave out, unset or change. Empty for a default.
func (r Resolved) Undo(name string) string {
	s := find(name)
	if s == nil {
		return ""
	}
	switch origin := r.Origins[name]; origin.Kind {
	case OriginOption:
		if s.Kind() == KindBool && s.Format(r.Settings) == "false" {
			return "leave out --no-" + s.Option
		}
		return "leave out " + origin.Where
	case OriginEnvironment:
		return "unset " + origin.Where
	case OriginUser, OriginProject:
		return "change " + name + " in " + origin.Where
	}
	return ""
}

// Note is all Problems as one sentence for a user who asked for something else;
// empty when there are none.
func (r Resolved) Note() string {
	if len(r.Problems) == 0 {
		return ""
	}
	first := r.Problems[0]
	sentence := first.String()
	if first.Hint != "" {
		sentence += " (" + first.Hint + ")"
	}
	switch more := len(r.Problems) - 1; {
	case more == 1:
		sentence += ", and there is 1 more problem: see `inferscope config show`"
	case more > 1:
		sentence += fmt.Sprintf(", and there are %d more problems: see `inferscope config show`", more)
	}
	// A path and what the TOML library quotes may hold any character; the sentence goes to a terminal.
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, sentence) + "."
}

// set takes a text for a setting from a variable or an option.
func (r *resolver) set(s *Setting, origin Origin, text string) {
	value, err := s.Parse(text)
	if err != nil {
		r.Problems = append(r.Problems, Problem{Where: origin.String(), What: err.Error()})
		return
	}
	r.assign(s, origin, value, r.place.Dir)
}

// assign takes a value that Parse, or check, has accepted; base is the folder of relative paths.
func (r *resolver) assign(s *Setting, origin Origin, value any, base string) {
	switch field := s.field(&r.Settings).(type) {
	case *bool:
		*field = value.(bool)
	case *int:
		*field = int(value.(int64))
	case *int64:
		*field = value.(int64)
	case *float64:
		*field = value.(float64)
	case *time.Duration:
		*field = value.(time.Duration)
	case *string:
		*field = value.(string)
		if s.Kind() == KindPath {
			*field = r.place.absolute(*field, base)
		}
	}
	r.Origins[s.Name] = origin
}

func (r *resolver) readEnvironment() {
	known := map[string]bool{}
	var variables []string
	for i := range All {
		s := &All[i]
		known[s.Variable()] = true
		variables = append(variables, strings.TrimPrefix(s.Variable(), variablePrefix))
		if text := r.place.lookup(s.Variable()); text != "" {
			r.set(s, Origin{OriginEnvironment, s.Variable()}, text)
		}
	}
	for _, name := range otherVariables {
		known[name] = true
	}
	// A variable of another purpose may begin with our prefix; one that nearly is a setting's is meant to be it.
	most := len(r.Problems) + maxProblems
	for _, entry := range r.place.Environ {
		name, _, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || known[name] || len(r.Problems) >= most {
			continue
		}
		if meant, ok := nearest.Of(rest, variables); ok {
			r.Problems = append(r.Problems, Problem{name, "no setting has this variable", "did you mean " + variablePrefix + meant + "?"})
		}
	}
}

func (r *resolver) readOptions(options map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		s := find(name)
		if s == nil {
			r.Problems = append(r.Problems, Problem{Where: "option", What: fmt.Sprintf("there is no setting %.60q", name)})
			continue
		}
		where := "--" + s.Option
		if s.Option == "" {
			where = s.Name
		}
		r.set(s, Origin{OriginOption, where}, options[name])
	}
}

// find returns the setting of that name, or nil.
func find(name string) *Setting {
	for i := range All {
		if All[i].Name == name {
			return &All[i]
		}
	}
	return nil
}
