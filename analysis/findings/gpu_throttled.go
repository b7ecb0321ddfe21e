package findings

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// minThrottled is the share of samples below which lowered clocks are not worth a word.
const minThrottled = 0.1

var gpuThrottled = Rule{
	ID:    "gpu-throttled",
	Title: "The GPU lowered its clocks",
	Sees:  "The driver reported a reason for lower clocks in at least a tenth of its samples: the power limit, heat, or a fault of the supply.",
	Bad: "Kernels take longer than they could, and timings of two runs cannot be compared. At the power limit this is the rule for heavy " +
		"work, and no fault.",
	Silent: "It is silent when kernels took less than 10% of the wall, when no reason was seen in a tenth of the samples, and when the " +
		"driver's sensors could not be read. It claims no saving.",
	Do:       "Against heat: better cooling, or fewer GPUs at work beside this one. At the power limit: `nvidia-smi -q -d POWER` shows whether it was lowered.",
	Change:   "keep the clocks up",
	Effort:   result.Hard,
	CellWide: true,
	Before:   ``, After: ``,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		g := e.Attribution.GPU
		if !g.Owned() || e.share(g.Shares[attribution.ShareKernels]+g.Shares[attribution.ShareOverlap]) < 0.1 {
			return nil
		}
		for i := range e.Devices {
			s := e.Devices[i].Sensors
			if s == nil {
				continue
			}
			var words []string
			onlyPower := true
			for _, name := range slices.Sorted(maps.Keys(s.Throttled)) {
				if share := s.Throttled[name]; share >= minThrottled {
					words = append(words, phrase.Plain(name)+" in "+phrase.Percent(share)+" of the samples")
					onlyPower = onlyPower && name == "power cap"
				}
			}
			if len(words) == 0 {
				continue
			}
			text := "The clocks of " + e.deviceName(&e.Devices[i]) + " were lowered: " + strings.Join(words, ", ")
			if s.SMClockAvgMHz > 0 && s.SMClockMaxMHz > s.SMClockAvgMHz {
				text += "; " + strconv.Itoa(int(s.SMClockAvgMHz)) + " MHz on average, " + strconv.Itoa(int(s.SMClockMaxMHz)) + " MHz at best"
			}
			f := r.info(e, result.Line{}, text+".")
			if !onlyPower {
				f.Severity = result.Low
			}
			out = append(out, f)
		}
		return out
	},
}
