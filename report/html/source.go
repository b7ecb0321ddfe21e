package html

import (
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

func trimmed(s string) string { return strings.TrimSpace(s) }

// context is how many cold lines stay visible beside a hot one; foldFrom is
// the shortest run of cold lines worth folding.
const (
	context  = 2
	foldFrom = 8
)

// source shows the cell line by line with the time beside it.
func source(p *page, r *result.Result, limits limits) {
	if len(r.Cell.Lines) == 0 {
		return
	}
	p.heading("The cell, line by line")
	stats := make(map[int]result.LineStat, len(r.Host.Lines))
	var most int64
	for _, s := range r.Host.Lines {
		if n := int(s.Line.Number); n >= 1 && n <= len(r.Cell.Lines) {
			stats[n] = s
			most = max(most, s.WallNs)
		}
	}
	hot := report.HotLines(r, limits.sourceRows)
	p.table(column{title: "Line", numeric: true, width: "38px"}, column{title: "Time", numeric: true, width: "62px"},
		column{title: "Share", width: "80px"}, column{title: "Source"}, column{title: "Mostly", width: "118px"})
	rows, folded := 0, 0
	for n := 1; n <= len(r.Cell.Lines); {
		end := n
		for end <= len(r.Cell.Lines) && !hot[end] {
			end++
		}
		// [n, end) is cold: what is not context of a hot line may be folded.
		from, to := n, end
		if n > 1 {
			from = min(end, n+context)
		}
		if end <= len(r.Cell.Lines) {
			to = max(from, end-context)
		}
		if to-from < foldFrom && rows+end-n < limits.sourceRows {
			from, to = end, end
		}
		for ; n < from; n++ {
			sourceRow(p, r, n, stats, most, false, limits)
			rows++
		}
		if to > n {
			folded += foldRow(p, r, n, to, stats, limits.sourceFolded-folded, limits)
			n = to
		}
		for ; n < end; n++ {
			sourceRow(p, r, n, stats, most, false, limits)
			rows++
		}
		if n <= len(r.Cell.Lines) {
			sourceRow(p, r, n, stats, most, true, limits)
			rows++
			n++
		}
	}
	p.raw(endTable)
	if most > 0 {
		p.raw(`<p style="margin:4px 0 0 0;font-size:12px;`, dimStyle, `">Time is the main thread's, on the line itself. The longest bar is the slowest line; its colours are the causes above. × is how often the line ran.`)
		for _, s := range r.Host.Lines {
			if !s.Exact && s.WallNs > 0 {
				p.raw(` ~ marks times that come from samples in part.`)
				break
			}
		}
		p.raw(`</p>`)
	}
}

// sourceRow is one line of the cell; hot ones have their bar and their cause, the others are dimmed.
func sourceRow(p *page, r *result.Result, n int, stats map[int]result.LineStat, most int64, hot bool, limits limits) {
	s := stats[n]
	slowest := hot && s.WallNs == most
	open := markup(`<tr>`)
	if slowest {
		open = `<tr style="background-color:rgba(217,84,30,0.16)">`
	} else if !hot {
		open = `<tr style="` + dimStyle + `">`
	}
	p.raw(open, numCell, num(n), `</td>`, numCell)
	if s.WallNs > 0 {
		if !s.Exact {
			p.raw(`~`)
		}
		if slowest {
			p.raw(`<strong>`, one(report.Duration(s.WallNs)), `</strong>`)
		} else {
			p.raw(one(report.Duration(s.WallNs)))
		}
	}
	p.raw(`</td>`, cell)
	if hot && s.WallNs > 0 {
		p.raw(bar("display:inline-block;width:36px;height:10px", lineSegments(s, most)...), ` <small>`, one(report.Percent(report.Share(s.WallNs, r.WallNs))), `</small>`)
	}
	p.raw(`</td>`, cell)
	if r.Cell.Lines[n-1] != "" {
		p.source(r.Cell.Lines[n-1], limits.source)
	}
	p.raw(`</td>`)
	if s.Hits > 0 || hot {
		p.raw(cell)
		if hot {
			mostly(p, s)
		}
		if s.Hits > 0 {
			p.raw(` <small>×`, one(shortCount(s.Hits)), `</small>`)
		}
	} else {
		p.raw(`<td>`)
	}
	p.raw(`</td></tr>`)
}

// Cells of the source are tighter than a host's own, so that it reads as source.
const (
	cell    markup = `<td style="text-align:left;padding:2px 5px">`
	numCell markup = `<td align="right" style="padding:2px 5px">`
)

// shortCount keeps a count within seven characters: "120,000", "3.1M", "12G".
func shortCount(n int64) string {
	switch {
	case n < 1_000_000:
		return report.Count(n)
	case n < 10_000_000_000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + "M"
	}
	return report.Count(n/1_000_000_000) + "G"
}

func lineSegments(s result.LineStat, most int64) []segment {
	var parts []segment
	for _, c := range s.Causes[:min(len(s.Causes), 8)] {
		parts = append(parts, segment{report.Share(c.Ns, most), colorOfCause(c.Kind)})
	}
	if len(parts) == 0 {
		for _, st := range report.States(s.States) {
			parts = append(parts, segment{report.Share(st.Ns, most), sliceOf(st.Name).color})
		}
	}
	return parts
}

// mostly words the one or two causes that make up the line.
func mostly(p *page, s result.LineStat) {
	separator := markup("")
	for i, c := range s.Causes {
		share := report.Share(c.Ns, s.WallNs)
		if i > 1 || i > 0 && share < 0.1 {
			break
		}
		p.raw(separator, escaped(report.CauseShort(c.Kind), 40))
		if share < 0.9 {
			p.raw(` `, one(report.Percent(share)))
		}
		separator = `, `
	}
	if s.TotalNs > s.WallNs+s.WallNs/10 {
		p.raw(separator, one(report.Duration(s.TotalNs)), ` with calls`)
		separator = `, `
	}
	if s.OtherThreadsNs*20 > s.WallNs && s.OtherThreadsNs > 0 {
		p.raw(separator, `other threads `, one(report.Duration(s.OtherThreadsNs)))
	}
}

// foldRow hides the lines [from, to) behind a summary and returns how many of them it wrote.
func foldRow(p *page, r *result.Result, from, to int, stats map[int]result.LineStat, room int, limits limits) int {
	var ns int64
	for n := from; n < to; n++ {
		ns += stats[n].WallNs
	}
	shown := max(0, min(to-from, room))
	p.raw(`<tr><td colspan="5" style="text-align:left;padding:2px 5px"><details><summary style="cursor:pointer;`, dimStyle, `">`, num(from), `–`, num(to-1), `: `,
		one(report.Plural(int64(to-from), "line")))
	if ns > 0 {
		p.raw(` with `, one(report.Duration(ns)), ` in all`)
	} else {
		p.raw(` that took nothing`)
	}
	p.raw(`</summary><pre style="`, preStyle, `">`)
	for n := from; n < from+shown; n++ {
		p.raw(one(pad(report.Count(int64(n)), 6)), `  `, one(pad(timeOf(stats[n]), 8)), `  `, escaped(r.Cell.Lines[n-1], min(limits.source, 120)), "\n")
	}
	if shown < to-from {
		p.raw(`… `, one(report.Plural(int64(to-from-shown), "more line")), ` not shown`)
	}
	p.raw(`</pre></details></td></tr>`)
	return shown
}

func timeOf(s result.LineStat) string {
	if s.WallNs <= 0 {
		return ""
	}
	return report.Duration(s.WallNs)
}

// pad right-aligns s in width columns.
func pad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-report.Columns(s))) + s
}
