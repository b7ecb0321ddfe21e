package html

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

func severityChip(s result.Severity) markup {
	switch s {
	case result.High:
		return chip("#b3411a", "high")
	case result.Medium:
		return chip("#8a5a00", "medium")
	case result.Low:
		return chip("#1f63b5", "low")
	case result.Info:
		return chip("#1b7a4b", "info")
	}
	return chip("#5b6570", escaped(string(s), 20))
}

// findings lists what to change, the largest saving first.
func findings(p *page, r *result.Result, limits limits) {
	if r.WallNs <= 0 && len(r.Findings) == 0 {
		return
	}
	p.heading("What to change")
	if report.Calm(r) {
		if r.Verdict.Class != result.Unknown {
			p.raw(`<p style="margin:4px 0">Nothing stands out. This `, one(report.Subject(r)), ` does its work without waste that InferScope can see.</p>`)
		} else if len(r.Findings) == 0 {
			p.raw(`<p style="margin:4px 0">No finding: too little was seen to tell.</p>`)
		}
	}
	if len(r.Findings) > 0 {
		p.raw(`<ol style="margin:0;padding:0 0 0 22px">`)
		for _, f := range r.Findings[:min(len(r.Findings), limits.findings)] {
			finding(p, f, limits)
		}
		p.raw(`</ol>`)
		p.more(limits.findings, len(r.Findings), "finding")
	}
	whatIf(p, r, limits)
}

func finding(p *page, f result.Finding, limits limits) {
	p.raw(`<li style="margin:0 0 12px"><strong>`)
	p.text(f.Title, limits.name)
	p.raw(`</strong>`)
	if f.Line.Number > 0 {
		p.raw(`, line `, num(f.Line.Number))
	}
	p.raw(` `, severityChip(f.Severity))
	if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
		p.raw(` <span>saves <strong>`, one(s), `</strong></span>`)
	}
	// Evidence usually quotes the line.
	if start := report.Fit(trimmed(f.Line.Text), 12); f.Line.Number > 0 && start != "" && !strings.Contains(f.Evidence, "`"+strings.TrimSuffix(start, "…")) {
		p.raw(`<br>`)
		p.code(trimmed(f.Line.Text), limits.source)
	}
	p.raw(`<br>`)
	p.text(report.Modules(f.Evidence), limits.sentence)
	if f.Advice != "" {
		p.raw(`<br><strong>Do:</strong> `)
		p.text(f.Advice, limits.sentence)
	}
	if f.Before != "" || f.After != "" {
		p.raw(`<details style="margin-top:4px"><summary>Before and after</summary>`)
		snippet(p, "Before", f.Before, limits)
		snippet(p, "After", f.After, limits)
		p.raw(`</details>`)
	}
	why(p, f, limits)
	p.raw(`<div style="font-size:12px;`, dimStyle, `">`)
	p.code(f.ID, limits.name/2)
	if s := report.Effort(f.Effort); s != "" {
		p.raw(` · `, one(s))
	}
	p.raw(` · confidence `, one(report.Confidence(f.Confidence)), ` (`, ratio(f.Confidence), `)</div></li>`)
}

// why is the evidence of a finding in words, folded.
func why(p *page, f result.Finding, limits limits) {
	if len(f.Why) == 0 {
		return
	}
	p.raw(`<details><summary>Why do you say so?</summary><ul>`)
	for _, fact := range f.Why[:min(len(f.Why), limits.facts)] {
		p.raw(`<li>`)
		p.text(report.Modules(fact), limits.sentence/3)
		p.raw(`</li>`)
	}
	p.raw(`</ul></details>`)
}

func snippet(p *page, title markup, text string, limits limits) {
	if text == "" {
		return
	}
	p.raw(`<small>`, title, `</small><pre style="`, preStyle, `">`, block(text, limits.snippet, limits.source), `</pre>`)
}

// whatIf shows the predictions, or why there are none.
func whatIf(p *page, r *result.Result, limits limits) {
	if why := report.Unpredicted(r, limits.sentence); why != "" {
		p.raw(`<p style="margin:4px 0">`)
		p.text(why, 2*limits.sentence)
		p.raw(`</p>`)
	}
	if len(r.WhatIf) == 0 {
		return
	}
	p.fold("What if", one(report.Plural(int64(len(r.WhatIf)), "prediction"))+` of the `+one(report.Subject(r))+`'s wall time`, true)
	p.list()
	for _, w := range r.WhatIf[:min(len(r.WhatIf), limits.findings)] {
		p.raw(`<li>`)
		p.text(report.WhatIf(r, w, limits.sentence), 2*limits.sentence)
		p.raw(`</li>`)
	}
	p.raw(endList, `<p style="margin:4px 0">Half of the cause gone, to all of it gone. Each is on its own: savings that overlap do not add up.</p>`, endFold)
}
