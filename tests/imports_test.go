// Package tests holds the rules that the tree as a whole keeps: who may import
// what, what lies where, and what no file may contain.
package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/inferscope/inferscope"

// importRule says what the packages below a folder may import of this module
// and of others. The rule with the longest folder that contains a file is the
// one that holds.
type importRule struct {
	folder string
	// own are the packages of this module: a name stands for itself, "name/..." for
	// everything at and below it. The folder's own subpackages are always allowed.
	own []string
	// others are module path prefixes outside of the standard library.
	others []string
	// pure forbids the clock, the environment, I/O and unseeded chance.
	pure bool
	// tests are further packages of this module that _test.go files may import.
	tests []string
}

// The data flows collect -> timeline -> analysis -> report, and no import runs against it.
var importRules = []importRule{
	{folder: "analysis/timeline", pure: true},
	{folder: "analysis/result", pure: true, own: []string{"analysis/timeline"}},
	{folder: "analysis", pure: true, own: []string{"analysis/..."}},
	{folder: "report", pure: true, own: []string{"analysis/timeline", "analysis/result"}, tests: []string{"analysis/..."}},

	// The comparisons and the timelines among the samples are made by the analysis, so that they sum as they do for a user.
	{folder: "report/internal/fixtures", pure: true, own: []string{"analysis", "analysis/timeline", "analysis/result", "analysis/compare"}},
	// Reads and writes golden files for the tests of the renderers, and no other code.
	{folder: "report/internal/golden"},

	{folder: "sidecar/wire", others: []string{"github.com/vmihailenco/msgpack/v5"}},
	{folder: "sidecar/internal/clock", others: []string{"golang.org/x/sys"}},
	{folder: "sidecar/internal/server", own: []string{"sidecar/wire", "sidecar/internal/clock"}, others: []string{
		"github.com/go-zeromq/zmq4", "github.com/vmihailenco/msgpack/v5", "golang.org/x/sys", "golang.org/x/sync"}},
	// A collector knows the timeline it fills, the request it serves, how to read /proc, what it may do with eBPF and
	// what is common to those that do, and no other collector.
	{folder: "sidecar/internal/collect", own: []string{"analysis/timeline", "sidecar/wire", "sidecar/internal/clock",
		"sidecar/internal/collect", "sidecar/internal/collect/procfs/...", "sidecar/internal/collect/privilege",
		"sidecar/internal/collect/bpfsource"},
		others: []string{"github.com/cilium/ebpf", "golang.org/x/sys", "golang.org/x/sync", "github.com/NVIDIA/go-nvml", "github.com/ianlancetaylor/demangle"},
		tests:  []string{"analysis/..."}},
	// Exact totals of functions have no track in the timeline.
	{folder: "sidecar/internal/collect/python", own: []string{"analysis/timeline", "analysis/result", "sidecar/wire",
		"sidecar/internal/clock", "sidecar/internal/collect"}, tests: []string{"analysis/..."}},
	{folder: "sidecar/internal/nearest"},
	// The configuration is data for whoever acts on it, and knows none of them.
	{folder: "sidecar/internal/config", own: []string{"sidecar/internal/nearest"}, others: []string{"github.com/pelletier/go-toml/v2"}},
	{folder: "sidecar/internal/config/gen", own: []string{"sidecar/internal/config", "sidecar/internal/rules"}},
	// A user's rule reads the document that a program would, and nothing behind it.
	{folder: "sidecar/internal/rules", own: []string{"analysis/findings", "analysis/result", "report/summary", "sidecar/internal/config"},
		others: []string{"github.com/expr-lang/expr"}, tests: []string{"analysis/timeline"}},
	// Files of other tools: an exporter knows the timeline and how it is laid out, and no other exporter.
	{folder: "sidecar/internal/tracefile", own: []string{"analysis/...", "sidecar/internal/tracefile/..."}, tests: []string{"report/..."}},
	{folder: "sidecar/internal/tracefile/track", pure: true, own: []string{"analysis/..."}, tests: []string{"sidecar/internal/tracefile/tracetest"}},
	{folder: "sidecar/internal/tracefile/perfetto", pure: true, own: []string{"analysis/timeline", "sidecar/internal/tracefile/track"},
		tests: []string{"analysis/...", "sidecar/internal/tracefile/tracetest"}},
	{folder: "sidecar/internal/tracefile/chrome", pure: true, own: []string{"analysis/timeline", "sidecar/internal/tracefile/track"},
		tests: []string{"analysis/...", "sidecar/internal/tracefile/tracetest"}},
	{folder: "sidecar/internal/tracefile/pprof", pure: true, own: []string{"analysis/...", "sidecar/internal/tracefile/track"},
		others: []string{"github.com/google/pprof/profile"}, tests: []string{"sidecar/internal/tracefile/tracetest"}},
	// An importer knows the timeline and no other importer; the SQLite reader knows nothing at all.
	{folder: "sidecar/internal/tracefile/importer", own: []string{"analysis/timeline", "sidecar/internal/collect"},
		others: []string{"github.com/klauspost/compress", "golang.org/x/sys"}},
	{folder: "sidecar/internal/tracefile/kineto", own: []string{"analysis/timeline", "sidecar/internal/tracefile/importer"}},
	{folder: "sidecar/internal/tracefile/nsys", own: []string{"analysis/timeline", "sidecar/internal/tracefile/importer", "sidecar/internal/tracefile/sqlite"}},
	{folder: "sidecar/internal/tracefile/sqlite"},
	// What is on disk knows the nouns, and neither the collectors nor the session.
	{folder: "sidecar/internal/tracestore", own: []string{"analysis/timeline", "analysis/result"},
		others: []string{"github.com/parquet-go/parquet-go", "github.com/klauspost/compress/zstd", "golang.org/x/sys"}, tests: []string{"analysis/..."}},
	{folder: "sidecar/internal/runhistory", own: []string{"sidecar/internal/tracestore"}, others: []string{"golang.org/x/sys"},
		tests: []string{"analysis/timeline"}},
	// What compares runs finds and opens them; it measures nothing, keeps nothing and renders nothing.
	{folder: "sidecar/internal/comparison", own: []string{"analysis/...", "sidecar/internal/runhistory", "sidecar/internal/tracefile",
		"sidecar/internal/tracefile/importer", "sidecar/internal/tracestore"}},
	{folder: "sidecar", own: []string{"analysis/...", "report/...", "sidecar/..."}, others: []string{"github.com/", "golang.org/x/", "honnef.co/"}},

	{folder: "bench", own: []string{"analysis/...", "report/..."}, others: []string{"golang.org/x/sys"}},
	{folder: "tests", own: []string{"analysis/...", "report/..."}, others: []string{"golang.org/x/sys"}},
}

