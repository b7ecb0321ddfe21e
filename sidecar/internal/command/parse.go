package command

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/nearest"
)

// helpFlag is every command's.
var helpFlag = Flag{Name: "help", Short: "h", Help: "show this text"}

func isHelp(word string) bool { return word == "--help" || word == "-h" }

// parse reads the words behind a command's name: --flag value, --flag=value, -f
// value, -fvalue, in any order with the operands; -- ends the flags. asksHelp is
// true as soon as --help is met, whatever else is wrong.
func parse(path string, c Command, words []string) (args Args, asksHelp bool, err error) {
	args = Args{flags: map[string][]string{}, declared: c.Flags}
	known := append(slices.Clone(c.Flags), helpFlag)
	see := "see `" + path + " --help`"
	for _, word := range words {
		if word == "--" {
			break
		}
		if isHelp(word) {
			return args, true, nil
		}
	}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			args.Operands = append(args.Operands, words...)
			break
		}
		if len(word) < 2 || word[0] != '-' {
			args.Operands = append(args.Operands, word)
			continue
		}
		flag, value, attached := find(known, word)
		if flag == nil {
			return args, false, unknownFlag(path, word, known)
		}
		switch {
		case flag.Value == "" && attached:
			return args, false, Usage(see, "--%s takes no value", flag.Name)
		case flag.Value != "" && !attached:
			if len(words) == 0 {
				return args, false, Usage(see, "--%s needs a value", flag.Name)
			}
			value, words = words[0], words[1:]
		}
		if err := chosen("--"+flag.Name, value, flag.Choices); err != nil {
			return args, false, err
		}
		args.flags[flag.Name] = append(args.flags[flag.Name], value)
	}
	return args, false, checkOperands(path, see, c.Operands, args.Operands)
}

// find splits a word into its flag and the value attached to it.
func find(known []Flag, word string) (flag *Flag, value string, attached bool) {
	name, isLong := strings.CutPrefix(word, "--")
	if isLong {
		name, value, attached = strings.Cut(name, "=")
	} else {
		name, value = word[1:2], strings.TrimPrefix(word[2:], "=")
		attached = len(word) > 2
	}
	for i := range known {
		if isLong && known[i].Name == name || !isLong && known[i].Short == name {
			return &known[i], value, attached
		}
	}
	return nil, "", false
}

// unknownFlag names the flag that was probably meant.
func unknownFlag(path, word string, known []Flag) error {
	word, _, _ = strings.Cut(word, "=")
	hint := "see `" + path + " --help`"
	var names []string
	for _, flag := range known {
		names = append(names, "--"+flag.Name)
	}
	if name, ok := nearest.Of(word, names); ok {
		hint = "did you mean " + name + "? " + hint
	}
	return Usage(hint, "%s no flag %s", subject(path), word)
}

func checkOperands(path, see string, declared []Operand, given []string) error {
	for i, operand := range declared {
		if i >= len(given) {
			if !operand.Optional {
				return Usage(see, "%s needs %s", strings.TrimPrefix(path, program+" "), operand.Name)
			}
			break
		}
		values := given[i : i+1]
		if operand.Repeated {
			values = given[i:]
		}
		for _, value := range values {
			if err := chosen(operand.Name, value, operand.Choices); err != nil {
				return err
			}
		}
	}
	repeated := len(declared) > 0 && declared[len(declared)-1].Repeated
	if len(given) > len(declared) && !repeated {
		return Usage(see, "%s no place for %q", subject(path), given[len(declared)])
	}
	return nil
}

// chosen checks a value against the choices, if there are any.
func chosen(what, value string, choices []string) error {
	if len(choices) == 0 || slices.Contains(choices, value) {
		return nil
	}
	hint := "it may be " + oneOf(choices)
	if name, ok := nearest.Of(value, choices); ok {
		hint = "did you mean " + name + "? " + hint
	}
	return Usage(hint, "%s may not be %q", what, value)
}

// oneOf joins names: "a", "a or b", "a, b or c".
func oneOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
