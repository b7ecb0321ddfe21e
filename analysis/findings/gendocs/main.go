// Command gendocs writes docs/findings from the rules. It runs in analysis/findings.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/inferscope/inferscope/analysis/findings"
)

func main() {
	if err := write(filepath.Join("..", "..", "docs", "findings")); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(findings.Index()), 0o644); err != nil {
		return err
	}
	for _, r := range findings.Registry {
		if err := os.WriteFile(filepath.Join(dir, r.ID+".md"), []byte(r.Page()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
