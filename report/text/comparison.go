package text

import (
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// What a screenful of a comparison holds of each table.
const changesShown = 12

// Comparison writes a comparison as text, no line of it wider than 80 columns.
func Comparison(c *result.Comparison) []byte { return Terminal{}.Comparison(c) }

// Comparison writes a comparison for the terminal.
func (t Terminal) Comparison(c *result.Comparison) []byte {
	b := t.screen()
	b.in(styleOf(c.Outcome), func() { wrap(b, "", "", report.Visible(report.Modules(c.Sentence), sentence)) })
	b.WriteByte('\n')
	wrap(b, "before: ", "        ", report.SideWords(c.Before))
	wrap(b, "after:  ", "        ", report.SideWords(c.After))
	wrap(b, "noise:  ", "        ", strings.TrimSpace(report.ComparisonNoise(c.Noise)+". "+report.Visible(c.Noise.Why+" "+c.Noise.Hint, sentence)))
	wrap(b, "", "", report.SourceChange(c))
	within := false
	for _, t := range report.Changes(c, changesShown) {
		b.title(strings.ToUpper(t.Title))
		row(b, fmt.Sprintf("%11s %9s %9s  %s", "change", "before", "after", strings.ToLower(t.Column)))
		for _, r := range t.Rows {
			change := r.Change
			if r.Within {
				within = true
				change = "(" + change + ")"
			} else {
				change += " "
			}
			const indent = "                                 "
			name, note := what(t, r)
			line := fmt.Sprintf("%11s %9s %9s  %s", change, r.Before, r.After, name)
			if note != "" && r.Code == "" && report.Columns(line+"; "+note) <= b.width {
				line, note = line+"; "+note, ""
			}
			row(b, line)
			if r.Was != "" {
				row(b, indent+"was "+report.Visible(r.Was, 200))
			}
			wrap(b, indent, indent, note)
		}
	}
	if within {
		b.title("A change in brackets is within the noise.")
	}
	changedFindings(b, "GONE", c.Gone)
	changedFindings(b, "NEW", c.New)
	changedFindings(b, "STILL TO CHANGE", c.Kept)
	if len(c.Notes) > 0 {
		b.title("TO KEEP IN MIND")
	}
	for _, n := range c.Notes[:min(len(c.Notes), lossesShown)] {
		wrap(b, "  ", "    ", report.Visible(n, sentence))
	}
	return b.Bytes()
}

// what is the last column of a row, and what is to be said beside it.
func what(t report.ChangeTable, r report.ChangeRow) (name, note string) {
	switch {
	case r.Code == "" && t.Column == "Line":
		return fmt.Sprintf("%4s", r.Name), r.Note
	case r.Code == "":
		return r.Name, r.Note
	case r.Name == "":
		return report.Kernel(r.Code, 46), r.Note
	}
	return fmt.Sprintf("%4s  %s", r.Name, report.Visible(r.Code, 200)), r.Note
}

func changedFindings(b *screen, title string, list []result.Finding) {
	if len(list) == 0 {
		return
	}
	b.title(title)
	for i, f := range list {
		if i == findingsShown {
			fmt.Fprintf(b, "  and %s\n", report.Plural(int64(len(list)-i), "more finding"))
			break
		}
		words := report.Visible(report.FindingWords(f), 150)
		if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
			words += " (" + s + ")"
		}
		wrap(b, "  ", "    ", words)
	}
}
