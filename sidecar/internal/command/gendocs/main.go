// Command gendocs writes the pages of the command into docs from the registry: docs/command.md and docs/commands. It runs
// in sidecar/internal/command.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/inferscope/inferscope/sidecar/internal/command"
)

func main() {
	if err := write(filepath.Join("..", "..", "..", "docs")); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

// write makes the pages anew: that of a command that is gone goes too.
func write(docs string) error {
	if err := os.RemoveAll(filepath.Join(docs, "commands")); err != nil {
		return err
	}
	for file, content := range command.Pages() {
		file = filepath.Join(docs, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
