package report

import (
	"math"

	"github.com/inferscope/inferscope/analysis/result"
)

// Estimated says that numbers of the GPU are estimates, of which part of the cell, and how to see everything: a
// sentence or more for each device's Coverage, empty of one that was captured whole.
func Estimated(d result.Device) string {
	c := d.Coverage
	if c == nil {
		return ""
	}
	return "Estimated for the whole cell from " + Plural(int64(c.Windows), "window") + " of capture that cover " + Percent(c.Share) +
		" of it; ± is half of a 95% interval. To capture everything: " + CaptureAll
}

// CaptureAll is the command that captures the GPU's work whole, whatever that costs.
const CaptureAll = "%%inferscope --full"

// Within is what follows an estimate n, half of its interval: " ± 20 ms"; empty when n was counted or measured, or is as sure.
func Within(n int64, r result.Range, words func(int64) string) string {
	half := max(r.High-n, n-r.Low)
	if r == (result.Range{}) || half <= 0 {
		return ""
	}
	return " ± " + words(half)
}

// AboutCount is Count with two significant digits, for what is not known to the third.
func AboutCount(n int64) string {
	if n <= 0 {
		return "0"
	}
	return Count(int64(min(roundSignificant(float64(n), 2), math.MaxInt64/2)))
}

// IdleWithin is what follows the share and the length of idle time among a device's Parts.
func IdleWithin(d result.Device, p Part) string {
	if p.Name != "idle" || d.Coverage == nil {
		return ""
	}
	return Within(p.Ns, d.Coverage.CellIdleNs, About)
}
