package findings

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// anyCause among a Rule's Causes stands for all of them, on the finding's line.
const anyCause result.CauseKind = "*"

// wanted is a cause that a tally collects.
type wanted struct {
	kind result.CauseKind
	by   *tally
}

// prove fills the spans of findings, and says why.
func (e *Evidence) prove(list []result.Finding) {
	var want []wanted
	tallies := make([]*tally, len(list))
	for i := range list {
		r := ByID(list[i].ID)
		if len(list[i].Spans) > 0 || len(r.Causes) == 0 || r.Causes[0] == anyCause && list[i].Line.Number == 0 {
			continue
		}
		tallies[i] = &tally{e: e, line: e.scope(r, &list[i])}
		for _, k := range r.Causes {
			want = append(want, wanted{k, tallies[i]})
		}
	}
	if len(want) > 0 {
		e.moments(causesOf(want), func(m *attribution.Moment) {
			for i := range want {
				if w := &want[i]; w.kind == m.Kind || w.kind == anyCause {
					w.by.add(m)
				}
			}
		})
	}
	for i, t := range tallies {
		if t != nil {
			t.close()
			list[i].Spans = t.spans()
		}
		list[i].Why = e.why(ByID(list[i].ID), &list[i], t)
	}
}

// causesOf are the causes that are wanted; none when all are.
func causesOf(want []wanted) []result.CauseKind {
	var out []result.CauseKind
	for _, w := range want {
		if w.kind == anyCause {
			return nil
		}
		out = append(out, w.kind)
	}
	return out
}

// moments tells of the time that causes speaks of, as far as it has one of these causes.
func (e *Evidence) moments(of []result.CauseKind, each func(*attribution.Moment)) {
	if e.Attribution.GPU.Owned() {
		e.Attribution.IdleMoments(of, each)
		return
	}
	e.Attribution.HostMoments(of, each)
}

// scope is the line whose time is the evidence of a finding; 0 when all of the cell's is.
func (e *Evidence) scope(r *Rule, f *result.Finding) int32 {
	if r.CellWide || f.Line.Number <= 0 {
		return 0
	}
	if r.Causes[0] == anyCause {
		return f.Line.Number
	}
	for _, k := range r.Causes {
		for _, c := range e.lines(k) {
			if c.Line.Number == f.Line.Number {
				return f.Line.Number
			}
		}
	}
	return 0
}

// spans are the longest episodes, each with the calls that explain it.
func (t *tally) spans() []result.Span {
	slices.SortFunc(t.longest, func(x, y episode) int { return cmp.Or(cmp.Compare(y.ns(), x.ns()), cmp.Compare(x.Start, y.Start)) })
	out := []result.Span{}
	for i := range t.longest {
		p := &t.longest[i]
		list := []result.Span{t.e.span(p)}
		for _, row := range p.calls {
			if row >= 0 && !slices.ContainsFunc(out, func(s result.Span) bool { return s.Kind == result.SpanCall && s.Row == row }) {
				list = append(list, t.e.callSpan(row))
			}
		}
		if len(out)+len(list) > result.MaxSpans {
			break
		}
		out = append(out, list...)
	}
	return inOrder(out)
}

// inOrder sorts spans by start and drops those without length.
func inOrder(list []result.Span) []result.Span {
	list = slices.DeleteFunc(list, func(s result.Span) bool { return s.Start >= s.End })
	slices.SortStableFunc(list, func(x, y result.Span) int { return cmp.Or(cmp.Compare(x.Start, y.Start), cmp.Compare(y.End, x.End)) })
	return list
}

// since is a time in ns from the cell's begin.
func (e *Evidence) since(t int64) int64 { return max(t-e.Attribution.Timeline().Window.Start, 0) }

func (e *Evidence) span(p *episode) result.Span {
	s := result.Span{Kind: result.SpanThread, Start: e.since(p.Start), End: e.since(p.End), Device: -1, Row: -1, Thread: p.Thread, Line: p.Line,
		Label: doing(&p.Moment)}
	if p.Gap > 0 {
		s.Kind, s.Device = result.SpanGap, e.Attribution.GPU.Index
	}
	return s
}

// doing is what a thread did, as far as its scheduler state tells; empty when that is not known.
func doing(m *attribution.Moment) string {
	switch m.State {
	case attribution.StateRunning:
		return "on the CPU"
	case attribution.StateRunnable:
		return "ready to run, without a CPU"
	case attribution.StateBlocked:
		return phrase.Doing(m.Reason)
	}
	return ""
}

func (e *Evidence) callSpan(row int32) result.Span {
	tl := e.Attribution.Timeline()
	calls := &tl.Calls
	return result.Span{Kind: result.SpanCall, Start: e.since(calls.Start[row]), End: e.since(min(calls.End[row], tl.Extent.End)), Device: -1, Row: row,
		Thread: calls.Thread[row], Line: e.Attribution.CallLine(row), Label: tl.Names.String(calls.Name[row])}
}

// operations fills the spans of a finding that is made of operations of the busiest device, and says what these are.
func (e *Evidence) operations(f *result.Finding, meant func(ops *timeline.Ops, row int) bool) {
	tl := e.Attribution.Timeline()
	d := &tl.Devices[e.Attribution.GPU.Busiest]
	var longest []int
	var count, sum, most int64
	all := lengths{}
	ns := func(row int) int64 { return d.Ops.End[row] - d.Ops.Start[row] }
	for row := range d.Ops.Start {
		if meant(&d.Ops, row) {
			keepLongest(&longest, row, ns)
			count++
			sum += ns(row)
			most = max(most, ns(row))
			all[phrase.Round(ns(row))]++
		}
	}
	if count > 0 {
		f.Why = append(f.Why, phrase.Count(count, "operation", "operations")+" of GPU "+strconv.Itoa(int(d.Index))+" were meant: "+phrase.Duration(all.median())+
			" in the median, "+phrase.Duration(most)+" at the longest, "+phrase.Duration(sum)+" in all.")
	}
	out := []result.Span{}
	for _, row := range longest {
		s := result.Span{Kind: result.SpanKernel, Start: e.since(d.Ops.Start[row]), End: e.since(min(d.Ops.End[row], tl.Extent.End)), Device: d.Index, Row: int32(row),
			Label: tl.Names.String(d.Ops.Name[row])}
		if d.Ops.Kind[row] != timeline.OpKernel {
			s.Kind = result.SpanCopy
			if d.Ops.Kind[row] == timeline.OpMemcpy {
				s.Label = d.Ops.Copy[row].String()
			} else {
				s.Label = "set"
			}
		}
		if call := d.Ops.Call[row]; call >= 0 {
			s.Thread, s.Line = tl.Calls.Thread[call], e.Attribution.CallLine(call)
		}
		out = append(out, s)
	}
	f.Spans = inOrder(out)
}
