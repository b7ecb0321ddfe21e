// Package markdown renders a result as GitHub-flavoured Markdown, to paste into
// an issue. Text from outside is escaped or put into code, so that it formats,
// links and mentions nothing.
package markdown

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// What a compact report holds at most.
const (
	causesShown   = 10
	linesShown    = 60
	findingsShown = 8
	lossesShown   = 8
	// predictionsShown are all that the analysis makes.
	predictionsShown = 8
	sentence         = 600
	name             = 100
	sourceWidth      = 100
)

// Render writes the report of r as Markdown.
func Render(r *result.Result) []byte {
	b := &bytes.Buffer{}
	head(b, r)
	gpu(b, r)
	causes(b, r)
	source(b, r)
	findings(b, r)
	whatIf(b, r)
	work(b, r)
	losses(b, r)
	fmt.Fprintf(b, "\n<sub>InferScope %s, %s. %s</sub>\n", prose(r.Source.ToolVersion, 40), prose(r.Cell.Name, 80), report.Overhead(r))
	return b.Bytes()
}

func head(b *bytes.Buffer, r *result.Result) {
	v := r.Verdict
	fmt.Fprintf(b, "**%s**\n", prose(report.Modules(v.Sentence), sentence))
	if r.WallNs > 0 {
		fmt.Fprintf(b, "\n%s, %s wall time, confidence %s (%.2f)\n", prose(report.Class(v.Class), name), report.Duration(r.WallNs),
			report.Confidence(v.Confidence), v.Confidence)
	}
	if s := report.Outcome(r); s != "" {
		fmt.Fprintf(b, "\n%s\n", opening(s, sentence))
	}
	if c := r.Since; c != nil {
		fmt.Fprintf(b, "\n%s\n", opening(c.Sentence, sentence))
	}
}

func causes(b *bytes.Buffer, r *result.Result) {
	if len(r.Host.ByKind) == 0 {
		return
	}
	title := "Where the time went"
	if len(r.Devices) > 0 {
		title = "Where the host's time went"
	}
	b.WriteString("\n| " + title + " | Time | Share | Mainly |\n|:--|--:|--:|:--|\n")
	for i, c := range r.Host.ByKind {
		if i >= causesShown || i > 0 && c.Share < 0.001 {
			break
		}
		causeRow(b, c, r.Host.Causes, c.Share)
	}
}

