// Package html renders a result as the report that a notebook shows.
//
// The page is a fragment without script, style element, class or CSS variable:
// what JupyterLab's sanitiser and GitHub leave of it still reads well. Text from
// the cell and from the machine is hostile: the type markup keeps it out of the
// page unless it was escaped.
package html

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// MaxBytes is the size that no report exceeds, BaseBytes the size that one is cut to as
// long as that leaves it readable: a notebook keeps every byte of its reports.
const (
	MaxBytes  = 512 * 1024
	BaseBytes = 30 * 1024
)

// limits bounds what is shown of everything that may be large.
type limits struct {
	// name, sentence and source are characters.
	name, sentence, source, kernelName, kernelTitle int
	// The rest are rows.
	sourceRows, sourceFolded, findings, facts, snippet, threads, functions, scopes, marks, losses, notes, causes, lanes, devices, kernels, copies int
	// runs is pieces of the picture.
	runs int
}

var generous = limits{name: 160, sentence: 900, source: 240, kernelName: 84, kernelTitle: 300,
	sourceRows: 160, sourceFolded: 1500, findings: 20, facts: 5, snippet: 24, threads: 12, functions: 15, scopes: 20, marks: 30, losses: 20, notes: 12, causes: 16, lanes: 7, devices: 8, kernels: 10, copies: 12, runs: mostRuns}

// tightest is how far a report is cut for BaseBytes: it must still be readable.
var tightest = limits{name: 60, sentence: 300, source: 100, kernelName: 48, kernelTitle: 100,
	sourceRows: 24, sourceFolded: 1, findings: 4, facts: 1, snippet: 8, threads: 3, functions: 4, scopes: 3, marks: 3, losses: 4, notes: 3, causes: 5, lanes: 2, devices: 2, kernels: 3, copies: 3, runs: mostRuns / 2}

// tighter is the next try when a page is larger than BaseBytes.
func (l limits) tighter() limits {
	all, least := l.all(), tightest.all()
	for i, n := range all {
		*n = max(*least[i], *n*2/3)
	}
	return l
}

// halved is the next try when a page came out too large. Every limit stays above zero.
func (l limits) halved() limits {
	for _, n := range l.all() {
		*n = max(1, *n/2)
	}
	return l
}

// all are the limits, to change each in the same way.
func (l *limits) all() []*int {
	return []*int{&l.name, &l.sentence, &l.source, &l.sourceRows, &l.sourceFolded, &l.findings, &l.facts, &l.snippet, &l.threads, &l.functions,
		&l.scopes, &l.marks, &l.losses, &l.notes, &l.causes, &l.lanes, &l.kernelName, &l.kernelTitle, &l.devices, &l.kernels, &l.copies, &l.runs}
}

// timelinePlace is where the script stands, right after the picture: a character that no text in
// the page holds. The script comes in last: the page is made compact before, as no script can be.
const timelinePlace markup = "\x00"

// Render writes the report of r as an HTML fragment of at most MaxBytes. Where scripts
// run, the picture in it becomes an interactive timeline; without them, and after any
// host's cleaning, the page is the same but for the two script elements.
func Render(r *result.Result) []byte {
	script := interactive(r)
	out := fitted(MaxBytes-len(script), func(l limits) []byte { return render(r, l) })
	if len(out)+len(script) > MaxBytes {
		script = ""
	}
	return bytes.Replace(out, []byte(timelinePlace), []byte(script), 1)
}

// fitted makes a page within the first limits that make it small enough: for BaseBytes as
// long as it stays readable, for most bytes in any case.
func fitted(most int, write func(limits) []byte) []byte {
	l := generous
	out := compact(write(l))
	for ; len(out) > BaseBytes && l != l.tighter(); out = compact(write(l)) {
		l = l.tighter()
	}
	for ; len(out) > most && l != l.halved(); out = compact(write(l)) {
		l = l.halved()
	}
	return out
}

// render is the page within limits.
func render(r *result.Result, limits limits) []byte {
	p := &page{}
	p.raw(frame)
	verdict(p, r, limits)
	gpu(p, r, limits)
	breakdown(p, r, limits)
	source(p, r, limits)
	findings(p, r, limits)
	if img, ok := picture(r, limits); ok {
		p.heading("Over time")
		p.raw(`<div>`, img, `</div>`, timelinePlace)
	}
	kernels(p, r, limits)
	copies(p, r, limits)
	sensors(p, r, limits)
	functions(p, r, limits)
	threads(p, r, limits)
	scopes(p, r, limits)
	memory(p, r)
	notSeen(p, r, limits)
	howToRead(p, markup(report.Subject(r)), len(r.Devices) > 0)
	footer(p, r)
	p.raw(`</div>`)
	return p.b.Bytes()
}

