// Package findings holds the rules that turn an attribution into advice: one file
// a rule, one line in the registry, one fixture with its golden, one generated page
// in docs/findings.
package findings

//go:generate go run ./gendocs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/analysis/verdict"
	"github.com/inferscope/inferscope/analysis/whatif"
)

// What takes less than MinShare of the wall or less than MinNs is never a
// finding: nobody would notice the repair.
const (
	MinShare = 0.05
	MinNs    = 20_000_000
)

// Evidence is what rules read.
type Evidence struct {
	Host        *result.Host
	Attribution *attribution.Attribution
	// Devices are the sums of each device.
	Devices []result.Device
	// WallNs is the length of the cell, prolonged to the end of the work that it gave a device.
	WallNs int64
	// WhatIf predicts savings of a cell that gave a device work; nil of any other.
	WhatIf *whatif.Model
	// GPUMissing says that work of a GPU was not captured, or not all of it.
	GPUMissing bool
	// Confidence is how far the records can be trusted, 0..1: the verdict's evidence times its quality.
	Confidence float64

	// kernelSums and compilations are made when a rule first asks for them.
	kernelSums   *kernelSums
	compilations map[int32]int64
}

// Rule is one finding: its test, and the text of its page. The texts are Markdown.
type Rule struct {
	// ID names the rule in reports and files.
	ID    string
	Title string
	// Sees, Bad, Silent and Do are the page's sections.
	Sees, Bad, Silent, Do string
	// Change is the repair as an order, for predictions: "remove the sleep".
	Change string
	// Causes are those whose time is the evidence of the rule, where it is that of causes.
	Causes []result.CauseKind
	// Effort is how much work the repair usually is.
	Effort result.Effort
	// CellWide says that the repair is not one of a line.
	CellWide bool
	// Before and After are the example, and the snippets of the advice.
	Before, After string
	// Test returns the findings of one cell; empty when there is nothing to say.
	Test func(r *Rule, e *Evidence) []result.Finding
}

// Registry is every rule. The order is that of the documentation.
var Registry = []*Rule{
	&gilContention, &lockContention, &hostIO, &networkWait, &sleep, &pageFaults, &preemption, &pythonHotLoop,
	&gcPauses, &importInCell, &childWait, &eventWait, &numaRemote, &memoryGrowth,
	&syncInLoop, &launchBound, &pageableCopies, &synchronousCopies, &allocatorChurn, &dataLoaderStarved, &loaderWorkerIO, &compileInCell,
	&recompilation, &warmUp, &cpuSection, &fp32Matmul, &noTensorCores, &streamSerialised, &copiesInTurn, &exposedCommunication,
	&oneKernel, &deviceWait, &carryIn, &gpuThrottled, &otherProcess, &memoryNearLimit, &healthy,
}

