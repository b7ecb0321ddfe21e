package nvml

import (
	"fmt"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// gpmLeast is how far two GPM samples must be apart, in ns: the comment of nvmlGpmSampleGet
	// in nvml.h says that it should be more than 100 ms, for the driver refreshes them no oftener.
	gpmLeast = 100_000_000
	// mostFailures in a row end the sampling: what the driver refuses that often it will not give.
	mostFailures = 3
)

// gpmMetrics are what is asked for, in the order of timeline.ActivityCounters.
var gpmMetrics = [len(timeline.ActivityCounters)]nvml.GpmMetricId{nvml.GPM_METRIC_SM_UTIL, nvml.GPM_METRIC_SM_OCCUPANCY,
	nvml.GPM_METRIC_ANY_TENSOR_UTIL, nvml.GPM_METRIC_DRAM_BW_UTIL}

// shares are the values of gpmMetrics, 0..1; -1 for one that could not be had.
type shares [len(gpmMetrics)]float64

// average is what the hardware counted from one sample to another, CLOCK_MONOTONIC ns.
type average struct {
	from, to int64
	of       shares
}

// activity samples a device's own counters (GPM) over a cell. The first sample is kept
// for the average of the whole cell, the last for that of the interval until the next. A
// reading that fails leaves the last one in place, so that the next interval covers both.
type activity struct {
	lib    nvml.Interface
	handle nvml.Device
	// buffers are the samples' memory: NVML's, from begin until free; none where GPM cannot be
	// used. The cell's first sample lies in the first, the last one in buffers[last].
	buffers   []nvml.GpmSample
	last      int
	first, at int64 // when the first and the last sample were taken
	averages  []average
	failures  int
	// missing says why nothing is read, or nothing more; empty while all is well. enable is the command that would change it.
	missing, enable string
}

// begin takes the first sample.
func (a *activity) begin(now int64) {
	if a.missing != "" {
		return
	}
	for range 3 {
		buffer, ret := a.lib.GpmSampleAlloc()
		if ret != nvml.SUCCESS {
			a.refused(ret)
			return
		}
		a.buffers = append(a.buffers, buffer)
	}
	if ret := a.lib.GpmSampleGet(a.handle, a.buffers[0]); ret != nvml.SUCCESS {
		a.refused(ret)
		return
	}
	a.first, a.at = now, now
}

// refused notes that nothing can be had, and frees what was allocated.
func (a *activity) refused(ret nvml.Return) {
	a.missing, a.enable = refusal(ret)
	a.free()
}

// refusal words why a GPU's own counters cannot be read, and the command that lets them be.
func refusal(ret nvml.Return) (missing, enable string) {
	if ret == nvml.ERROR_NO_PERMISSION {
		return "this user may not read the GPU's own counters", "run the kernel as root"
	}
	return fmt.Sprintf("the driver does not give the GPU's own counters (%s)", describe(ret)), ""
}

// support says whether a device has counters of its own that can be read; if not, missing
// and enable are as in activity.
func support(lib nvml.Interface, handle nvml.Device, mig bool) (missing, enable string) {
	if mig {
		return "the GPU is split into instances (MIG), and its own counters are those of all of them", ""
	}
	// A call to a function that the installed driver does not have yet would end this process.
	for _, symbol := range []string{"nvmlGpmQueryDeviceSupport", "nvmlGpmSampleAlloc", "nvmlGpmSampleGet", "nvmlGpmMetricsGet"} {
		if lib.Extensions().LookupSymbol(symbol) != nil {
			return "the driver is too old to read the GPU's own counters", "install a newer driver"
		}
	}
	answer, ret := lib.GpmQueryDeviceSupport(handle)
	switch {
	case ret != nvml.SUCCESS:
		return refusal(ret)
	case answer.IsSupportedDevice == 0:
		return "GPUs before Hopper have no counters that can be read beside CUPTI", ""
	}
	return "", ""
}