// compact leaves out the end tags and the quotes that HTML does not need: an eighth of the
// page. The ends of a table's head, and of a cell before one that names its row, stay: the
// parser of JupyterLab's sanitiser needs them.
func compact(page []byte) []byte {
	page = []byte(needless.Replace(string(page)))
	return startTag.ReplaceAllFunc(page, func(tag []byte) []byte { return quoted.ReplaceAll(tag, []byte("=$1$2")) })
}

// Text from outside holds none of them: its angles are escaped.
var needless = strings.NewReplacer("</td><th", "</td><th", "</td>", "", "</th>", "", "</tr>", "", "</tbody>", "", "</li>", "")

var (
	// Values of attributes hold no angles: they are escaped.
	startTag = regexp.MustCompile(`<[a-z][^>]*>`)
	quoted   = regexp.MustCompile(`="([A-Za-z0-9:;#.,%_-]+)"([ >])`)
)

// chip is a word on a colour of its own, readable on any page.
func chip(background, word markup) markup {
	return `<span style="padding:2px 8px;border-radius:10px;font-size:12px;font-weight:600;background:` + background + `;color:#fff">` + word + `</span>`
}

func verdict(p *page, r *result.Result, limits limits) {
	v := r.Verdict
	accent := markup("#1f63b5")
	switch {
	case r.WallNs <= 0 || v.Class == result.Unknown:
		accent = "#5b6570"
	case report.Calm(r):
		accent = "#1b7a4b"
	}
	p.raw(`<div style="border-left:5px solid `, accent, `;padding:2px 0 2px 14px;margin:4px 0 10px">`)
	p.raw(`<h4 style="font-size:19px;font-weight:600;line-height:1.35;margin:0 0 6px">`)
	p.text(report.Modules(v.Sentence), limits.sentence)
	p.raw(`</h4><div>`)
	if r.WallNs > 0 {
		p.raw(chip(accent, escaped(report.Class(v.Class), 40)), ` `, one(report.Duration(r.WallNs)), ` wall time`)
	}
	if s := report.Outcome(r); s != "" {
		p.raw(` · <strong>`)
		p.text(s, limits.sentence)
		p.raw(`</strong>`)
	}
	p.raw(`</div>`)
	if c := r.Since; c != nil {
		p.raw(`<div style="margin:8px 0 4px">`, chip(accentOf(c.Outcome), escaped(report.OutcomeWord(c.Outcome), 40)), ` `)
		p.text(c.Sentence, limits.sentence)
		p.raw(`</div>`)
	}
	first(p, r, limits)
	if r.WallNs > 0 {
		confidence(p, v, limits)
	}
	p.raw(`</div>`)
}

// first points to the finding at the top: what to do, before any table. One that is known
// to save less than a hundredth is not what to begin with: then the verdict stands alone.
func first(p *page, r *result.Result, limits limits) {
	if len(r.Findings) == 0 || r.Findings[0].Severity == result.Info {
		return
	}
	f := r.Findings[0]
	if most := f.Saving.HighNs; most > 0 && most*100 < r.WallNs {
		return
	}
	p.raw(`<div style="margin:8px 0 4px"><strong>First thing to change:</strong> `)
	p.text(f.Title, limits.name)
	if f.Line.Number > 0 {
		p.raw(`, line `, num(f.Line.Number))
	}
	if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
		p.raw(` – may save <strong>`, one(s), `</strong>`)
	}
	if f.Line.Number > 0 && trimmed(f.Line.Text) != "" {
		p.raw(`<br>`)
		p.code(trimmed(f.Line.Text), limits.name)
	}
	p.raw(`</div>`)
}

// confidence is the number and, folded, the three that make it.
func confidence(p *page, v result.Verdict, limits limits) {
	p.raw(`<details style="margin-top:4px"><summary>Confidence `, one(report.Confidence(v.Confidence)), ` (`, ratio(v.Confidence), `)</summary>`)
	if v.Class == result.Unknown && v.Leaning != "" && v.Leaning != result.Unknown {
		p.raw(`<p style="margin:6px 0">Too little is known for a verdict. It leans towards: `, escaped(report.Class(v.Leaning), 40), `.</p>`)
	}
	p.raw(`<p style="margin:6px 0">Confidence is evidence × margin × quality:</p>`)
	p.list()
	for _, part := range []struct {
		name  markup
		value float64
		why   string
	}{{"Evidence", v.Evidence, v.EvidenceWhy}, {"Margin", v.Margin, v.MarginWhy}, {"Quality", v.Quality, v.QualityWhy}} {
		p.raw(`<li>`, part.name, ` `, ratio(part.value),
			` <meter value="`, ratio(part.value), `" title="`, part.name, ` `, ratio(part.value), `"></meter> `)
		p.text(part.why, limits.sentence)
		p.raw(`</li>`)
	}
	p.raw(endList, `</details>`)
}

