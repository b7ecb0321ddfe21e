package config

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// layout is a home with a user's file, and a project with two levels.
type layout struct {
	t             *testing.T
	home, project string
	environ       []string
}

func newLayout(t *testing.T) *layout {
	dir := t.TempDir()
	l := &layout{t: t, home: filepath.Join(dir, "home"), project: filepath.Join(dir, "project")}
	if err := os.MkdirAll(filepath.Join(l.project, "notebooks", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.environ = []string{"HOME=" + l.home}
	return l
}

func (l *layout) write(path, text string) string {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return path
}

func (l *layout) user(text string) string {
	return l.write(filepath.Join(l.home, ".config", "inferscope", "config.toml"), text)
}

func (l *layout) pyproject(text string) string {
	return l.write(filepath.Join(l.project, "pyproject.toml"), text)
}

func (l *layout) place() Place {
	return Place{Dir: filepath.Join(l.project, "notebooks", "deep"), Environ: l.environ}
}

func (l *layout) resolve() Resolved { return Resolve(l.place(), nil) }

// Every subset of the sources: the latest of those that are there wins.
func TestLaterWins(t *testing.T) {
	kinds := []string{OriginDefault, OriginUser, OriginProject, OriginEnvironment, OriginOption}
	for subset := range 16 {
		l := newLayout(t)
		var options map[string]string
		wants := []int{199, 101, 102, 103, 104}
		user := l.user("# nothing\n")
		project := l.pyproject("[tool.other]\nhz = 7\n")
		where := []string{"", user + ", line 2", project + ", line 3", "INFERSCOPE_HZ", "--hz"}
		latest := 0
		if subset&1 != 0 {
			l.user("\nhz = 101\n")
			latest = 1
		}
		if subset&2 != 0 {
			l.pyproject("[project]\n[tool.inferscope]\nhz = 102\n")
			latest = 2
		}
		if subset&4 != 0 {
			l.environ = append(l.environ, "INFERSCOPE_HZ=103")
			latest = 3
		}
		if subset&8 != 0 {
			options = map[string]string{"hz": "104"}
			latest = 4
		}
		r := Resolve(l.place(), options)
		if r.Settings.HZ != wants[latest] || r.Origins["hz"] != (Origin{kinds[latest], where[latest]}) || len(r.Problems) != 0 {
			t.Errorf("subset %04b: %d from %+v, problems %v", subset, r.Settings.HZ, r.Origins["hz"], r.Problems)
		}
		if r.Origins["quiet"] != (Origin{Kind: OriginDefault}) {
			t.Errorf("subset %04b: another setting is from %v", subset, r.Origins["quiet"])
		}
	}
}

// What is wrong in a source leaves the value of the one before.
func TestAWrongValueLeavesTheOneBefore(t *testing.T) {
	l := newLayout(t)
	l.user("hz = 101\nquiet = true\n")
	l.pyproject("[tool.inferscope]\nhz = 0\n")
	l.environ = append(l.environ, "INFERSCOPE_HZ=many")
	r := Resolve(l.place(), map[string]string{"hz": "-1"})
	if r.Settings.HZ != 101 || !r.Settings.Quiet || len(r.Problems) != 3 {
		t.Errorf("%+v, %v", r.Settings, r.Problems)
	}
	if want := "change hz in " + r.Origins["hz"].Where; r.Undo("hz") != want || !strings.HasSuffix(want, "config.toml, line 1") {
		t.Errorf("undo: %q", r.Undo("hz"))
	}
}

func TestEveryKindFromEverySource(t *testing.T) {
	l := newLayout(t)
	want := Settings{HZ: 7, EBPF: false, GPU: false, Functions: true, Quiet: true, MultiGPU: "allow", GPUBudget: 0.5, Full: true,
		CUPTIFinalize: false, HistoryRuns: 3, HistoryBytes: 5 << 20, HistoryPath: "/somewhere/runs", IdleExit: 90 * time.Second}
	l.user(`hz = 7
ebpf = false
gpu = false
functions = true
quiet = true
live = false
changes = false
multi_gpu = "allow"
gpu_budget = 0.5
full = true
cupti_finalize = false
history = { runs = 3, bytes = "5 MiB", path = "/somewhere/runs" }
idle_exit = 90
`)
	if r := l.resolve(); r.Settings != want || len(r.Problems) != 0 {
		t.Errorf("file: %+v %v", r.Settings, r.Problems)
	}
	fromFile := l.resolve()
	place := Place{Environ: []string{"HOME=/nowhere"}}
	options := map[string]string{}
	for _, s := range All {
		place.Environ = append(place.Environ, s.Variable()+"="+s.Format(want))
		options[s.Name] = s.Format(want)
		if where := fromFile.Origins[s.Name].Where; !regexp.MustCompile(`config\.toml, line \d+$`).MatchString(where) {
			t.Errorf("%s: from %q", s.Name, where)
		}
	}
	if r := Resolve(place, nil); r.Settings != want || len(r.Problems) != 0 {
		t.Errorf("environment: %+v %v", r.Settings, r.Problems)
	}
	if r := Resolve(Place{}, options); r.Settings != want || len(r.Problems) != 0 {
		t.Errorf("options: %+v %v", r.Settings, r.Problems)
	}
}

func TestWhereFilesAreLookedFor(t *testing.T) {
	l := newLayout(t)
	l.user("hz = 1\n")
	elsewhere := filepath.Join(filepath.Dir(l.home), "xdg")
	l.write(filepath.Join(elsewhere, "inferscope", "config.toml"), "hz = 2\n")
	for _, c := range []struct {
		environ []string
		hz      int
		history string
	}{
		{[]string{"HOME=" + l.home}, 1, l.home + "/.local/state/inferscope/runs"},
		{[]string{"HOME=" + l.home, "XDG_CONFIG_HOME=" + elsewhere, "XDG_STATE_HOME=/state"}, 2, "/state/inferscope/runs"},
		{[]string{"HOME=" + l.home, "XDG_CONFIG_HOME=relative", "XDG_STATE_HOME="}, 1, l.home + "/.local/state/inferscope/runs"},
		{[]string{"XDG_CONFIG_HOME=" + elsewhere}, 2, ""},
		{nil, 199, ""},
	} {
		r := Resolve(Place{Environ: c.environ}, nil)
		if r.Settings.HZ != c.hz || r.Settings.HistoryPath != c.history || len(r.Problems) != 0 {
			t.Errorf("%v: %d, %q, %v", c.environ, r.Settings.HZ, r.Settings.HistoryPath, r.Problems)
		}
	}

	// The nearest pyproject.toml is the one that counts, also when it says nothing.
	l.pyproject("[tool.inferscope]\nhz = 3\n")
	if r := l.resolve(); r.Settings.HZ != 3 || !r.Files[1].Found {
		t.Errorf("%+v", r)
	}
	l.write(filepath.Join(l.project, "notebooks", "pyproject.toml"), "[tool]\nother = 1\n")
	if r := l.resolve(); r.Settings.HZ != 1 || r.Files[1].Found || len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
	for _, dir := range []string{"", "relative", "/nonexistent/" + strings.Repeat("a/", 5000)} {
		if path := (Place{Dir: dir}).ProjectFile(); path != "" {
			t.Errorf("%.20q: %s", dir, path)
		}
	}
}

func TestPathsAreAbsolute(t *testing.T) {
	l := newLayout(t)
	for _, c := range []struct{ source, text, want string }{
		{"project", "runs", l.project + "/runs"},
		{"project", "../runs/", filepath.Dir(l.project) + "/runs"},
		{"project", "~/runs", l.home + "/runs"},
		{"environment", "runs", l.place().Dir + "/runs"},
		{"environment", "~", l.home},
		{"environment", "/a/b", "/a/b"},
		{"environment", "~other", l.place().Dir + "/~other"},
	} {
		l.environ = l.environ[:1]
		l.pyproject("")
		if c.source == "project" {
			l.pyproject(fmt.Sprintf("[tool.inferscope.history]\npath = %q\n", c.text))
		} else {
			l.environ = append(l.environ, "INFERSCOPE_HISTORY_PATH="+c.text)
		}
		if r := l.resolve(); r.Settings.HistoryPath != c.want {
			t.Errorf("%s %q: %q, want %q", c.source, c.text, r.Settings.HistoryPath, c.want)
		}
	}
}

func TestProblemsOfAFile(t *testing.T) {
	for text, wants := range map[string][]string{
		"hzz = 5":                                {`line 1: there is no setting "hzz" (did you mean hz?)`},
		"\n\nmulti-gpu = \"allow\"":              {`line 3: there is no setting "multi-gpu" (did you mean multi_gpu?)`},
		"[histroy]\nruns = 1":                    {`line 1: there is no setting "histroy"`},
		"[history]\nrun = 1\nbyte = 2":           {`line 2: there is no setting "history.run" (did you mean history.runs?)`, `line 3: there is no setting "history.byte" (did you mean history.bytes?)`},
		"history = { runs = 1,\n run = 2 }":      {`line 2: there is no setting "history.run" (did you mean history.runs?)`},
		"history = 5":                            {"line 1: history must be a table"},
		"[[history]]\nruns = 1":                  {"line 1: history must be a table"},
		"hz = 5\nhz.x = 6":                       {"line 2: "},
		"[hz]\nx = 1":                            {"line 1: hz must be a whole number from 1 to 10000, not a table"},
		"hz = \"499\"":                           {`line 1: hz must be a whole number from 1 to 10000, not "499"`},
		"hz = 499.5":                             {"hz must be a whole number from 1 to 10000, not 499.5"},
		"hz = [1]":                               {"hz must be a whole number from 1 to 10000, not a list"},
		"hz = true":                              {"not true"},
		"hz = 1979-05-27":                        {"not 1979-05-27"},
		"hz = 10001":                             {"not 10001"},
		"hz = 99999999999999999999":              {"line 1: "},
		"quiet = 1":                              {"quiet must be true or false, not 1"},
		"gpu_budget = nan":                       {"gpu_budget must be a number from 0.001 to 1, not NaN"},
		"gpu_budget = inf":                       {"not +Inf"},
		"idle_exit = nan":                        {"idle_exit must be"},
		"idle_exit = 1e300":                      {"idle_exit must be"},
		"idle_exit = -1":                         {"idle_exit must be"},
		"idle_exit = \"soon\"":                   {`idle_exit must be a number of seconds, or a time such as 90s, 30m or 2h, not "soon"`},
		"multi_gpu = \"alow\"":                   {`multi_gpu must be reject or allow, not "alow" (did you mean allow?)`},
		"history.path = \"\"":                    {"history.path must be a path"},
		"history.path = \"a\\u0000b\"":           {"history.path must be a path"},
		"history.bytes = \"5 parsecs\"":          {"history.bytes must be a number of bytes, or a size such as 500 MiB"},
		"hz = 5\nhz = 6":                         {"line 2: key hz is already defined"},
		strings.Repeat("a", 4000) + "\u0007 = 1": {"line 1: "},
		"\"" + strings.Repeat("a", 4000) + "\\u001b\" = 1\n\"" + strings.Repeat("a", 4000) + "\\u001b\" = 1": {"line 2: key aaa"},
		"\"\\u001b[1m\" = 1\n\"\\u001b[1m\" = 1": {"line 2: key "},
		"hz = ":                                  {"line 1: "},
		"quiet = true\nthis is no TOML":          {"line 2: "},
		"hz = 5\n\xff":                           {"line 2: "},
	} {
		l := newLayout(t)
		path := l.user(text + "\n")
		r := l.resolve()
		var got []string
		for _, p := range r.Problems {
			if p.Hint != "" {
				p.What += " (" + p.Hint + ")"
			}
			got = append(got, p.String())
		}
		if len(got) != len(wants) {
			t.Errorf("%q: %q, want %q", text, got, wants)
			continue
		}
		for i := range wants {
			if !strings.HasPrefix(got[i], path) || !strings.Contains(got[i], wants[i]) {
				t.Errorf("%q: %q, want %q", text, got[i], wants[i])
			}
		}
		if note := r.Note(); note == "" || len(note) > 600 || strings.ContainsFunc(note, unicode.IsControl) || strings.Count(note, "\n") > 0 || !strings.HasSuffix(note, ".") {
			t.Errorf("%q: the note is %q", text, note)
		}
	}
}

// Only our own table of a pyproject.toml is looked at.
func TestOtherTablesOfAProjectAreNotOurs(t *testing.T) {
	for text, problems := range map[string]int{
		"hz = 'x'\n[tool.other]\nhzz = 1\n[project]\nname = 'a'": 0,
		"tool = 5":                                0,
		"[tool]\ninferscope = 5":                  1,
		"[[tool.inferscope]]\nhz = 5":             1,
		"tool.inferscope.hzz = 5":                 1,
		"tool = {inferscope = {hzz = 5}}":         1,
		"[tool.inferscope]\n\"history.runs\" = 5": 0,
	} {
		l := newLayout(t)
		l.pyproject(text + "\n")
		if r := l.resolve(); len(r.Problems) != problems {
			t.Errorf("%q: %v", text, r.Problems)
		}
	}
}

func TestProblemsOfTheEnvironment(t *testing.T) {
	for entry, want := range map[string]string{
		"INFERSCOPE_HZ=":               "",
		"INFERSCOPE_HZ= 5 ":            "",
		"INFERSCOPE_QUIET=On":          "",
		"INFERSCOPE_QUIET=maybe":       `INFERSCOPE_QUIET: quiet must be true or false, not "maybe"`,
		"INFERSCOPE_HISTORY_RUN=5":     "INFERSCOPE_HISTORY_RUN: no setting has this variable (did you mean INFERSCOPE_HISTORY_RUNS?)",
		"INFERSCOPE_SIDECAR=/x":        "",
		"INFERSCOPE_PYTHON=/x":         "",
		"INFERSCOPE_TEST_RUN=1":        "",
		"INFERSCOPE_TRACES=/x":         "",
		"INFERSCOPE_=1":                "",
		"INFERSCOPE_MULTI_GPU=\x1b[1m": `INFERSCOPE_MULTI_GPU: multi_gpu must be reject or allow, not "\x1b[1m"`,
	} {
		got := strings.TrimSuffix(Resolve(Place{Environ: []string{entry}}, nil).Note(), ".")
		if got != want {
			t.Errorf("%q: %q, want %q", entry, got, want)
		}
	}
	if note := Resolve(Place{}, map[string]string{"hzz": "1"}).Note(); !strings.Contains(note, `no setting "hzz"`) {
		t.Errorf("an option of no setting: %q", note)
	}
}

func TestManyProblemsAreBounded(t *testing.T) {
	l := newLayout(t)
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "k%d = 1\n", i)
		l.environ = append(l.environ, fmt.Sprintf("INFERSCOPE_H%d=1", i%10))
	}
	l.user(text.String())
	r := l.resolve()
	if n := len(r.Problems); n != 2*maxProblems {
		t.Errorf("%d problems", n)
	}
	if !strings.Contains(r.Note(), "line 1: ") || !strings.HasSuffix(r.Note(), "and there are 39 more problems: see `inferscope config show`.") {
		t.Error(r.Note())
	}
}

func TestWhatIsNoReadableFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"not a file": func(path string) error { return os.Mkdir(path, 0o755) },
		"longer than 256 KiB": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("# long\n", maxFile/6)), 0o644)
		},
		"too many levels": func(path string) error { return os.Symlink(path, path) },
		"nested": func(path string) error {
			return os.WriteFile(path, []byte("hz = "+strings.Repeat("[", maxFile/2)), 0o644)
		},
	} {
		l := newLayout(t)
		path := l.user("")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		r := l.resolve()
		if len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].Where, path) || !strings.Contains(r.Problems[0].What, name) || r.Settings.HZ != 199 {
			t.Errorf("%s: %v", name, r.Problems)
		}
	}
}

func TestTable(t *testing.T) {
	fields := map[any]string{}
	var settings Settings
	for _, s := range All {
		address := s.field(&settings)
		if other, ok := fields[address]; ok {
			t.Errorf("%s and %s share a field", s.Name, other)
		}
		fields[address] = s.Name
		if !regexp.MustCompile(`^[a-z][a-z_]*(\.[a-z][a-z_]*)?$`).MatchString(s.Name) {
			t.Errorf("%s: the name", s.Name)
		}
		if !strings.HasSuffix(s.Doc, ".") || !strings.HasSuffix(s.Applies, ".") || (s.Option == "") != (s.Help == "") {
			t.Errorf("%s: the texts", s.Name)
		}
		if s.Derived == "" {
			value, err := s.Parse(s.Default)
			if err != nil {
				t.Errorf("%s: the default: %v", s.Name, err)
			}
			r := resolver{Resolved: Resolved{Origins: map[string]Origin{}}}
			r.assign(&s, Origin{}, value, "")
			if text := s.Format(r.Settings); text != s.Default {
				t.Errorf("%s: the default %s is written %s", s.Name, s.Default, text)
			}
		}
	}
	if n := reflect.TypeFor[Settings]().NumField(); n != len(All) {
		t.Errorf("%d fields, %d settings", n, len(All))
	}
}

