package command

import (
	"context"
	"io"
	"strings"
)

func completionCommand() Command {
	return Command{
		Name:    "completion",
		Summary: "print a script that completes this command in a shell",
		Details: "The script knows the commands and flags of this version; print it anew after an update.",
		Operands: []Operand{{Name: "SHELL", Help: "the shell that reads the script",
			Choices: []string{"bash", "zsh", "fish"}}},
		Examples: []Example{
			{"completion bash", "for ~/.bashrc: eval \"$(inferscope completion bash)\""},
			{"completion zsh", "for ~/.zshrc, below compinit: eval \"$(inferscope completion zsh)\""},
			{"completion fish", "redirect it to inferscope.fish in ~/.config/fish/completions"},
		},
		Run: func(_ context.Context, env Env, args Args) error {
			script := bashScript
			switch args.Operand(0) {
			case "zsh":
				script = zshScript
			case "fish":
				script = fishScript
			}
			_, err := io.WriteString(env.Stdout, script(spots(Commands())))
			return err
		},
	}
}

// spot is a place in a command line: what may follow the words of called.
type spot struct {
	// called are the words so far, each behind a space: "", " config", " config show".
	called string
	// words may follow, each with what it means.
	words [][2]string
	// files may follow.
	files bool
	flags []Flag
}

// spots are all places of the registry's command lines.
func spots(commands []Command) []spot {
	top := spot{flags: topFlags, words: described(commands)}
	all := []spot{top}
	var visit func(called string, c Command)
	visit = func(called string, c Command) {
		s := spot{called: called + " " + c.Name, words: described(c.Commands), flags: append(append([]Flag{}, c.Flags...), helpFlag)}
		for _, o := range c.Operands {
			for _, choice := range o.Choices {
				s.words = append(s.words, [2]string{choice, o.Help})
			}
			s.files = s.files || o.Kind == File
			if o.Kind == CommandName {
				s.words = append(s.words, described(commands)...)
				for _, group := range commands {
					if len(group.Commands) > 0 {
						all = append(all, spot{called: s.called + " " + group.Name, words: described(group.Commands)})
					}
				}
			}
		}
		all = append(all, s)
		for _, inner := range c.Commands {
			visit(s.called, inner)
		}
	}
	for _, c := range commands {
		visit("", c)
	}
	return all
}

func described(commands []Command) [][2]string {
	var words [][2]string
	for _, c := range commands {
		words = append(words, [2]string{c.Name, c.Summary})
	}
	return words
}

// spellings are how a flag may be written, and what it means.
func spellings(flags []Flag) [][2]string {
	var all [][2]string
	for _, f := range flags {
		all = append(all, [2]string{"--" + f.Name, f.Help})
		if f.Short != "" {
			all = append(all, [2]string{"-" + f.Short, f.Help})
		}
	}
	return all
}

// quoted is a word of bash and zsh.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func firsts(rows [][2]string) string {
	var words []string
	for _, row := range rows {
		words = append(words, row[0])
	}
	return strings.Join(words, " ")
}

// patterns are the calls that exist, for a case of the shell.
func patterns(all []spot, quote func(string) string, between string) string {
	var known []string
	for _, s := range all {
		if s.called != "" {
			known = append(known, quote(s.called))
		}
	}
	return strings.Join(known, between)
}

// flagCases writes a case for each flag that takes a value: spot and flag, then what values completes.
func flagCases(all []spot, values func(Flag) string) string {
	var b strings.Builder
	for _, s := range all {
		for _, f := range s.flags {
			if f.Value == "" {
				continue
			}
			for _, spelling := range spellings([]Flag{f}) {
				b.WriteString("        " + quoted(s.called+"|"+spelling[0]) + ")\n" + values(f) + "            return ;;\n")
			}
		}
	}
	return b.String()
}

