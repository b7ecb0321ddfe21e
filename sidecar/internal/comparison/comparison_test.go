package comparison

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

const ms = int64(1e6)

// slept is the timeline of a cell of these lines whose second one sleeps; meta describes it.
func slept(ns int64, lines ...string) (*timeline.Timeline, tracestore.Meta) {
	b := timeline.NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	end := 100*ms + ns
	main.SetKnown(timeline.Interval{Start: 0, End: end})
	main.AppendLine(0, 1, 1, false)
	main.AppendLine(100*ms, 2, 2, false)
	main.AppendOffCPU(100*ms, end, end, timeline.ReasonSleep, 230, 0, 0)
	return b.Build(timeline.Interval{Start: 0, End: end}), tracestore.Meta{Cell: result.Cell{Lines: lines, Outcome: "ok", Name: "In [3]"},
		Source: result.Source{Kind: "cell"}, Versions: map[string]string{"arch": "amd64"}}
}

// kept is a history in which these runs, made by slept, are kept.
type kept struct {
	*testing.T
	Finder
}

func history(t *testing.T) kept {
	t.Helper()
	dir := t.TempDir()
	return kept{t, Finder{History: runhistory.New(runhistory.Options{Dir: filepath.Join(dir, "runs"), Runs: 50, Bytes: 1 << 30}), Dir: dir, Version: "1.2.3"}}
}

// run keeps a run and returns its id.
func (k kept) run(ns int64, lines ...string) string {
	k.Helper()
	tl, meta := slept(ns, lines...)
	w, err := k.History.Begin(meta)
	if err != nil {
		k.Fatal(err)
	}
	if err := w.Finish(tl, meta); err != nil {
		k.Fatal(err)
	}
	return runID(w.Dir())
}

func (k kept) last(most int) *result.Comparison {
	k.Helper()
	c, err := k.Last(context.Background(), most)
	if err != nil {
		k.Fatal(err)
	}
	return c
}

// names are the runs of a side.
func names(s result.Side) string {
	var list []string
	for _, r := range s.Runs {
		list = append(list, r.Name)
	}
	return strings.Join(list, " ")
}

func TestLastFindsTheVersionsOfACell(t *testing.T) {
	k := history(t)
	k.run(900*ms, "work()", "time.sleep(0.9)")
	other := k.run(50*ms, "import numpy", "plot(numpy.arange(9))")
	a := k.run(400*ms, "work()", "time.sleep(0.4)")
	b := k.run(410*ms, "work()", "time.sleep(0.4)")
	k.run(50*ms, "import numpy", "plot(numpy.arange(9))") // in between, another cell was profiled
	c := k.run(100*ms, "work()", "time.sleep(0.1)")

	got := k.last(0)
	if names(got.Before) != a+" "+b || names(got.After) != c || got.Outcome != result.Faster || got.Lines[0].After.Text != "time.sleep(0.1)" ||
		got.Lines[0].Wall.Diff() != -300*ms || got.Causes[0].Kind != result.CauseSleep {
		t.Errorf("before %s, after %s: %s", names(got.Before), names(got.After), got.Sentence)
	}
	if got = k.last(2); names(got.Before) != b || names(got.After) != c {
		t.Errorf("of two, before %s, after %s", names(got.Before), names(got.After))
	}
	// Run again unchanged: the run before is the one to compare with, and more only if asked for.
	d := k.run(101*ms, "work()", "time.sleep(0.1)")
	if got = k.last(0); names(got.Before) != c || names(got.After) != d || got.Outcome != result.NoDifference {
		t.Errorf("unchanged, before %s, after %s: %s", names(got.Before), names(got.After), got.Sentence)
	}
	e := k.run(102*ms, "work()", "time.sleep(0.1)")
	if got = k.last(3); names(got.Before) != c+" "+d || names(got.After) != e {
		t.Errorf("of three, before %s, after %s", names(got.Before), names(got.After))
	}
	// A cell that was never profiled before is compared with the run before it, which is said.
	f := k.run(70*ms, "model = load()", "model.predict(x)")
	if got = k.last(0); names(got.Before) != e || names(got.After) != f || !strings.Contains(strings.Join(got.Notes, " "), "little in common") {
		t.Errorf("another cell, before %s, after %s: %q", names(got.Before), names(got.After), got.Notes)
	}
	_ = other
}

