package findings

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

var effortWords = map[result.Effort]string{result.Easy: "a word, a flag or a line changes", result.Moderate: "some lines are put differently",
	result.Hard: "the program's structure, its data or the machine changes"}

// Page is a rule's page of documentation, in Markdown.
func (r *Rule) Page() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from analysis/findings by go generate; edit the rule's source instead. -->\n\n")
	b.WriteString("# " + r.Title + " (`" + r.ID + "`)\n")
	for _, s := range []struct{ heading, text string }{
		{"What it sees", r.Sees}, {"Why it is bad", r.Bad}, {"When it is silent", r.Silent}, {"What to do", r.Do},
	} {
		b.WriteString("\n## " + s.heading + "\n\n" + s.text + "\n")
	}
	if r.Change != "" {
		b.WriteString("\nThe repair is usually **" + string(r.Effort) + "**: " + effortWords[r.Effort] + ".\n")
	}
	b.WriteString("\n## Example\n\n")
	if r.Before == "" {
		b.WriteString("None: there is no line to change.\n")
		return b.String()
	}
	b.WriteString("Before:\n\n```python\n" + r.Before + "\n```\n\nAfter:\n\n```python\n" + r.After + "\n```\n")
	return b.String()
}

// Index is the page that lists every rule.
func Index() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from analysis/findings by go generate; edit the rules' sources instead. -->\n\n# Findings\n\n")
	b.WriteString("A report lists the largest saving first. Savings within a factor of 1.5 of the largest count as alike, and of those the one comes first " +
		"that is easiest to have.\n\n")
	b.WriteString("| id | finding | repair |\n|---|---|---|\n")
	for _, r := range Registry {
		effort := string(r.Effort)
		if r.Change == "" {
			effort = ""
		}
		b.WriteString("| [" + r.ID + "](" + r.ID + ".md) | " + r.Title + " | " + effort + " |\n")
	}
	return b.String()
}
