package compare

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// analysed is the answer about a fixture.
func analysed(t *testing.T, text string) *result.Result {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source, Outcome: "ok"}, Source: result.Source{Kind: "cell"}})
}

func one(name string, r *result.Result) []Run { return []Run{{Name: name, Result: r}} }

func compared(t *testing.T, before, after []Run) *result.Comparison {
	t.Helper()
	c, err := Of(before, after)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const slowCell = `window 0s 450ms
source
%%inferscope
import time

total = work()
time.sleep(0.2)
show(total)
end
thread m main known python period=2ms
line m 0s 1
line m 1ms 2
line m 2ms 4
line m 202ms 5
off m 202ms 402ms 402ms sleep
line m 402ms 6
`

// The sleep is shorter, a line is gone from above it, and one is new.
const fastCell = `window 0s 305ms
source
%%inferscope --hz 99
import time
total = work()
time.sleep(0.05)
check(total)
show(total)
end
thread m main known python period=2ms
line m 0s 1
line m 1ms 2
line m 2ms 3
line m 202ms 4
off m 202ms 252ms 252ms sleep
line m 252ms 5
line m 257ms 6
`

func TestEditedLineIsNamed(t *testing.T) {
	c := compared(t, one("a", analysed(t, slowCell)), one("b", analysed(t, fastCell)))
	if c.Outcome != result.Faster || c.Wall.Diff() != -145e6 {
		t.Errorf("%s by %d", c.Outcome, c.Wall.Diff())
	}
	top := c.Lines[0]
	if top.Match != result.EditedLine || top.Before.Number != 5 || top.After.Number != 4 || top.Wall.Diff() != -150e6 || !top.Beyond {
		t.Errorf("the largest change is %+v", top)
	}
	if len(top.Causes) != 1 || top.Causes[0] != (result.KindChange{Kind: result.CauseSleep, Time: result.Delta{Before: 200e6, After: 50e6}}) {
		t.Errorf("its causes are %+v", top.Causes)
	}
	if k := c.Causes[0]; k.Kind != result.CauseSleep || k.Line.Number != 4 || k.Line.Text != "time.sleep(0.05)" || k.LineTime.Diff() != -150e6 || !k.Beyond {
		t.Errorf("the largest cause is %+v", k)
	}
	want := "Faster: 450 ms → 305 ms (−32%, beyond the noise of ±5%). Line 4 (`time.sleep(0.05)`), which was `time.sleep(0.2)`, took 150 ms less, mostly sleeping."
	if c.Sentence != want {
		t.Errorf("got  %s\nwant %s", c.Sentence, want)
	}
	if c.Edited != 2 || c.Added != 1 || c.Removed != 0 {
		t.Errorf("%d edited, %d added, %d removed", c.Edited, c.Added, c.Removed)
	}
	for _, l := range c.Lines {
		switch {
		case l.After.Text == "check(total)" && (l.Match != result.AddedLine || l.Before.Number != 0):
			t.Errorf("the new line is %+v", l)
		case l.After.Text == "total = work()" && (l.Match != result.SameLine || l.Before.Number != 4 || l.Wall.Diff() != 0):
			t.Errorf("the line that moved is %+v", l)
		}
	}
	back := compared(t, one("b", analysed(t, fastCell)), one("a", analysed(t, slowCell)))
	if back.Outcome != result.Slower || !strings.HasPrefix(back.Sentence, "Slower: 305 ms → 450 ms (+48%") {
		t.Error(back.Sentence)
	}
}

// results are answers about timelines of all sorts, and the fixtures.
func results(t *testing.T) []*result.Result {
	t.Helper()
	list := []*result.Result{analysed(t, slowCell), analysed(t, fastCell), {}}
	for seed := range uint64(60) {
		tl := chaos.Timeline(seed)
		if seed%3 > 0 {
			tl = chaos.Devices(seed)
		}
		var source []string
		rng := rand.New(rand.NewPCG(seed, 3))
		for n := range rng.IntN(12) {
			source = append(source, strings.Repeat(" ", rng.IntN(3))+[]string{"a()", "b(1)", "b(2)", "", "for x in y:", fmt.Sprint("c", n)}[rng.IntN(6)])
		}
		list = append(list, analysis.Analyze(tl, analysis.Input{Arch: "amd64", Cell: result.Cell{Lines: source, Outcome: "ok"}}))
	}
	return list
}

// Whatever is compared: the parts are the whole, and the reverse is the opposite.
func TestSumsAndOpposites(t *testing.T) {
	list := results(t)
	for i := range list {
		for _, j := range []int{i, (i + 1) % len(list), (i + 7) % len(list)} {
			name := fmt.Sprint(i, " and ", j)
			x, y := list[i], list[j]
			c, back := compared(t, one("x", x), one("y", y)), compared(t, one("y", y), one("x", x))
			sums(t, name, c)
			if c.Wall.Diff() != y.WallNs-x.WallNs {
				t.Errorf("%s: the wall changes by %d", name, c.Wall.Diff())
			}
			opposite(t, name, c, back)
			if i == j {
				unchanged(t, name, c)
			}
		}
	}
}

func sums(t *testing.T, name string, c *result.Comparison) {
	t.Helper()
	check := func(what string, want result.Delta, parts []result.Delta) {
		sum := result.Delta{}
		for i, p := range parts {
			sum.Before, sum.After = sum.Before+p.Before, sum.After+p.After
			if p.Before < 0 || p.After < 0 {
				t.Errorf("%s: %s: %v is less than nothing", name, what, p)
			}
			if i > 0 && size(p) > size(parts[i-1]) {
				t.Errorf("%s: %s are not sorted", name, what)
			}
		}
		if sum != want {
			t.Errorf("%s: %s sum to %v, not %v", name, what, sum, want)
		}
	}
	var lines, causes, idle, kernels []result.Delta
	for _, l := range c.Lines {
		lines = append(lines, l.Wall)
		var of []result.Delta
		for _, k := range l.Causes {
			of = append(of, k.Time)
		}
		check("causes of a line", l.Wall, of)
	}
	for _, k := range c.Causes {
		causes = append(causes, k.Time)
	}
	for _, k := range c.IdleCauses {
		idle = append(idle, k.Time)
	}
	for _, k := range c.Kernels {
		kernels = append(kernels, k.Time)
	}
	check("lines", c.Wall, lines)
	check("causes", c.Wall, causes)
	check("idle causes", c.Idle, idle)
	check("kernels", c.KernelTime, kernels)
}

func swapped(d result.Delta) result.Delta { return result.Delta{Before: d.After, After: d.Before} }

func opposite(t *testing.T, name string, c, back *result.Comparison) {
	t.Helper()
	outcomes := map[result.Outcome]result.Outcome{result.Faster: result.Slower, result.Slower: result.Faster}
	if want, ok := outcomes[c.Outcome]; back.Outcome != c.Outcome && (!ok || back.Outcome != want) || ok && back.Outcome != want {
		t.Errorf("%s: %s, and back %s", name, c.Outcome, back.Outcome)
	}
	if back.Wall != swapped(c.Wall) || back.Idle != swapped(c.Idle) || back.KernelTime != swapped(c.KernelTime) ||
		back.Noise.Share != c.Noise.Share || back.Noise.Ns != c.Noise.Ns || back.Edited != c.Edited || back.Added != c.Removed {
		t.Errorf("%s: the reverse has %v %v %v", name, back.Wall, back.Idle, back.Noise)
	}
	type pair struct{ before, after int32 }
	lines := map[pair]result.LineChange{}
	for _, l := range c.Lines {
		lines[pair{l.Before.Number, l.After.Number}] = l
	}
	for _, l := range back.Lines {
		o, ok := lines[pair{l.After.Number, l.Before.Number}]
		if !ok || l.Wall != swapped(o.Wall) || l.Hits != swapped(o.Hits) || l.Beyond != o.Beyond {
			t.Errorf("%s: line %+v has no opposite", name, l)
		}
	}
	causes := map[result.CauseKind]result.Delta{}
	for _, k := range c.Causes {
		causes[k.Kind] = k.Time
	}
	for _, k := range back.Causes {
		if k.Time != swapped(causes[k.Kind]) {
			t.Errorf("%s: cause %s has no opposite", name, k.Kind)
		}
	}
	if len(back.Gone) != len(c.New) || len(back.New) != len(c.Gone) || len(back.Kept) != len(c.Kept) {
		t.Errorf("%s: findings %d %d %d, and back %d %d %d", name, len(c.Gone), len(c.New), len(c.Kept), len(back.Gone), len(back.New), len(back.Kept))
	}
}

func unchanged(t *testing.T, name string, c *result.Comparison) {
	t.Helper()
	if c.Outcome == result.Faster || c.Outcome == result.Slower || c.Edited+c.Added+c.Removed+len(c.Gone)+len(c.New) != 0 {
		t.Errorf("%s: a run differs from itself: %s, %d gone", name, c.Sentence, len(c.Gone))
	}
	for _, l := range c.Lines {
		if l.Wall.Diff() != 0 || l.Beyond || l.Match != result.SameLine && l.Match != result.OutsideLines {
			t.Errorf("%s: a line differs from itself: %+v", name, l)
		}
	}
}

func TestNoSliceIsNil(t *testing.T) {
	list := results(t)
	for i := range list {
		c := compared(t, one("x", list[i]), one("y", list[(i+1)%len(list)]))
		v := reflect.ValueOf(*c)
		for f := range v.NumField() {
			if v.Field(f).Kind() == reflect.Slice && v.Field(f).IsNil() {
				t.Errorf("%s is nil", v.Type().Field(f).Name)
			}
		}
	}
}

func TestSides(t *testing.T) {
	slow, fast := analysed(t, slowCell), analysed(t, fastCell)
	var mixed *MixedError
	if _, err := Of([]Run{{"a", slow}, {"b", fast}}, one("c", fast)); !errors.As(err, &mixed) || mixed.First != "a" || mixed.Other != "b" {
		t.Error(err)
	}
	if _, err := Of(nil, one("c", fast)); !errors.Is(err, ErrNoRun) {
		t.Error(err)
	}
	many := make([]Run, MaxRuns+1)
	for i := range many {
		many[i] = Run{"a", slow}
	}
	if _, err := Of(one("c", fast), many); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	// The option on the first line is none of the code.
	other := *slow
	other.Cell.Lines = append([]string{"%%inferscope --full"}, slow.Cell.Lines[1:]...)
	c := compared(t, []Run{{"a", slow}, {"b", &other}}, one("c", fast))
	if len(c.Before.Runs) != 2 || c.Noise.Method != result.NoiseStudent {
		t.Errorf("%+v", c.Noise)
	}
}

// A run that failed is neither faster nor slower than one that did not.
func TestFailedRunIsNotFaster(t *testing.T) {
	failed := *analysed(t, fastCell)
	failed.Cell.Outcome, failed.Cell.ErrorName = "error", "ValueError"
	for _, c := range []*result.Comparison{compared(t, one("a", analysed(t, slowCell)), one("b", &failed)), compared(t, one("b", &failed), one("a", analysed(t, slowCell)))} {
		if c.Outcome != result.Incomparable || !strings.Contains(c.Sentence, "not all of them came to their end") || len(c.Notes) != 1 {
			t.Errorf("%s: %s %v", c.Outcome, c.Sentence, c.Notes)
		}
	}
	traced := *analysed(t, fastCell)
	traced.Source.Kind = "kineto"
	if c := compared(t, one("a", analysed(t, slowCell)), one("b", &traced)); c.Outcome != result.Incomparable {
		t.Error(c.Outcome)
	}
}

func TestKernelsAndFindings(t *testing.T) {
	x, y := *analysed(t, slowCell), *analysed(t, fastCell)
	x.Devices = []result.Device{{Kernels: 30, KernelSumNs: 100, TopKernels: []result.Kernel{{Name: "gemm", Count: 10, Ns: 60}, {Name: "old", Count: 5, Ns: 30}}}}
	y.Devices = []result.Device{{Kernels: 20, KernelSumNs: 45, TopKernels: []result.Kernel{{Name: "gemm", Count: 10, Ns: 20}, {Name: "", Count: 2, Ns: 10}}}}
	finding := func(id string, line int32) result.Finding {
		return result.Finding{ID: id, Severity: result.High, Line: result.Line{Number: line}}
	}
	x.Findings = []result.Finding{finding("sleep", 5), finding("gone", 0), finding("moved", 4), {ID: "healthy", Severity: result.Info}}
	y.Findings = []result.Finding{finding("sleep", 4), finding("moved", 3), finding("moved", 5)}
	c := compared(t, one("a", &x), one("b", &y))
	sums(t, "kernels", c)
	want := []result.KernelChange{
		// All of it is within 5 % of a wall of 450 ms.
		{Name: "gemm", Count: result.Delta{Before: 10, After: 10}, Time: result.Delta{Before: 60, After: 20}, ListedBefore: true, ListedAfter: true},
		{Name: "old", Count: result.Delta{Before: 5}, Time: result.Delta{Before: 30}, ListedBefore: true},
		{Count: result.Delta{Before: 15, After: 10}, Time: result.Delta{Before: 10, After: 25}},
	}
	if !reflect.DeepEqual(c.Kernels, want) {
		t.Errorf("%+v", c.Kernels)
	}
	ids := func(list []result.Finding) (s string) {
		for _, f := range list {
			s += fmt.Sprint(f.ID, f.Line.Number, " ")
		}
		return s
	}
	if g, n, k := ids(c.Gone), ids(c.New), ids(c.Kept); g != "gone0 " || n != "moved5 " || k != "sleep4 moved3 " {
		t.Errorf("gone %q, new %q, kept %q", g, n, k)
	}
}
