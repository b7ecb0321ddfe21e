package html

import (
	"fmt"
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

	laneLeft   = 150
	laneRight  = pictureWidth - 20
	laneHeight = 20
	linesShown = 6
)

// A picture begins with as many columns as the analysis prepared. One that would
// hold more than mostRuns pieces is drawn with half of them, and again, down to
// leastColumns: it is there for the shape, and a notebook keeps every byte of it.
// Both are less on a page that is cut.
const (
	mostColumns  = result.PictureColumns
	leastColumns = 240
	mostRuns     = 320
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
	return `<img width="800" style="width:100%;height:auto;border-radius:4px;display:block" src="data:image/svg+xml,` +
		inURL(svg) + `" alt="` + escaped(alt, 900) + `">`, true
}

// inURL is a drawing of ours as the data of a URL, in an attribute: most of it is numbers,
// which stay as they are, so that it is a quarter smaller than by base64. Double quotes,
// which only stand around its attributes, become single ones.
func inURL(svg string) markup {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(svg) {
		switch c := svg[i]; {
		case c == '"':
			b.WriteByte('\'')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~!*();:@=+$,/?'", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	return markup(b.String())
}

// drawing is the SVG of the timeline and its alternative text.
func drawing(r *result.Result, limits limits) (svg, alt string) {
	if r.Picture.Window.Ns() <= 0 {
		return "", ""
	}
	g := grid(mostColumns)
	rows, left := g.rowsOf(r, limits)
	least := grid(max(leastColumns*limits.runs/mostRuns, leastColumns/4))
	for ; g > least && pieces(rows) > limits.runs; rows, left = g.rowsOf(r, limits) {
		g /= 2
	}
	if len(rows) == 0 {
		return "", ""
	}
	var b page
	words, samples, legendHeight := g.legendOf(rows)
	height := 8 + len(rows)*laneHeight + 20 + legendHeight
	b.raw(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 `, num(height), `" width="800" height="`, num(height),
		`" font-family="system-ui,sans-serif" font-size="11" fill="#24292f"><rect width="800" height="`, num(height), `" fill="#f7f8fa"/>`)
	g.axis(&b, r, len(rows))
	b.raw(`<g text-anchor="end" transform="translate(`, num(laneLeft-8), `)">`)
	for i, row := range rows {
		b.raw(`<text y="`, num(middleOf(i)+4), `">`, escaped(report.Fit(report.Visible(row.label, 60), 22), 0), `</text>`)
	}
	b.raw(`</g><g fill="none" transform="translate(`, num(laneLeft), `) scale(`, markup(strconv.FormatFloat(g.width(), 'f', 4, 64)), ` 1)">`)
	drawRuns(&b, rows, samples)
	b.raw(`</g>`)
	for i, row := range rows {
		g.drawLabels(&b, row, middleOf(i))
	}
	b.raw(words, `</svg>`)
	return b.b.String(), altOf(r, rows, left)
}

// Lanes of the devices: what a stream ran, and why a device was idle.
const (
	laneStream result.LaneKind = "stream"
	laneIdle   result.LaneKind = "idle"
)

var laneOrder = []result.LaneKind{result.LaneLines, result.LaneScopes, result.LaneMarks, laneStream, laneIdle, result.LaneThread, result.LaneGC}

// rowsOf lays the lanes out in the order of the picture; left counts threads that found no room.
func (g grid) rowsOf(r *result.Result, limits limits) (rows []row, left int) {
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
			rows = append(rows, g.lineRows(r, lane)...)
			continue
		}
		runs := g.runsOf(r, lane.Slices)
		if len(runs) == 0 {
			continue
		}
		rows = append(rows, row{label: lane.Name, runs: runs, marks: lane.Kind == result.LaneMarks})
	}
	return rows, left
}

// lineRows gives a row of its own to each of the lines that took longest, and one to all others.
func (g grid) lineRows(r *result.Result, lane result.Lane) []row {
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
		rows = append(rows, row{label: label, lines: true, runs: g.runsOf(r, only(lane.Slices, func(l int32) bool { return l == n }))})
	}
	if others > 0 {
		rest := g.runsOf(r, only(lane.Slices, func(l int32) bool { return l != 0 && !slices.Contains(shown, l) }))
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

// grid is a number of columns between the picture's edges.
type grid int

// width is a column's, in SVG units.
func (g grid) width() float64 { return float64(laneRight-laneLeft) / float64(g) }

// at is where a column begins.
func (g grid) at(column int) markup {
	return markup(strings.TrimSuffix(strconv.FormatFloat(laneLeft+float64(column)*g.width(), 'f', 1, 64), ".0"))
}

func pieces(rows []row) (n int) {
	for _, row := range rows {
		n += len(row.runs)
	}
	return n
}

// runsOf puts slices on the columns: the one that fills most of a column has it, neighbours of one class and label join.
func (g grid) runsOf(r *result.Result, list []result.Slice) []run {
	w := r.Picture.Window
	columns := int(g)
	column := func(t int64) float64 { return float64(t-w.Start) / float64(w.Ns()) * float64(columns) }
	type filling struct {
		slice int // index into list, plus one
		part  float64
	}
	filled := make([]filling, columns)
	for i, s := range list {
		from, to := column(s.Start), column(s.End)
		if to < 0 || from > float64(columns) || s.End < s.Start {
			continue
		}
		a := min(columns-1, max(0, int(from)))
		b := max(a+1, min(columns, int(math.Round(to))))
		for c := a; c < b; c++ {
			part := min(to, float64(c+1)) - max(from, float64(c))
			if filled[c].slice == 0 || part >= filled[c].part {
				filled[c] = filling{i + 1, part}
			}
		}
	}
	var runs []run
	for c, f := range filled {
		if f.slice == 0 {
			continue
		}
		s := list[f.slice-1]
		if n := len(runs); n > 0 && runs[n-1].to == c && runs[n-1].class == s.Class && runs[n-1].label == s.Label {
			runs[n-1].to++
			continue
		}
		runs = append(runs, run{c, c + 1, s.Class, s.Label})
	}
	return runs
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

// drawRuns writes one path a class for all rows: "m3,0h2" is a slice. A row of a class that
// is not hatched by its dashes is one line whose dashes are the slices, "3,2" each, where
// there are many: a notebook keeps every byte of a picture.
// Samples are what the legend draws of a class.
func drawRuns(b *page, rows []row, samples map[string]string) {
	const many = 12 // pays for a path of its own
	paths := map[string]*drawnClass{}
	var order []string
	for i, row := range rows {
		for _, class := range classesOf(row.runs) {
			key := class
			if row.marks {
				key = "mark"
			}
			d := paths[key]
			if d == nil {
				d = &drawnClass{}
				paths[key] = d
				order = append(order, key)
			}
			runs := slices.DeleteFunc(slices.Clone(row.runs), func(r run) bool { return r.class != class })
			if len(runs) >= many && !row.marks && !sliceOf(class).hatch {
				d.dashed(runs, middleOf(i))
			} else {
				d.slices(runs, middleOf(i), row.marks)
			}
		}
	}
	for _, class := range order {
		d := paths[class]
		d.path.WriteString(samples[class])
		b.raw(`<g`, stroke(sliceOf(class)), `>`, markup(d.rows.String()))
		if d.path.Len() > 0 {
			b.raw(`<path d="`, markup(d.path.String()), `"/>`)
		}
		b.raw(`</g>`)
	}
}

// drawnClass is what is drawn of a class: one path, and rows of dashes.
type drawnClass struct{ path, rows strings.Builder }

func (d *drawnClass) slices(runs []run, y int, marks bool) {
	last := -1
	for _, run := range runs {
		if last < 0 {
			fmt.Fprintf(&d.path, "M%d,%d", run.from, y)
		} else {
			fmt.Fprintf(&d.path, "m%d,0", run.from-last)
		}
		last = run.to
		if marks {
			last = run.from + 1
		}
		fmt.Fprintf(&d.path, "h%d", last-run.from)
	}
}

func (d *drawnClass) dashed(runs []run, y int) {
	from, last := runs[0].from, runs[0].from
	d.rows.WriteString(`<path stroke-dasharray="`)
	for i, run := range runs {
		if i > 0 {
			fmt.Fprintf(&d.rows, "%d,", run.from-last)
		}
		fmt.Fprintf(&d.rows, "%d,", run.to-run.from)
		last = run.to
	}
	// The gap after the last dash: the dashes would begin anew.
	fmt.Fprintf(&d.rows, `%d" d="M%d,%dh%d"/>`, 1, from, y, last-from)
}

// drawLabels writes the names of scopes inside them and those of marks beside them, where there is room.
func (g grid) drawLabels(b *page, row row, middle int) {
	free := 0
	for _, run := range row.runs {
		room := run.to - run.from
		if row.marks {
			room = int(g) - run.from
		}
		letters := min(24, int(float64(room)*g.width())/7-1)
		if run.label == "" || letters < 3 || run.from < free {
			continue
		}
		label := report.Fit(report.Visible(run.label, 80), letters)
		free = run.from + int(float64(report.Columns(label)*7+8)/g.width())
		b.raw(`<text x="`, g.at(run.from), `" y="`, num(middle+4), `" dx="4">`, escaped(label, 0), `</text>`)
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
func (g grid) axis(b *page, r *result.Result, rows int) {
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
	ticks := markup("")
	for t, i := int64(0), 0; t <= wall && i < 10; t, i = t+step, i+1 {
		x := g.at(int(float64(t) / float64(wall) * float64(g)))
		ticks += `M` + x + ` 6V` + num(bottom+3)
		b.raw(`<text x="`, x, `" y="`, num(bottom+15), `">`, one(report.Duration(t)), `</text>`)
	}
	b.raw(`<path stroke="#d0d7de" d="`, ticks, `"/></g>`)
}

// legendOf names the classes in the picture, a line of them as wide as the picture: the
// words, and for each class what it is to draw beside its word, on the grid.
func (g grid) legendOf(rows []row) (words markup, samples map[string]string, height int) {
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
		return "", nil, 4
	}
	samples = map[string]string{}
	top := 8 + len(rows)*laneHeight + 20
	column := func(units int) string {
		return strings.TrimSuffix(strconv.FormatFloat(float64(units)/g.width(), 'f', 1, 64), ".0")
	}
	x, y := laneLeft, 12
	for _, c := range classes {
		text := report.Fit(report.Visible(report.StateWords(c), 60), 30)
		width := 26 + report.Columns(text)*6 + 14
		if x+width > laneRight {
			x, y = laneLeft, y+18
		}
		samples[c] = "M" + column(x-laneLeft) + "," + strconv.Itoa(top+y) + "h" + column(20)
		words += `<text x="` + num(x+26) + `" y="` + num(top+y+4) + `">` + escaped(text, 0) + `</text>`
		x += width
	}
	return words, samples, y + 14
}

// altOf says what the picture shows to those who do not see it.
func altOf(r *result.Result, rows []row, left int) string {
	names := make([]string, 0, len(rows))
	for _, row := range rows {
		names = append(names, report.Fit(report.Visible(row.label, 40), 24))
	}
	s := "Timeline of " + report.Duration(r.Picture.Window.Ns()) + " with " + report.Plural(int64(len(rows)), "row") + ": " + strings.Join(names[:min(12, len(names))], "; ") + "."
	if left > 0 {
		s += " Not drawn: " + report.Plural(int64(left), "more lane") + "."
	}
	for _, d := range r.Devices[:min(len(r.Devices), 4)] {
		var parts []string
		for _, part := range report.Parts(d) {
			parts = append(parts, part.Name+" "+report.Percent(part.Share))
		}
		s += " GPU " + strconv.Itoa(int(d.Index)) + ": " + strings.Join(parts, ", ") + "."
		if d.Coverage != nil {
			s += " Of its lanes " + report.Percent(d.Coverage.Share) + " was captured."
		}
	}
	var states []string
	for _, st := range report.States(r.Host.States) {
		if st.Ns*100 < r.WallNs {
			continue
		}
		states = append(states, st.Words+" "+report.Percent(report.Share(st.Ns, r.WallNs)))
	}
	if len(states) > 0 {
		s += " The main thread: " + strings.Join(states, ", ") + "."
	}
	return s
}
