package summary

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// The ends of an interval are the number itself where nothing was estimated.
type deviceDoc struct {
	Index           int32       `json:"index"`
	Name            string      `json:"name"`
	PCI             string      `json:"pci"`
	Kernels         int64       `json:"kernels"`
	Memcpys         int64       `json:"memcpys"`
	Memsets         int64       `json:"memsets"`
	ClockErrorNs    int64       `json:"clock_error_ns"`
	WindowNs        int64       `json:"window_ns"`
	BusyNs          int64       `json:"busy_ns"`
	IdleNs          int64       `json:"idle_ns"`
	CellIdleNs      int64       `json:"cell_idle_ns"`
	ComputeNs       int64       `json:"compute_ns"`
	CommNs          int64       `json:"comm_ns"`
	MemcpyNs        int64       `json:"memcpy_ns"`
	MemsetNs        int64       `json:"memset_ns"`
	ExposedCommNs   int64       `json:"exposed_comm_ns"`
	ExposedMemcpyNs int64       `json:"exposed_memcpy_ns"`
	KernelSumNs     int64       `json:"kernel_sum_ns"`
	CarryInNs       int64       `json:"carry_in_ns"`
	CarryOutNs      int64       `json:"carry_out_ns"`
	Copies          []copyDoc   `json:"copies"`
	TopKernels      []kernelDoc `json:"top_kernels"`
	Sensors         *sensorsDoc `json:"sensors"`
	Coverage        coverageDoc `json:"coverage"`
	KernelsLow      int64       `json:"kernels_low"`
	KernelsHigh     int64       `json:"kernels_high"`
	MemcpysLow      int64       `json:"memcpys_low"`
	MemcpysHigh     int64       `json:"memcpys_high"`
	MemsetsLow      int64       `json:"memsets_low"`
	MemsetsHigh     int64       `json:"memsets_high"`
	KernelSumLowNs  int64       `json:"kernel_sum_low_ns"`
	KernelSumHighNs int64       `json:"kernel_sum_high_ns"`
	BusyLowNs       int64       `json:"busy_low_ns"`
	BusyHighNs      int64       `json:"busy_high_ns"`
	CellIdleLowNs   int64       `json:"cell_idle_low_ns"`
	CellIdleHighNs  int64       `json:"cell_idle_high_ns"`
}

// coverageDoc is how much of the cell was captured: all of it, in no windows, or a share.
type coverageDoc struct {
	Share   float64 `json:"share"`
	Windows int     `json:"windows"`
}

type copyDoc struct {
	Kind  string `json:"kind"`
	Src   string `json:"src"`
	Dst   string `json:"dst"`
	Count int64  `json:"count"`
	Ns    int64  `json:"ns"`
	Bytes int64  `json:"bytes"`
	countDoc
}

type kernelDoc struct {
	Name  string   `json:"name"`
	Count int64    `json:"count"`
	Ns    int64    `json:"ns"`
	Line  *lineDoc `json:"line"`
	countDoc
}

// countDoc is the interval of a count and its time.
type countDoc struct {
	CountLow  int64 `json:"count_low"`
	CountHigh int64 `json:"count_high"`
	LowNs     int64 `json:"low_ns"`
	HighNs    int64 `json:"high_ns"`
}

func countOf(count, ns int64, counts, times result.Range) countDoc {
	n, t := known(count, counts), known(ns, times)
	return countDoc{n.Low, n.High, t.Low, t.High}
}

// intervalsOf is nil for a line of a whole capture, and for one that did nothing to the devices.
func intervalsOf(l result.LineStat) *lineIntervalsDoc {
	none := result.Range{}
	if l.GPURange == none && l.IdleCausedRange == none && l.LaunchesRange == none && l.CopiesRange == none {
		return nil
	}
	gpu, idle := known(l.GPUNs, l.GPURange), known(l.IdleCausedNs, l.IdleCausedRange)
	launches, copies := known(l.Launches, l.LaunchesRange), known(l.Copies, l.CopiesRange)
	return &lineIntervalsDoc{gpu.Low, gpu.High, idle.Low, idle.High, launches.Low, launches.High, copies.Low, copies.High}
}

// known is the interval of n: n itself, when it was counted or measured.
func known(n int64, r result.Range) result.Range {
	if r == (result.Range{}) {
		return result.Range{Low: n, High: n}
	}
	return r
}

