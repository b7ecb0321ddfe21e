package command

import "github.com/inferscope/inferscope/sidecar/internal/config"

// runCommand describes what ipython_ext/inferscope/run.py does; tests/command compares the flags of the two.
func runCommand() Command {
	flags := []Flag{
		{Name: "report", Short: "o", Value: "PATH", Kind: File, Help: "write the report there, as .html, .md, .txt or .json"},
		{Name: "format", Short: "f", Value: "FORMAT", Choices: []string{"html", "md", "text", "json"},
			Help: "how to write it, whatever the path ends in"},
		{Name: "trace", Value: "PATH", Kind: File, Help: "keep the trace in this folder, which ends in .inferscope, and not among the last ones"},
		{Name: "duration", Value: "SECONDS", Help: "stop collecting after so long; the script runs on"},
		{Name: "scope", Value: "NAME", Help: "collect only from the first entry of the scope of that name to its exit"},
		{Name: "signal", Value: "SIGNAL", Help: "collect only between one signal and the next, USR1 or another"},
	}
	return Command{
		Name:    "run",
		Summary: "profile a whole script, without a notebook",
		Details: "The script runs as `python` runs it: its arguments, streams, exit status and signals are its own. The report " +
			"is written when the interpreter ends, to standard error unless --report names a file. The lines are those of " +
			"the script's own file.\n\n" +
			"Options go before the script; what follows it is the script's. Instead of SCRIPT, which may be a folder or a zip " +
			"file with a __main__.py, or - for standard input, -m MODULE and -c CODE work as they do for `python`. Options of the " +
			"interpreter go before -m: `python -O -m inferscope run SCRIPT`.\n\n" +
			"Every switch has its opposite: --gpu where the configuration says that it is off.",
		Flags: append(flags, settingFlags()...),
		Operands: []Operand{
			{Name: "SCRIPT", Help: "the program, or -m MODULE, or -c CODE", Kind: File},
			{Name: "ARGUMENT", Help: "an argument of the script's", Optional: true, Repeated: true, Kind: File},
		},
		Examples: []Example{
			{"run train.py data.csv", "why it took the time it took, on standard error when it ends"},
			{"run --report report.html train.py", "the report as a page"},
			{"run --scope step --no-ebpf serve.py", "only one step of a server"},
		},
	}
}

// settingFlags are the settings that have an option: a switch as the word that changes its default.
func settingFlags() []Flag {
	var flags []Flag
	for _, s := range config.All {
		switch {
		case s.Option == "":
			continue
		case s.Name == "quiet":
			flags = append(flags, Flag{Name: s.Option, Short: s.Short, Help: "show no live line and no report; --report is still written"})
		case s.Kind() == config.KindBool && s.Default == "true":
			flags = append(flags, Flag{Name: "no-" + s.Option, Help: "do not " + s.Help})
		case s.Kind() == config.KindBool:
			flags = append(flags, Flag{Name: s.Option, Short: s.Short, Help: s.Help})
		default:
			flag := Flag{Name: s.Option, Short: s.Short, Value: "N", Help: s.Help, Choices: s.Choices, Default: s.Default}
			if len(s.Choices) > 0 {
				flag.Value = "WORD"
			}
			flags = append(flags, flag)
		}
	}
	return flags
}
