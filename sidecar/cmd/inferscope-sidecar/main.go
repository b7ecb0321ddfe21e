// Command inferscope-sidecar collects around the cells of one Python process and
// analyses what it collected. The extension starts it; a user has no reason to.
package main

import (
	"fmt"
	"os"

	"github.com/inferscope/inferscope/sidecar/internal/server"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "0.1.0.dev0"

const usage = `usage: inferscope-sidecar serve      serve the process that started this one; reads its start-up line from standard input
       inferscope-sidecar version    print the version
`

// Exit codes: 0 after an orderly end, 1 when serving was not possible, 2 on bad usage.
func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) != 1 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	switch args[0] {
	case "serve":
		if err := server.RunProcess(version, newHandler); err != nil {
			fmt.Fprintf(os.Stderr, "inferscope-sidecar: %v\n", err)
			return 1
		}
		return 0
	case "version":
		fmt.Println(version)
		return 0
	case "-h", "--help", "help":
		fmt.Print(usage)
		return 0
	}
	fmt.Fprintf(os.Stderr, "inferscope-sidecar: unknown command %q\n%s", args[0], usage)
	return 2
}