// ratio writes a number of 0..1 with two decimals.
func ratio(v float64) markup {
	if !(v > 0) {
		return "0.00"
	}
	return markup(strconv.FormatFloat(min(v, 1), 'f', 2, 64))
}

func breakdown(p *page, r *result.Result, limits limits) {
	if len(r.Host.ByKind) == 0 || r.WallNs <= 0 {
		return
	}
	if len(r.Devices) > 0 {
		p.heading("Where the host’s time went")
	} else {
		p.heading("Where the time went")
	}
	var all []segment
	for _, c := range r.Host.ByKind {
		all = append(all, segment{c.Share, colorOfCause(c.Kind)})
	}
	p.raw(bar("height:14px;margin:2px 0 6px", all...))
	p.table(column{title: "Cause", width: "34%"}, column{title: "Time", numeric: true, width: "76px"}, column{title: "Share", numeric: true, width: "54px"}, column{title: "Mainly"})
	shown, small, named := 0, int64(0), map[int32]bool{}
	for _, c := range r.Host.ByKind {
		// Rows under a thousandth say nothing: they are summed below.
		if shown >= limits.causes || shown > 0 && c.Share < 0.001 {
			small += c.Ns
			continue
		}
		shown++
		p.raw(`<tr>`, th, swatch(colorOfCause(c.Kind)), escaped(report.Cause(c.Kind), 60))
		if m := report.CauseMeaning(c.Kind); m != "" {
			p.raw(`<br><small>`, escaped(m, 0), `</small>`)
		}
		p.raw(`</th>`)
		p.tdNum(one(report.Duration(c.Ns)))
		p.tdNum(one(report.Percent(c.Share)))
		p.raw(td)
		mainly(p, r.Host.Causes, c, named, limits)
		p.raw(`</td></tr>`)
	}
	if small > 0 {
		p.raw(`<tr>`)
		p.td(`everything else`)
		p.tdNum(one(report.Duration(small)))
		p.tdNum(one(report.Percent(report.Share(small, r.WallNs))))
		p.tdEmpty()
		p.raw(`</tr>`)
	}
	p.raw(endTable)
}

// mainly names the line, the thread and the detail that stand behind a cause.
// A line's source is shown where it is named first; all are the causes among which the line of a sum is looked up.
func mainly(p *page, all []result.Cause, c result.Cause, named map[int32]bool, limits limits) {
	separator := markup("")
	if l := report.LineOf(c, all); l.Number > 0 {
		p.raw(`line `, num(l.Number), ` `)
		if !named[l.Number] {
			p.code(report.Fit(report.Visible(trimmed(l.Text), limits.name), 52), 0)
		}
		named[l.Number] = true
		separator = ` `
	}
	detail := report.Modules(c.Detail)
	if detail == report.CauseMeaning(c.Kind) {
		detail = "" // it stands beside already
	}
	if c.Thread == "" && detail == "" && c.Count == 0 {
		return
	}
	p.raw(separator, `<small>`)
	separator = ""
	if c.Thread != "" {
		p.raw(`thread `)
		p.code(c.Thread, limits.name/2)
		separator = `, `
	}
	if detail != "" {
		p.raw(separator)
		p.text(detail, limits.name)
		separator = `, `
	}
	if c.Count > 0 {
		p.raw(separator, one(report.Plural(c.Count, "time")))
	}
	p.raw(`</small>`)
}

func footer(p *page, r *result.Result) {
	p.raw(`<p style="margin-top:10px;font-size:12px;`, dimStyle, `">InferScope `)
	p.text(r.Source.ToolVersion, 40)
	p.raw(` · `)
	p.text(r.Cell.Name, 80)
	if r.Source.Path != "" {
		p.raw(` · `)
		p.code(r.Source.Path, 200)
	}
	p.raw(` · `)
	p.text(report.Overhead(r), 0)
	p.raw(`</p>`)
}
