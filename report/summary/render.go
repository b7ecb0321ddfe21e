// Package summary renders a result as JSON for programs, in the shape that
// schema.json beside it fixes ("inferscope.summary/1"). Times are integer
// nanoseconds, names are snake_case, and no array is null.
package summary

import (
	"encoding/json"
	"math"
	"unicode/utf8"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
)

// Schema names the shape of the summary.
const Schema = "inferscope.summary/1"

// MaxBytes is the size that no summary exceeds.
const MaxBytes = 4 << 20

// limits is what a summary holds at most: entries of each list, bytes of each text.
type limits struct{ list, text int }

// Render writes the summary of r as indented JSON that ends with a newline. One
// too large for MaxBytes has its longest lists and texts cut, and says so in its notes.
func Render(r *result.Result) []byte {
	for l := (limits{2000, 2000}); ; l = (limits{max(1, l.list/2), max(16, l.text/2)}) {
		c := &cutter{limits: l}
		doc := c.document(r)
		if c.size > MaxBytes && l.list > 1 {
			continue
		}
		if c.cut {
			doc.Notes = append(doc.Notes, "Lists of this summary were cut to "+report.Count(int64(l.list))+" entries and texts to "+report.Count(int64(l.text))+" bytes.")
		}
		out, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			// Every number is made finite and every field is plain: reaching this is a mistake in this package.
			panic("summary: " + err.Error())
		}
		if len(out) < MaxBytes || l.list == 1 {
			return append(out, '\n')
		}
	}
}

// Document is what Render writes, for programs that look at it: a struct whose fields have
// the document's names as their json tags, and no pointers but to structs. Lists have
// at most entries entries, texts bytes bytes.
func Document(r *result.Result, entries, bytes int) any {
	return (&cutter{limits: limits{entries, bytes}}).document(r)
}

// cutter makes the document within limits and remembers whether it cut anything.
type cutter struct {
	limits
	cut bool
	// size is the least the document will take; once above MaxBytes, the rest is not worth making.
	size int
}

func (c *cutter) document(r *result.Result) summaryDoc {
	top := c.causeOf(r.Verdict.TopCause)
	return summaryDoc{
		Schema: Schema, ToolVersion: c.text(r.Source.ToolVersion),
		Source: sourceDoc{c.text(r.Source.Kind), c.text(r.Source.Path)},
		Cell:   c.cellOf(r.Cell),
		WallNs: r.WallNs, Notes: list(c, r.Notes, c.text), Devices: list(c, r.Devices, c.deviceOf),
		Verdict: verdictDoc{c.text(string(r.Verdict.Class)), c.text(string(r.Verdict.Leaning)), c.text(string(r.Verdict.TopCause.Kind)), finite(r.Verdict.Confidence),
			finite(r.Verdict.Evidence), finite(r.Verdict.Margin), finite(r.Verdict.Quality), c.text(r.Verdict.EvidenceWhy), c.text(r.Verdict.MarginWhy),
			c.text(r.Verdict.QualityWhy), c.text(r.Verdict.Sentence), top.Line},
		Idle: c.idleOf(r.Idle),
		Host: c.hostOf(r.Host),
		WhatIf: list(c, r.WhatIf, func(w result.WhatIf) whatIfDoc {
			return whatIfDoc{c.text(w.Change), w.PredictedNs, w.LowNs, w.HighNs, w.NowNs, w.SavesNs, w.Bound, finite(w.IdentityError)}
		}),
		Unpredicted: c.text(r.Unpredicted),
		Findings:    list(c, r.Findings, c.findingOf),
		Losses: list(c, r.Losses, func(l timeline.Loss) lossDoc {
			return lossDoc{c.text(l.Source), c.text(l.Reason), l.Count, c.text(l.Enable)}
		}),
		Collectors: list(c, r.Collectors, func(s result.Collector) collectorDoc {
			return collectorDoc{c.text(s.Name), s.Available, c.text(s.Detail), c.text(s.Enable)}
		}),
		Overhead: overheadDoc{r.Overhead.CollectorCPUNs, r.Overhead.InProcessNs, finite(r.Overhead.EstimatedSlowdown)},
		Since:    c.sinceOf(r.Since),
	}
}

func (c *cutter) sinceOf(change *result.Change) *sinceDoc {
	if change == nil {
		return nil
	}
	return &sinceDoc{c.text(string(change.Outcome)), c.text(change.Sentence), change.Wall.Before}
}

func (c *cutter) cellOf(l result.Cell) cellDoc {
	return cellDoc{c.text(l.Name), c.text(l.Outcome), c.text(l.ErrorName), l.ExecutionCount, len(l.Lines)}
}

