package session

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report/html"
	"github.com/inferscope/inferscope/report/summary"
	"github.com/inferscope/inferscope/report/text"
)

// What a report may be at most, whatever the cell.
const (
	mostMarkdown = 24 << 10
	mostText     = 16 << 10
)

// From the events to the report: whatever there is too much of, it stays small, and safe.
func TestReportsOfExtremeCells(t *testing.T) {
	const wall = int64(10e9)
	long := strings.Repeat(`<img src=x onerror="alert(1)">&`+"\u202e", 300)
	big, told := 1_000_000, "1,000,000"
	if testing.Short() {
		big, told = 100_000, "100,000"
	}
	for name, c := range map[string]struct {
		lines []string
		fill  func(*timeline.Builder, *timeline.ThreadBuilder)
		has   string // in every rendering
	}{
		"zero events": {[]string{"pass"}, func(*timeline.Builder, *timeline.ThreadBuilder) {}, "InferScope"},
		"one event":   {[]string{"pass"}, func(_ *timeline.Builder, m *timeline.ThreadBuilder) { m.AppendLine(0, 1, 1, false) }, "line 1"},
		"5,000 lines": {many(5000, "total += work(%d)"), func(_ *timeline.Builder, m *timeline.ThreadBuilder) {
			for i := range int32(5000) {
				m.AppendLine(int64(i)*wall/10_000, i+1, i+1, false)
			}
			m.AppendOffCPU(wall/2, wall, wall, timeline.ReasonSleep, 35, 0, 0)
		}, "line 5000"},
		"as many names as kernels": {[]string{"run()"}, func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			m.AppendLine(0, 1, 1, false)
			kernels(b, big, func(i int) string { return fmt.Sprintf("kernel_%d", i) })
		}, told},
		"long names": {many(50, "x%d = '"+long+"'"), func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			for i := range int32(50) {
				m.AppendLine(int64(i)*wall/50, i+1, i+1, false)
			}
			kernels(b, 1000, func(i int) string { return fmt.Sprint(i, long) })
			m.SetName(long)
		}, "1,000"},
	} {
		t.Run(name, func(t *testing.T) {
			b := timeline.NewBuilder()
			m := b.Thread(1, 1)
			m.SetMain()
			m.SetPython()
			m.SetKnown(timeline.Interval{Start: 0, End: wall})
			c.fill(b, m)
			r := analysis.Analyze(b.Build(timeline.Interval{Start: 0, End: wall}), analysis.Input{
				Source: result.Source{Kind: "cell", ToolVersion: "1.2.3"}, Cell: result.Cell{Name: "In [1]", Lines: c.lines, Outcome: "ok"}})
			report := render("id", r, text.Terminal{})
			// What a host without scripts shows, and the timeline's script and data beside it.
			base := scripts.ReplaceAllString(report.HTML, "")
			if n := len(report.HTML) - len(base); n > 60<<10+150<<10 || len(report.HTML) > html.MaxBytes {
				t.Errorf("script and data have %d bytes of %d", n, len(report.HTML))
			}
			for kind, one := range map[string]struct {
				text string
				most int
			}{"HTML": {base, html.BaseBytes}, "Markdown": {report.Markdown, mostMarkdown}, "text": {report.Text, mostText}, "summary": {report.Summary, summary.MaxBytes}} {
				if len(one.text) > one.most || !utf8.ValidString(one.text) {
					t.Errorf("%s has %d bytes, more than %d, or is no text", kind, len(one.text), one.most)
				}
				if kind != "summary" && !strings.Contains(strings.ReplaceAll(one.text, "\u00a0", " "), c.has) {
					t.Errorf("%s does not say %q", kind, c.has)
				}
				if kind != "summary" && strings.Contains(one.text, "\u202e") || kind == "HTML" && strings.Contains(one.text, "<img src=x") {
					t.Errorf("%s has text from outside as it is", kind)
				}
			}
		})
	}
}

var scripts = regexp.MustCompile(`(?s)<script\b.*?</script>`)

func many(n int, format string) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(format, i)
	}
	return lines
}

// kernels puts n kernels into the ten seconds, each with a name of its own.
func kernels(b *timeline.Builder, n int, name func(int) string) {
	d, step := b.Device(0), int64(10e9)/int64(n)
	for i := range n {
		start := int64(i) * step
		d.Append(timeline.Op{Start: start, End: start + step/2, Kind: timeline.OpKernel, Stream: 7, Correlation: uint32(i + 1), Name: b.Name(name(i))})
	}
}
