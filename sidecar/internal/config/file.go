package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/inferscope/inferscope/sidecar/internal/nearest"
)

// maxFile bounds a file in bytes. A pyproject.toml holds the settings of many tools.
const maxFile = 256 << 10

const projectName = "pyproject.toml"

// projectTable is where pyproject.toml has our settings.
var projectTable = []string{"tool", "inferscope"}

// UserFile is the user's file, whether it exists or not; empty when the environment
// names no home.
func (p Place) UserFile() string {
	if dir := p.xdg("XDG_CONFIG_HOME", ".config"); dir != "" {
		return filepath.Join(dir, "inferscope", "config.toml")
	}
	return ""
}

func (p Place) defaultHistory() string {
	if dir := p.xdg("XDG_STATE_HOME", ".local/state"); dir != "" {
		return filepath.Join(dir, "inferscope", "runs")
	}
	return ""
}

// xdg is a folder of the XDG base directory specification, which wants a relative one ignored.
func (p Place) xdg(variable, fallback string) string {
	if dir := p.lookup(variable); filepath.IsAbs(dir) {
		return dir
	}
	if home := p.lookup("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, fallback)
	}
	return ""
}

// ProjectFile is the nearest pyproject.toml in Dir or above; empty when there is none.
func (p Place) ProjectFile() string {
	if !filepath.IsAbs(p.Dir) || len(p.Dir) > maxPath {
		return ""
	}
	for dir := filepath.Clean(p.Dir); ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, projectName)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// absolute is a path from base, or from the home where it begins with ~.
func (p Place) absolute(path, base string) string {
	if home := p.lookup("HOME"); home != "" && (path == "~" || strings.HasPrefix(path, "~/")) {
		return filepath.Join(home, path[1:])
	}
	if !filepath.IsAbs(path) && base != "" {
		return filepath.Join(base, path)
	}
	return filepath.Clean(path)
}

func (r *resolver) readUser() {
	path := r.place.UserFile()
	found := path != "" && r.readFile(path, OriginUser, nil)
	r.Files = append(r.Files, File{OriginUser, path, found})
}

func (r *resolver) readProject() {
	if path := r.place.ProjectFile(); path != "" {
		found := r.readFile(path, OriginProject, projectTable)
		r.Files = append(r.Files, File{OriginProject, path, found})
	}
}

// readFile takes the settings of one file from one of its tables. False when there are none.
func (r *resolver) readFile(path, kind string, table []string) bool {
	text, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	whole := map[string]any{}
	if err == nil {
		err = toml.Unmarshal(text, &whole)
	}
	if err != nil {
		r.Problems = append(r.Problems, unreadable(path, err))
		return true
	}
	f := file{resolver: r, path: path, kind: kind, table: table, lines: keyLines(text, table)}
	value := any(whole)
	for _, key := range table {
		parent, ok := value.(map[string]any)
		if !ok {
			return false
		}
		if value, ok = parent[key]; !ok {
			return false
		}
	}
	settings, ok := value.(map[string]any)
	if !ok {
		f.problem(nil, strings.Join(table, ".")+" must be a table", "")
		return true
	}
	f.limit = len(r.Problems) + maxProblems
	f.walk(nil, settings)
	return len(settings) > 0
}

// readBounded reads a regular file: a pipe would be waited for.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("longer than %d KiB", maxFile>>10)
	}
	return text, err
}

func unreadable(path string, err error) Problem {
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		line, _ := syntax.Position()
		return Problem{Where: fmt.Sprintf("%s, line %d", path, line), What: shortened(strings.TrimPrefix(syntax.Error(), "toml: "))}
	}
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return Problem{Where: path, What: "it cannot be read: " + err.Error()}
}

// maxWords bounds what the TOML library quotes of a file, in runes.
const maxWords = 200

func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return text
}

// file is one that is being read.
type file struct {
	resolver   *resolver
	path, kind string
	table      []string
	lines      map[string]int
	limit      int // of the resolver's problems
}

// walk takes the settings of a table; under is its path within ours.
func (f *file) walk(under []string, table map[string]any) {
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := f.line(append(slices.Clone(under), keys[i])), f.line(append(slices.Clone(under), keys[j]))
		return a < b || a == b && keys[i] < keys[j]
	})
	for _, key := range keys {
		path := append(slices.Clone(under), key)
		name := strings.Join(path, ".")
		inner, isTable := table[key].(map[string]any)
		switch s := find(name); {
		case s != nil:
			f.take(s, path, table[key])
		case name == rulesKey:
			f.takeRules(table[key])
		case isGroup(name) && isTable:
			f.walk(path, inner)
		case isGroup(name):
			f.problem(path, name+" must be a table", "")
		default:
			hint := ""
			if meant, ok := nearest.Of(name, append(Names(), rulesKey)); ok {
				hint = "did you mean " + meant + "?"
			}
			f.problem(path, fmt.Sprintf("there is no setting %.60q", name), hint)
		}
	}
}

