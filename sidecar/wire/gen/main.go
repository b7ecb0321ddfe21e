// Command gen writes what follows from the message structs of package wire: the
// Go registry of messages and the Python mirror. It runs in that package's
// directory (go generate ./sidecar/wire) and its output depends on nothing but
// the package's source.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const (
	registryFile = "registry_gen.go"
	pythonFile   = "../../ipython_ext/inferscope/_wire.py"
)

// protocol is what the package's source says.
type protocol struct {
	constants []constantDecl
	structs   []structDecl
}

type constantDecl struct {
	name  string
	doc   string
	value constant.Value
}

type structDecl struct {
	name string
	doc  string
	// message is false for a struct that only occurs inside others.
	message bool
	fields  []fieldDecl
}

type fieldDecl struct {
	goName string
	name   string
	doc    string
	goType types.Type
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	p, err := readPackage(".")
	if err != nil {
		log.Fatal(err)
	}
	registry, err := registrySource(p)
	if err != nil {
		log.Fatal(err)
	}
	python, err := pythonSource(p)
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range map[string][]byte{registryFile: registry, pythonFile: python} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// readPackage reads the structs and constants in the order of the files' names
// and of their declaration, which is the order of everything generated.
func readPackage(dir string) (*protocol, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || filepath.Base(name) == registryFile {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	// Errors are expected: imports are not resolved and the registry may not
	// exist yet. Structs and constants need neither.
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Error: func(error) {}}
	_, _ = conf.Check("wire", fset, files, info)

	p := &protocol{}
	for _, file := range files {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					if gen.Tok == token.CONST {
						p.addConstants(gen, spec, info)
					}
				case *ast.TypeSpec:
					if err := p.addStruct(gen, spec, info); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	p.markMessages()
	return p, nil
}

func (p *protocol) addConstants(gen *ast.GenDecl, spec *ast.ValueSpec, info *types.Info) {
	for _, name := range spec.Names {
		object, ok := info.Defs[name].(*types.Const)
		if !ok || !name.IsExported() {
			continue
		}
		doc := spec.Doc.Text()
		if doc == "" && len(gen.Specs) == 1 {
			doc = gen.Doc.Text()
		}
		if doc == "" {
			doc = spec.Comment.Text()
		}
		p.constants = append(p.constants, constantDecl{name.Name, doc, object.Val()})
	}
}

// addStruct takes the structs whose fields all have a msgpack tag; others are
// not part of the protocol.
func (p *protocol) addStruct(gen *ast.GenDecl, spec *ast.TypeSpec, info *types.Info) error {
	syntax, ok := spec.Type.(*ast.StructType)
	if !ok || !spec.Name.IsExported() {
		return nil
	}
	doc := spec.Doc.Text()
	if doc == "" {
		doc = gen.Doc.Text()
	}
	s := structDecl{name: spec.Name.Name, doc: doc}
	for _, field := range syntax.Fields.List {
		tag := ""
		if field.Tag != nil {
			tag = reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("msgpack")
		}
		if tag == "" {
			return nil
		}
		if len(field.Names) != 1 {
			return fmt.Errorf("%s: a tag needs a field of its own", s.name)
		}
		fieldDoc := field.Doc.Text()
		if fieldDoc == "" {
			fieldDoc = field.Comment.Text()
		}
		name := field.Names[0]
		s.fields = append(s.fields, fieldDecl{name.Name, tag, fieldDoc, info.Defs[name].Type()})
	}
	if len(s.fields) > 63 {
		return fmt.Errorf("%s has %d fields; the guard counts up to 63", s.name, len(s.fields))
	}
	p.structs = append(p.structs, s)
	return nil
}

// markMessages finds the messages: the structs that no other struct holds.
// Structs without fields are messages by their declaration alone.
func (p *protocol) markMessages() {
	inner := map[string]bool{}
	for _, s := range p.structs {
		for _, f := range s.fields {
			inner[innermost(f.goType)] = true
		}
	}
	for i := range p.structs {
		p.structs[i].message = !inner[p.structs[i].name]
	}
}

// innermost is the name of the struct at the bottom of a field's type, or empty.
func innermost(t types.Type) string {
	switch t := t.(type) {
	case *types.Slice:
		return innermost(t.Elem())
	case *types.Map:
		return innermost(t.Elem())
	case *types.Named:
		return t.Obj().Name()
	}
	return ""
}

func registrySource(p *protocol) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("// Code generated by go generate ./sidecar/wire; DO NOT EDIT.\n\npackage wire\n\nimport \"reflect\"\n\n")
	b.WriteString("// messages are the structs that travel by themselves, by their name on the wire.\n")
	b.WriteString("var messages = map[string]reflect.Type{\n")
	for _, s := range p.structs {
		if s.message {
			fmt.Fprintf(&b, "%q: reflect.TypeFor[%s](),\n", s.name, s.name)
		}
	}
	b.WriteString("}\n")
	return format.Source(b.Bytes())
}
