package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/constant"
	"go/types"
	"regexp"
	"strings"
	"unicode"
)

// prologue and epilogue are the parts of the Python file that do not depend on
// the messages.
var (
	//go:embed prologue.py.txt
	prologue string
	//go:embed epilogue.py.txt
	epilogue string
)

// lineLength is that of pyproject.toml, so that the formatter changes nothing.
const lineLength = 120

func pythonSource(p *protocol) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(prologue)
	for _, c := range p.constants {
		writePythonComment(&b, c)
		value := c.value.ExactString()
		if c.value.Kind() == constant.Int && len(value) > 5 {
			value = grouped(value)
		}
		fmt.Fprintf(&b, "%s: Final = %s\n", upperSnake(c.name), value)
	}
	for _, s := range p.structs {
		if err := writeClass(&b, s); err != nil {
			return nil, err
		}
	}
	b.WriteString("\n\n# The fields of each struct, in the order on the wire, with what is checked of them.\n_FIELDS: dict[type[Any], tuple[tuple[str, _Shape], ...]] = {\n")
	for _, s := range p.structs {
		if len(s.fields) == 0 {
			fmt.Fprintf(&b, "    %s: (),\n", s.name)
			continue
		}
		if len(s.fields) == 1 { // the formatter keeps a tuple of one on its line
			shape, err := pythonShape(s.fields[0].goType)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "    %s: ((%q, %s),),\n", s.name, s.fields[0].name, shape)
			continue
		}
		fmt.Fprintf(&b, "    %s: (\n", s.name)
		for _, f := range s.fields {
			shape, err := pythonShape(f.goType)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", s.name, f.goName, err)
			}
			fmt.Fprintf(&b, "        (%q, %s),\n", f.name, shape)
		}
		b.WriteString("    ),\n")
	}
	b.WriteString("}\n\nMessage: TypeAlias = (\n    ")
	separator := ""
	for _, s := range p.structs {
		if s.message {
			b.WriteString(separator + s.name + "\n")
			separator = "    | "
		}
	}
	b.WriteString(")\n\n_MESSAGES: dict[str, type[Any]] = {\n")
	for _, s := range p.structs {
		if s.message {
			fmt.Fprintf(&b, "    %q: %s,\n", s.name, s.name)
		}
	}
	b.WriteString("}\n")
	b.WriteString(epilogue)
	return b.Bytes(), nil
}

func writePythonComment(b *bytes.Buffer, c constantDecl) {
	doc := strings.TrimSpace(c.doc)
	if doc == "" {
		return
	}
	doc = regexp.MustCompile(`\b`+c.name+`\b`).ReplaceAllString(doc, upperSnake(c.name))
	for _, line := range wrap(doc, lineLength-2) {
		fmt.Fprintf(b, "# %s\n", line)
	}
}

func writeClass(b *bytes.Buffer, s structDecl) error {
	fmt.Fprintf(b, "\n\n@dataclass(init=False, eq=False, repr=False, slots=True)\nclass %s(_Struct):\n", s.name)
	doc := strings.TrimSpace(s.doc)
	var documented []fieldDecl
	for _, f := range s.fields {
		if strings.TrimSpace(f.doc) != "" {
			documented = append(documented, f)
		}
	}
	// The first sentence is the summary line.
	summary, rest := doc, ""
	if i := strings.Index(doc+" ", ". "); i >= 0 {
		summary, rest = doc[:i+1], strings.TrimSpace(doc[i+1:])
	} else if i := strings.Index(doc, ".\n"); i >= 0 {
		summary, rest = doc[:i+1], strings.TrimSpace(doc[i+1:])
	}
	lines := wrap(`"""`+escapeDoc(summary), lineLength-4)
	if rest != "" {
		lines = append(lines, "")
		lines = append(lines, wrap(escapeDoc(rest), lineLength-4)...)
	}
	if len(documented) > 0 {
		lines = append(lines, "", "Attributes:")
		for _, f := range documented {
			text := f.name + ": " + escapeDoc(attributeDoc(f, s.fields))
			for i, line := range wrap(text, lineLength-12) {
				indent := "    "
				if i > 0 {
					indent = "        "
				}
				lines = append(lines, indent+line)
			}
		}
	}
	if len(lines) == 1 {
		lines[0] += `"""`
	} else {
		lines = append(lines, `"""`)
	}
	for _, line := range lines {
		b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
	}
	if len(s.fields) > 0 {
		b.WriteString("\n")
	}
	for _, f := range s.fields {
		hint, _, err := pythonType(f.goType)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", s.name, f.goName, err)
		}
		fmt.Fprintf(b, "    %s: %s\n", f.name, hint)
	}
	return writeInit(b, s)
}

