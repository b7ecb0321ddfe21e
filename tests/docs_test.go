package tests

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan     = regexp.MustCompile("`([^`\n]+)`")
	codeBlock    = regexp.MustCompile("(?s)```.*?```")
	treePath     = regexp.MustCompile(`^(?:sidecar|ipython_ext|cupti|analysis|report|notebooks|docs|tests|bench|\.ci)/[\w./-]*$`)
	symbol       = regexp.MustCompile(`^[a-z_]+(?:\.[A-Za-z_]\w*)+$`)
	fileName     = regexp.MustCompile(`\.(?:py|go|c|h|md|json|toml|ipynb|html)$`)
	makeTarget   = regexp.MustCompile(`^make ([a-z-]+)`)
)

// documents are the pages that people wrote.
func documents(t testing.TB) []string {
	var names []string
	for _, name := range treeFiles(t) {
		if path.Ext(name) == ".md" && (!strings.Contains(name, "/") || strings.HasPrefix(name, "docs/")) {
			names = append(names, name)
		}
	}
	return names
}

// symbolFiles maps the first word of a symbol to the files that may declare the
// rest: a Python module of the package, or a Go package by its name.
func symbolFiles(names []string) map[string][]string {
	files := map[string][]string{}
	for _, name := range names {
		dir := path.Dir(name)
		switch {
		case dir == "ipython_ext/inferscope" && path.Ext(name) == ".py":
			module := strings.TrimSuffix(path.Base(name), ".py")
			files[module] = append(files[module], name)
			files["inferscope"] = append(files["inferscope"], name)
		case path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go"):
			files[path.Base(dir)] = append(files[path.Base(dir)], name)
		}
	}
	return files
}

// declares says whether a source declares or binds word, as code and not in a comment.
func declares(source []byte, word string) bool {
	quoted := regexp.QuoteMeta(word)
	return regexp.MustCompile(`(?m)^\s*(?:async )?(?:def|class|func(?: \([^)]*\))?|type|var|const) ` + quoted + `\b` +
		`|^\s+` + quoted + `\b.*$` +
		`|^` + quoted + `\b\s*[:=]`).Match(source)
}

// documentViolations checks one page: its links, the paths and the symbols that it names.
func documentViolations(name, text string, exists func(string) bool, declared func(files []string, word string) bool,
	files map[string][]string, targets map[string]bool) []string {
	var violations []string
	complain := func(format string, args ...any) {
		violations = append(violations, name+": "+fmt.Sprintf(format, args...))
	}
	for _, link := range markdownLink.FindAllStringSubmatch(text, -1) {
		to, _, _ := strings.Cut(link[1], "#")
		if to != "" && !strings.Contains(to, "://") && !exists(path.Join(path.Dir(name), to)) {
			complain("links to %s, which does not exist", link[1])
		}
	}
	for _, span := range codeSpan.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		word := span[1]
		if target := makeTarget.FindStringSubmatch(word); target != nil && !targets[target[1]] {
			complain("names the target %s, which the Makefile lacks", word)
		}
		if treePath.MatchString(word) && !strings.Contains(word, "NAME") && !exists(path.Clean(word)) {
			complain("names %s, which does not exist", word)
		}
		if !symbol.MatchString(word) || fileName.MatchString(word) {
			continue
		}
		parts := strings.Split(word, ".")
		candidates := files[parts[0]]
		if len(parts) > 2 && parts[0] == "inferscope" && files[parts[1]] != nil {
			candidates, parts = files[parts[1]], parts[1:]
		}
		if parts[0] == "inferscope" && files[parts[1]] != nil && len(parts) == 2 || candidates == nil {
			continue
		}
		for _, part := range parts[1:] {
			if !declared(candidates, part) {
				complain("names %s, and nothing there declares %s", word, part)
			}
		}
	}
	return violations
}

func TestDocuments(t *testing.T) {
	files := symbolFiles(treeFiles(t))
	targets := map[string]bool{}
	for _, target := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllSubmatch(readFile(t, "Makefile"), -1) {
		targets[string(target[1])] = true
	}
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join("..", filepath.FromSlash(name)))
		return err == nil
	}
	declared := func(files []string, word string) bool {
		for _, name := range files {
			if declares(readFile(t, name), word) {
				return true
			}
		}
		return false
	}
	pages := documents(t)
	if len(pages) < 5 {
		t.Fatalf("only %d pages were found: the walk is broken", len(pages))
	}
	for _, name := range pages {
		for _, violation := range documentViolations(name, string(readFile(t, name)), exists, declared, files, targets) {
			t.Error(violation)
		}
	}
}

func TestDocumentRuleFails(t *testing.T) {
	files := map[string][]string{"cell": {"cell.py"}, "wire": {"wire.go"}, "inferscope": {"cell.py"}}
	sources := map[string]string{
		"cell.py": "def begin(x):\n    pass\nclass Profiler:\n    def close(self):\n        pass\n",
		"wire.go": "package wire\n\nconst Version = 1\n\ntype Hello struct {\n\tToken []byte\n}\n// Gone was here.\n",
	}
	exists := func(name string) bool { return name == "docs/a.md" || name == "tests/x.py" }
	declared := func(files []string, word string) bool { return declares([]byte(sources[files[0]]), word) }
	for text, ok := range map[string]bool{
		"[a](a.md)": true, "[a](a.md#part)": true, "[a](b.md)": false, "[a](https://example.org/b.md)": true,
		"`tests/x.py`": true, "`tests/y.py`": false, "`tests/NAME.py`": true,
		"`cell.begin`": true, "`cell.Profiler.close`": true, "`cell.Profiler.open`": false, "`inferscope.cell`": true,
		"`inferscope.cell.begin`": true, "`inferscope.cell.end`": false,
		"`wire.Version`": true, "`wire.Hello`": true, "`wire.Gone`": false, "`os.path`": true,
		"`make test`": true, "`make coffee`": false, "`cell.py`": true,
		"```\n`cell.end`\n```": true,
	} {
		if got := len(documentViolations("docs/p.md", text, exists, declared, files, map[string]bool{"test": true})) == 0; got != ok {
			t.Errorf("%q: accepted is %v, want %v", text, got, ok)
		}
	}
}