// sample ends the present interval and begins the next, if enough time has passed.
func (a *activity) sample(now int64) {
	if len(a.buffers) == 0 || a.missing != "" || now-a.at <= gpmLeast {
		return
	}
	next := 1
	if a.last == next {
		next = 2
	}
	ret := a.lib.GpmSampleGet(a.handle, a.buffers[next])
	var of shares
	if ret == nvml.SUCCESS {
		of, ret = a.between(a.last, next)
	}
	if ret != nvml.SUCCESS {
		if a.failures++; a.failures >= mostFailures {
			a.missing = fmt.Sprintf("the driver stopped giving the GPU's own counters (%s)", describe(ret))
		}
		return
	}
	a.failures = 0
	a.averages = append(a.averages, average{a.at, now, of})
	a.last, a.at = next, now
}

// between are the averages from one sample to another, by their buffers.
func (a *activity) between(from, to int) (shares, nvml.Return) {
	get := nvml.GpmMetricsGetType{NumMetrics: uint32(len(gpmMetrics)), Sample1: a.buffers[from], Sample2: a.buffers[to]}
	for i, id := range gpmMetrics {
		get.Metrics[i].MetricId = uint32(id)
	}
	if ret := a.lib.GpmMetricsGet(&get); ret != nvml.SUCCESS {
		return shares{}, ret
	}
	var out shares
	for i := range out {
		m := get.Metrics[i]
		out[i] = m.Value / 100
		if nvml.Return(m.NvmlReturn) != nvml.SUCCESS || math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			out[i] = -1
		}
	}
	return out, nvml.SUCCESS
}

// whole is the average since begin; nil for a cell shorter than GPM can see. It takes a
// sample of its own, over the last one if that is not the first.
func (a *activity) whole(now int64) *timeline.GPM {
	if len(a.buffers) == 0 || now-a.first < gpmLeast {
		return nil
	}
	last := max(a.last, 1)
	if a.at != now {
		if a.lib.GpmSampleGet(a.handle, a.buffers[last]) != nvml.SUCCESS {
			return nil
		}
		a.at = now
	}
	of, ret := a.between(0, last)
	if ret != nvml.SUCCESS {
		return nil
	}
	return &timeline.GPM{SMUtilization: of[0], SMOccupancy: of[1], TensorActive: of[2], DRAMBandwidth: of[3], IntervalNs: now - a.first}
}

// counters are the averages as counters of a GPU: an average at the time at which its
// interval begins, and the last once more where its interval ends. What was measured
// from before the window begins with it.
func (a *activity) counters(gpu int, window timeline.Interval, b *timeline.Builder) {
	for i, what := range timeline.ActivityCounters {
		var c *timeline.Counter
		end := int64(0)
		for _, one := range a.averages {
			from, to := max(one.from, window.Start), min(one.to, window.End-1)
			if one.of[i] < 0 || from >= to {
				continue
			}
			if c == nil {
				c = b.Counter(timeline.GPUCounter(gpu, what), timeline.UnitShare)
			}
			c.Time, c.Value, end = append(c.Time, from), append(c.Value, one.of[i]), to
		}
		if c != nil {
			c.Time, c.Value = append(c.Time, end), append(c.Value, c.Value[len(c.Value)-1])
		}
	}
}

// loss is what was not seen of a device that worked; false when all was.
func (a *activity) loss() (timeline.Loss, bool) {
	reason := "how busy the SMs and their tensor cores were was not seen: "
	if len(a.buffers) > 0 {
		reason = "how busy the SMs and their tensor cores were is not known to the end of the cell: "
	}
	return timeline.Loss{Source: "nvml", Reason: reason + a.missing, Enable: a.enable}, a.missing != ""
}

// latest is the SMs' share that had work in the last interval; -1 before there is one.
func (a *activity) latest() float64 {
	if len(a.averages) == 0 {
		return -1
	}
	return a.averages[len(a.averages)-1].of[0]
}

// free gives the samples' memory back; it may be called again.
func (a *activity) free() {
	for _, buffer := range a.buffers {
		a.lib.GpmSampleFree(buffer)
	}
	a.buffers = nil
}