// ByID is the rule of that name, nil when there is none.
func ByID(id string) *Rule {
	for _, r := range Registry {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Find runs every rule and returns the findings sorted by saving, largest first; of savings that are
// much alike, those come first that are easiest to have.
func Find(e *Evidence) []result.Finding {
	out := []result.Finding{}
	for _, r := range Registry {
		if r == &healthy {
			continue
		}
		out = append(out, r.Test(r, e)...)
	}
	if !slices.ContainsFunc(out, func(f result.Finding) bool { return f.Severity != result.Info }) {
		out = append(out, healthy.Test(&healthy, e)...)
	}
	e.predict(out)
	e.doubt(out)
	e.prove(out)
	sortFindings(out)
	return out
}

// doubt says of findings about idle time whose line was not seen itself that it may be another.
func (e *Evidence) doubt(list []result.Finding) {
	if !e.Attribution.GPU.Owned() {
		return
	}
	for i := range list {
		f := &list[i]
		for _, k := range ByID(f.ID).Causes {
			if e.Attribution.LineUnsure(k, f.Line.Number) {
				f.Evidence += " The line is that of the samples nearby: it may be one beside it."
				break
			}
		}
	}
}

// alike is how far apart savings may be, as a ratio, to count as much the same: predictions are no more
// exact than that.
const alike = 1.5

// sortFindings sorts by saving, and by ease among those that are alike.
func sortFindings(list []result.Finding) {
	slices.SortStableFunc(list, func(x, y result.Finding) int {
		return cmp.Or(cmp.Compare(y.Saving.HighNs, x.Saving.HighNs), cmp.Compare(severityRank(x.Severity), severityRank(y.Severity)))
	})
	for len(list) > 0 && list[0].Saving.HighNs > 0 {
		n := 1
		for n < len(list) && float64(list[n].Saving.HighNs)*alike >= float64(list[0].Saving.HighNs) {
			n++
		}
		slices.SortStableFunc(list[:n], func(x, y result.Finding) int { return cmp.Compare(x.Effort.Rank(), y.Effort.Rank()) })
		list = list[n:]
	}
}

func severityRank(s result.Severity) int {
	return slices.Index([]result.Severity{result.High, result.Medium, result.Low, result.Info}, s)
}

// share is ns of the wall, 0..1.
func (e *Evidence) share(ns int64) float64 {
	if e.WallNs <= 0 {
		return 0
	}
	return float64(ns) / float64(e.WallNs)
}

// worth says whether ns is enough to speak of.
func (e *Evidence) worth(ns int64) bool { return ns >= MinNs && e.share(ns) >= MinShare }

// causes are what costs the cell time: the causes of the GPU's idle time where the
// cell gave it work (none when it was hardly idle: then the host is not what the
// cell waits for), otherwise those of the host.
func (e *Evidence) causes() (list, byKind []result.Cause) {
	g := e.Attribution.GPU
	switch {
	case !g.Owned():
		return e.Host.Causes, e.Host.ByKind
	case e.share(g.Idle.TotalNs) < verdict.MinIdle:
		return nil, nil
	}
	return g.Idle.Causes, g.IdleByKind()
}

// importing says that a line mostly imports: what it waits for or touches is not worth a rule
// of its own, as it will not come again.
func (e *Evidence) importing(l result.Line) bool {
	for i := range e.Host.Lines {
		if e.Host.Lines[i].Line.Number == l.Number {
			return e.Attribution.Imports[l.Number]*2 > e.Host.Lines[i].WallNs
		}
	}
	return false
}

// of is the total of one cause, with the line, thread and detail of its largest part; Ns is 0 when it did not occur.
// What waited for InferScope's own threads is none of it: no change to the program ends that.
func (e *Evidence) of(k result.CauseKind) result.Cause {
	out := result.Cause{Kind: k}
	list, _ := e.causes()
	for _, c := range list {
		switch {
		case c.Kind != k || attribution.OwnHolder(c):
		case out.Ns == 0:
			out = c
			out.Range = result.Range{} // it is that of one line
		default:
			out.Ns += c.Ns
			out.Count += c.Count
		}
	}
	out.Share = e.share(out.Ns)
	return out
}

// lines are the lines on which one cause alone is worth a finding, largest first, at most three.
func (e *Evidence) lines(k result.CauseKind) []result.Cause {
	var out []result.Cause
	list, _ := e.causes()
	for _, c := range list {
		if c.Kind == k && c.Line.Number > 0 && e.worth(c.Ns) && len(out) < 3 && !attribution.OwnHolder(c) {
			out = append(out, c)
		}
	}
	return out
}

// linesOrTotal is lines, or, when the cause is worth a finding only in total, the
// total with the line of its largest part.
func (e *Evidence) linesOrTotal(k result.CauseKind) []result.Cause {
	if out := e.lines(k); len(out) > 0 {
		return out
	}
	if total := e.of(k); e.worth(total.Ns) {
		return []result.Cause{total}
	}
	return nil
}

// finding makes a finding with a saving of half to all of ns. Where the cell gave a device
// work, Find puts what the replay predicts in its place.
func (r *Rule) finding(e *Evidence, line result.Line, ns int64, evidence string) result.Finding {
	return result.Finding{ID: r.ID, Title: r.Title, Severity: e.severity(ns), Effort: r.Effort, Line: line, Evidence: evidence,
		Saving:     result.Saving{LowNs: min(phrase.Round(ns/2), e.Attribution.WallNs), HighNs: min(phrase.Round(ns), e.Attribution.WallNs)},
		Confidence: e.Confidence, Change: r.Change, Advice: r.Do, Before: r.Before, After: r.After, Why: []string{}, Spans: []result.Span{}}
}

// severity is that of a repair that saves ns.
func (e *Evidence) severity(ns int64) result.Severity {
	switch s := e.share(ns); {
	case s >= 0.3:
		return result.High
	case s >= 0.1:
		return result.Medium
	}
	return result.Low
}

// info makes a finding that states something without claiming a saving.
func (r *Rule) info(e *Evidence, line result.Line, evidence string) result.Finding {
	f := r.finding(e, line, 0, evidence)
	f.Severity, f.Saving = result.Info, result.Saving{}
	return f
}

// sampled lowers a finding's confidence when few samples carry it.
func sampled(f result.Finding, samples int64) result.Finding {
	f.Confidence *= float64(samples) / float64(samples+5)
	return f
}

// took is "1.2 s of the cell's 2.4 s (50%)", where the cell gave the GPU work with
// "(50%, with the GPU idle)": what the host did beside a busy GPU cost nothing.
func (e *Evidence) took(ns int64) string {
	if e.Attribution.GPU.Owned() {
		return strings.TrimSuffix(e.wall(ns), ")") + ", with the GPU idle)"
	}
	return e.wall(ns)
}

// wall is "1.2 s of the cell's 2.4 s (50%)".
func (e *Evidence) wall(ns int64) string {
	return phrase.Duration(ns) + " of the cell's " + phrase.Duration(e.WallNs) + " (" + phrase.Percent(e.share(ns)) + ")"
}

// inWords appends a detail after a comma, when there is one. One that only names something says that most of
// the time was there: others say how they belong to it.
func inWords(detail string) string {
	if detail = phrase.Plain(detail); detail == "" {
		return ""
	}
	first, _, _ := strings.Cut(detail, " ")
	if !slices.Contains([]string{"in", "after", "from", "launched", "outside", "on", "mostly", "first"}, first) && !strings.HasSuffix(first, "ing") {
		detail = "mostly " + detail
	}
	return ", " + detail
}

// waits is "in 480 waits of 2.1 ms on average"; empty when they were not counted.
func waits(c result.Cause) string {
	if c.Count <= 0 {
		return ""
	}
	if c.Count == 1 {
		return ", in 1 wait"
	}
	return ", in " + phrase.Count(c.Count, "wait", "waits") + " of " + phrase.Duration(c.Ns/c.Count) + " on average"
}

// lineNumber is a line as a sentence begins with it: "5 (`text`)".
func lineNumber(l result.Line) string { return strings.TrimPrefix(phrase.Line(l), "line ") }

// on is " on line 5 (`text`)", or nothing when no line is known.
func on(l result.Line) string {
	if l.Number <= 0 {
		return ""
	}
	return " on " + phrase.Line(l)
}

// meanwhile is "; it waited for thread "x", which was asleep in hold(), line 3"; empty when nobody is known.
func meanwhile(what string, c result.Cause) string {
	who := phrase.Plain(c.Thread)
	if who == "" {
		return ""
	}
	out := "; it waited for " + what + "\"" + who + "\""
	if detail := phrase.Plain(c.Detail); detail != "" {
		out += ", which was " + detail
	}
	return out
}

// inParentheses is " (write)", or nothing.
func inParentheses(detail string) string {
	if detail = phrase.Plain(detail); detail != "" {
		return " (" + detail + ")"
	}
	return ""
}

// blocked is the main thread's time in one state.
func (e *Evidence) blocked(r timeline.Reason) int64 { return e.Host.States.BlockedNs[r] }
