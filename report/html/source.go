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
	lines := report.Source(r)
	if len(lines) == 0 {
		return
	}
	p.heading("The " + markup(report.Subject(r)) + ", line by line")
	t := sourceTable{lines: lines, wall: r.WallNs, stats: make(map[int]result.LineStat, len(r.Host.Lines)), gpu: len(r.Devices) > 0, calls: report.CallsOnly(r),
		moved: movedBy(r.Devices)}
	for _, s := range r.Host.Lines {
		n := int(s.Line.Number)
		if n < 1 || n > len(lines) {
			continue
		}
		t.stats[n] = s
		if !report.Magic(lines[n-1]) {
			t.most = max(t.most, s.WallNs)
		}
		t.device.ns, t.device.idle = max(t.device.ns, s.GPUNs), max(t.device.idle, s.IdleCausedNs)
	}
	hot := report.HotLines(r, limits.sourceRows)
	columns := []column{{title: "Line", numeric: true, width: "38px"}, {title: "Time", numeric: true, width: "62px"},
		{title: "Share", width: "80px"}, {title: "Source"}, {title: "Mostly", width: "118px"}}
	if t.gpu {
		columns[1].width, columns[2].width, columns[4].width = "70px", "44px", "14%"
		columns = append(columns, gpuColumns...)
	} else if t.calls {
		columns = append(columns, gpuColumns[1])
	}
	p.table(columns...)
	rows, folded := 0, 0
	for n := 1; n <= len(lines); {
		end := n
		for end <= len(lines) && !hot[end] {
			end++
		}
		// [n, end) is cold: what is not context of a hot line may be folded.
		from, to := n, end
		if n > 1 {
			from = min(end, n+context)
		}
		if end <= len(lines) {
			to = max(from, end-context)
		}
		if to-from < foldFrom && rows+end-n < limits.sourceRows {
			from, to = end, end
		}
		for ; n < from; n++ {
			t.row(p, n, false, limits)
			rows++
		}
		if to > n {
			folded += t.fold(p, n, to, limits.sourceFolded-folded, limits)
			n = to
		}
		for ; n < end; n++ {
			t.row(p, n, false, limits)
			rows++
		}
		if n <= len(lines) {
			t.row(p, n, true, limits)
			rows++
			n++
		}
	}
	p.raw(endTable)
	if t.most > 0 {
		p.raw(`<p style="margin-top:4px;font-size:12px;`, dimStyle, `">Time is the main thread's, on the line itself. The longest bar is the slowest line; its colours are the causes above. × is how often the line ran.`)
		for _, s := range r.Host.Lines {
			if !s.Exact && s.WallNs > 0 {
				p.raw(` ~ marks times that come from samples in part.`)
				break
			}
		}
		if t.gpu {
			p.raw(` GPU time is that of the work which the line launched, GPU idle the time for which the GPU waited because of the line.`)
		}
		p.raw(`</p>`)
	}
}

// sourceTable is what the rows of the source share.
type sourceTable struct {
	lines []string
	stats map[int]result.LineStat
	wall  int64
	// most is the slowest line's time.
	most int64
	// gpu says that there is a device, calls that only calls are known of it.
	gpu, calls bool
	device     gpuMost
	moved      movedWords
}

// row is one line of the cell; hot ones have their bar and their cause, the others are dimmed.
func (t *sourceTable) row(p *page, n int, hot bool, limits limits) {
	s := t.stats[n]
	slowest := hot && s.WallNs == t.most
	open := markup(`<tr>`)
	if slowest {
		open = `<tr style="background:rgba(217,84,30,0.16)">`
	} else if !hot {
		open = `<tr style="` + dimStyle + `">`
	}
	p.raw(open, numCell, num(n), `</td>`)
	if s.WallNs > 0 {
		p.raw(numCell)
		if !s.Exact {
			p.raw(`~`)
		}
		if slowest {
			p.raw(`<strong>`, one(report.Duration(s.WallNs)), `</strong>`)
		} else {
			p.raw(one(report.Duration(s.WallNs)))
		}
		p.raw(`</td>`)
	} else {
		p.tdEmpty()
	}
	if hot && s.WallNs > 0 {
		p.raw(cell, bar("display:inline-block;width:36px;height:10px", lineSegments(s, t.most)...))
		if !t.gpu { // the device's columns need the room
			p.raw(` <small>`, one(report.Percent(report.Share(s.WallNs, t.wall))), `</small>`)
		}
		p.raw(`</td>`)
	} else {
		p.tdEmpty()
	}
	if t.lines[n-1] != "" {
		p.raw(cell)
		p.source(t.lines[n-1], limits.source)
		p.raw(`</td>`)
	} else {
		p.tdEmpty()
	}
	if s.Hits > 0 || hot {
		p.raw(cell)
		if hot {
			mostly(p, s)
		}
		if s.Hits > 0 {
			p.raw(` <small>×`, one(shortCount(s.Hits)), `</small>`)
		}
		p.raw(`</td>`)
	} else {
		p.tdEmpty()
	}
	if t.gpu {
		gpuCells(p, s, t.device, t.moved)
	} else if t.calls {
		launchCell(p, s, t.moved)
	}
	p.raw(`</tr>`)
}

// Cells of the source are tighter than a host's own, so that it reads as source.
const (
	cell    markup = `<td style="text-align:left;padding:2px">`
	numCell markup = `<td align="right" style="padding:2px">`
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
	if !report.TooShort(s) {
		for _, c := range s.Causes[:min(len(s.Causes), 8)] {
			parts = append(parts, segment{report.Share(c.Ns, most), colorOfCause(c.Kind)})
		}
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
	causes := s.Causes
	if report.TooShort(s) {
		p.raw(`running`)
		separator, causes = `, `, nil
	}
	for i, c := range causes {
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

// fold hides the lines [from, to) behind a summary and returns how many of them it wrote.
func (t *sourceTable) fold(p *page, from, to, room int, limits limits) int {
	var ns int64
	for n := from; n < to; n++ {
		ns += t.stats[n].WallNs
	}
	shown := max(0, min(to-from, room))
	span := markup("5")
	if t.gpu {
		span = "8"
	} else if t.calls {
		span = "6"
	}
	p.raw(`<tr><td colspan="`, span, `" style="text-align:left;padding:2px"><details><summary style="`, dimStyle, `">`, num(from), `–`, num(to-1), `: `,
		one(report.Plural(int64(to-from), "line")))
	if ns > 0 {
		p.raw(` with `, one(report.Duration(ns)), ` in all`)
	} else {
		p.raw(` that took nothing`)
	}
	p.raw(`</summary><pre style="`, preStyle, `">`)
	for n := from; n < from+shown; n++ {
		p.raw(one(pad(report.Count(int64(n)), 6)), `  `, one(pad(timeOf(t.stats[n]), 8)), `  `, inText(t.lines[n-1], min(limits.source, 120)), "\n")
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
