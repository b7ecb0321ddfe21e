package command

// Commands is the registry, in the order in which the help lists them: a new
// command is one line here.
func Commands() []Command {
	return []Command{
		runCommand(),
		analyzeCommand(),
		compareCommand(),
		exportCommand(),
		configCommand(),
		doctorCommand(),
		completionCommand(),
		helpCommand(),
		versionCommand(),
	}
}