func TestText(t *testing.T) {
	size, duration := *find("history.bytes"), *find("idle_exit")
	for text, want := range map[string]any{
		"0": int64(0), "1024": int64(1024), "1 KiB": int64(1024), "1.5G": int64(3 << 29), "5mb": int64(5 << 20), "1TiB": int64(1 << 40),
		"": nil, "-1": nil, "KiB": nil, "1 PiB": nil, "1 KK": nil, "nan": nil, "1e30": nil, "1 B": int64(1),
	} {
		if got, _ := size.Parse(text); got != want {
			t.Errorf("size %q: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]any{
		"0": time.Duration(0), "90": 90 * time.Second, "0.5": time.Second / 2, "30m": 30 * time.Minute, "1h30m": 90 * time.Minute,
		"": nil, "-1s": nil, "inf": nil, "10000h": nil, "1 hour": nil,
	} {
		if got, _ := duration.Parse(text); got != want {
			t.Errorf("duration %q: %v, want %v", text, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 90 * time.Second: "1m30s", 30 * time.Minute: "30m", 2 * time.Hour: "2h", 10 * time.Second: "10s"} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 1000: "1000", 1 << 10: "1 KiB", 1 << 30: "1 GiB", 1<<30 + 1: "1073741825", math.MaxInt64 - 1023: "9007199254740991 KiB"} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestSchemaNamesEverySetting(t *testing.T) {
	var names []string
	var collect func(prefix string, schema map[string]any)
	collect = func(prefix string, schema map[string]any) {
		for key, value := range schema["properties"].(map[string]any) {
			inner := value.(map[string]any)
			if key == rulesKey {
				continue
			}
			if inner["properties"] != nil {
				collect(prefix+key+".", inner)
				continue
			}
			names = append(names, prefix+key)
		}
	}
	collect("", Schema())
	want := Names()
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}

// A file of any content is bounded in what it costs, and its values stay within what is allowed.
func FuzzFile(f *testing.F) {
	for _, text := range []string{"hz = 5\n", "[history]\nruns = 3\n", "history = {runs = 1, path = '~/a'}\n", "a.b.c.d.e.f = 1\n",
		"[[a]]\n[a.b]\nc = {d = {e = [1, {f = 2}]}}\n", "idle_exit = 1e400\n", "\"\\u0000\" = 1\n", "hz = 5\r\n'' = 1\n", "[tool.inferscope]\nhz=1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "inferscope", "config.toml")
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, filepath.Join(dir, projectName)} {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := Resolve(Place{Dir: dir, Environ: []string{"XDG_CONFIG_HOME=" + dir, "HOME=" + dir}}, nil)
		if len(r.Problems) > 2*maxProblems {
			t.Errorf("%d problems", len(r.Problems))
		}
		for _, p := range r.Problems {
			if !strings.HasPrefix(p.Where, dir) || len(p.What) > 500 {
				t.Errorf("%+v", p)
			}
		}
		for _, s := range All {
			if _, err := s.Parse(s.Format(r.Settings)); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
		if !filepath.IsAbs(r.Settings.HistoryPath) {
			t.Errorf("history.path is %q", r.Settings.HistoryPath)
		}
	})
}