// impureImports are the standard packages that reach outside of the arguments.
var impureImports = []string{"os", "net", "log", "syscall", "testing", "expvar", "plugin", "runtime/debug",
	"runtime/metrics", "runtime/pprof", "runtime/trace", "io/ioutil",
	"database/...", "math/rand", "crypto/rand"}

// impureCalls are the functions that do, in packages that are otherwise pure.
var impureCalls = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "LoadLocation", "Local"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	// v2 has no seed, so only its explicit sources are repeatable.
	"math/rand/v2": {"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "N", "Uint32", "Uint64", "Uint32N", "Uint64N",
		"Float32", "Float64", "NormFloat64", "ExpFloat64", "Perm", "Shuffle"},
}

// ruleFor returns the rule of the folder that holds name, or nil.
func ruleFor(name string) *importRule {
	var best *importRule
	for i := range importRules {
		rule := &importRules[i]
		if strings.HasPrefix(name, rule.folder+"/") && (best == nil || len(rule.folder) > len(best.folder)) {
			best = rule
		}
	}
	return best
}

// matches says whether name is one of patterns.
func matches(name string, patterns []string) bool {
	for _, pattern := range patterns {
		if prefix, deep := strings.CutSuffix(pattern, "/..."); name == prefix || deep && strings.HasPrefix(name, prefix+"/") {
			return true
		}
	}
	return false
}

