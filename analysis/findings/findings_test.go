package findings_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func analyze(t *testing.T, path string) *result.Result {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fixture.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := f.Timeline.Check(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
}

// describe is what a golden holds: the answer as a reader would check it.
func describe(r *result.Result) []byte {
	var b bytes.Buffer
	v := r.Verdict
	fmt.Fprintf(&b, "%s\n\n%s (confidence %.2f = evidence %.2f x margin %.2f x quality %.2f)\n", v.Sentence, v.Class, v.Confidence, v.Evidence, v.Margin, v.Quality)
	fmt.Fprintf(&b, "  evidence: %s\n  margin: %s\n  quality: %s\n\n", v.EvidenceWhy, v.MarginWhy, v.QualityWhy)
	for _, c := range r.Host.Causes {
		fmt.Fprintf(&b, "%12d ns %6.2f%% %-10s line %d, %d times, thread %q, %s\n", c.Ns, c.Share*100, c.Kind, c.Line.Number, c.Count, c.Thread, c.Detail)
	}
	if len(r.Devices) > 0 {
		fmt.Fprintf(&b, "\nthe GPU was idle for %d ns\n", r.Idle.TotalNs)
	}
	for _, c := range r.Idle.Causes {
		fmt.Fprintf(&b, "%12d ns %6.2f%% %-17s line %d, %d times, thread %q, %s\n", c.Ns, c.Share*100, c.Kind, c.Line.Number, c.Count, c.Thread, c.Detail)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n[%s] %s (%s), line %d, saves %d to %d ns, confidence %.2f\n%s\n", f.Severity, f.Title, f.ID, f.Line.Number,
			f.Saving.LowNs, f.Saving.HighNs, f.Confidence, f.Evidence)
	}
	for _, w := range r.WhatIf {
		fmt.Fprintf(&b, "\nwhat if %s: %d ns (%d to %d)\n", w.Change, w.PredictedNs, w.LowNs, w.HighNs)
	}
	return b.Bytes()
}

// Each rule has a fixture that it must speak about, with its golden, and one on which it must be silent.
func TestRules(t *testing.T) {
	for _, r := range findings.Registry {
		t.Run(r.ID, func(t *testing.T) {
			has := func(res *result.Result) bool {
				return slices.ContainsFunc(res.Findings, func(f result.Finding) bool { return f.ID == r.ID })
			}
			path := filepath.Join("testdata", r.ID)
			res := analyze(t, path+".txt")
			if !has(res) {
				t.Errorf("the finding is missing:\n%s", describe(res))
			}
			for _, f := range res.Findings {
				if f.Saving.LowNs > f.Saving.HighNs || f.Saving.HighNs > res.WallNs {
					t.Errorf("%s: the saving %+v is no range within the wall", f.ID, f.Saving)
				}
			}
			got := describe(res)
			if *update {
				if err := os.WriteFile(path+".golden", got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if silent := analyze(t, path+".silent.txt"); has(silent) {
				t.Errorf("it should be silent:\n%s", describe(silent))
			}
		})
	}
}

// No fixture is left over from a rule that is gone.
func TestEveryFixtureHasItsRule(t *testing.T) {
	paths, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		id, _, _ := strings.Cut(filepath.Base(p), ".")
		if !slices.ContainsFunc(findings.Registry, func(r *findings.Rule) bool { return r.ID == id }) {
			t.Errorf("%s belongs to no rule", p)
		}
	}
}

// The pages in docs/findings are those that go generate writes.
func TestPagesAreGenerated(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "findings")
	want := map[string]string{"README.md": findings.Index()}
	for _, r := range findings.Registry {
		for section, text := range map[string]string{"Sees": r.Sees, "Bad": r.Bad, "Silent": r.Silent, "Do": r.Do} {
			if text == "" {
				t.Errorf("%s: %s is empty", r.ID, section)
			}
		}
		want[r.ID+".md"] = r.Page()
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok {
			t.Errorf("%s is the page of no rule", e.Name())
		}
	}
	for name, page := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		text := string(got)
		if strings.HasPrefix(text, page+"\n## In a report\n\n") {
			text = page // which reports have the finding is known to gendocs alone
		}
		if err != nil || text != page {
			t.Errorf("%s is out of date: run go generate ./analysis/findings (%v)", name, err)
		}
	}
}

// What is written is not read ahead: advice and prediction speak of writing.
func TestFilesThatAreWritten(t *testing.T) {
	for fixture, want := range map[string][2]string{
		"host-io":       {"Read the data once", "have the data in memory before it is needed on line 4 (`x = np.fromfile(p)`)"},
		"host-io.write": {"Write in larger pieces", "have the data written in the background on line 4 (`os.fsync(file)`)"},
	} {
		res := analyze(t, filepath.Join("testdata", fixture+".txt"))
		if len(res.Findings) == 0 || !strings.HasPrefix(res.Findings[0].Advice, want[0]) {
			t.Errorf("%s: no finding that begins its advice with %q: %+v", fixture, want[0], res.Findings)
		}
		if len(res.WhatIf) == 0 || res.WhatIf[0].Change != want[1] {
			t.Errorf("%s: no prediction %q: %+v", fixture, want[1], res.WhatIf)
		}
	}
}
