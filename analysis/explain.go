package analysis

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/result"
)

// Explained is an answer with what it was made of.
type Explained struct {
	Result *result.Result

	evidence *findings.Evidence
	// words make sentences speak of something else than a cell; nil for a cell.
	words *strings.Replacer
}

// All stands for every finding where a subject is asked for.
const All = "all"

// Subjects are what can be explained: the IDs of the findings in their order, then the
// kinds of cause that took time, largest first.
func (x *Explained) Subjects() []string {
	out := []string{}
	for _, f := range x.Result.Findings {
		if !slices.Contains(out, f.ID) {
			out = append(out, f.ID)
		}
	}
	for _, k := range x.evidence.Kinds() {
		if !slices.Contains(out, string(k)) { // "sleep" is both
			out = append(out, string(k))
		}
	}
	return out
}

// Of explains a finding, on each of its lines, by its ID; a cause by its kind; or All
// findings. A cause that the source of the timeline cannot see is explained by that. It is
// empty for what is none of these.
func (x *Explained) Of(subject string) []result.Explanation {
	out := []result.Explanation{}
	for _, f := range x.Result.Findings {
		if subject == f.ID || subject == All {
			out = append(out, result.Explanation{Subject: f.ID, Title: f.Title, Line: f.Line, Facts: append([]string{f.Evidence}, f.Why...), Spans: f.Spans})
		}
	}
	if len(out) > 0 || subject == All {
		return out
	}
	e, ok := x.evidence.Explain(result.CauseKind(subject))
	if !ok {
		return out
	}
	if x.words != nil {
		e.Title = x.words.Replace(e.Title)
		for i := range e.Facts {
			e.Facts[i] = x.words.Replace(e.Facts[i])
		}
	}
	return append(out, e)
}
