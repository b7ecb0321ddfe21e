package report

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

// HotLines picks the lines of the cell that deserve a place however long the
// cell is: those that took a thousandth of the wall or more, in the cell's
// thread, in another or on a device, or, in a cell without a slow line, a twentieth of its
// slowest; the longest first, at most limit of them. The keys are line numbers.
func HotLines(r *result.Result, limit int) map[int]bool {
	var lines []result.LineStat
	var most int64
	for _, s := range r.Host.Lines {
		most = max(most, lineWeight(s))
	}
	least := max(1, min(r.WallNs/1000, most/20))
	for _, s := range r.Host.Lines {
		if n := s.Line.Number; n >= 1 && int(n) <= len(r.Cell.Lines) && lineWeight(s) >= least {
			lines = append(lines, s)
		}
	}
	slices.SortStableFunc(lines, func(a, b result.LineStat) int {
		switch wa, wb := lineWeight(a), lineWeight(b); {
		case wa > wb:
			return -1
		case wa < wb:
			return 1
		}
		return int(a.Line.Number) - int(b.Line.Number)
	})
	hot := make(map[int]bool, min(len(lines), limit))
	for _, s := range lines[:min(len(lines), limit)] {
		hot[int(s.Line.Number)] = true
	}
	return hot
}

func lineWeight(s result.LineStat) int64 {
	if Magic(s.Line.Text) {
		return 0
	}
	return max(s.WallNs, s.OtherThreadsNs, s.GPUNs, s.IdleCausedNs)
}

// CallsOnly says that lines launched or copied something, and that nothing is known of
// a device: only the calls were seen.
func CallsOnly(r *result.Result) bool {
	return len(r.Devices) == 0 && slices.ContainsFunc(r.Host.Lines, func(s result.LineStat) bool { return s.Launches+s.Copies > 0 })
}

// Magic tells InferScope's own line at the top of a cell. What it takes is the measurement's, not the user's.
func Magic(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "%%inferscope") }

// Source is the cell's lines without the empty ones at its end.
func Source(r *result.Result) []string {
	lines := r.Cell.Lines
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// Listed is one row of a short listing of the cell.
type Listed struct {
	// Number is the line's number; 0 for a gap.
	Number int
	// Skipped is how many lines a gap stands for.
	Skipped int
	// Text is the line as it is in the cell. Hostile.
	Text string
	// Stat is the line's time; its Line.Number is 0 when the line was not seen executing.
	Stat result.LineStat
}

// Listing is the cell in at most about rows rows: all of it when it fits, else
// its hot lines with a line of context on either side, and gaps.
func Listing(r *result.Result, rows int) []Listed {
	stats := make(map[int]result.LineStat, len(r.Host.Lines))
	for _, s := range r.Host.Lines {
		stats[int(s.Line.Number)] = s
	}
	source := Source(r)
	show := func(int) bool { return true }
	if len(source) > rows {
		hot := HotLines(r, max(1, rows/4))
		show = func(n int) bool { return hot[n-1] || hot[n] || hot[n+1] }
	}
	var list []Listed
	for i, text := range source {
		n := i + 1
		switch {
		case show(n):
			list = append(list, Listed{Number: n, Text: text, Stat: stats[n]})
		case len(list) > 0 && list[len(list)-1].Number == 0:
			list[len(list)-1].Skipped++
		default:
			list = append(list, Listed{Skipped: 1})
		}
	}
	return list
}
