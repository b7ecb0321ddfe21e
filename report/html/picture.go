package html

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// The drawing's geometry, in SVG units.
const (
	pictureWidth = 800

	laneLeft    = 150
	laneColumns = 2 * result.PictureColumns // whole units: one column is half of the picture's
	laneRight   = pictureWidth - 20
	laneHeight  = 20
	linesShown  = 6
)

// row is one lane as it is drawn: runs of one class, in columns.
type row struct {
	label string
	runs  []run
	// marks draws each run as a thin line with its label.
	marks bool
	// lines tells a row of the cell's lines: its label is its legend.
	lines bool
}

type run struct {
	from, to int
	class    string
	label    string
}

// picture returns the timeline as an <img> and its description in words, or nothing when there is nothing to draw.
func picture(r *result.Result, limits limits) (img markup, ok bool) {
	svg, alt := drawing(r, limits)
	if svg == "" {
		return "", false
	}
	return `<img width="800" style="width:100%;height:auto;border-radius:4px;display:block" src="data:image/svg+xml;base64,` +
		markup(base64.StdEncoding.EncodeToString([]byte(svg))) + `" alt="` + escaped(alt, 900) + `">`, true
}

// drawing is the SVG of the timeline and its alternative text.
func drawing(r *result.Result, limits limits) (svg, alt string) {
	if r.Picture.Window.Ns() <= 0 {
		return "", ""
	}
	rows, left := rowsOf(r, limits)
	if len(rows) == 0 {
		return "", ""
	}
	var b page
	legend, legendHeight := legendOf(rows)
	height := 8 + len(rows)*laneHeight + 20 + legendHeight
	b.raw(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 `, num(height), `" width="800" height="`, num(height),
		`" font-family="system-ui,sans-serif" font-size="11" fill="#24292f"><rect width="800" height="`, num(height), `" fill="#f7f8fa"/>`)
	axis(&b, r, len(rows))
	b.raw(`<g text-anchor="end">`)
	for i, row := range rows {
		b.raw(`<text x="`, num(laneLeft-8), `" y="`, num(middleOf(i)+4), `">`, escaped(report.Fit(report.Visible(row.label, 60), 22), 0), `</text>`)
	}
	b.raw(`</g><g fill="none" transform="translate(`, num(laneLeft), `) scale(`, markup(strconv.FormatFloat(columnWidth, 'f', 4, 64)), ` 1)">`)
	for i, row := range rows {
		drawRuns(&b, row, middleOf(i))
	}
	b.raw(`</g>`)
	for i, row := range rows {
		drawLabels(&b, row, middleOf(i))
	}
	b.raw(`<g transform="translate(0 `, num(8+len(rows)*laneHeight+20), `)">`, legend, `</g></svg>`)
	return b.b.String(), altOf(r, rows, left)
}

var laneOrder = []result.LaneKind{result.LaneLines, result.LaneScopes, result.LaneMarks, result.LaneThread, result.LaneGC}

// rowsOf lays the lanes out in the order of the picture; left counts threads that found no room.
func rowsOf(r *result.Result, limits limits) (rows []row, left int) {
	shown := map[result.LaneKind]int{}
	lanes := slices.Clone(r.Picture.Lanes)
	// What the cell did stands above what the machine did.
	slices.SortStableFunc(lanes, func(a, b result.Lane) int { return slices.Index(laneOrder, a.Kind) - slices.Index(laneOrder, b.Kind) })
	for _, lane := range lanes {
		// A crowd of threads must not push the scopes and the marks out.
		if shown[lane.Kind]++; shown[lane.Kind] > limits.lanes || len(rows) > 4*limits.lanes {
			left++
			continue
		}
		if lane.Kind == result.LaneLines {
			rows = append(rows, lineRows(r, lane)...)
			continue
		}
		runs := runsOf(r, lane.Slices)
		if len(runs) == 0 {
			continue
		}
		rows = append(rows, row{label: lane.Name, runs: runs, marks: lane.Kind == result.LaneMarks})
	}
	return rows, left
}

// lineRows gives a row of its own to each of the lines that took longest, and one to all others.
func lineRows(r *result.Result, lane result.Lane) []row {
	ns := map[int32]int64{}
	for _, s := range lane.Slices {
		if s.End > s.Start {
			ns[s.Line] += s.End - s.Start
		}
	}
	delete(ns, 0)
	numbers := make([]int32, 0, len(ns))
	for n := range ns {
		numbers = append(numbers, n)
	}
	slices.SortFunc(numbers, func(a, b int32) int {
		if d := ns[b] - ns[a]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return int(a - b)
	})
	shown := numbers[:min(linesShown, len(numbers))]
	others := len(numbers) - len(shown)
	slices.Sort(shown)
	var rows []row
	for _, n := range shown {
		label := "line " + strconv.Itoa(int(n))
		if n >= 1 && int(n) <= len(r.Cell.Lines) {
			label = strconv.Itoa(int(n)) + "  " + strings.TrimSpace(r.Cell.Lines[n-1])
		}
		rows = append(rows, row{label: label, lines: true, runs: runsOf(r, only(lane.Slices, func(l int32) bool { return l == n }))})
	}
	if others > 0 {
		rest := runsOf(r, only(lane.Slices, func(l int32) bool { return l != 0 && !slices.Contains(shown, l) }))
		rows = append(rows, row{label: report.Plural(int64(others), "other line"), lines: true, runs: rest})
	}
	return rows
}

func only(all []result.Slice, keep func(int32) bool) []result.Slice {
	var kept []result.Slice
	for _, s := range all {
		if keep(s.Line) {
			s.Label = ""
			kept = append(kept, s)
		}
	}
	return kept
}

// runsOf puts slices on the grid of columns: a later slice wins a column, neighbours of one class and label join.
func runsOf(r *result.Result, list []result.Slice) []run {
	w := r.Picture.Window
	column := func(t int64) float64 { return float64(t-w.Start) / float64(w.Ns()) * laneColumns }
	grid := make([]int, laneColumns) // index into list, plus one
	for i, s := range list {
		from, to := column(s.Start), column(s.End)
		if to < 0 || from > laneColumns || s.End < s.Start {
			continue
		}
		a := min(laneColumns-1, max(0, int(from)))
		b := max(a+1, min(laneColumns, int(math.Round(to))))
		for c := a; c < b; c++ {
			grid[c] = i + 1
		}
	}
	var runs []run
	for c, i := range grid {
		if i == 0 {
			continue
		}
		s := list[i-1]
		if n := len(runs); n > 0 && runs[n-1].to == c && runs[n-1].class == s.Class && runs[n-1].label == s.Label {
			runs[n-1].to++
			continue
		}
		runs = append(runs, run{c, c + 1, s.Class, s.Label})
	}
	return runs
}

// scale from columns to SVG units.
const columnWidth = float64(laneRight-laneLeft) / laneColumns

func at(column int) markup {
	return markup(strconv.FormatFloat(laneLeft+float64(column)*columnWidth, 'f', 1, 64))
}

// middleOf is the height of a row's middle.
func middleOf(row int) int { return 8 + row*laneHeight + laneHeight/2 }

// dashes hatches what is drawn with it.
const dashes markup = ` stroke-dasharray="3 2"`

// stroke is the attributes that draw a class.
func stroke(s sliceStyle) markup {
	m := ` stroke="` + s.color + `" stroke-width="` + num(s.height) + `"`
	if s.hatch {
		m += dashes
	}
	return m
}

// drawRuns writes one path a class: "m3 0h2" is a slice, six bytes, so that a full picture stays small.
func drawRuns(b *page, row row, middle int) {
	for _, class := range classesOf(row.runs) {
		style := sliceOf(class)
		if row.marks {
			style = sliceOf("mark")
		}
		b.raw(`<path`, stroke(style), ` d="`)
		last := -1
		for _, run := range row.runs {
			switch {
			case run.class != class:
				continue
			case last < 0:
				b.raw(`M`, num(run.from), ` `, num(middle))
			default:
				b.raw(`m`, num(run.from-last), ` 0`)
			}
			last = run.to
			if row.marks {
				last = run.from + 2
			}
			b.raw(`h`, num(last-run.from))
		}
		b.raw(`"/>`)
	}
}

// drawLabels writes the names of scopes inside them and those of marks beside them, where there is room.
func drawLabels(b *page, row row, middle int) {
	free := 0
	for _, run := range row.runs {
		room := run.to - run.from
		if row.marks {
			room = laneColumns - run.from
		}
		letters := min(24, int(float64(room)*columnWidth)/7-1)
		if run.label == "" || letters < 3 || run.from < free {
			continue
		}
		label := report.Fit(report.Visible(run.label, 80), letters)
		free = run.from + int(float64(report.Columns(label)*7+8)/columnWidth)
		b.raw(`<text x="`, at(run.from), `" y="`, num(middle+4), `" dx="4">`, escaped(label, 0), `</text>`)
	}
}

func classesOf(runs []run) []string {
	var classes []string
	for _, run := range runs {
		if !slices.Contains(classes, run.class) && len(classes) < 20 {
			classes = append(classes, run.class)
		}
	}
	return classes
}

// axis draws round times from the start of the cell.
func axis(b *page, r *result.Result, rows int) {
	bottom := 8 + rows*laneHeight
	wall := r.Picture.Window.Ns()
	step := int64(1)
	b.raw(`<g text-anchor="middle" fill="#57606a">`)
	for steps := []int64{2, 5, 10}; wall/step > 8; {
		for _, s := range steps {
			if wall/(step*s) <= 8 || s == 10 {
				step *= s
				break
			}
		}
	}
	for t, i := int64(0), 0; t <= wall && i < 10; t, i = t+step, i+1 {
		x := at(int(float64(t) / float64(wall) * laneColumns))
		b.raw(`<path d="M`, x, ` 6V`, num(bottom+3), `" stroke="#d0d7de"/><text x="`, x, `" y="`, num(bottom+15), `">`, one(report.Duration(t)), `</text>`)
	}
	b.raw(`</g>`)
}

// legendOf names the classes in the picture, a line of them as wide as the picture.
func legendOf(rows []row) (legend markup, height int) {
	var classes []string
	for _, row := range rows {
		if row.marks || row.lines {
			continue
		}
		for _, c := range classesOf(row.runs) {
			if c != "scope" && !slices.Contains(classes, c) && len(classes) < 24 {
				classes = append(classes, c)
			}
		}
	}
	if len(classes) == 0 {
		return "", 4
	}
	x, y := laneLeft, 12
	for _, c := range classes {
		s := sliceOf(c)
		words := report.Fit(report.Visible(report.StateWords(c), 60), 30)
		width := 26 + report.Columns(words)*6 + 14
		if x+width > laneRight {
			x, y = laneLeft, y+18
		}
		legend += `<path` + stroke(s) + ` d="M` + num(x) + ` ` + num(y) + `h20"/><text x="` + num(x+26) + `" y="` + num(y+4) + `">` + escaped(words, 0) + `</text>`
		x += width
	}
	return legend, y + 14
}

// altOf says what the picture shows to those who do not see it.
func altOf(r *result.Result, rows []row, left int) string {
	names := make([]string, 0, len(rows))
	for _, row := range rows {
		names = append(names, report.Visible(row.label, 40))
	}
	s := "Timeline of " + report.Duration(r.Picture.Window.Ns()) + " with " + report.Plural(int64(len(rows)), "row") + ": " + strings.Join(names[:min(12, len(names))], "; ") + "."
	if left > 0 {
		s += " Not drawn: " + report.Plural(int64(left), "more lane") + "."
	}
	var states []string
	for _, st := range report.States(r.Host.States) {
		states = append(states, st.Words+" "+report.Percent(report.Share(st.Ns, r.WallNs)))
	}
	if len(states) > 0 {
		s += " The main thread: " + strings.Join(states, ", ") + "."
	}
	return s
}
