package markdown

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// changesShown is what a table of a comparison holds at most.
const changesShown = 15

// Comparison writes a comparison as Markdown.
func Comparison(c *result.Comparison) []byte {
	b := &bytes.Buffer{}
	fmt.Fprintf(b, "**%s**\n\n", prose(report.Modules(c.Sentence), sentence))
	fmt.Fprintf(b, "- before: %s\n- after: %s\n", prose(report.SideWords(c.Before), sentence), prose(report.SideWords(c.After), sentence))
	fmt.Fprintf(b, "- noise: %s\n", strings.TrimSpace(report.ComparisonNoise(c.Noise)+". "+prose(c.Noise.Why+" "+c.Noise.Hint, sentence)))
	if s := report.SourceChange(c); s != "" {
		fmt.Fprintf(b, "- %s\n", s)
	}
	within := false
	for _, t := range report.Changes(c, changesShown) {
		fmt.Fprintf(b, "\n**%s**\n\n| Change | Before | After | %s | |\n|--:|--:|--:|:--|:--|\n", t.Title, t.Column)
		for _, r := range t.Rows {
			change := r.Change
			if r.Within {
				within = true
				change = "(" + change + ")"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", change, r.Before, r.After, changedName(r), changedNote(r))
		}
	}
	if within {
		b.WriteString("\nA change in brackets is within the noise.\n")
	}
	changedFindings(b, "Gone", c.Gone)
	changedFindings(b, "New", c.New)
	changedFindings(b, "Still to change", c.Kept)
	if len(c.Notes) > 0 {
		b.WriteString("\n**To keep in mind**\n\n")
	}
	for _, n := range c.Notes[:min(len(c.Notes), lossesShown)] {
		fmt.Fprintf(b, "- %s\n", opening(n, sentence))
	}
	fmt.Fprintf(b, "\n<sub>InferScope %s</sub>\n", prose(c.After.ToolVersion, 40))
	return b.Bytes()
}

func changedName(r report.ChangeRow) string {
	name := plain(r.Name)
	switch {
	case r.Code == "":
	case r.Name == "":
		name = cellCode(report.Kernel(r.Code, kernelWidth))
	default:
		name += " " + cellCode(report.Fit(report.Visible(r.Code, sourceWidth), sourceWidth))
	}
	return name
}

func changedNote(r report.ChangeRow) string {
	note := plain(r.Note)
	if r.Was != "" {
		note = strings.TrimSuffix("was "+cellCode(report.Fit(report.Visible(r.Was, sourceWidth), sourceWidth))+", "+note, ", ")
	}
	return note
}

func changedFindings(b *bytes.Buffer, title string, list []result.Finding) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n**%s**\n\n", title)
	for i, f := range list {
		if i == findingsShown {
			fmt.Fprintf(b, "- and %s\n", report.Plural(int64(len(list)-i), "more finding"))
			break
		}
		fmt.Fprintf(b, "- %s", opening(report.FindingWords(f), 2*name))
		if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
			fmt.Fprintf(b, " (%s)", s)
		}
		b.WriteByte('\n')
	}
}