// causeRow is a cause with its share, its line, thread and detail; all are the causes among which a sum's line is looked up.
func causeRow(b *bytes.Buffer, c result.Cause, all []result.Cause, share float64) {
	var mainly []string
	if l := report.LineOf(c, all); l.Number > 0 {
		mainly = append(mainly, fmt.Sprintf("line %d", l.Number))
	}
	if c.Thread != "" {
		mainly = append(mainly, "thread "+cellCode(c.Thread))
	}
	if c.Detail != "" {
		mainly = append(mainly, special.Replace(report.Visible(report.Modules(c.Detail), name)))
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s |\n", special.Replace(report.Visible(report.Cause(c.Kind), name)), report.Duration(c.Ns)+report.Within(c.Ns, c.Range, report.About), report.Percent(share), strings.Join(mainly, ", "))
}

// source is the cell with its times in the margin.
func source(b *bytes.Buffer, r *result.Result) {
	listing := report.Listing(r, linesShown)
	if len(listing) == 0 {
		return
	}
	var block strings.Builder
	devices, calls := len(r.Devices) > 0, report.CallsOnly(r)
	fmt.Fprintf(&block, "%9s %6s", "time", "share")
	if devices {
		fmt.Fprintf(&block, " %9s %9s %9s", "gpu time", "launched", "gpu idle")
	} else if calls {
		fmt.Fprintf(&block, " %9s", "launched")
	}
	fmt.Fprintf(&block, " %5s\n", "line")
	for _, l := range listing {
		if l.Number == 0 {
			indent := 22
			if devices {
				indent += 30
			} else if calls {
				indent += 10
			}
			fmt.Fprintf(&block, "%*s  … %s\n", indent, "", report.Plural(int64(l.Skipped), "line"))
			continue
		}
		time, share := "", ""
		if l.Stat.WallNs > 0 {
			time, share = report.Duration(l.Stat.WallNs), report.Percent(report.Share(l.Stat.WallNs, r.WallNs))
		}
		row := fmt.Sprintf("%9s %6s", time, share)
		if devices {
			row += fmt.Sprintf(" %9s %9s %9s", positive(l.Stat.GPUNs, report.Duration), positive(l.Stat.Launches+l.Stat.Copies, report.Count), positive(l.Stat.IdleCausedNs, report.Duration))
		} else if calls {
			row += fmt.Sprintf(" %9s", positive(l.Stat.Launches+l.Stat.Copies, report.Count))
		}
		row += fmt.Sprintf(" %5d  %s", l.Number, report.Visible(l.Text, sourceWidth))
		block.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	b.WriteByte('\n')
	fenced(b, "text", block.String(), "")
}

func findings(b *bytes.Buffer, r *result.Result) {
	if len(r.Findings) == 0 {
		if r.WallNs > 0 {
			b.WriteString("\nNothing to change stands out.\n")
		}
		return
	}
	b.WriteString("\n**What to change**\n\n")
	for i, f := range r.Findings {
		if i == findingsShown {
			fmt.Fprintf(b, "\nand %s\n", report.Plural(int64(len(r.Findings)-i), "more finding"))
			break
		}
		fmt.Fprintf(b, "%d. **%s**", i+1, prose(f.Title, name))
		if f.Line.Number > 0 {
			fmt.Fprintf(b, ", line %d", f.Line.Number)
		}
		if s := report.Saving(f.Saving.LowNs, f.Saving.HighNs); s != "" {
			fmt.Fprintf(b, ", saves %s", s)
		}
		fmt.Fprintf(b, " (%s).\n", prose(string(f.Severity), 20))
		if text := strings.TrimSpace(opening(report.Modules(f.Evidence), sentence) + " " + prose(f.Advice, sentence)); text != "" {
			fmt.Fprintf(b, "   %s\n", text)
		}
		if f.Before != "" || f.After != "" {
			b.WriteByte('\n')
			fenced(b, "diff", signed("-", f.Before)+signed("+", f.After), "   ")
		}
	}
}

// whatIf writes the predictions, or why there are none.
func whatIf(b *bytes.Buffer, r *result.Result) {
	why := report.Unpredicted(r, sentence)
	if len(r.WhatIf) == 0 && why == "" {
		return
	}
	b.WriteString("\n**What if**\n\n")
	for _, w := range r.WhatIf[:min(len(r.WhatIf), predictionsShown)] {
		fmt.Fprintf(b, "- %s\n", opening(report.WhatIf(r, w, sentence), 2*sentence))
	}
	if why != "" {
		if len(r.WhatIf) > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "%s\n", opening(why, 2*sentence))
	}
}

// signed puts a sign before every line.
func signed(sign, snippet string) string {
	if snippet == "" {
		return ""
	}
	lines := strings.Split(report.VisibleBlock(snippet, 12, sourceWidth), "\n")
	return sign + " " + strings.Join(lines, "\n"+sign+" ") + "\n"
}

func losses(b *bytes.Buffer, r *result.Result) {
	if len(r.Losses) == 0 && len(r.Notes) == 0 {
		return
	}
	b.WriteString("\n**What was not seen**")
	if r.Host.Rung != "" {
		fmt.Fprintf(b, " (scheduler: %s)", prose(report.Rung(r.Host.Rung), name))
	}
	b.WriteString("\n\n")
	for i, l := range r.Losses {
		if i == lossesShown {
			fmt.Fprintf(b, "- and %s\n", report.Plural(int64(len(r.Losses)-i), "more gap"))
			break
		}
		fmt.Fprintf(b, "- %s: %s", code(l.Source, name), prose(l.Reason, sentence))
		if l.Count > 0 {
			fmt.Fprintf(b, " (%s lost)", report.Plural(l.Count, "record"))
		}
		if l.Enable != "" {
			fmt.Fprintf(b, ". To see it: %s", code(l.Enable, 2*name))
		}
		b.WriteByte('\n')
	}
	for _, n := range r.Notes[:min(len(r.Notes), lossesShown)] {
		fmt.Fprintf(b, "- %s\n", opening(n, sentence))
	}
}

// positive writes n, or nothing when there is nothing.
func positive(n int64, word func(int64) string) string {
	if n <= 0 {
		return ""
	}
	return word(n)
}

// special is what Markdown or GitHub would act on.
var special = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`,
	"!", `\!`, "|", `\|`, "~", `\~`, "$", `\$`,
	// GitHub finds mentions, references and addresses in the rendered text: a comment keeps their halves apart.
	"@", "@<!-- -->", "#", `\#<!-- -->`, "://", ":<!-- -->//", "www.", "www<!-- -->.", "GH-", "GH<!-- -->-")

// leading is what would start a list, a heading or a rule at the start of a line.
var leading = regexp.MustCompile(`^\s*([-=+]|\d+[.)])`)

// prose is a sentence from outside: plain text, and code where it stood between backticks.
func prose(s string, limit int) string {
	var b strings.Builder
	for _, span := range report.Spans(report.Visible(s, limit)) {
		if span.Code {
			b.WriteString(code(span.Text, 0))
		} else {
			b.WriteString(special.Replace(span.Text))
		}
	}
	return b.String()
}

// opening is prose at the start of a line, where a dash or a number would begin a list.
func opening(s string, limit int) string {
	s = prose(s, limit)
	if m := leading.FindString(s); m != "" {
		last := len(m) - 1
		return m[:last] + `\` + s[last:]
	}
	return s
}

// code is text from outside as a code span.
func code(s string, limit int) string {
	s = report.Visible(s, limit)
	if strings.TrimSpace(s) == "" {
		return "` `"
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || fence != "`" {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cellCode is a code span inside a table, where a bar would end the cell even in code.
func cellCode(s string) string { return strings.ReplaceAll(code(s, name), "|", `\|`) }

// fenced writes a block of code whose fence is longer than any in it.
func fenced(b *bytes.Buffer, language, content, indent string) {
	fence := strings.Repeat("`", max(3, longestRun(content, '`')+1))
	b.WriteString(indent + fence + language + "\n")
	for _, line := range strings.Split(strings.TrimSuffix(content, "\n"), "\n") {
		b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
	}
	b.WriteString(indent + fence + "\n")
}

func longestRun(s string, c rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
