package analysis

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// nilSlices lists the paths of slices that are nil.
func nilSlices(v reflect.Value, path string, out *[]string) {
	switch v.Kind() {
	case reflect.Pointer:
		nilSlices(v.Elem(), path, out)
	case reflect.Struct:
		for i := range v.NumField() {
			nilSlices(v.Field(i), path+"."+v.Type().Field(i).Name, out)
		}
	case reflect.Slice:
		if v.IsNil() {
			*out = append(*out, path)
		}
		for i := range v.Len() {
			nilSlices(v.Index(i), path+"[]", out)
		}
	}
}

func fixtures(t *testing.T) map[string]*fixture.Fixture {
	t.Helper()
	paths, err := filepath.Glob("findings/testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	out := map[string]*fixture.Fixture{}
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := fixture.Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		out[filepath.Base(p)] = f
	}
	out["empty"] = &fixture.Fixture{Timeline: timeline.NewBuilder().Build(timeline.Interval{})}
	out["no thread"] = &fixture.Fixture{Timeline: timeline.NewBuilder().Build(timeline.Interval{Start: 5, End: 50})}
	return out
}

func TestNoSliceIsNil(t *testing.T) {
	for name, f := range fixtures(t) {
		var found []string
		nilSlices(reflect.ValueOf(Analyze(f.Timeline, Input{})), "result", &found)
		if len(found) > 0 {
			t.Errorf("%s: nil: %v", name, found)
		}
	}
}

func TestSameQuestionSameAnswer(t *testing.T) {
	for name, f := range fixtures(t) {
		in := Input{Cell: result.Cell{Lines: f.Source}}
		a := Analyze(f.Timeline, in)
		if b := Analyze(f.Timeline, in); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two answers", name)
		}
	}
}

func TestPictureFitsItsColumns(t *testing.T) {
	for name, f := range fixtures(t) {
		threads := 0
		p := Analyze(f.Timeline, Input{Cell: result.Cell{Lines: f.Source}}).Picture
		for _, lane := range p.Lanes {
			if lane.Kind == result.LaneThread {
				threads++
			}
			if len(lane.Slices) > result.PictureColumns || len(lane.Slices) == 0 {
				t.Errorf("%s, %s: %d slices", name, lane.Name, len(lane.Slices))
			}
			at := p.Window.Start
			for _, s := range lane.Slices {
				if s.Start < at || s.End < s.Start || s.End > p.Window.End || s.Class == "" {
					t.Errorf("%s, %s: slice %+v after %d", name, lane.Name, s, at)
				}
				at = s.End
			}
		}
		if threads > maxThreadLanes {
			t.Errorf("%s: %d threads", name, threads)
		}
	}
}

