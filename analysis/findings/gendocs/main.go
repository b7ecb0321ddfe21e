// Command gendocs writes docs/findings from the rules, and where each is seen in the gallery. It runs in analysis/findings.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/inferscope/inferscope/analysis/findings"
)

// example is a page of docs/gallery whose report has a finding.
type example struct {
	Title string `json:"title"`
	Page  string `json:"page"`
}

func main() {
	if err := write(filepath.Join("..", "..", "docs")); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func write(docs string) error {
	examples, err := read(filepath.Join(docs, "gallery", "findings.json"))
	if err != nil {
		return err
	}
	dir := filepath.Join(docs, "findings")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(findings.Index()), 0o644); err != nil {
		return err
	}
	for _, r := range findings.Registry {
		page := r.Page() + section(examples[r.ID])
		if err := os.WriteFile(filepath.Join(dir, r.ID+".md"), []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// read returns the examples of each finding by its ID, as bench/known_answers/publish.py writes them.
func read(path string) (map[string][]example, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var examples map[string][]example
	if err := json.Unmarshal(text, &examples); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return examples, nil
}

// section links the pages whose reports have the finding; empty where none has.
func section(examples []example) string {
	if len(examples) == 0 {
		return ""
	}
	text := "\n## In a report\n\n"
	for _, e := range examples {
		text += "- [" + e.Title + "](../gallery/" + e.Page + ")\n"
	}
	return text
}
