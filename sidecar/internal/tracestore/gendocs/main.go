// Command gendocs writes docs/trace-format.md from the row types of the trace store
// and their comments. It runs in the folder of package tracestore: go generate does that.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const head = `# The format of a trace

<!-- Generated from sidecar/internal/tracestore by go generate. Do not edit. -->

A trace is a folder ` + "`NAME.inferscope/`" + ` with ` + "`manifest.json`" + ` and Parquet files ` + "`TABLE-00000.parquet`, `TABLE-00001.parquet`" + `, …
one set a table. Every table has at least one file, which may be without rows. Format version: %s.

Times are int64 nanoseconds of CLOCK_MONOTONIC as the profiled process reads it; intervals are half-open. Names are texts in the rows
themselves (dictionary encoded), so that the essentials need no join. No column holds nulls. Rows of one thread are sorted by time.

` + "```sql" + `
-- The kernels that took the most time, and the waits of the cell's thread by reason:
SELECT name, count(*), sum(end_ns - start_ns) AS ns FROM 'NAME.inferscope/device_ops-*.parquet' WHERE kind = 'kernel' GROUP BY name ORDER BY ns DESC;
SELECT reason, sum(on_ns - off_ns) AS ns FROM 'NAME.inferscope/scheduler-*.parquet' JOIN 'NAME.inferscope/threads-*.parquet' USING (thread) WHERE main GROUP BY reason;
` + "```" + `

A cell with more events than are kept in memory has parts that were written while it ran; the manifest marks them ` + "`spilled`" + `. Their rows
are as they were collected: not sorted across files, not clipped to the window (compare with it), with 9223372036854775807 as the end of what
had not ended, and -2 in ` + "`call`" + `: join on ` + "`correlation`" + `. In every other part rows lie inside of the window, device operations aside.

A writer that is killed leaves a manifest with ` + "`complete: false`" + ` that lists no parts: then every file with its final name is whole, and what
ends in ` + "`.partial`" + ` is lost.

## manifest.json

| key | holds |
|---|---|
`

func main() {
	log.SetFlags(0)
	out, err := page(".")
	if err != nil {
		log.Fatal("gendocs: ", err)
	}
	if err := os.WriteFile(filepath.Join("..", "..", "..", "docs", "trace-format.md"), []byte(out), 0o644); err != nil {
		log.Fatal("gendocs: ", err)
	}
}

// source is what the page is made of: the structs of the package, and some constants.
type source struct {
	structs   map[string]*ast.StructType
	docs      map[string]string
	constants map[string]string
	tables    [][2]string // name and row type, in order
}

func page(dir string) (string, error) {
	s, err := parse(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, head, s.constants["Format"])
	for _, f := range s.structs["manifest"].Fields.List {
		key, _, _ := strings.Cut(tag(f, "json"), ",")
		fmt.Fprintf(&b, "| `%s` | %s%s |\n", key, sentence(f.Doc), s.keys(f.Type))
	}
	for _, t := range s.tables {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| column | type | holds |\n|---|---|---|\n", t[0], s.docs[t[1]])
		if err := s.columns(&b, t[1]); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func parse(dir string) (*source, error) {
	s := &source{structs: map[string]*ast.StructType{}, docs: map[string]string{}, constants: map[string]string{}}
	entries, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	for _, name := range entries {
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.declaration(g)
			}
		}
	}
	for i, t := range s.tables {
		name, ok := s.constants[t[0]]
		if !ok || s.structs[t[1]] == nil || s.docs[t[1]] == "" {
			return nil, fmt.Errorf("the table %s or its row %s is not declared with a comment", t[0], t[1])
		}
		s.tables[i][0] = name
	}
	if len(s.tables) == 0 || s.structs["manifest"] == nil {
		return nil, fmt.Errorf("no tables or no manifest in %s", dir)
	}
	return s, nil
}

// declaration notes structs, constants, and the list of the tables.
func (s *source) declaration(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if st, ok := spec.Type.(*ast.StructType); ok {
				s.structs[spec.Name.Name] = st
				s.docs[spec.Name.Name] = sentence(g.Doc)
			}
		case *ast.ValueSpec:
			for i, value := range spec.Values {
				if lit, ok := value.(*ast.BasicLit); ok {
					s.constants[spec.Names[i].Name] = strings.Trim(lit.Value, `"`)
				}
				if list, ok := value.(*ast.CompositeLit); ok && spec.Names[i].Name == "tables" {
					for _, e := range list.Elts {
						entry := e.(*ast.CompositeLit)
						s.tables = append(s.tables, [2]string{entry.Elts[0].(*ast.Ident).Name, entry.Elts[1].(*ast.CompositeLit).Type.(*ast.Ident).Name})
					}
				}
			}
		}
	}
}

var types = map[string]string{"int64": "INT64", "int32": "INT32", "uint32": "UINT32", "string": "STRING", "bool": "BOOLEAN", "float64": "DOUBLE"}

func (s *source) columns(b *strings.Builder, row string) error {
	for _, f := range s.structs[row].Fields.List {
		kind := f.Type.(*ast.Ident).Name
		if len(f.Names) == 0 { // columns that several tables have
			if err := s.columns(b, kind); err != nil {
				return err
			}
			continue
		}
		name, _, _ := strings.Cut(tag(f, "parquet"), ",")
		doc := sentence(f.Doc)
		if name == "" || doc == "" || types[kind] == "" {
			return fmt.Errorf("%s.%s has no column name, no comment or an unknown type", row, f.Names[0].Name)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, types[kind], doc)
	}
	return nil
}

// keys lists the keys of an object, or of the objects of a list.
func (s *source) keys(of ast.Expr) string {
	prefix := "Keys"
	if list, ok := of.(*ast.ArrayType); ok {
		of, prefix = list.Elt, "Each has the keys"
	}
	name, ok := of.(*ast.Ident)
	if !ok || s.structs[name.Name] == nil {
		return ""
	}
	var keys []string
	for _, f := range s.structs[name.Name].Fields.List {
		key, _, _ := strings.Cut(tag(f, "json"), ",")
		keys = append(keys, "`"+key+"`")
	}
	return " " + prefix + " " + strings.Join(keys, ", ") + "."
}

func tag(f *ast.Field, key string) string {
	if f.Tag == nil {
		return ""
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	return reflect.StructTag(text).Get(key)
}

// sentence is a comment on one line, fit for a cell of a table.
func sentence(doc *ast.CommentGroup) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(strings.Join(strings.Fields(doc.Text()), " "))
}