func bashScript(all []spot) string {
	var operands, flags strings.Builder
	for _, s := range all {
		operands.WriteString("            " + quoted(s.called) + ") known=" + quoted(firsts(s.words)))
		if s.files {
			operands.WriteString("; files=yes")
		}
		operands.WriteString(" ;;\n")
		flags.WriteString("            " + quoted(s.called) + ") known=" + quoted(firsts(spellings(s.flags))) + " ;;\n")
	}
	values := flagCases(all, func(f Flag) string {
		switch {
		case len(f.Choices) > 0:
			return "            COMPREPLY=($(compgen -W " + quoted(strings.Join(f.Choices, " ")) + " -- \"$current\"))\n"
		case f.Kind == File:
			return "            compopt -o filenames 2>/dev/null\n            mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
		}
		return ""
	})
	return `# Completes inferscope in bash.
_inferscope() {
    local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" called="" known="" files="" i
    # bash takes --flag=value for three words.
    if [[ $current == "=" ]]; then
        current=""
    elif [[ $before == "=" ]]; then
        before="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$called ${COMP_WORDS[i]}" in
        ` + patterns(all, quoted, "|") + `) called+=" ${COMP_WORDS[i]}" ;;
        esac
    done
    COMPREPLY=()
    case "$called|$before" in
` + values + `    esac
    if [[ $current == -* ]]; then
        case "$called" in
` + flags.String() + `        esac
    else
        case "$called" in
` + operands.String() + `        esac
    fi
    COMPREPLY=($(compgen -W "$known" -- "$current"))
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        local found
        mapfile -t found < <(compgen -f -- "$current")
        COMPREPLY+=("${found[@]}")
    fi
}
complete -F _inferscope inferscope
`
}

func zshScript(all []spot) string {
	list := func(rows [][2]string) string {
		var items []string
		for _, row := range rows {
			items = append(items, quoted(strings.ReplaceAll(row[0], ":", `\:`)+":"+row[1]))
		}
		return "(" + strings.Join(items, " ") + ")"
	}
	var operands, flags strings.Builder
	for _, s := range all {
		operands.WriteString("            " + quoted(s.called) + ") known=" + list(s.words))
		if s.files {
			operands.WriteString("; files=yes")
		}
		operands.WriteString(" ;;\n")
		flags.WriteString("            " + quoted(s.called) + ") known=" + list(spellings(s.flags)) + " ;;\n")
	}
	values := flagCases(all, func(f Flag) string {
		switch {
		case len(f.Choices) > 0:
			return "            compadd -- " + strings.Join(f.Choices, " ") + "\n"
		case f.Kind == File:
			return "            _files\n"
		}
		return ""
	})
	return `#compdef inferscope
# Completes inferscope in zsh.
_inferscope() {
    local called="" before="$words[CURRENT-1]" files="" i
    local -a known
    if [[ $words[CURRENT] == --*=* ]]; then
        before="${words[CURRENT]%%=*}"
        compset -P '*='
    fi
    for ((i = 2; i < CURRENT; i++)); do
        case "$called $words[i]" in
        (` + patterns(all, quoted, "|") + `) called+=" $words[i]" ;;
        esac
    done
    case "$called|$before" in
` + values + `    esac
    if [[ $words[CURRENT] == -* ]]; then
        case "$called" in
` + flags.String() + `        esac
    else
        case "$called" in
` + operands.String() + `        esac
    fi
    (( $#known )) && _describe inferscope known
    [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _inferscope ]]; then
    _inferscope "$@"
else
    compdef _inferscope inferscope
fi
`
}

func fishScript(all []spot) string {
	quote := func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
	}
	var b strings.Builder
	for _, s := range all {
		at := "complete -c inferscope -n " + quote("__inferscope_at "+quote(s.called))
		for _, word := range s.words {
			b.WriteString(at + " -a " + quote(word[0]) + " -d " + quote(word[1]) + "\n")
		}
		if s.files {
			b.WriteString(at + " -F\n")
		}
		for _, f := range s.flags {
			line := at + " -l " + f.Name
			if f.Short != "" {
				line += " -s " + f.Short
			}
			switch {
			case len(f.Choices) > 0:
				line += " -x -a " + quote(strings.Join(f.Choices, " "))
			case f.Kind == File:
				line += " -r -F"
			case f.Value != "":
				line += " -x"
			}
			b.WriteString(line + " -d " + quote(f.Help) + "\n")
		}
	}
	return `# Completes inferscope in fish.
function __inferscope_at
    set -l called ''
    for word in (commandline -opc)[2..-1]
        switch "$called $word"
            case ` + patterns(all, quote, " ") + `
                set called "$called $word"
        end
    end
    test "$called" = "$argv[1]"
end
complete -c inferscope -f
` + b.String()
}
