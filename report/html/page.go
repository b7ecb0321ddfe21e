package html

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/report"
)

// markup is HTML that this package wrote. Go converts a constant to it silently
// and refuses a string variable, so text from outside cannot reach the page
// without going through text, code or attr.
type markup string

// page collects the HTML.
type page struct{ b bytes.Buffer }

func (p *page) raw(parts ...markup) {
	for _, m := range parts {
		p.b.WriteString(string(m))
	}
}

// text writes prose from outside: escaped, hidden characters visible, what stands
// between backticks as code, and with dollars and backslashes kept apart so that a
// notebook's MathJax leaves them alone.
func (p *page) text(s string, limit int) {
	for _, span := range report.Spans(report.Visible(s, limit)) {
		if span.Code {
			p.code(span.Text, 0)
			continue
		}
		p.b.WriteString(prose.Replace(span.Text))
	}
}

// code writes an identifier or a file from outside in the host's monospace.
func (p *page) code(s string, limit int) { p.raw(`<code>`, inText(s, limit), `</code>`) }

// source writes a line of source from outside, its indentation kept.
func (p *page) source(s string, limit int) {
	p.raw(`<code style="white-space:pre-wrap;background:none">`, inText(s, limit), `</code>`)
}

// inText is s as text, never as an attribute's value: code has many quotes, which stay as they are.
func inText(s string, limit int) markup {
	return markup(angles.Replace(report.Visible(s, limit)))
}

// escaped is s as text or as a double-quoted attribute's value.
func escaped(s string, limit int) markup {
	return markup(entities.Replace(report.Visible(s, limit)))
}

// block is escaped for the text of a <pre>.
func block(s string, lines, limit int) markup {
	return markup(angles.Replace(report.VisibleBlock(s, lines, limit)))
}

var angles = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "&#96;")

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;", "`", "&#96;")

// prose is of text alone, where quotes are no markup.
var prose = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "&#96;",
	"$", "<span>$</span>", `\`, `<span>\</span>`)

// num is an integer as markup.
func num[T int | int32 | int64](n T) markup { return markup(strconv.FormatInt(int64(n), 10)) }

// one is a number worded by package report, kept on one line.
func one(s string) markup { return markup(noBreak.Replace(entities.Replace(s))) }

var noBreak = strings.NewReplacer(" ", "\u00a0")

// pct is a share as a CSS percentage with one decimal.
func pct(share float64) markup {
	if !(share > 0) {
		return "0%"
	}
	return markup(strings.TrimSuffix(strconv.FormatFloat(min(share, 1)*100, 'f', 1, 64), ".0") + "%")
}

// Styles. Sanitising hosts keep inline styles but drop classes, CSS variables
// and currentColor, so text takes the host's own colour and everything that has
// a colour of its own also has its own background or is a shape.
const (
	tableStyle markup = "border-collapse:collapse;width:100%;table-layout:fixed;font-size:13px"
	left       markup = "text-align:left"
	preStyle   markup = "padding:8px;background:#8882;white-space:pre-wrap"
	dimStyle   markup = "opacity:.72"
)

// frame opens what every fragment is in; the caller closes the div.
const frame markup = `<div style="font-family:system-ui,sans-serif;font-size:14px;line-height:1.45;max-width:1000px;text-align:left;overflow-wrap:break-word">`

// heading starts a section. Sections are h5 below the verdict's h4: a notebook's
// table of contents stops at the fourth level, so it lists the report once. Their weight
// is said: JupyterLab's own is too light for most fonts to have.
func (p *page) heading(title markup) {
	p.raw(`<h5 style="font-size:15px;font-weight:600;margin:20px 0 6px">`, title, `</h5>`)
}

// fold starts a folded section; the caller closes it with p.raw(endFold).
func (p *page) fold(title, note markup, open bool) {
	p.raw(`<details`)
	if open {
		p.raw(` open`)
	}
	p.raw(` style="border-top:1px solid #8884;padding:6px 0"><summary><h5 style="display:inline;font-size:14px;font-weight:600;margin:0">`,
		title, `</h5>`)
	if note != "" {
		p.raw(` <span style="`, dimStyle, `">`, note, `</span>`)
	}
	p.raw(`</summary>`)
}

const endFold markup = `</details>`

// list starts a list; the caller closes it with p.raw(endList).
func (p *page) list() { p.raw(`<ul style="margin:4px 0;padding-left:20px">`) }

const endList markup = `</ul>`

// column is one column of a table.
type column struct {
	title   markup
	numeric bool
	// width is a CSS width; empty for 76px of a numeric column and a share of the rest of any other.
	width markup
}

// table starts a table. Its layout is fixed, so that a long name breaks instead of
// widening the page: a column of numbers has a width, columns of words share the rest.
func (p *page) table(columns ...column) {
	p.raw(`<table cellpadding="4" style="`, tableStyle, `"><thead><tr>`)
	for _, c := range columns {
		style, width := left, c.width
		if c.numeric {
			style = "text-align:right"
			if width == "" {
				width = "76px"
			}
		}
		if width != "" {
			style += ";width:" + width
		}
		p.raw(`<th scope="col" style="`, style, `">`, c.title, `</th>`)
	}
	p.raw(`</tr></thead><tbody>`)
}

const endTable markup = `</tbody></table>`

// td starts a cell of words. JupyterLab's own cells are aligned right, others' left: both are said.
const td markup = `<td style="text-align:left">`

// th starts a cell that names its row.
const th markup = `<th scope="row" style="text-align:left;font-weight:400">`

// td writes a cell holding markup of ours.
func (p *page) td(m markup) { p.raw(td, m, `</td>`) }

// tdNum writes a cell holding a number.
func (p *page) tdNum(m markup) { p.raw(`<td align="right">`, m, `</td>`) }

// tdEmpty writes a cell with nothing in it.
func (p *page) tdEmpty() { p.raw(`<td></td>`) }

// tdCode writes a cell holding code from outside.
func (p *page) tdCode(s string, limit int) {
	p.raw(td)
	p.code(s, limit)
	p.raw(`</td>`)
}

// segment is one piece of a stacked bar.
type segment struct {
	share float64 // of the bar's full width
	color markup
}

// bar is a stacked bar: one element with one gradient. What it shows is always in
// words beside it, so it is decoration to whoever cannot see it.
func bar(style markup, segments ...segment) markup {
	stops, end := markup(""), 0.0
	for i, s := range segments {
		if end += s.share; s.share < 0.004 || i >= 24 {
			continue
		}
		stops += s.color + ` 0 ` + pct(end) + `,`
	}
	fill := markup(`background:#8883`)
	if stops != "" {
		fill = `background:linear-gradient(90deg,` + stops + `#8883 0)`
	}
	return `<div style="` + style + `;` + fill + `"></div>`
}

// swatch is the colour's key.
func swatch(color markup) markup {
	return `<span style="background:` + color + `">` + "\u2003" + `</span> `
}

// more says how many rows were left out, if any.
func (p *page) more(shown, all int, noun string) {
	if all > shown {
		p.raw(`<p style="margin:4px 0;`, dimStyle, `">and `, one(report.Plural(int64(all-shown), "more "+noun)), `</p>`)
	}
}
