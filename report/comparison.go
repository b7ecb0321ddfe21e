package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

// ChangeTable is one table of a comparison, worded.
type ChangeTable struct {
	// Title is what the rows are parts of, Column what one of them is.
	Title, Column string
	Rows          []ChangeRow
}

// ChangeRow is one part of a difference.
type ChangeRow struct {
	// Change, Before and After are amounts: "−150 ms", "200 ms", "50 ms". Before and After are
	// "–" on a side that has no such part.
	Change, Before, After string
	// Within says that the change is within the noise.
	Within bool
	// Name is words; Code is text from outside that stands beside it, Was the same before, if
	// it was another, and Note more words. All but Name may be empty; Code and Was are hostile.
	Name, Code, Was, Note string
}

// absent stands for an amount of what a side does not have.
const absent = "–"

// Changed writes a difference of times: "−150 ms", "+5 ms", "±0".
func Changed(ns int64) string {
	switch {
	case ns < 0:
		return "−" + strings.TrimPrefix(Duration(ns), "-")
	case ns > 0:
		return "+" + Duration(ns)
	}
	return "±0"
}

// ChangedShare writes a change as a share of what was before: "−25%", "+4.2%", "±0%"
// for less than a thousandth.
func ChangedShare(share float64) string {
	switch {
	case share <= -0.001:
		return "−" + anyPercent(-share)
	case share >= 0.001:
		return "+" + anyPercent(share)
	}
	return "±0%"
}

// anyPercent is Percent for shares above 1 too.
func anyPercent(share float64) string {
	if share >= 0.995 && !math.IsInf(share, 0) {
		return Count(int64(math.Round(min(share, 1e9)*100))) + "%"
	}
	return Percent(share)
}

// wideNoise is the noise from which it is told as a factor, as in the comparison's sentence.
const wideNoise = 0.5

// ComparisonNoise words by how much runs differ: "±5%; with 95% the change is between −30% and −20%", "a factor of 2.5".
func ComparisonNoise(n result.Noise) string {
	words := "±" + anyPercent(n.Share)
	if n.Share >= wideNoise {
		words = "a factor of " + strconv.FormatFloat(1+n.Share, 'f', 1, 64)
	}
	switch n.Method {
	case result.NoiseNone:
		return "not known"
	case result.NoiseAssumed:
		return words
	}
	return words + "; with " + Percent(n.Level) + " the change is between " + ChangedShare(n.Low) + " and " + ChangedShare(n.High)
}

// OutcomeWord is what an outcome is called.
func OutcomeWord(o result.Outcome) string {
	switch o {
	case result.Faster:
		return "faster"
	case result.Slower:
		return "slower"
	case result.NoDifference:
		return "no difference"
	case result.Incomparable, "":
		return "not comparable"
	}
	return strings.ReplaceAll(string(o), "_", " ")
}

// SideWords says of which runs a side is: "run a, 5.2 s, CPU-bound", "5 runs from 5.1 s to 5.4 s, the middle one b, 5.2 s, …".
// Names are hostile: they are made visible, not escaped.
func SideWords(s result.Side) string {
	if len(s.Runs) == 0 {
		return "no run"
	}
	middle := s.Runs[min(max(s.Middle, 0), len(s.Runs)-1)]
	words := Visible(middle.Name, 120) + ", " + Duration(middle.WallNs) + ", " + Visible(Class(s.Verdict.Class), 40)
	if len(s.Runs) == 1 {
		return words
	}
	low, high := middle.WallNs, middle.WallNs
	for _, r := range s.Runs {
		low, high = min(low, r.WallNs), max(high, r.WallNs)
	}
	return Plural(int64(len(s.Runs)), "run") + " from " + Duration(low) + " to " + Duration(high) + "; in the middle: " + words
}

