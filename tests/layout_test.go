package tests

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	rootFolders = []string{"sidecar", "ipython_ext", "cupti", "analysis", "report", "notebooks", "docs", "tests", "bench", ".ci"}
	rootFiles   = []string{"go.mod", "go.sum", "pyproject.toml", "Makefile", "README.md", "CONTRIBUTING.md", "CHANGELOG.md",
		"LICENSE", "SECURITY.md", ".gitignore", ".gitattributes"}
	// A name that says nothing of its subject collects what has none.
	vagueNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc"}
)

// maxLines is the length from which a file surely has more than one subject.
const maxLines = 700

// machinePath finds the absolute paths of whoever wrote a file.
var machinePath = regexp.MustCompile(`(?:^|[^\w./~-])/(?:root|work|home/[a-z]\w*)/`)

// neutralHomes are the homes that belong to nobody.
var neutralHomes = regexp.MustCompile(`/home/(?:u|user|you|me|jovyan|ada|alice|bob|someone)/`)

// ignoredPatterns reads .gitignore, and what a developer excludes in this clone:
// names, rooted names, and exceptions.
func ignoredPatterns(t testing.TB) (ignored func(name string) bool) {
	t.Helper()
	lines := strings.Split(string(readFile(t, ".gitignore")), "\n")
	if exclude, err := os.ReadFile(filepath.Join("..", ".git", "info", "exclude")); err == nil {
		lines = append(lines, strings.Split(string(exclude), "\n")...)
	}
	return func(name string) bool {
		result := false
		for _, line := range lines {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			pattern, exception := strings.CutPrefix(line, "!")
			pattern = strings.TrimSuffix(pattern, "/")
			subject := path.Base(name)
			if rooted, ok := strings.CutPrefix(pattern, "/"); ok {
				pattern, subject = rooted, name
			}
			if ok, err := path.Match(pattern, subject); err != nil {
				t.Fatalf(".gitignore: %q: %v", line, err)
			} else if ok {
				result = !exception
			}
		}
		return result
	}
}

// treeFiles walks the tree without what Git ignores. It reads the folders itself
// instead of asking git: Go's test cache then sees what the result depends on.
func treeFiles(t testing.TB) []string {
	t.Helper()
	ignored := ignoredPatterns(t)
	var names []string
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(name, ".."), string(filepath.Separator)))
		switch {
		case name == "":
			return nil
		case name == ".git" || ignored(name):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !entry.IsDir():
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// layoutViolations checks where a file lies and what its folders are called.
func layoutViolations(name string) []string {
	var violations []string
	parts := strings.Split(name, "/")
	switch {
	case len(parts) == 1 && !matches(name, rootFiles):
		violations = append(violations, name+": not a file that belongs at the root")
	case len(parts) > 1 && !matches(parts[0], rootFolders):
		violations = append(violations, name+": "+parts[0]+" is no top-level folder of this project")
	}
	for _, part := range parts {
		stem, _, _ := strings.Cut(part, ".")
		if matches(stem, vagueNames) {
			violations = append(violations, name+": "+part+" does not name a subject")
		}
	}
	return violations
}

// contentViolations checks what a file holds.
func contentViolations(name string, content []byte) []string {
	var violations []string
	cleaned := neutralHomes.ReplaceAll(content, nil)
	if found := machinePath.Find(cleaned); found != nil {
		violations = append(violations, name+": contains a path of somebody's machine: "+string(found))
	}
	if isWritten(name, content) && bytes.Count(content, []byte("\n")) > maxLines {
		violations = append(violations, name+": longer than a file with one subject is")
	}
	return violations
}

// isWritten says whether a file is source that people wrote, tests aside: a table of cases may be long.
func isWritten(name string, content []byte) bool {
	switch path.Ext(name) {
	case ".go", ".py", ".c", ".h", ".ts":
	default:
		return false
	}
	head := content[:min(len(content), 2000)]
	return !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "tests/") &&
		!bytes.Contains(head, []byte("Code generated")) && path.Base(name) != "vmlinux.h"
}

func TestLayout(t *testing.T) {
	for _, name := range treeFiles(t) {
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			continue // a temporary file of a test that runs beside this one
		}
		for _, violation := range append(layoutViolations(name), contentViolations(name, readFile(t, name))...) {
			t.Error(violation)
		}
	}
}

func TestLayoutRuleFails(t *testing.T) {
	for name, want := range map[string]bool{
		"Makefile": true, "sidecar/wire/messages.go": true, ".ci/run": true, "analysis/managers.go": true,
		"setup.py": false, "src/a.go": false, "analysis/util/a.go": false, "sidecar/helpers.go": false, "docs/common/a.md": false,
	} {
		if got := len(layoutViolations(name)) == 0; got != want {
			t.Errorf("%s: allowed is %v, want %v", name, got, want)
		}
	}
	slash := "/"
	for text, want := range map[string]bool{
		"see " + slash + "root/x.py":                            false,
		"\"" + slash + "work/main/a\"":                          false,
		"File " + slash + "home/carol/nb.ipynb":                 false,
		"/home/user/nb.ipynb":                                   true,
		"https://example.org" + slash + "work/a":                true,
		"/proc/self" + slash + "root/etc":                       true,
		strings.Repeat("x\n", maxLines):                         true,
		strings.Repeat("x\n", maxLines+1):                       false,
		"// Code generated\n" + strings.Repeat("x\n", maxLines): true,
	} {
		if got := len(contentViolations("analysis/a.go", []byte(text))) == 0; got != want {
			t.Errorf("%.60q: allowed is %v, want %v", text, got, want)
		}
	}
	if len(contentViolations("analysis/a_test.go", []byte(strings.Repeat("x\n", maxLines+1)))) != 0 {
		t.Error("a test may be long")
	}
}