// importViolations checks one Go file; name is its path from the root.
func importViolations(name string, source any) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	rule := ruleFor(name)
	if rule == nil {
		return []string{fmt.Sprintf("%s: no import rule speaks of its folder", name)}, nil
	}
	if isGenerator(file) {
		return nil, nil
	}
	if file.Name.Name == "main" && rule.pure {
		// A command for developers, beside what it writes files from: nothing can import it.
		rule = &importRule{folder: rule.folder, own: append(rule.own, rule.tests...), others: rule.others}
	}
	isTest := strings.HasSuffix(name, "_test.go")
	var violations []string
	complain := func(format string, args ...any) {
		violations = append(violations, name+": "+fmt.Sprintf(format, args...))
	}
	names := map[string]string{} // what an identifier in this file refers to
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		local := strings.TrimSuffix(path.Base(imported), "/v2")
		if strings.HasSuffix(imported, "/v2") {
			local = path.Base(path.Dir(imported))
		}
		if spec.Name != nil {
			local = spec.Name.Name
		}
		names[local] = imported
		own, isOwn := strings.CutPrefix(imported, module+"/")
		switch {
		case isOwn:
			allowed := own == rule.folder || strings.HasPrefix(own, subtree(rule, name)+"/") || own == subtree(rule, name) ||
				matches(own, rule.own) || isTest && matches(own, rule.tests)
			if !allowed {
				complain("%s may not import %s", rule.folder, own)
			}
		case strings.Contains(strings.Split(imported, "/")[0], "."):
			allowed := false
			for _, prefix := range rule.others {
				allowed = allowed || imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")
			}
			if !allowed {
				complain("%s may not import %s", rule.folder, imported)
			}
		case rule.pure && !isTest:
			if matches(imported, impureImports) || strings.HasPrefix(imported, "os/") || strings.HasPrefix(imported, "net/") && imported != "net/url" ||
				strings.HasPrefix(imported, "log/") || imported == "C" {
				complain("%s is pure and may not import %s", rule.folder, imported)
			}
			if spec.Name != nil && spec.Name.Name == "." {
				complain("a dot import hides what is used of %s", imported)
			}
		}
	}
	if !rule.pure || isTest {
		return violations, nil
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if identifier, ok := selector.X.(*ast.Ident); ok {
			if imported := names[identifier.Name]; imported != "" && matches(selector.Sel.Name, impureCalls[imported]) {
				complain("%s is pure and may not use %s.%s", rule.folder, imported, selector.Sel.Name)
			}
		}
		return true
	})
	return violations, nil
}

// isGenerator says whether a file is a program of its own for go generate, part of no package.
func isGenerator(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if comment.Pos() < file.Package && comment.Text == "//go:build ignore" {
				return file.Name.Name == "main"
			}
		}
	}
	return false
}

// subtree is the folder within which a file may import freely: the rule's own,
// but for collectors the one folder of the collector.
func subtree(rule *importRule, name string) string {
	if rule.folder != "sidecar/internal/collect" {
		return rule.folder
	}
	parts := strings.SplitN(strings.TrimPrefix(path.Dir(name), rule.folder+"/"), "/", 2)
	return path.Join(rule.folder, parts[0])
}

