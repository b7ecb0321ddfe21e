package command

import (
	"context"
	"fmt"
)

func versionCommand() Command {
	return Command{
		Name:     "version",
		Summary:  "print the version",
		Details:  "The package, the sidecar and the reports have one version.",
		Examples: []Example{{"version", "the version alone, on one line"}},
		Run: func(_ context.Context, env Env, _ Args) error {
			_, err := fmt.Fprintln(env.Stdout, env.Version)
			return err
		},
	}
}
