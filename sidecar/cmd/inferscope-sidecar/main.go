// Command inferscope-sidecar is two programs in one file. As `inferscope-sidecar
// serve`, started by the extension, it collects around the cells of one Python
// process and analyses what it collected. As `inferscope`, which the Python entry
// becomes, it is the command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/command"
	"github.com/inferscope/inferscope/sidecar/internal/server"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "0.1.0.dev0"

func main() {
	// The extension starts the file by its path. Whoever types `inferscope serve` has no line for its standard input.
	if os.Args[0] != "inferscope" && len(os.Args) == 2 && os.Args[1] == "serve" {
		os.Exit(serve())
	}
	os.Exit(run(os.Args[1:]))
}

// serve returns 0 after an orderly end, 1 when serving was not possible.
func serve() int {
	if err := server.RunProcess(version, newHandler); err != nil {
		fmt.Fprintf(os.Stderr, "inferscope-sidecar: %v\n", err)
		return 1
	}
	return 0
}

// run returns the exit code of the command line.
func run(words []string) int {
	env, err := command.ProcessEnv(version)
	if err != nil {
		fmt.Fprintf(os.Stderr, "inferscope: %v\n", err)
		return command.ExitFailed
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends a command that does not listen
	return command.Main(ctx, env, words)
}
