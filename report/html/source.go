package html

import (
	"slices"
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
	hot := hotLines(r, stats, limits)
	p.raw(`<table style="`, tableStyle, `;table-layout:fixed"><thead><tr>`)
	for _, c := range []column{{title: "Line", numeric: true, width: "38px"}, {title: "Time", numeric: true, width: "66px"},
		{title: "Share", width: "92px"}, {title: "Source"}, {title: "Runs", numeric: true, width: "64px"}, {title: "Mostly", width: "128px"}} {
		style := headStyle
		if c.numeric {
			style = numHeadStyle
		}
		if c.width != "" {
			style += ";width:" + c.width
		}
		p.raw(`<th scope="col" style="`, style, `">`, c.title, `</th>`)
	}
	p.raw(`</tr></thead><tbody>`)
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
		p.raw(`<p style="margin:4px 0 0 0;font-size:12px;`, dimStyle, `">Time is the main thread's, on the line itself. The longest bar is the slowest line; its colours are the causes above.`)
		for _, s := range r.Host.Lines {
			if !s.Exact && s.WallNs > 0 {
				p.raw(` ~ marks times that come from samples in part.`)
				break
			}
		}
		p.raw(`</p>`)
	}
}

// hotLines picks the lines that get a row of their own however long the cell
// is: a thousandth of the wall or more, the longest first, as many as there is room for.
func hotLines(r *result.Result, stats map[int]result.LineStat, limits limits) map[int]bool {
	var numbers []int
	for n, s := range stats {
		if weight(s)*1000 >= r.WallNs && weight(s) > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b int) int {
		switch wa, wb := weight(stats[a]), weight(stats[b]); {
		case wa > wb:
			return -1
		case wa < wb:
			return 1
		}
		return a - b
	})
	hot := make(map[int]bool, len(numbers))
	for _, n := range numbers[:min(len(numbers), limits.sourceRows)] {
		hot[n] = true
	}
	return hot
}

func weight(s result.LineStat) int64 { return max(s.WallNs, s.OtherThreadsNs) }

// sourceRow is one line of the cell.
func sourceRow(p *page, r *result.Result, n int, stats map[int]result.LineStat, most int64, hot bool, limits limits) {
	s, seen := stats[n]
	slowest := hot && s.WallNs == most
	p.raw(`<tr`)
	if slowest {
		p.raw(` style="background-color:rgba(217,84,30,0.14)"`)
	}
	p.raw(`><td style="`, numStyle, `;`, dimStyle, `">`, num(n), `</td><td style="`, numStyle)
	if slowest {
		p.raw(`;font-weight:700`)
	}
	p.raw(`">`)
	if seen && s.WallNs > 0 {
		if !s.Exact {
			p.raw(`~`)
		}
		p.raw(one(report.Duration(s.WallNs)))
	}
	p.raw(`</td><td style="`, cellStyle, `">`)
	if hot && s.WallNs > 0 {
		p.bar("9px", lineSegments(s, most)...)
		p.raw(`<small>`, one(report.Percent(report.Share(s.WallNs, r.WallNs))), `</small>`)
	}
	p.raw(`</td><td style="`, cellStyle)
	if !hot {
		p.raw(`;`, dimStyle)
	}
	p.raw(`">`)
	p.code(r.Cell.Lines[n-1], limits.source)
	p.raw(`</td><td style="`, numStyle, `">`)
	if s.Hits > 0 {
		p.raw(one(shortCount(s.Hits)))
	}
	p.raw(`</td><td style="`, cellStyle, `">`)
	if hot {
		mostly(p, s)
	}
	p.raw(`</td></tr>`)
}

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
		parts = append(parts, segment{report.Share(c.Ns, most), colorOfCause(c.Kind), report.Cause(c.Kind) + " " + report.Duration(c.Ns)})
	}
	if len(parts) == 0 {
		for _, st := range report.States(s.States) {
			parts = append(parts, segment{report.Share(st.Ns, most), sliceOf(st.Name).color, st.Words + " " + report.Duration(st.Ns)})
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
		p.raw(separator, escaped(report.Cause(c.Kind), 40))
		if share < 0.9 {
			p.raw(` `, one(report.Percent(share)))
		}
		separator = `, `
	}
	if s.TotalNs > s.WallNs+s.WallNs/10 {
		p.raw(separator, one(report.Duration(s.TotalNs)), ` with the functions it calls`)
		separator = `, `
	}
	if s.OtherThreadsNs*20 > s.WallNs && s.OtherThreadsNs > 0 {
		p.raw(separator, `other threads ran `, one(report.Duration(s.OtherThreadsNs)))
	}
}

// foldRow hides the lines [from, to) behind a summary and returns how many of them it wrote.
func foldRow(p *page, r *result.Result, from, to int, stats map[int]result.LineStat, room int, limits limits) int {
	var ns int64
	for n := from; n < to; n++ {
		ns += stats[n].WallNs
	}
	shown := max(0, min(to-from, room))
	p.raw(`<tr><td colspan="6" style="`, cellStyle, `"><details><summary style="cursor:pointer;`, dimStyle, `">`, num(from), `–`, num(to-1), `: `,
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