// writeInit writes the constructor that the dataclass decorator would make, at a
// tenth of the time it takes to import.
func writeInit(b *bytes.Buffer, s structDecl) error {
	if len(s.fields) == 0 {
		return nil
	}
	var assignments bytes.Buffer
	b.WriteString("\n    def __init__(\n        self,\n        *,\n")
	for _, f := range s.fields {
		hint, value, err := pythonType(f.goType)
		if err != nil {
			return err
		}
		given := f.name
		if value[0] != '"' && strings.ContainsAny(value, "([{") { // a value of its own for each message
			hint, given, value = hint+" | None", fmt.Sprintf("%s if %s is None else %s", value, f.name, f.name), "None"
		}
		fmt.Fprintf(b, "        %s: %s = %s,\n", f.name, hint, value)
		fmt.Fprintf(&assignments, "        _set(self, %q, %s)\n", f.name, given)
	}
	b.WriteString("    ) -> None:\n")
	b.Write(assignments.Bytes())
	return nil
}

// pythonType returns the annotation of a field and its default, Go's zero value.
func pythonType(t types.Type) (hint, value string, err error) {
	switch t := t.(type) {
	case *types.Basic:
		switch info := t.Info(); {
		case info&types.IsBoolean != 0:
			return "bool", "False", nil
		case info&types.IsInteger != 0:
			return "int", "0", nil
		case info&types.IsFloat != 0:
			return "float", "0.0", nil
		case info&types.IsString != 0:
			return "str", `""`, nil
		}
	case *types.Slice:
		if isByte(t.Elem()) {
			return "bytes", `b""`, nil
		}
		elem, _, err := pythonType(t.Elem())
		return "list[" + elem + "]", "[]", err
	case *types.Map:
		elem, _, err := pythonType(t.Elem())
		return "dict[str, " + elem + "]", "{}", err
	case *types.Named:
		name := t.Obj().Name()
		return name, name + "()", nil
	}
	return "", "", fmt.Errorf("no Python type for %s", t)
}

// pythonShape returns what the checks of the Python side know of a field.
func pythonShape(t types.Type) (string, error) {
	switch t := t.(type) {
	case *types.Basic:
		hint, _, err := pythonType(t)
		return hint, err
	case *types.Slice:
		if isByte(t.Elem()) {
			return "bytes", nil
		}
		elem, err := pythonShape(t.Elem())
		return "_ListOf(" + elem + ")", err
	case *types.Map:
		elem, err := pythonShape(t.Elem())
		return "_MapOf(" + elem + ")", err
	case *types.Named:
		return t.Obj().Name(), nil
	}
	return "", fmt.Errorf("no Python shape for %s", t)
}

func isByte(t types.Type) bool {
	basic, ok := t.(*types.Basic)
	return ok && basic.Kind() == types.Uint8
}

// attributeDoc is a field's comment without the name that it starts with by Go's
// custom, which the line of the Python docstring already has.
func attributeDoc(f fieldDecl, fields []fieldDecl) string {
	doc := pythonNames(f.doc, fields)
	rest, ok := strings.CutPrefix(doc, f.name+" ")
	if !ok || strings.HasPrefix(rest, "and ") {
		return doc
	}
	for _, verb := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	if first, _, _ := strings.Cut(rest, " "); strings.ContainsAny(first, "0123456789") {
		return rest // the name of a type
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// pythonNames replaces the Go names of fields in a comment by the Python ones.
func pythonNames(doc string, fields []fieldDecl) string {
	for _, f := range fields {
		doc = regexp.MustCompile(`\b`+f.goName+`\b`).ReplaceAllString(doc, f.name)
	}
	return doc
}

func escapeDoc(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"""`, `\"\"\"`)
}

func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// upperSnake turns MaxHelloFrame into MAX_HELLO_FRAME and EBPFOffset into EBPF_OFFSET.
func upperSnake(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			nextLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(runes[i-1]) || nextLower {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

func grouped(digits string) string {
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), "_")
}
