package report

import "github.com/inferscope/inferscope/analysis/result"

// WhatIf is a prediction as a sentence. The words of the change, which quote code between
// backticks, are made visible and cut to limit runes.
func WhatIf(r *result.Result, w result.WhatIf, limit int) string {
	out := "If you " + Visible(w.Change, limit) + ", the " + Subject(r) + " takes "
	saves := Saving(0, w.SavesNs)
	if saves == "" || About(w.LowNs) == About(w.NowNs) {
		return out + "as long as now."
	}
	takes := Saving(w.LowNs, w.HighNs)
	if takes == "" {
		takes = "no time"
	}
	return out + takes + " instead of " + Duration(w.NowNs) + ": " + saves + " less."
}

// Unpredicted says in two sentences that nothing is predicted, and why; empty when it is.
func Unpredicted(r *result.Result, limit int) string {
	if r.Unpredicted == "" {
		return ""
	}
	return "What a change would save could not be predicted: " + Visible(r.Unpredicted, limit) + ". A saving is at most the time of its cause."
}