func (c *cutter) hostOf(h result.Host) hostDoc {
	return hostDoc{
		Rung: c.text(string(h.Rung)), States: statesOf(h.States), Causes: list(c, h.Causes, c.causeOf), ByKind: list(c, h.ByKind, c.causeOf),
		Lines: list(c, h.Lines, func(l result.LineStat) lineStatDoc {
			return lineStatDoc{lineDoc: c.lineOf(l.Line), HostNs: l.WallNs, GPUNs: l.GPUNs, IdleCausedNs: l.IdleCausedNs, Launches: l.Launches, Copies: l.Copies, TotalNs: l.TotalNs, Hits: l.Hits, Exact: l.Exact,
				States: statesOf(l.States), Causes: list(c, l.Causes, c.causeOf), OtherThreadsNs: l.OtherThreadsNs, Intervals: intervalsOf(l)}
		}),
		Threads: list(c, h.Threads, func(t result.ThreadStat) threadDoc {
			return threadDoc{t.PID, t.TID, c.text(t.Name), t.Main, t.Python, statesOf(t.States), t.Switches}
		}),
		Functions: list(c, h.Functions, func(f result.FunctionStat) functionDoc {
			return functionDoc{c.text(f.Name), c.text(f.File), f.Line, f.SelfNs, finite(f.Share), c.text(f.Native), f.Samples, f.CellLine, f.Exact, f.Calls}
		}),
		Scopes: list(c, h.Scopes, func(s result.ScopeStat) scopeDoc {
			return scopeDoc{c.text(s.Name), s.Count, s.TotalNs, s.MinNs, s.MedianNs, s.MaxNs}
		}),
		Marks: list(c, h.Marks, func(m result.MarkStat) markDoc {
			return markDoc{c.text(m.Name), c.text(m.Attributes), c.text(m.Thread), m.AtNs}
		}),
		GC:      gcDoc{h.GC.Count, h.GC.TotalNs, h.GC.MaxNs, h.GC.Collected, h.GC.ByGeneration[:]},
		Process: c.processOf(h.Process),
	}
}

func (c *cutter) processOf(p timeline.Process) processDoc {
	return processDoc{p.PID, p.MinorFaults, p.MajorFaults, p.VoluntarySwitches, p.InvoluntarySwitches, p.RSSStart, p.RSSEnd, p.RSSPeak,
		p.UserNs, p.SystemNs, p.ReadBytes, p.WriteBytes, p.CPUs, p.NUMANodes,
		list(c, p.NUMA, func(n timeline.NUMANode) numaDoc { return numaDoc{n.Node, n.Bytes, finite(n.CPUShare)} })}
}

func (c *cutter) findingOf(f result.Finding) findingDoc {
	return findingDoc{c.text(f.ID), c.text(f.Title), c.text(string(f.Severity)), c.text(string(f.Effort)), c.linePointer(f.Line), c.text(f.Evidence),
		savingDoc{f.Saving.LowNs, f.Saving.HighNs}, finite(f.Confidence), c.text(f.Advice), c.text(f.Before), c.text(f.After),
		list(c, f.Spans, func(s result.Span) spanDoc {
			return spanDoc{c.text(string(s.Kind)), s.Start, s.End, s.Device, s.Row, int64(s.Thread), s.Line}
		})}
}

func (c *cutter) causeOf(k result.Cause) causeDoc {
	return causeDoc{c.text(string(k.Kind)), k.Ns, finite(k.Share), c.linePointer(k.Line), c.text(k.Thread), c.text(k.Detail), k.Count}
}

func (c *cutter) idleOf(i result.Idle) idleDoc {
	total := known(i.TotalNs, i.Range)
	return idleDoc{i.TotalNs, total.Low, total.High, list(c, i.Causes, func(k result.Cause) idleCauseDoc {
		in := known(k.Ns, k.Range)
		return idleCauseDoc{c.causeOf(k), in.Low, in.High}
	})}
}

// linePointer is nil, which JSON writes as null, when there is no line.
func (c *cutter) linePointer(l result.Line) *lineDoc {
	if l.Number <= 0 {
		return nil
	}
	line := c.lineOf(l)
	return &line
}

func (c *cutter) lineOf(l result.Line) lineDoc {
	return lineDoc{c.text(l.File), l.Number, c.text(l.Text)}
}

func statesOf(s result.States) statesDoc {
	blocked := make(map[string]int64, len(s.BlockedNs))
	for r, ns := range s.BlockedNs {
		blocked[timeline.Reason(r).String()] = ns
	}
	return statesDoc{s.RunningNs, s.RunnableNs, blocked, s.UnknownNs}
}

// list maps at most the limit of elements; it is never nil.
func list[A, B any](c *cutter, all []A, f func(A) B) []B {
	n := min(len(all), c.limits.list)
	c.cut = c.cut || n < len(all)
	out := make([]B, 0, n)
	for _, a := range all[:n] {
		if c.size > MaxBytes && c.limits.list > 1 {
			break
		}
		out = append(out, f(a))
	}
	return out
}

// text bounds a string. It is not made visible: a program wants what was there.
func (c *cutter) text(s string) string {
	c.size += 20 + min(len(s), c.limits.text)
	if len(s) <= c.limits.text {
		return s
	}
	c.cut = true
	end := c.limits.text
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// finite keeps JSON possible: it knows neither NaN nor infinity.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
