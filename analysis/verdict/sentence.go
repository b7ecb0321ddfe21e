package verdict

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// tooShort is the wall below which a cell is not worth a diagnosis.
const tooShort = 1_000_000

// soShort is the wall, in ns, below which no finding exists: doubt about such a cell, and
// where the time of half of it went, is not worth a word.
const soShort = 20_000_000

// sentence is the verdict for the user: the first thing, and often the only one, that is read.
func sentence(a *attribution.Attribution, v result.Verdict, t Trust, explained float64, calm bool) string {
	if a.WallNs <= 0 || len(a.Host.ByKind) == 0 {
		return "Nothing was recorded of this cell."
	}
	if t.GPUMissing {
		return "The GPU side was not captured, so what bounds this cell is unknown; on the host, " +
			lower(main(a, v.TopCause)) + "."
	}
	if a.WallNs < tooShort && (explained < minExplained || calm) {
		return "The cell took " + phrase.Duration(a.WallNs) + ": too short to say where the time went."
	}
	if calm && (a.WallNs < soShort/2 || v.Class == result.Unknown && a.WallNs < soShort) {
		return "The cell took " + phrase.Duration(a.WallNs) + ": nothing in it is worth a change."
	}
	if explained < minExplained {
		return unexplained(a)
	}
	if v.Class == result.Unknown {
		return "Not certain (" + weakest(v) + "): it seems that " + lower(main(a, v.TopCause)) + "."
	}
	out := main(a, v.TopCause)
	if calm {
		out = "Nothing stands out: " + lower(out)
	}
	if second := secondCause(a, v.TopCause); second != "" && !calm {
		out += "; " + second
	}
	return out + "; " + noWork(a) + "."
}

// noWork says that the cell gave no device work.
func noWork(a *attribution.Attribution) string {
	switch {
	case a.GPU != nil:
		return "the cell launched no GPU work"
	case a.DeviceRecords > 0:
		return "CUDA was used, but nothing was launched on the GPU"
	}
	return "no GPU work was seen"
}

// lower starts a clause that follows a colon: all of them begin with a number or a name, or with "Almost".
func lower(s string) string {
	if rest, ok := strings.CutPrefix(s, "Almost"); ok {
		return "almost" + rest
	}
	return s
}

// weakest names the smallest factor of the confidence.
func weakest(v result.Verdict) string {
	why := v.EvidenceWhy
	switch {
	case v.Margin <= v.Evidence && v.Margin <= v.Quality:
		why = v.MarginWhy
	case v.Quality <= v.Evidence:
		why = v.QualityWhy
	}
	return strings.TrimSuffix(why, ".")
}

// main is the clause about a cause: "82% of the cell's 2.4 s was spent sleeping on line 5 (`…`)".
func main(a *attribution.Attribution, c result.Cause) string {
	imports := importShare(a)
	if imports >= importsRule {
		c.Share = imports
	}
	out := phrase.Percent(c.Share) + " of the cell's " + phrase.Duration(a.WallNs)
	if c.Share >= 0.995 {
		out = "Almost all of the cell's " + phrase.Duration(a.WallNs)
	}
	if imports >= importsRule {
		return out + " was spent importing modules" + importsOn(a)
	}
	at, _ := where(a, c)
	return out + " was spent " + doing(a, c, at, " while ")
}

// importsRule is the share of the wall from which on imports are the answer, whatever they consist of.
const importsRule = 0.5

// importShare is the share of the wall inside Python's import machinery.
func importShare(a *attribution.Attribution) float64 {
	var ns int64
	for _, n := range a.Imports {
		ns += n
	}
	if a.WallNs <= 0 {
		return 0
	}
	return min(float64(ns)/float64(a.WallNs), 1)
}

// importsOn names the line with most of the imports.
func importsOn(a *attribution.Attribution) string {
	var best result.LineStat
	var most, all int64
	for _, l := range a.Host.Lines {
		n := a.Imports[l.Line.Number]
		all += n
		if n > most {
			best, most = l, n
		}
	}
	switch {
	case most == 0:
		return ""
	case most*10 >= all*9:
		return " on " + phrase.Line(best.Line)
	}
	return ", mostly on " + phrase.Line(best.Line)
}

