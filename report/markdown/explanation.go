package markdown

import (
	"bytes"
	"fmt"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// Explanations writes what findings and causes were made of.
func Explanations(list []result.Explanation) []byte {
	b := &bytes.Buffer{}
	for i, x := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "**%s** (%s)", prose(x.Title, name), code(x.Subject, name))
		if x.Line.Number > 0 {
			fmt.Fprintf(b, ", line %d", x.Line.Number)
		}
		b.WriteString("\n\n")
		for _, fact := range x.Facts {
			fmt.Fprintf(b, "- %s\n", opening(report.Modules(fact), sentence))
		}
	}
	return b.Bytes()
}
