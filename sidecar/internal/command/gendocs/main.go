// Command gendocs writes docs/command.md from the registry. It runs in sidecar/internal/command.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/inferscope/inferscope/sidecar/internal/command"
)

func main() {
	if err := os.WriteFile(filepath.Join("..", "..", "..", "docs", "command.md"), []byte(command.Page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}
