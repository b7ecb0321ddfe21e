// Package text renders a result for a terminal: as plain text of 80 columns, or as wide as
// the terminal is and with colours. Escape sequences in the text from outside are shown, not sent.
package text

import (
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// What a screenful holds.
const (
	barWidth      = 6
	causesShown   = 8
	linesShown    = 40
	findingsShown = 6
	lossesShown   = 6
	// predictionsShown are all that the analysis makes.
	predictionsShown = 8
	sentence         = 500
)

// Render writes the report of r as text, no line of it wider than
// 80 columns but commands to copy, which start with "$".
func Render(r *result.Result) []byte { return Terminal{}.Render(r) }

// Render writes the report of r for the terminal.
func (t Terminal) Render(r *result.Result) []byte {
	b := t.screen()
	head(b, r)
	gpu(b, r)
	causes(b, r)
	source(b, r)
	findings(b, r)
	whatIf(b, r)
	work(b, r)
	losses(b, r)
	b.WriteByte('\n')
	b.in(dim, func() {
		wrap(b, "", "", "InferScope "+report.Visible(r.Source.ToolVersion, 40)+", "+report.Visible(r.Cell.Name, 80)+". "+report.Overhead(r))
	})
	return b.Bytes()
}

func head(b *screen, r *result.Result) {
	v := r.Verdict
	b.in(bold, func() { wrap(b, "", "", report.Visible(report.Modules(v.Sentence), sentence)) })
	if r.WallNs > 0 {
		wrap(b, "", "", fmt.Sprintf("%s, %s wall time, confidence %s (%.2f)", report.Visible(report.Class(v.Class), 40), report.Duration(r.WallNs),
			report.Confidence(v.Confidence), v.Confidence))
	}
	if s := report.Outcome(r); s != "" {
		wrap(b, "", "", s)
	}
	if c := r.Since; c != nil {
		b.in(styleOf(c.Outcome), func() { wrap(b, "", "", report.Visible(c.Sentence, sentence)) })
	}
}

func causes(b *screen, r *result.Result) {
	if len(r.Host.ByKind) == 0 {
		return
	}
	if len(r.Devices) > 0 {
		b.title("WHERE THE HOST'S TIME WENT")
	} else {
		b.title("WHERE THE TIME WENT")
	}
	for i, c := range r.Host.ByKind {
		if i >= causesShown || i > 0 && c.Share < 0.001 {
			break
		}
		causeRow(b, c, r.Host.Causes, c.Share)
	}
}

// causeRow is a cause with its share, its line, thread and detail; all are the causes among which a sum's line is looked up.
func causeRow(b *screen, c result.Cause, all []result.Cause, share float64) {
	mainly := ""
	if l := report.LineOf(c, all); l.Number > 0 {
		mainly = fmt.Sprintf("line %d", l.Number)
	}
	for _, s := range []string{c.Thread, report.Modules(c.Detail)} {
		if s != "" {
			mainly = strings.TrimPrefix(mainly+", ", ", ") + report.Visible(s, 60)
		}
	}
	if s := report.Within(c.Ns, c.Range, report.About); s != "" {
		mainly = strings.TrimSuffix(strings.TrimSpace(s)+", "+mainly, ", ")
	}
	row(b, fmt.Sprintf("%9s %5s %s  %s  %s", report.Duration(c.Ns), report.Percent(share), bar(share, barWidth), fill(report.Visible(report.CauseShort(c.Kind), 60), 13), mainly))
}

func source(b *screen, r *result.Result) {
	listing := report.Listing(r, linesShown)
	if len(listing) == 0 {
		return
	}
	b.title("THE " + strings.ToUpper(report.Subject(r)))
	devices, calls := len(r.Devices) > 0, report.CallsOnly(r)
	if devices {
		row(b, fmt.Sprintf("%9s %8s %8s %8s line", "time", "gpu time", "launched", "gpu idle"))
	} else if calls {
		row(b, fmt.Sprintf("%9s %5s %s %8s line", "time", "share", fill("", barWidth), "launched"))
	}
	most := int64(0)
	for _, l := range listing {
		if !report.Magic(l.Text) {
			most = max(most, l.Stat.WallNs)
		}
	}
	for _, l := range listing {
		if l.Number == 0 {
			indent := 28
			if devices {
				indent = 42
			} else if calls {
				indent += 9
			}
			row(b, fmt.Sprintf("%*s… %s", indent, "", report.Plural(int64(l.Skipped), "line")))
			continue
		}
		time, share, drawn := "", "", ""
		if l.Stat.WallNs > 0 {
			s := report.Share(l.Stat.WallNs, r.WallNs)
			time, share, drawn = report.Duration(l.Stat.WallNs), report.Percent(s), bar(s, barWidth)
		}
		look := plain
		switch {
		case l.Stat.WallNs == 0:
			look = dim
		case l.Stat.WallNs == most:
			look = hot
		}
		if devices {
			b.styled(look, fmt.Sprintf("%9s %8s %8s %8s %4d  %s", time, positive(l.Stat.GPUNs, report.Duration), positive(l.Stat.Launches+l.Stat.Copies, report.Count),
				positive(l.Stat.IdleCausedNs, report.Duration), l.Number, report.Visible(l.Text, 200)))
			continue
		}
		if drawn = fill(drawn, barWidth); calls {
			drawn += fmt.Sprintf(" %8s", positive(l.Stat.Launches+l.Stat.Copies, report.Count))
		}
		b.styled(look, fmt.Sprintf("%9s %5s %s %4d  %s", time, share, drawn, l.Number, report.Visible(l.Text, 200)))
	}
}

func findings(b *screen, r *result.Result) {
	if len(r.Findings) == 0 {
		if r.WallNs > 0 {
			b.title("Nothing to change stands out.")
		}
		return
	}
	b.title("WHAT TO CHANGE")
	for i, f := range r.Findings {
		if i == findingsShown {
			fmt.Fprintf(b, "  and %s\n", report.Plural(int64(len(r.Findings)-i), "more finding"))
			break
		}
		title := report.Visible(f.Title, 120)
		if f.Line.Number > 0 {
			title += fmt.Sprintf(", line %d", f.Line.Number)
		}
		if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
			title += ": saves " + s
		}
		b.in(bold, func() { wrap(b, fmt.Sprintf("%2d. ", i+1), "    ", title) })
		wrap(b, "    ", "    ", report.Visible(report.Modules(f.Evidence), sentence))
		if f.Advice != "" {
			wrap(b, "    ", "    ", "Do: "+report.Visible(f.Advice, sentence))
		}
		b.in(red, func() { snippet(b, "    - ", f.Before) })
		b.in(green, func() { snippet(b, "    + ", f.After) })
	}
}

