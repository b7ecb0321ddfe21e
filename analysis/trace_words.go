package analysis

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

// ofTrace is what sentences about a cell say of a trace.
var ofTrace = strings.NewReplacer("The cell", "The trace", "the cell", "the trace", "this cell", "this trace")

// speakOfTrace makes the sentences that the analysis wrote speak of a trace. Names and
// code that they quote stand in quotes and hold no such words but by chance.
func speakOfTrace(r *result.Result) {
	v := &r.Verdict
	for _, s := range []*string{&v.Sentence, &v.EvidenceWhy, &v.MarginWhy, &v.QualityWhy} {
		*s = ofTrace.Replace(*s)
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Title, f.Evidence = ofTrace.Replace(f.Title), ofTrace.Replace(f.Evidence)
	}
	for i := range r.WhatIf {
		r.WhatIf[i].Change = ofTrace.Replace(r.WhatIf[i].Change)
	}
}
