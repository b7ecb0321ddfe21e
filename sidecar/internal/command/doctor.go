package command

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/doctor"
	"github.com/inferscope/inferscope/sidecar/internal/session"
)

// The variables by which the Python entry tells which interpreter it is, and where its package lies.
const (
	pythonVariable  = "INFERSCOPE_PYTHON"
	packageVariable = "INFERSCOPE_PACKAGE"
)

func doctorCommand() Command {
	return Command{
		Name:    "doctor",
		Summary: "say what can be collected here, and how to see more",
		Details: "Each part of the machine, the collectors, the interpreter and the files is looked at, and for what is missing " +
			"there is the command that would enable it.\n\n" +
			"The exit status is 1 when something is missing that this machine could have: a GPU whose CUPTI is not found, a " +
			"kernel with eBPF and no right to use it. What it cannot have, as a GPU that is not there, is no failure.",
		Flags: []Flag{formatFlag},
		Examples: []Example{
			{"doctor", "what works, what does not and why"},
			{"doctor --format json", "the same for a program"},
		},
		Run: func(ctx context.Context, env Env, args Args) error {
			python, _ := env.Lookup(pythonVariable)
			root, _ := env.Lookup(packageVariable)
			checks, err := doctor.Run(ctx, doctor.Options{Sources: session.DefaultSources(), Place: env.place(), Python: python, PackageRoot: root})
			if err != nil {
				return err
			}
			if args.Value("format") == "json" {
				err = writeJSON(env.Stdout, doctorDocument(env.Version, checks))
			} else {
				err = writeChecks(env.Stdout, env.Version, checks)
			}
			if err != nil {
				return err
			}
			if len(doctor.Failed(checks)) > 0 {
				return Failed()
			}
			return nil
		},
	}
}

func writeChecks(w io.Writer, version string, checks []doctor.Check) error {
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Part))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "InferScope %s\n", version)
	group := ""
	for _, c := range checks {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		fmt.Fprintf(&b, "  %-*s  %-7s  %s\n", width, c.Part, c.State, printable(c.Detail))
		if c.Enable != "" {
			fmt.Fprintf(&b, "  %-*s  %-7s  to enable: %s\n", width, "", "", printable(c.Enable))
		}
	}
	var missing []string
	for _, c := range doctor.Failed(checks) {
		missing = append(missing, c.Part)
	}
	if len(missing) == 0 {
		b.WriteString("\nAll that this machine can do works.\n")
	} else {
		fmt.Fprintf(&b, "\nMissing here: %s.\n", strings.Join(missing, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// doctorDocument is what --format json writes. Its list is never null.
func doctorDocument(version string, checks []doctor.Check) any {
	type check struct {
		Group  string       `json:"group"`
		Part   string       `json:"part"`
		State  doctor.State `json:"state"`
		Detail string       `json:"detail"`
		Enable string       `json:"enable"`
	}
	document := struct {
		Schema  string  `json:"schema"`
		Version string  `json:"tool_version"`
		Works   bool    `json:"works"`
		Checks  []check `json:"checks"`
	}{"inferscope.doctor/1", version, len(doctor.Failed(checks)) == 0, []check{}}
	for _, c := range checks {
		document.Checks = append(document.Checks, check(c))
	}
	return document
}