func TestNames(t *testing.T) {
	k := history(t)
	a, b := k.run(400*ms, "work()", "time.sleep(0.4)"), k.run(100*ms, "work()", "time.sleep(0.1)")
	dir, err := k.History.Dir()
	if err != nil {
		t.Fatal(err)
	}
	tl, meta := slept(400*ms, "work()", "time.sleep(0.4)")
	if err := tracestore.Write(filepath.Join(k.Dir, "mine.inferscope"), tl, meta); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		a: a, a + ".inferscope": a, a[len(a)-8:]: a, filepath.Join(dir, a+".inferscope"): a, "runs/" + a + ".inferscope": a,
		"mine.inferscope": "mine.inferscope", "./mine.inferscope": "./mine.inferscope", filepath.Join(k.Dir, "mine.inferscope"): filepath.Join(k.Dir, "mine.inferscope"),
	} {
		c, err := k.Of(context.Background(), []string{name}, []string{b})
		if err != nil || names(c.Before) != want || names(c.After) != b || c.Wall.Diff() != -300*ms {
			t.Errorf("%s: %v, %+v", name, err, c)
		}
	}
}

func TestRefusals(t *testing.T) {
	k := history(t)
	a, b := k.run(400*ms, "work()", "time.sleep(0.4)"), k.run(100*ms, "work()", "time.sleep(0.1)")
	tl, meta := slept(400*ms, "work()", "time.sleep(0.4)")
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(k.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("summary.json", "{\n  \"schema\": \"inferscope.summary/1\"}")
	write("text", "hello")
	if err := os.Mkdir(filepath.Join(k.Dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	unfinished, err := tracestore.Create(filepath.Join(k.Dir, "cut.inferscope"), meta, tracestore.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	unfinished.Abandon()
	writing, err := tracestore.Create(filepath.Join(k.Dir, "writing.inferscope"), meta, tracestore.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Abandon()
	_ = tl
	for name, want := range map[string]string{
		"summary.json":       "summary.json is a summary, which has neither the cell's source",
		"text":               "text cannot be read: byte 0: it is no trace that is known here",
		"folder":             "folder cannot be read: manifest.json: there is none",
		"cut.inferscope":     "cut.inferscope cannot be read: the trace was never finished",
		"writing.inferscope": "writing.inferscope cannot be read: it is still being written",
		"no/such":            "no/such cannot be opened: no such file",
		"nothing":            `there is no trace and no kept run "nothing"`,
		"":                   `there is no trace and no kept run ""`,
		"20":                 `2 kept runs begin or end with "20"`,
	} {
		_, err := k.Of(context.Background(), []string{a}, []string{name})
		var told *Error
		if !errors.As(err, &told) || !strings.HasPrefix(told.Sentence, want) || told.Hint == "" {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if ambiguous := name == "20"; told.Unreadable == ambiguous {
			t.Errorf("%q: unreadable is %v", name, told.Unreadable)
		}
	}
	for _, c := range [][2][]string{{{a, b}, {b}}, {{}, {b}}, {make([]string, 99), {b}}} {
		_, err := k.Of(context.Background(), c[0], c[1])
		var told *Error
		if !errors.As(err, &told) {
			t.Errorf("%q: %v", c, err)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := k.Of(ended, []string{a}, []string{b}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := k.Last(ended, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTooFewRuns(t *testing.T) {
	off := Finder{History: runhistory.New(runhistory.Options{Dir: t.TempDir()})}
	nowhere := Finder{History: runhistory.New(runhistory.Options{Runs: 5, Bytes: 5})}
	none, one := history(t), history(t)
	one.run(100*ms, "work()", "time.sleep(0.1)")
	for want, f := range map[string]Finder{
		"the history is switched off": off, "names no home": nowhere, "no run is kept": none.Finder, "only one run is kept": one.Finder,
	} {
		_, err := f.Last(context.Background(), 0)
		var told *Error
		if !errors.As(err, &told) || !strings.Contains(told.Sentence, want) || told.Hint == "" || told.Unreadable {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The same code run as a script and as a cell was recorded by one tool.
func TestAScriptAndACell(t *testing.T) {
	k := history(t)
	cell := k.run(400*ms, "work()", "time.sleep(0.4)")
	tl, meta := slept(100*ms, "work()", "time.sleep(0.4)")
	meta.Source.Kind = result.KindScript
	script := filepath.Join(k.Dir, "script.inferscope")
	if err := tracestore.Write(script, tl, meta); err != nil {
		t.Fatal(err)
	}
	c, err := k.Of(context.Background(), []string{cell}, []string{script})
	if err != nil || c.Outcome != result.Faster || c.After.Kind != result.KindScript {
		t.Errorf("%+v, %v", c, err)
	}
}
