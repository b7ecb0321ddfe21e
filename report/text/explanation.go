package text

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// Explanations writes what findings and causes were made of, in lines of at most 80 columns.
func Explanations(list []result.Explanation) []byte { return Terminal{}.Explanations(list) }

// Explanations writes them for the terminal.
func (t Terminal) Explanations(list []result.Explanation) []byte {
	b := t.screen()
	for i, x := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		title := report.Visible(x.Title, 120) + " (" + report.Visible(x.Subject, 60) + ")"
		if x.Line.Number > 0 {
			title += ", line " + strconv.Itoa(int(x.Line.Number))
		}
		wrap(b, "", "", title)
		for _, fact := range x.Facts {
			wrap(b, "  - ", "    ", report.Visible(report.Modules(fact), sentence))
		}
	}
	return b.Bytes()
}