// whatIf writes the predictions, or why there are none.
func whatIf(b *screen, r *result.Result) {
	why := report.Unpredicted(r, sentence)
	if len(r.WhatIf) == 0 && why == "" {
		return
	}
	b.title("WHAT IF")
	for _, w := range r.WhatIf[:min(len(r.WhatIf), predictionsShown)] {
		wrap(b, "  ", "    ", report.WhatIf(r, w, sentence))
	}
	wrap(b, "  ", "    ", why)
}

func snippet(b *screen, sign, s string) {
	if s == "" {
		return
	}
	for _, line := range strings.Split(report.VisibleBlock(s, 8, 200), "\n") {
		row(b, sign+line)
	}
}

func losses(b *screen, r *result.Result) {
	if len(r.Losses) == 0 && len(r.Notes) == 0 {
		return
	}
	b.title("WHAT WAS NOT SEEN")
	if r.Host.Rung != "" {
		wrap(b, "  ", "  ", "Scheduler: "+report.Visible(report.Rung(r.Host.Rung), 120))
	}
	for i, l := range r.Losses {
		if i == lossesShown {
			fmt.Fprintf(b, "  and %s\n", report.Plural(int64(len(r.Losses)-i), "more gap"))
			break
		}
		s := report.Visible(l.Source, 40) + ": " + report.Visible(l.Reason, sentence)
		if l.Count > 0 {
			s += " (" + report.Plural(l.Count, "record") + " lost)"
		}
		wrap(b, "  ", "    ", s)
		if l.Enable != "" {
			// A command is to be copied: the terminal may wrap it, this must not.
			b.WriteString("    $ " + report.Visible(l.Enable, 300) + "\n")
		}
	}
	for _, n := range r.Notes[:min(len(r.Notes), lossesShown)] {
		wrap(b, "  ", "    ", report.Visible(n, sentence))
	}
}

// bar draws a share in eighths of a column.
func bar(share float64, columns int) string {
	if !(share > 0) {
		share = 0
	}
	eighths := int(min(1, share)*float64(columns)*8 + 0.5)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return fill(s, columns)
}

// fill makes s exactly columns wide.
func fill(s string, columns int) string {
	s = report.Fit(s, columns)
	return s + strings.Repeat(" ", max(0, columns-report.Columns(s)))
}
