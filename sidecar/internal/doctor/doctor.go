// Package doctor looks at everything that InferScope needs of a machine, and says of
// each part whether it works, why not, and which command would change that. It
// leaves nothing behind.
package doctor

import (
	"context"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/session"
)

// State is what a look at a part found.
type State string

// The states. Only Missing is a failure.
const (
	// Works says that the part does what it can.
	Works State = "works"
	// Limited says that it works and that Enable would make it see more.
	Limited State = "limited"
	// Missing says that this machine could have the part, and does not.
	Missing State = "missing"
	// Absent says that this machine cannot have it: no command changes that.
	Absent State = "absent"
	// Spare says that it does not work and that nothing needs it, for a better one does.
	Spare State = "spare"
	// Unseen says that this process cannot look.
	Unseen State = "unseen"
)

// Check is one part and what was found.
type Check struct {
	// Group is "machine", "collectors", "python" or "files".
	Group string
	// Part is its name, unique.
	Part string
	// State is one of the constants.
	State State
	// Detail says what there is, or why there is nothing.
	Detail string
	// Enable is the command, or else what to do, that would make it work; may be empty.
	Enable string
}

// Options say where to look. The zero value is this machine, without an interpreter.
type Options struct {
	// Root is put before /sys, /proc and /dev where the machine is looked at; empty for the machine itself.
	Root string
	// Sources are the collectors; the doctor closes them.
	Sources session.Sources
	// Place is where the configuration is looked for.
	Place config.Place
	// Python is the interpreter to ask, PackageRoot the folder that holds the package
	// inferscope. Both are empty when the command was not called through it.
	Python, PackageRoot string
}

// Run looks at everything, in a few seconds at most unless the interpreter hangs,
// which is waited for for pythonPatience. It fails only when ctx ends.
func Run(ctx context.Context, o Options) ([]Check, error) {
	m := machine{root: o.Root}
	checks := m.checks()
	checks = append(checks, collectors(o.Sources, m.hasGPU())...)
	checks = append(checks, python(ctx, o, m.hasGPU())...)
	checks = append(checks, files(o.Place)...)
	return checks, ctx.Err()
}

// Failed are the parts that this machine could have and does not.
func Failed(checks []Check) []Check {
	failed := []Check{}
	for _, c := range checks {
		if c.State == Missing {
			failed = append(failed, c)
		}
	}
	return failed
}