func TestImports(t *testing.T) {
	checked := 0
	for _, name := range treeFiles(t) {
		if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") {
			continue
		}
		checked++
		violations, err := importViolations(name, readFile(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, violation := range violations {
			t.Error(violation)
		}
	}
	if checked < 5 {
		t.Fatalf("only %d Go files were found: the walk is broken", checked)
	}
}

// The rule must be able to fail: each of these breaks it once, or just does not.
func TestImportRuleFails(t *testing.T) {
	own := module + "/"
	for _, test := range []struct {
		name, imports, body string
		want                string
	}{
		{"analysis/timeline/a.go", `"slices"`, "", ""},
		{"analysis/timeline/a.go", `"` + own + `analysis/result"`, "", "may not import analysis/result"},
		{"analysis/timeline/a.go", `"golang.org/x/sys/unix"`, "", "may not import golang.org/x/sys/unix"},
		{"analysis/verdict/a.go", `"` + own + `analysis/timeline"`, "", ""},
		{"analysis/verdict/a.go", `"` + own + `sidecar/wire"`, "", "may not import sidecar/wire"},
		{"analysis/verdict/a.go", `"` + own + `report/html"`, "", "may not import report/html"},
		{"analysis/a.go", `"os"`, "", "may not import os"},
		{"analysis/a.go", `"os/exec"`, "", "may not import os/exec"},
		{"analysis/a.go", `"net/http"`, "", "may not import net/http"},
		{"analysis/a.go", `"log/slog"`, "", "may not import log/slog"},
		{"analysis/a.go", `"math/rand"`, "", "may not import math/rand"},
		{"analysis/a.go", `"math/rand/v2"`, "func f() int { return rand.Int() }", "may not use math/rand/v2.Int"},
		{"analysis/a.go", `"math/rand/v2"`, "var r = rand.New(rand.NewPCG(1, 2))", ""},
		{"analysis/a.go", `"time"`, "var d = time.Second", ""},
		{"analysis/a.go", `"time"`, "func f() { time.Now() }", "may not use time.Now"},
		{"analysis/a.go", `clock "time"`, "var f = clock.Now", "may not use time.Now"},
		{"analysis/a.go", `. "time"`, "", "dot import"},
		{"analysis/a.go", `"fmt"`, `func f() { fmt.Println() }`, "may not use fmt.Println"},
		{"analysis/a.go", `"fmt"`, `func f() string { return fmt.Sprint() }`, ""},
		{"analysis/a_test.go", `"os"`, "", ""},
		{"analysis/gendocs/main.go", `"os"`, "package main", ""},
		{"analysis/gendocs/main.go", `"` + own + `sidecar/wire"`, "package main", "may not import sidecar/wire"},
		{"analysis/a_test.go", `"` + own + `sidecar/wire"`, "", "may not import sidecar/wire"},
		{"report/html/a.go", `"` + own + `analysis/result"`, "", ""},
		{"report/html/a.go", `"` + own + `analysis"`, "", "may not import analysis"},
		{"report/html/a.go", `"` + own + `analysis/compare"`, "", "may not import analysis/compare"},
		{"report/internal/fixtures/a.go", `"` + own + `analysis/compare"`, "", ""},
		{"report/html/a.go", `"` + own + `sidecar/wire"`, "", "may not import sidecar/wire"},
		{"report/html/a.go", `"os"`, "", "may not import os"},
		{"report/html/a_test.go", `"` + own + `analysis/verdict"`, "", ""},
		{"sidecar/wire/a.go", `"` + own + `analysis/timeline"`, "", "may not import analysis/timeline"},
		{"sidecar/internal/server/a.go", `"` + own + `sidecar/internal/session"`, "", "may not import sidecar/internal/session"},
		{"sidecar/internal/session/a.go", `"` + own + `report/html"`, "", ""},
		{"sidecar/internal/tracefile/a.go", `"` + own + `sidecar/internal/tracefile/chrome"`, "", ""},
		{"sidecar/internal/tracefile/chrome/a.go", `"` + own + `sidecar/internal/tracefile/track"`, "", ""},
		{"sidecar/internal/tracefile/chrome/a.go", `"` + own + `sidecar/internal/tracefile/perfetto"`, "", "may not import sidecar/internal/tracefile/perfetto"},
		{"sidecar/internal/tracefile/track/a.go", `"os"`, "", "may not import os"},
		{"sidecar/internal/collect/ebpf/a.go", `"` + own + `sidecar/internal/collect"`, "", ""},
		{"sidecar/internal/collect/ebpf/a.go", `"` + own + `sidecar/internal/collect/ebpf/bpf"`, "", ""},
		{"sidecar/internal/collect/ebpf/a.go", `"` + own + `sidecar/internal/collect/procfs"`, "", ""},
		{"sidecar/internal/collect/cudaprobe/a.go", `"` + own + `sidecar/internal/collect/privilege"`, "", ""},
		{"sidecar/internal/collect/cudaprobe/a.go", `"` + own + `sidecar/internal/collect/bpfsource"`, "", ""},
		{"sidecar/internal/collect/bpfsource/a.go", `"` + own + `sidecar/internal/collect/ebpf"`, "", "may not import sidecar/internal/collect/ebpf"},
		{"sidecar/internal/collect/cudaprobe/a.go", `"` + own + `sidecar/internal/collect/ebpf"`, "", "may not import sidecar/internal/collect/ebpf"},
		{"sidecar/internal/collect/cudaprobe/a.go", `"` + own + `sidecar/internal/collect/cupti"`, "", "may not import sidecar/internal/collect/cupti"},
		{"sidecar/internal/collect/procfs/a.go", `"` + own + `sidecar/internal/collect/ebpf"`, "", "may not import sidecar/internal/collect/ebpf"},
		{"sidecar/internal/collect/ebpf/a.go", `"` + own + `analysis/verdict"`, "", "may not import analysis/verdict"},
		{"sidecar/internal/collect/ebpf/a.go", `"` + own + `sidecar/internal/session"`, "", "may not import sidecar/internal/session"},
		{"sidecar/internal/config/a.go", `"` + own + `sidecar/internal/nearest"`, "", ""},
		{"sidecar/internal/config/a.go", `"` + own + `sidecar/wire"`, "", "may not import sidecar/wire"},
		{"sidecar/internal/server/a.go", `"` + own + `sidecar/internal/config"`, "", "may not import sidecar/internal/config"},
		{"sidecar/internal/nearest/a.go", `"` + own + `sidecar/wire"`, "", "may not import sidecar/wire"},
		{"sidecar/internal/tracefile/a.go", `"` + own + `sidecar/internal/tracefile/kineto"`, "", ""},
		{"sidecar/internal/tracefile/kineto/a.go", `"` + own + `sidecar/internal/tracefile/nsys"`, "", "may not import sidecar/internal/tracefile/nsys"},
		{"sidecar/internal/tracefile/nsys/a.go", `"` + own + `analysis"`, "", "may not import analysis"},
		{"sidecar/internal/tracefile/sqlite/a.go", `"` + own + `sidecar/internal/tracefile/importer"`, "", "may not import sidecar/internal/tracefile/importer"},
		{"sidecar/internal/comparison/a.go", `"` + own + `sidecar/internal/runhistory"`, "", ""},
		{"sidecar/internal/comparison/a.go", `"` + own + `sidecar/internal/session"`, "", "may not import sidecar/internal/session"},
		{"sidecar/internal/comparison/a.go", `"` + own + `report/html"`, "", "may not import report/html"},
		{"sidecar/internal/tracestore/a.go", `"` + own + `analysis/timeline"`, "", ""},
		{"sidecar/internal/tracestore/a.go", `"` + own + `analysis"`, "", "may not import analysis"},
		{"sidecar/internal/runhistory/a.go", `"` + own + `sidecar/internal/tracestore"`, "", ""},
		{"sidecar/internal/runhistory/a.go", `"` + own + `sidecar/internal/session"`, "", "may not import sidecar/internal/session"},
		{"elsewhere/a.go", `"fmt"`, "", "no import rule"},
	} {
		source := "package p\nimport " + test.imports + "\n" + test.body
		if strings.HasPrefix(test.body, "package main") {
			source = "package main\nimport " + test.imports
		}
		violations, err := importViolations(test.name, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		all := strings.Join(violations, "\n")
		if test.want == "" && all != "" || !strings.Contains(all, test.want) {
			t.Errorf("%s with %q: got %q, want %q", test.name, test.imports+" "+test.body, all, test.want)
		}
	}
}
