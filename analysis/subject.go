package analysis

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

// What sentences about a cell say of a trace, and of a script.
var (
	ofTrace  = strings.NewReplacer("The cell", "The trace", "the cell", "the trace", "this cell", "this trace")
	ofScript = strings.NewReplacer("The cell", "The script", "the cell", "the script", "This cell", "This script", "this cell", "this script",
		"%%inferscope --", "inferscope run --")
)

// speak makes the sentences that the analysis wrote speak of something else than a cell. Names and
// code that they quote stand in quotes and hold no such words but by chance.
func speak(of *strings.Replacer, r *result.Result) {
	v := &r.Verdict
	for _, s := range []*string{&v.Sentence, &v.EvidenceWhy, &v.MarginWhy, &v.QualityWhy} {
		*s = of.Replace(*s)
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Title, f.Evidence = of.Replace(f.Title), of.Replace(f.Evidence)
		for j := range f.Why {
			f.Why[j] = of.Replace(f.Why[j])
		}
	}
	for i := range r.WhatIf {
		r.WhatIf[i].Change = of.Replace(r.WhatIf[i].Change)
	}
	r.Unpredicted = of.Replace(r.Unpredicted)
	for i := range r.Notes {
		r.Notes[i] = of.Replace(r.Notes[i])
	}
}