// doing words a cause with its line and who was waited for: "waiting for the GIL, mostly on
// line 9, while thread "spin" was running Python".
//
// meanwhile joins the two clauses: " while ", or what does not repeat a "while" before.
func doing(a *attribution.Attribution, c result.Cause, at, meanwhile string) string {
	out := verb(c.Kind)
	if c.Kind == result.CauseLock && a.Handovers[mostly(a, c)] {
		out = "waiting for another thread"
	}
	who := phrase.Plain(c.Thread)
	detail := phrase.Plain(c.Detail)
	switch c.Kind {
	case result.CauseGIL, result.CauseLock, result.CauseChild, result.CausePoll:
		if who == "" {
			return out + at
		}
		if strings.HasPrefix(at, ", ") {
			at += ","
		}
		if detail == "" {
			detail = "what it waited for"
		}
		if c.Kind != result.CauseChild {
			who = "thread \"" + who + "\""
		} else {
			who = "\"" + who + "\""
		}
		return out + at + meanwhile + who + " was " + detail
	case result.CauseDataLoading:
		if who != "" && detail != "" {
			return out + at + meanwhile + "\"" + who + "\" was " + detail
		}
		if detail != "" {
			out += " (" + detail + ")"
		}
	case result.CausePython:
		if a.Imports[c.Line.Number]*2 > c.Ns {
			return "importing modules" + at
		}
		if strings.HasPrefix(detail, "in ") {
			out += " " + detail
		}
	case result.CauseNative, result.CauseSyscall, result.CauseHostIO, result.CausePageFault, result.CauseAllocator:
		if detail != "" {
			out += " (" + detail + ")"
		}
	}
	return out + at
}

func verb(k result.CauseKind) string {
	switch k {
	case result.CausePageFault:
		return "bringing in memory"
	case result.CauseGC:
		return "collecting garbage"
	case result.CausePreempted:
		return "waiting for a busy CPU"
	case result.CauseSyscall:
		return "in system calls"
	}
	return phrase.Kind(k)
}

// mostly is the line that carries most of a cause.
func mostly(a *attribution.Attribution, c result.Cause) int32 {
	_, line := where(a, c)
	return line
}

// where names the line that carries most of a cause.
func where(a *attribution.Attribution, c result.Cause) (string, int32) {
	return whereOf(a.Host.Causes, c)
}

// whereOf names the line that carries most of a cause in a list of causes.
func whereOf(causes []result.Cause, c result.Cause) (string, int32) {
	var best result.Cause
	var total int64
	for _, x := range causes {
		if x.Kind != c.Kind {
			continue
		}
		total += x.Ns
		if x.Line.Number > 0 && x.Ns > best.Ns {
			best = x
		}
	}
	switch {
	case best.Ns == 0 || total == 0:
		return "", 0
	case best.Ns*10 >= total*9:
		return " on " + phrase.Line(best.Line), best.Line.Number
	case best.Ns*2 >= total:
		return ", mostly on " + phrase.Line(best.Line), best.Line.Number
	}
	return ", the largest part on " + phrase.Line(best.Line), best.Line.Number
}

// secondCause is a clause about the next cause when it is worth one.
func secondCause(a *attribution.Attribution, top result.Cause) string {
	if importShare(a) >= importsRule {
		return "" // imports are made of several causes: the next would be one of theirs
	}
	for _, c := range a.Host.ByKind {
		if c.Kind == top.Kind || c.Kind == result.CauseUnknown {
			continue
		}
		if c.Share < 0.15 {
			return ""
		}
		_, first := where(a, top)
		at, line := where(a, c)
		if line == first && line != 0 {
			at = strings.Replace(at, phrase.Line(result.Line{Number: line, Text: a.LineText(line)}), "the same line", 1)
		}
		return "another " + phrase.Percent(c.Share) + " was " + doing(a, c, at, " while ")
	}
	return ""
}

// unexplained says what is known of a cell that is mostly not.
func unexplained(a *attribution.Attribution) string {
	var heaviest result.LineStat
	for _, l := range a.Host.Lines {
		if l.WallNs > heaviest.WallNs {
			heaviest = l
		}
	}
	out := "What took most of the cell's " + phrase.Duration(a.WallNs) + " was not seen"
	var unknown result.Cause
	for _, c := range a.Host.ByKind {
		if c.Kind == result.CauseUnknown {
			unknown = c
		}
	}
	if d := phrase.Plain(unknown.Detail); d != "" {
		out += " (" + d + ")"
	}
	if heaviest.WallNs > 0 {
		out += "; " + phrase.Percent(float64(heaviest.WallNs)/float64(a.WallNs)) + " of it passed on " + phrase.Line(heaviest.Line)
	}
	if a.Host.Rung == timeline.RungInProcess {
		out += "; without scheduler data waiting cannot be told apart"
	}
	return out + "."
}