func (f *file) take(s *Setting, path []string, value any) {
	checked, err := s.check(value)
	if err != nil {
		f.problem(path, err.Error(), "")
		return
	}
	f.resolver.assign(s, Origin{f.kind, f.where(path)}, checked, filepath.Dir(f.path))
}

func (f *file) problem(path []string, what, hint string) {
	if f.limit == 0 || len(f.resolver.Problems) < f.limit {
		f.resolver.Problems = append(f.resolver.Problems, Problem{f.where(path), what, hint})
	}
}

func (f *file) where(path []string) string {
	if line := f.line(path); line > 0 {
		return fmt.Sprintf("%s, line %d", f.path, line)
	}
	return f.path
}

// line is where the key stands, or the table around it; 0 when neither is known.
func (f *file) line(path []string) int {
	whole := append(slices.Clone(f.table), path...)
	for ; len(whole) > 0; whole = whole[:len(whole)-1] {
		if line := f.lines[joined(whole)]; line > 0 {
			return line
		}
	}
	return 0
}

// isGroup says whether settings stand in a table of that name.
func isGroup(name string) bool {
	return slices.ContainsFunc(All, func(s Setting) bool { return strings.HasPrefix(s.Name, name+".") })
}

// Names are the names of all settings.
func Names() []string {
	names := make([]string, len(All))
	for i := range All {
		names[i] = All[i].Name
	}
	return names
}

// joined is a path as a key of a map; TOML allows a point within a key, but no zero byte.
func joined(path []string) string { return strings.Join(path, "\x00") }

// maxDepth bounds the keys that are looked at: a rule's are five deep, [[tool.inferscope.rules]]
// with its row and its key.
const maxDepth = 5

// keyFinder notes the lines of the keys that lie on the way to a table or within it.
type keyFinder struct {
	parser unstable.Parser
	table  []string
	lines  map[string]int
	// rows counts the tables of each array so far, by its path.
	rows map[string]int
}

// keyLines finds the lines of a table's keys in a text that is valid TOML.
func keyLines(text []byte, table []string) map[string]int {
	f := keyFinder{table: table, lines: map[string]int{}, rows: map[string]int{}}
	f.parser.Reset(text)
	var under []string
	for f.parser.NextExpression() {
		node := f.parser.Expression()
		switch node.Kind {
		case unstable.Table:
			under = f.key(node, nil)
		case unstable.ArrayTable:
			under = f.row(node)
		case unstable.KeyValue:
			f.value(node, under)
		}
	}
	return f.lines
}

// key notes each part of a key below a path, and returns the whole path.
func (f *keyFinder) key(node *unstable.Node, under []string) []string {
	path := slices.Clone(under)
	for key := node.Key(); key.Next() && len(path) < maxDepth; {
		path = append(path, string(key.Node().Data))
		if name := joined(path); f.concerns(path) && f.lines[name] == 0 {
			f.lines[name] = f.parser.Shape(key.Node().Raw).Start.Line // counted from the start of the text: not cheap
		}
	}
	return path
}

// row notes a table of an array, under its number, and returns its path.
func (f *keyFinder) row(node *unstable.Node) []string {
	path := f.key(node, nil)
	array := joined(path)
	path = append(path, rowKey(f.rows[array]))
	f.rows[array]++
	if f.concerns(path) && len(path) <= maxDepth {
		last := node.Key()
		line := 0
		for last.Next() {
			line = f.parser.Shape(last.Node().Raw).Start.Line
		}
		f.lines[joined(path)] = line
	}
	return path
}

// concerns says whether a path and the table lie on one way.
func (f *keyFinder) concerns(path []string) bool {
	n := min(len(path), len(f.table))
	return slices.Equal(path[:n], f.table[:n])
}

// value notes a key, and those of an inline table behind it.
func (f *keyFinder) value(node *unstable.Node, under []string) {
	path := f.key(node, under)
	if len(path) >= maxDepth || node.Value().Kind != unstable.InlineTable {
		return
	}
	for child := node.Value().Children(); child.Next(); {
		if child.Node().Kind == unstable.KeyValue {
			f.value(child.Node(), path)
		}
	}
}
