// Command gen writes what follows from the table of settings: the page of the
// documentation and the options of the magic. It runs in sidecar/internal/config.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

var root = filepath.Join("..", "..", "..")

func main() {
	for name, content := range map[string]string{
		filepath.Join(root, "docs", "configuration.md"):                  page(),
		filepath.Join(root, "ipython_ext", "inferscope", "_settings.py"): module(),
	} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
