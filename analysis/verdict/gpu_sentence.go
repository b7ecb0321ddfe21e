package verdict

import (
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// gpuSentence is the verdict of a cell that gave a device work; class is its leaning, even
// where too much was missed to show it.
func gpuSentence(in Input, v result.Verdict, t Trust, class result.Class, calm bool) string {
	a := in.Attribution
	g := a.GPU
	sums := shareSums(g)
	s := savingsOf(&sums) // sentences say how the time passed, not what would be saved
	switch {
	case t.GPUMissing:
		return "Not all of the GPU's work was captured, so what bounds this cell is unknown; of what was seen, " + lowerThe(gpuMain(in, class, s)) + "."
	case a.WallNs < tooShort && (s.explained < minExplained || calm):
		return "The cell took " + phrase.Duration(g.WallNs) + ": too short to say where the time went."
	case s.explained < minExplained:
		return "What kept the GPU idle for " + phrase.Percent(idleShare(g)) + " of the cell's " + phrase.Duration(g.WallNs) + " was not seen" +
			unseen(g) + "."
	case v.Class == result.Unknown:
		return "Not certain (" + weakest(v) + "): it seems that " + lowerThe(gpuMain(in, class, s)) + "."
	}
	out := gpuMain(in, class, s)
	if calm && v.Class != result.CPUBound && v.Class != result.MemoryTransferBound { // those say what stands out
		out = "Nothing stands out: " + lowerThe(out)
	}
	return out + "."
}

// lowerThe starts a clause that follows a colon.
func lowerThe(s string) string {
	for _, word := range []string{"The", "Copies", "Half"} {
		if rest, ok := strings.CutPrefix(s, word); ok {
			return strings.ToLower(word) + rest
		}
	}
	return s
}

func idleShare(g *attribution.GPU) float64 {
	if g.WallNs <= 0 {
		return 0
	}
	return float64(g.Idle.TotalNs) / float64(g.WallNs)
}

// subject names the device that a sentence speaks of.
func subject(in Input) string {
	if len(in.Devices) > 1 {
		return "The busiest of " + strconv.Itoa(len(in.Devices)) + " GPUs"
	}
	return "The GPU"
}

// gpuMain is the clause of a class.
func gpuMain(in Input, class result.Class, s savings) string {
	g := in.Attribution.GPU
	about := ""
	if g.Coverage != nil {
		about = "about "
	}
	busy := subject(in) + " was busy " + about + phrase.Percent(1-idleShare(g)) + " of the cell's " + phrase.Duration(g.WallNs)
	idle := subject(in) + " was idle " + about + phrase.Percent(idleShare(g)) + " of the cell's " + phrase.Duration(g.WallNs)
	why := mostlyWhile(in.Attribution)
	switch {
	case class == result.GPUBound:
		out := busy + kernelClause(in)
		if s.copies >= 0.15 {
			out += "; copies that no kernel covered took another " + phrase.Percent(s.copies)
		}
		if idleShare(g) >= MinIdle && why != "" {
			out += "; it was idle " + phrase.Percent(idleShare(g)) + ", " + why
		}
		return out
	case class == result.MemoryTransferBound:
		out := "Copies that no kernel covered took " + phrase.Percent(s.copies+shareOf(g, attribution.ShareHiddenCopies)) + " of the cell's " + phrase.Duration(g.WallNs) + copyClause(in)
		if s.host >= 0.15 && why != "" {
			out += "; the GPU was idle " + phrase.Percent(idleShare(g)) + ", " + why
		}
		return out
	case class == result.CPUBound:
		if two := twoCauses(in.Attribution); two != "" {
			return idle + ": " + two
		}
		if why != "" {
			return idle + ", " + why
		}
		return idle
	case s.kernels+s.copies >= s.host && idleShare(g) < MinIdle:
		return busy + kernelClause(in)
	}
	out := "The cell's " + phrase.Duration(g.WallNs) + " is shared: the GPU computed for " + phrase.Percent(s.kernels+shareOf(g, attribution.ShareHiddenKernels))
	if copied := s.copies + shareOf(g, attribution.ShareHiddenCopies); copied >= 0.05 {
		out += ", copied for " + phrase.Percent(copied)
	}
	if covered := shareOf(g, attribution.ShareOverlap); covered >= 0.05 {
		out += ", did both for " + phrase.Percent(covered)
	}
	out += " and was idle for " + phrase.Percent(idleShare(g))
	if idleShare(g) >= MinIdle && why != "" {
		out += ", " + why
	}
	return out
}

// shareOf is one of the parts of the wall as a share of it.
func shareOf(g *attribution.GPU, part attribution.Share) float64 {
	return float64(g.Shares[part]) / float64(max(g.WallNs, 1))
}

// kernelClause names the kernel that took most of the time, with its line.
func kernelClause(in Input) string {
	d := in.device()
	if d == nil || len(d.TopKernels) == 0 || d.KernelSumNs <= 0 {
		return ""
	}
	k := d.TopKernels[0]
	wall := in.Attribution.GPU.WallNs
	part := float64(k.Ns) / float64(max(wall, 1))
	if d.KernelSumNs > d.ComputeNs+d.CommNs { // kernels overlap: what is left is a share of their union
		part *= float64(d.ComputeNs+d.CommNs) / float64(d.KernelSumNs)
	}
	out := ": " + phrase.Percent(min(part, 1)) + " in " + phrase.Kernel(k.Name)
	if k.Line.Number > 0 {
		out += ", launched on " + phrase.Line(k.Line)
	}
	return out
}

// copyClause names the copies that took most of the time, with their line.
func copyClause(in Input) string {
	d := in.device()
	if d == nil || len(d.Copies) == 0 {
		return ""
	}
	out := ": mostly " + phrase.Copy(d.Copies[0])
	if l := in.Attribution.GPU.CopyLine; l.Number > 0 {
		out += ", launched on " + phrase.Line(l)
	}
	return out
}

// device is the busiest device's sums.
func (in Input) device() *result.Device {
	for i := range in.Devices {
		if in.Devices[i].Index == in.Attribution.GPU.Index {
			return &in.Devices[i]
		}
	}
	return nil
}

// mostlyWhile is what the host did during most of the idle time: "mostly while the
// host was sleeping on line 5"; empty when that is not known.
func mostlyWhile(a *attribution.Attribution) string {
	top := topIdle(a.GPU)
	if a.GPU.Shares[attribution.ShareUnseenHost] > top.Ns {
		return "most of all while the host did what the trace does not show"
	}
	if top.Ns == 0 {
		return ""
	}
	how := "most of all "
	if top.Ns*2 >= a.GPU.Idle.TotalNs {
		how = "mostly "
	}
	return how + idleClause(a, top)
}

// idleClause words a cause of idle time with its line.
func idleClause(a *attribution.Attribution, c result.Cause) string {
	at, line := whereOf(a.GPU.Idle.Causes, c)
	if a.LineUnsure(c.Kind, line) {
		at = ", probably " + strings.TrimLeft(at, ", ")
	}
	switch c.Kind {
	case result.CauseProfiler:
		return "while tracing held it up"
	case result.CauseStreamDependency:
		return "because streams waited for each other" + launched(at)
	case result.CauseLaunchLatency:
		return "because work was on its way to it" + launched(at)
	}
	return "while the host was " + doing(a, c, at, " and ")
}

// launched is the place of a cause as that of the launches behind it: ", mostly launched on line 4".
func launched(at string) string {
	how, line, ok := strings.Cut(at, "on ")
	if !ok {
		return ""
	}
	return ", " + strings.TrimLeft(how, ", ") + "launched on " + line
}

// twoCauses is a clause about the two largest causes of idle time, with their shares of the wall; empty when
// the second is not worth a word.
func twoCauses(a *attribution.Attribution) string {
	top := topIdle(a.GPU)
	if a.GPU.Shares[attribution.ShareUnseenHost] > top.Ns {
		return ""
	}
	for _, c := range a.GPU.IdleByKind() {
		if c.Kind == top.Kind || c.Kind == result.CauseUnknown || c.Kind == result.CauseDeviceWait {
			continue
		}
		if c.Share < 0.15 {
			return ""
		}
		second := idleClause(a, c)
		if _, line := whereOf(a.GPU.Idle.Causes, top); line != 0 {
			second = strings.Replace(second, phrase.Line(result.Line{Number: line, Text: a.LineText(line)}), "the same line", 1)
		}
		return phrase.Percent(top.Share) + " of the cell " + idleClause(a, top) + "; " + phrase.Percent(c.Share) + " " + second
	}
	return ""
}

// unseen says what is known of idle time that is mostly not explained.
func unseen(g *attribution.GPU) string {
	for _, c := range g.IdleByKind() {
		if c.Kind == result.CauseUnknown || c.Kind == result.CauseDeviceWait {
			if d := phrase.Plain(c.Detail); d != "" {
				return " (" + d + ")"
			}
			return ""
		}
	}
	return ""
}

// carriedIn is the verdict's sentence for a cell in which the device only finished work of an earlier one.
func carriedIn(a *attribution.Attribution) string {
	g := a.GPU
	ns := g.Shares[attribution.ShareCarryIn]
	return "The GPU was busy " + phrase.Percent(float64(ns)/float64(g.WallNs)) + " of the cell's " + phrase.Duration(g.WallNs) +
		" with work that was launched before the cell, which launched none itself."
}