// SourceChange says how the source differs: "1 line edited, 2 added"; empty when it does not.
func SourceChange(c *result.Comparison) string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{c.Edited, "edited"}, {c.Added, "added"}, {c.Removed, "removed"}} {
		if p.n > 0 {
			parts = append(parts, Count(int64(p.n))+" "+p.word)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Lines of the source: " + strings.Join(parts, ", ") + "."
}

// Changes are the tables of a comparison with at most rows rows each; what a table leaves
// out is its last row. Tables without a row are left out.
func Changes(c *result.Comparison, rows int) []ChangeTable {
	wall := max(c.Wall.Before, c.Wall.After)
	var list []ChangeTable
	add := func(title, column string, table []amount, least int64) {
		if t := shown(title, column, table, rows, least); len(t.Rows) > 0 {
			list = append(list, t)
		}
	}
	var lines, causes, idle, devices, kernels, copies []amount
	for _, l := range c.Lines {
		lines = append(lines, amount{l.Wall, lineRow(l)})
	}
	for _, k := range c.Causes {
		causes = append(causes, amount{k.Time, causeChangeRow(k)})
	}
	for _, k := range c.IdleCauses {
		idle = append(idle, amount{k.Time, causeChangeRow(k)})
	}
	for _, d := range c.Devices {
		devices = append(devices, amount{d.Busy, ChangeRow{Within: !d.Beyond, Name: "GPU " + strconv.Itoa(int(d.Index)) + " busy", Note: joined(
			Visible(d.Name, 60), countChange("kernels", d.Kernels), countChange("copies", d.Memcpys), "idle "+Duration(d.Idle.Before)+" → "+Duration(d.Idle.After))}})
	}
	others := result.Delta{} // how many kernels are not listed by name
	for _, k := range c.Kernels {
		if k.Name == "" {
			others = k.Count
		}
	}
	for _, k := range c.Kernels {
		kernels = append(kernels, amount{k.Time, kernelRow(k, others)})
	}
	for _, k := range c.Copies {
		copies = append(copies, amount{k.Time, ChangeRow{Within: !k.Beyond, Name: CopyWords(result.Copy{Kind: k.Kind, Source: k.Source, Target: k.Target}),
			Note: joined(countChange("copies", k.Count), Bytes(k.Bytes.Before)+" → "+Bytes(k.Bytes.After))}})
	}
	add("What changed, by line", "Line", lines, wall/1000)
	add("What changed, by cause", "Cause", causes, wall/1000)
	add("The GPU", "Device", devices, 0)
	add("The GPU's idle time, by cause", "Cause", idle, max(c.Idle.Before, c.Idle.After)/1000)
	add("Kernels", "Kernel", kernels, max(c.KernelTime.Before, c.KernelTime.After)/1000)
	add("Copies", "Copy", copies, 0)
	return list
}

// amount is a row with its numbers.
type amount struct {
	d   result.Delta
	row ChangeRow
}

// shown is a table of the rows whose change is least or more, the first in any case, and one row for the rest.
func shown(title, column string, all []amount, rows int, least int64) ChangeTable {
	t := ChangeTable{Title: title, Column: column}
	var rest result.Delta
	left := 0
	for i, a := range all {
		if i > 0 && (i >= rows || max(a.d.Diff(), -a.d.Diff()) < least) {
			rest.Before, rest.After = rest.Before+a.d.Before, rest.After+a.d.After
			left++
			continue
		}
		row := a.row
		row.Change = Changed(a.d.Diff())
		if row.Before == "" {
			row.Before = Duration(a.d.Before)
		}
		if row.After == "" {
			row.After = Duration(a.d.After)
		}
		t.Rows = append(t.Rows, row)
	}
	if left > 0 && rest != (result.Delta{}) {
		t.Rows = append(t.Rows, ChangeRow{Change: Changed(rest.Diff()), Before: Duration(rest.Before), After: Duration(rest.After), Within: true,
			Name: Count(int64(left)) + " more"})
	}
	return t
}

func lineRow(l result.LineChange) ChangeRow {
	row := ChangeRow{Within: !l.Beyond, Name: strconv.Itoa(int(l.After.Number)), Code: strings.TrimSpace(l.After.Text)}
	note := ""
	switch l.Match {
	case result.RemovedLine:
		row.Name, row.Code, row.After, note = strconv.Itoa(int(l.Before.Number)), strings.TrimSpace(l.Before.Text), absent, "gone"
	case result.AddedLine:
		row.Before, note = absent, "new"
	case result.EditedLine:
		row.Was = strings.TrimSpace(l.Before.Text)
	case result.OutsideLines:
		return ChangeRow{Within: row.Within, Name: "none", Note: joined("no line of the cell was executing", causeWord(l))}
	}
	if b, a := l.Before.Number, l.After.Number; a > 0 && b > 0 && a != b {
		note = joined(note, "was line "+strconv.Itoa(int(b)))
	}
	row.Note = joined(note, causeWord(l), countChange("runs", l.Hits))
	return row
}

// causeWord names the cause that made most of a line's change.
func causeWord(l result.LineChange) string {
	if len(l.Causes) == 0 || l.Causes[0].Time.Diff() == 0 {
		return ""
	}
	k := l.Causes[0]
	return Visible(CauseShort(k.Kind), 60) + " " + Changed(k.Time.Diff())
}

func causeChangeRow(k result.CauseChange) ChangeRow {
	row := ChangeRow{Within: !k.Beyond, Name: Visible(Cause(k.Kind), 60)}
	if k.Line.Number > 0 {
		row.Note = "line " + strconv.Itoa(int(k.Line.Number)) + ": " + Changed(k.LineTime.Diff())
	}
	return row
}

func kernelRow(k result.KernelChange, others result.Delta) ChangeRow {
	if k.Name == "" {
		return ChangeRow{Within: !k.Beyond, Name: "all others", Note: countChange("launches", k.Count)}
	}
	row := ChangeRow{Within: !k.Beyond, Code: k.Name}
	switch {
	case !k.ListedBefore && others.Before == 0:
		row.Before, row.Note = absent, "new"
	case !k.ListedAfter && others.After == 0:
		row.After, row.Note = absent, "gone"
	case !k.ListedBefore:
		row.Before, row.Note = absent, "among the others before, or not launched"
	case !k.ListedAfter:
		row.After, row.Note = absent, "among the others after, or not launched"
	default:
		row.Note = countChange("launches", k.Count)
	}
	return row
}

// countChange writes how a count changed: "200 → 10 runs"; empty when it did not.
func countChange(noun string, d result.Delta) string {
	if d.Before == d.After {
		return ""
	}
	return Count(d.Before) + " → " + Count(d.After) + " " + noun
}

func joined(parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, ", ")
}

// FindingWords is a finding in a list of a comparison: "The cell sleeps, line 4"; its title is hostile.
func FindingWords(f result.Finding) string {
	s := f.Title
	if f.Line.Number > 0 {
		s += fmt.Sprintf(", line %d", f.Line.Number)
	}
	return s
}
