package session

import (
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/html"
	"github.com/inferscope/inferscope/report/markdown"
	"github.com/inferscope/inferscope/report/summary"
	"github.com/inferscope/inferscope/report/text"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// renderComparison makes the answer to Compare.
func renderComparison(c *result.Comparison) wire.Comparison {
	return wire.Comparison{HTML: string(html.Comparison(c)), Markdown: string(markdown.Comparison(c)),
		Text: string(text.Comparison(c)), Summary: string(summary.Comparison(c))}
}

// render makes the answer to Stop from a result; t is what its text goes to.
func render(cellID string, r *result.Result, t text.Terminal) wire.Report {
	report := wire.Report{CellID: cellID, HTML: string(html.Render(r)), Markdown: string(markdown.Render(r)),
		Text: string(t.Render(r)), Summary: string(summary.Render(r)), Losses: []wire.Loss{}}
	for _, l := range r.Losses {
		report.Losses = append(report.Losses, wire.Loss{Source: l.Source, Reason: l.Reason, Count: l.Count, Enable: l.Enable})
	}
	return report
}