// sensorsDoc keeps the -1 of what could not be read.
type sensorsDoc struct {
	Utilization       float64       `json:"utilization"`
	MemoryUtilization float64       `json:"memory_utilization"`
	EnergyJ           float64       `json:"energy_j"`
	PowerAvgW         float64       `json:"power_avg_w"`
	PowerMaxW         float64       `json:"power_max_w"`
	PowerLimitW       float64       `json:"power_limit_w"`
	MemoryStartBytes  int64         `json:"memory_start_bytes"`
	MemoryPeakBytes   int64         `json:"memory_peak_bytes"`
	MemoryEndBytes    int64         `json:"memory_end_bytes"`
	MemoryTotalBytes  int64         `json:"memory_total_bytes"`
	SMClockAvgMHz     float64       `json:"sm_clock_avg_mhz"`
	SMClockMinMHz     float64       `json:"sm_clock_min_mhz"`
	SMClockMaxMHz     float64       `json:"sm_clock_max_mhz"`
	TemperatureMaxC   float64       `json:"temperature_max_c"`
	PCIeSentBytes     int64         `json:"pcie_sent_bytes"`
	PCIeReceivedBytes int64         `json:"pcie_received_bytes"`
	Throttled         []throttleDoc `json:"throttled"`
	GPM               *gpmDoc       `json:"gpm"`
	OtherProcesses    int           `json:"other_processes"`
	MIG               bool          `json:"mig"`
}

type throttleDoc struct {
	Reason string  `json:"reason"`
	Share  float64 `json:"share"`
}

type gpmDoc struct {
	SMUtilization float64 `json:"sm_utilization"`
	SMOccupancy   float64 `json:"sm_occupancy"`
	TensorActive  float64 `json:"tensor_active"`
	DRAMBandwidth float64 `json:"dram_bandwidth"`
	IntervalNs    int64   `json:"interval_ns"`
}

func (c *cutter) deviceOf(d result.Device) deviceDoc {
	in := result.Coverage{Share: 1}
	if d.Coverage != nil {
		in = *d.Coverage
	}
	kernels, memcpys, memsets := known(d.Kernels, in.Kernels), known(d.Memcpys, in.Memcpys), known(d.Memsets, in.Memsets)
	sum, busy, idle := known(d.KernelSumNs, in.KernelSumNs), known(d.BusyNs, in.BusyNs), known(d.CellIdleNs, in.CellIdleNs)
	return deviceDoc{Index: d.Index, Name: c.text(d.Name), PCI: c.text(d.PCI), Kernels: d.Kernels, Memcpys: d.Memcpys, Memsets: d.Memsets,
		ClockErrorNs: d.ClockErrorNs, WindowNs: d.WindowNs, BusyNs: d.BusyNs, IdleNs: d.IdleNs, CellIdleNs: d.CellIdleNs, ComputeNs: d.ComputeNs, CommNs: d.CommNs,
		MemcpyNs: d.MemcpyNs, MemsetNs: d.MemsetNs, ExposedCommNs: d.ExposedCommNs, ExposedMemcpyNs: d.ExposedMemcpyNs,
		KernelSumNs: d.KernelSumNs, CarryInNs: d.CarryInNs, CarryOutNs: d.CarryOutNs,
		Copies: list(c, d.Copies, func(x result.Copy) copyDoc {
			return copyDoc{c.text(x.Kind), c.text(x.Source), c.text(x.Target), x.Count, x.Ns, x.Bytes, countOf(x.Count, x.Ns, x.CountRange, x.NsRange)}
		}),
		TopKernels: list(c, d.TopKernels, func(k result.Kernel) kernelDoc {
			return kernelDoc{c.text(k.Name), k.Count, k.Ns, c.linePointer(k.Line), countOf(k.Count, k.Ns, k.CountRange, k.NsRange)}
		}),
		Sensors: c.sensorsOf(d.Sensors), Coverage: coverageDoc{finite(in.Share), in.Windows},
		KernelsLow: kernels.Low, KernelsHigh: kernels.High, MemcpysLow: memcpys.Low, MemcpysHigh: memcpys.High,
		MemsetsLow: memsets.Low, MemsetsHigh: memsets.High, KernelSumLowNs: sum.Low, KernelSumHighNs: sum.High,
		BusyLowNs: busy.Low, BusyHighNs: busy.High, CellIdleLowNs: idle.Low, CellIdleHighNs: idle.High}
}

func (c *cutter) sensorsOf(s *timeline.Sensors) *sensorsDoc {
	if s == nil {
		return nil
	}
	reasons := make([]string, 0, len(s.Throttled))
	for reason := range s.Throttled {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	out := sensorsDoc{finite(s.UtilizationAvg), finite(s.MemoryUtilizationAvg), finite(s.EnergyJ), finite(s.PowerAvgW), finite(s.PowerMaxW), finite(s.PowerLimitW),
		s.MemoryStart, s.MemoryPeak, s.MemoryEnd, s.MemoryTotal, finite(s.SMClockAvgMHz), finite(s.SMClockMinMHz), finite(s.SMClockMaxMHz),
		finite(s.TemperatureMaxC), s.PCIeSent, s.PCIeReceived,
		list(c, reasons, func(reason string) throttleDoc { return throttleDoc{c.text(reason), finite(s.Throttled[reason])} }),
		nil, s.OtherProcesses, s.MIG}
	if g := s.GPM; g != nil {
		out.GPM = &gpmDoc{finite(g.SMUtilization), finite(g.SMOccupancy), finite(g.TensorActive), finite(g.DRAMBandwidth), g.IntervalNs}
	}
	return &out
}
