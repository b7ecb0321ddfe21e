package findings

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// device is the busiest device's sums; nil when the cell gave no device work.
func (e *Evidence) device() *result.Device {
	if !e.Attribution.GPU.Owned() {
		return nil
	}
	for i := range e.Devices {
		if e.Devices[i].Index == e.Attribution.GPU.Index {
			return &e.Devices[i]
		}
	}
	return nil
}

// deviceName is "the GPU", or, where there are several, "GPU 1 (NVIDIA H100)".
func (e *Evidence) deviceName(d *result.Device) string {
	if len(e.Devices) == 1 {
		return "the GPU"
	}
	out := "GPU " + strconv.Itoa(int(d.Index))
	if name := phrase.Plain(d.Name); name != "" {
		out += " (" + name + ")"
	}
	return out
}

// largestOn is ", the largest part on line 5 (`text`)", or nothing when no line is known.
func largestOn(l result.Line) string {
	if l.Number <= 0 {
		return ""
	}
	return ", the largest part on " + phrase.Line(l)
}