func TestPictureShowsWhatFillsAColumn(t *testing.T) {
	f, err := fixture.Parse(`window 0s 960ms
source
a()
b()
end
thread m main known period=2ms
line m 0s 1
line m 480ms 2
off m 100ms 200ms 300ms sleep
gc m 500ms 500ms gen=2
scope m 10ms 11ms load
mark m 700ms one
mark m 700ms two
`)
	if err != nil {
		t.Fatal(err)
	}
	got := map[result.LaneKind][]result.Slice{}
	for _, l := range Analyze(f.Timeline, Input{Cell: result.Cell{Lines: f.Source}}).Picture.Lanes {
		got[l.Kind] = l.Slices
	}
	const ms = 1_000_000
	want := map[result.LaneKind][]result.Slice{
		result.LaneLines:  {{Start: 0, End: 480 * ms, Class: "line", Line: 1, Label: "a()"}, {Start: 480 * ms, End: 960 * ms, Class: "line", Line: 2, Label: "b()"}},
		result.LaneScopes: {{Start: 10 * ms, End: 12 * ms, Class: "scope", Label: "load"}},
		result.LaneGC:     {{Start: 500 * ms, End: 502 * ms, Class: "gc", Label: "generation 2"}},
		result.LaneMarks:  {{Start: 700 * ms, End: 700 * ms, Class: "mark", Label: "one and 1 more"}},
		result.LaneThread: {{Start: 0, End: 100 * ms, Class: "running"}, {Start: 100 * ms, End: 200 * ms, Class: "sleep"},
			{Start: 200 * ms, End: 300 * ms, Class: "runnable"}, {Start: 300 * ms, End: 960 * ms, Class: "running"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The analysis is pure: nothing below this folder, tests and generators apart,
// imports a clock, the system or the network.
func TestAnalysisIsPure(t *testing.T) {
	allowed := map[string]bool{"cmp": true, "errors": true, "slices": true, "sort": true, "maps": true, "math": true, "math/bits": true, "math/rand/v2": true, "strings": true,
		"strconv": true, "fmt": true, "path": true, "regexp": true, "runtime": true, "sync": true, "sync/atomic": true, "unicode": true, "unicode/utf8": true, "unsafe": true, "iter": true}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "fixture" || d.Name() == "gendocs" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(d.Name(), "gen_") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if !allowed[name] && !strings.HasPrefix(name, "github.com/inferscope/inferscope/analysis") {
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExactFunctionsReplaceSampledOnes(t *testing.T) {
	sampled := []result.FunctionStat{{Name: "f", File: "a.py", SelfNs: 10, Samples: 2}, {Name: "g", File: "a.py", SelfNs: 50, Samples: 9}}
	got := withExact(sampled, []result.FunctionStat{{Name: "f", File: "a.py", SelfNs: 99, Calls: 3}, {Name: "h", File: "b.py", SelfNs: 60, Calls: 1}})
	if len(got) != 3 || got[0].Name != "f" || !got[0].Exact || got[0].Calls != 3 || got[0].Samples != 2 || got[1].Name != "h" || got[2].Exact {
		t.Errorf("%+v", got)
	}
}

// Whatever the events, there is an answer whose picture and findings make sense.
func TestAnyTimelineHasAnAnswer(t *testing.T) {
	step := uint64(1)
	if testing.Short() {
		step = 10
	}
	for seed := uint64(0); seed < 2000; seed += step {
		tl := chaos.Timeline(seed)
		switch {
		case seed >= 1200:
			tl = chaos.Windows(seed)
		case seed >= 400:
			tl = chaos.Devices(seed)
		}
		r := Analyze(tl, Input{})
		v := r.Verdict
		for _, x := range []float64{v.Confidence, v.Evidence, v.Margin, v.Quality} {
			if !(x >= 0 && x <= 1) {
				t.Fatalf("seed %d: verdict %+v", seed, v)
			}
		}
		if v.Sentence == "" || v.Class != result.Unknown && v.Confidence < 0.5 {
			t.Fatalf("seed %d: verdict %+v", seed, v)
		}
		var found []string
		if nilSlices(reflect.ValueOf(r), "result", &found); len(found) > 0 {
			t.Fatalf("seed %d: nil: %v", seed, found)
		}
		for _, lane := range r.Picture.Lanes {
			at := r.Picture.Window.Start
			for _, s := range lane.Slices {
				if s.Start < at || s.End < s.Start || s.End > r.Picture.Window.End {
					t.Fatalf("seed %d: %s: slice %+v after %d", seed, lane.Name, s, at)
				}
				at = s.End
			}
		}
		for _, w := range r.WhatIf {
			if w.LowNs < 0 || w.LowNs > w.PredictedNs || w.PredictedNs > w.HighNs || w.HighNs > w.NowNs || w.SavesNs != w.NowNs-w.LowNs || r.Unpredicted != "" {
				t.Fatalf("seed %d: %+v (%q)", seed, w, r.Unpredicted)
			}
		}
		for _, f := range r.Findings {
			if f.Saving.LowNs < 0 || f.Saving.LowNs > f.Saving.HighNs || f.Saving.HighNs > r.WallNs || !(f.Confidence >= 0 && f.Confidence <= 1) {
				t.Fatalf("seed %d: finding %+v", seed, f)
			}
		}
	}
}

func TestPictureOfADevice(t *testing.T) {
	f, err := fixture.Parse(`window 0s 480ms
source
a()
end
device 0 H100
thread m main known period=2ms
line m 0s 1
kernel m 1us 2us 0s 100ms gemm stream=7
copy m 100ms 101ms 100ms 200ms HtoD pinned device 8 stream=9
kernel m 400ms 401ms 400ms 960ms gemm stream=7
off m 200ms 399ms 399ms sleep
`)
	if err != nil {
		t.Fatal(err)
	}
	p := Analyze(f.Timeline, Input{Cell: result.Cell{Lines: f.Source}}).Picture
	const ms = 1_000_000
	got := map[string][]result.Slice{}
	for _, l := range p.Lanes {
		if l.Kind == result.LaneStream || l.Kind == result.LaneIdle || l.Kind == result.LaneLines {
			got[l.Name] = l.Slices
		}
	}
	want := map[string][]result.Slice{
		"lines":    {{Start: 0, End: 480 * ms, Class: "line", Line: 1, Label: "a()"}},
		"GPU idle": {{Start: 200 * ms, End: 400 * ms, Class: "sleep", Line: 1, Label: "sleeping"}},
		"stream 7": {{Start: 0, End: 100 * ms, Class: "kernel"}, {Start: 400 * ms, End: 960 * ms, Class: "kernel"}},
		"stream 9": {{Start: 100 * ms, End: 200 * ms, Class: "copy"}},
	}
	if p.Window != (timeline.Interval{Start: 0, End: 960 * ms}) || !reflect.DeepEqual(got, want) {
		t.Errorf("window %v\ngot  %+v\nwant %+v", p.Window, got, want)
	}
}

// What was not captured is drawn as that, neither as idle nor as at rest.
func TestPictureOfWindows(t *testing.T) {
	f, err := fixture.Parse(`window 0s 480ms
source
a()
end
device 0 H100
thread m main known period=2ms
line m 0s 1
captured 0s 100ms
captured 200ms 250ms
captured 400ms 440ms
repeat 11 every 40ms
kernel m 1us 2us 3us 30ms gemm stream=7
end
kernel m 210ms 211ms 211ms 260ms late stream=7
`)
	if err != nil {
		t.Fatal(err)
	}
	r := Analyze(f.Timeline, Input{Cell: result.Cell{Lines: f.Source}})
	got := map[string][]result.Slice{}
	for _, l := range r.Picture.Lanes {
		if l.Kind == result.LaneStream || l.Kind == result.LaneIdle {
			for i := range l.Slices {
				l.Slices[i].Start, l.Slices[i].End = l.Slices[i].Start/1_000_000, l.Slices[i].End/1_000_000
			}
			got[l.Name] = l.Slices
		}
	}
	if len(got["GPU idle"]) == 0 || len(got["stream 7"]) == 0 {
		t.Fatalf("%+v", got)
	}
	for name, list := range got {
		if !slices.ContainsFunc(list, func(s result.Slice) bool { return s.Class == unseen }) {
			t.Errorf("%s: nothing is drawn as not captured", name)
		}
		for _, s := range list {
			captured := s.Start < 100 || s.Start >= 200 && s.Start < 250 || s.Start >= 400 && s.Start < 440
			if name == "stream 7" { // a kernel that was launched in the window and ended after it
				captured = captured || s.Start == 250
			}
			if s.Class == unseen && captured || name == "GPU idle" && s.Class != unseen && !captured {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
	if last := got["GPU idle"][len(got["GPU idle"])-1]; last.Class != unseen || last.Start != 440 || last.End != 480 {
		t.Errorf("the end of the cell: %+v", last)
	}
	found := false
	for _, n := range r.Notes {
		found = found || strings.Contains(n, "captured in 3 windows with 40% of the cell") && strings.Contains(n, "`%%inferscope --full`")
	}
	if c := r.Devices[0].Coverage; c == nil || c.Windows != 3 || !found {
		t.Errorf("coverage %+v, notes %q", r.Devices[0].Coverage, r.Notes)
	}
}
