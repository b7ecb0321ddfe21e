package html

import (
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// Comparison writes a comparison as an HTML fragment of at most MaxBytes.
func Comparison(c *result.Comparison) []byte {
	return fitted(MaxBytes, func(l limits) []byte { return comparison(c, l) })
}

// ComparisonDocument writes a comparison as a page of its own, for a file.
func ComparisonDocument(c *result.Comparison) []byte {
	return document("Comparison", Comparison(c))
}

// changesShown is what a table of a comparison holds at most.
const changesShown = 40

func comparison(c *result.Comparison, limits limits) []byte {
	p := &page{}
	p.raw(frame)
	accent := accentOf(c.Outcome)
	p.raw(`<div style="border-left:5px solid `, accent, `;padding:2px 0 2px 14px;margin:4px 0 10px">`)
	p.raw(`<h4 style="font-size:19px;font-weight:600;line-height:1.35;margin:0 0 6px">`)
	p.text(report.Modules(c.Sentence), limits.sentence)
	p.raw(`</h4><div>`, chip(accent, escaped(report.OutcomeWord(c.Outcome), 40)), ` <span>`, one(report.Duration(c.Wall.Before)), ` → `, one(report.Duration(c.Wall.After)), `</span></div>`)
	walls(p, c)
	p.raw(`<div style="margin-top:6px">Before: `)
	p.text(report.SideWords(c.Before), limits.sentence)
	p.raw(`<br>After: `)
	p.text(report.SideWords(c.After), limits.sentence)
	p.raw(`<br>Noise: `)
	p.text(report.ComparisonNoise(c.Noise)+". "+c.Noise.Why+" "+c.Noise.Hint, limits.sentence)
	if s := report.SourceChange(c); s != "" {
		p.raw(`<br>`)
		p.text(s, 0)
	}
	p.raw(`</div></div>`)
	within := false
	for _, t := range report.Changes(c, min(changesShown, limits.sourceRows)) {
		within = changes(p, t, limits) || within
	}
	if within {
		p.raw(`<p style="margin-top:4px;font-size:12px;`, dimStyle, `">A change in brackets is within the noise.</p>`)
	}
	changedFindings(p, "Gone", c.Gone, limits)
	changedFindings(p, "New", c.New, limits)
	changedFindings(p, "Still to change", c.Kept, limits)
	if len(c.Notes) > 0 {
		p.heading("To keep in mind")
		p.list()
		for _, n := range c.Notes[:min(len(c.Notes), limits.notes)] {
			p.raw(`<li>`)
			p.text(n, limits.sentence)
			p.raw(`</li>`)
		}
		p.raw(endList)
	}
	p.raw(`<p style="margin-top:10px;font-size:12px;`, dimStyle, `">InferScope `)
	p.text(c.After.ToolVersion, 40)
	p.raw(`</p></div>`)
	return p.b.Bytes()
}

func accentOf(o result.Outcome) markup {
	switch o {
	case result.Faster:
		return "#1b7a4b"
	case result.Slower:
		return "#b3411a"
	case result.NoDifference:
		return "#1f63b5"
	}
	return "#5b6570"
}

// walls draws the two walls, the longer one over the full width, by cause.
func walls(p *page, c *result.Comparison) {
	most := max(c.Wall.Before, c.Wall.After)
	if most <= 0 {
		return
	}
	var before, after []segment
	for _, k := range c.Causes {
		before = append(before, segment{report.Share(k.Time.Before, most), colorOfCause(k.Kind)})
		after = append(after, segment{report.Share(k.Time.After, most), colorOfCause(k.Kind)})
	}
	p.raw(bar("height:10px;margin:6px 0 2px", before...), bar("height:10px;margin:0 0 2px", after...))
}

// changes writes one table and says whether a change in it is within the noise.
func changes(p *page, t report.ChangeTable, limits limits) (within bool) {
	p.heading(escaped(t.Title, 80))
	p.table(column{title: "Change", numeric: true, width: "84px"}, column{title: "Before", numeric: true, width: "70px"}, column{title: "After", numeric: true, width: "70px"},
		column{title: escaped(t.Column, 40)}, column{title: "Note", width: "32%"})
	for _, r := range t.Rows {
		if r.Within {
			within = true
			p.raw(`<tr style="`, dimStyle, `">`)
			p.tdNum(`(` + one(r.Change) + `)`)
		} else {
			p.raw(`<tr>`)
			p.tdNum(`<strong>` + one(r.Change) + `</strong>`)
		}
		p.tdNum(one(r.Before))
		p.tdNum(one(r.After))
		p.raw(th, escaped(r.Name, limits.name))
		switch {
		case r.Code == "":
		case r.Name == "":
			kernelName(p, r.Code, limits)
		default:
			p.raw(` `)
			p.code(report.Fit(report.Visible(r.Code, limits.source), 80), 0)
		}
		p.raw(`</th>`, td)
		if r.Was != "" {
			p.raw(`was `)
			p.code(report.Fit(report.Visible(r.Was, limits.source), 60), 0)
			if r.Note != "" {
				p.raw(`, `)
			}
		}
		p.raw(escaped(r.Note, limits.sentence), `</td></tr>`)
	}
	p.raw(endTable)
	return within
}

func changedFindings(p *page, title markup, list []result.Finding, limits limits) {
	if len(list) == 0 {
		return
	}
	p.heading(title)
	p.list()
	for _, f := range list[:min(len(list), limits.findings)] {
		p.raw(`<li>`)
		p.text(report.FindingWords(f), limits.name)
		p.raw(` `, severityChip(f.Severity))
		if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
			p.raw(` <span>`, one(s), `</span>`)
		}
		p.raw(`</li>`)
	}
	p.raw(endList)
	p.more(limits.findings, len(list), "finding")
}
