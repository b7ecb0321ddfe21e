package tracestore

import "github.com/inferscope/inferscope/analysis/timeline"

// The manifest's form of timeline.Process and timeline.Sensors.
type (
	process struct {
		PID                 int32      `json:"pid"`
		MinorFaults         int64      `json:"minor_faults"`
		MajorFaults         int64      `json:"major_faults"`
		VoluntarySwitches   int64      `json:"voluntary_switches"`
		InvoluntarySwitches int64      `json:"involuntary_switches"`
		RSSStart            int64      `json:"rss_start_bytes"`
		RSSEnd              int64      `json:"rss_end_bytes"`
		RSSPeak             int64      `json:"rss_peak_bytes"`
		UserNs              int64      `json:"user_ns"`
		SystemNs            int64      `json:"system_ns"`
		ReadBytes           int64      `json:"read_bytes"`
		WriteBytes          int64      `json:"write_bytes"`
		CPUs                int        `json:"cpus"`
		CPUQuota            float64    `json:"cpu_quota"`
		Throttled           int64      `json:"throttled"`
		ThrottledNs         int64      `json:"throttled_ns"`
		NUMA                []numaNode `json:"numa"`
		NUMANodes           int        `json:"numa_nodes"`
	}
	numaNode struct {
		Node     int     `json:"node"`
		Bytes    int64   `json:"bytes"`
		CPUShare float64 `json:"cpu_share"`
	}
	sensors struct {
		PCI                  string             `json:"pci"`
		Index                int                `json:"index"`
		Name                 string             `json:"name"`
		UtilizationAvg       float64            `json:"utilization_avg"`
		MemoryUtilizationAvg float64            `json:"memory_utilization_avg"`
		EnergyJ              float64            `json:"energy_j"`
		PowerAvgW            float64            `json:"power_avg_w"`
		PowerMaxW            float64            `json:"power_max_w"`
		PowerLimitW          float64            `json:"power_limit_w"`
		MemoryStart          int64              `json:"memory_start_bytes"`
		MemoryPeak           int64              `json:"memory_peak_bytes"`
		MemoryEnd            int64              `json:"memory_end_bytes"`
		MemoryTotal          int64              `json:"memory_total_bytes"`
		SMClockAvgMHz        float64            `json:"sm_clock_avg_mhz"`
		SMClockMinMHz        float64            `json:"sm_clock_min_mhz"`
		SMClockMaxMHz        float64            `json:"sm_clock_max_mhz"`
		TemperatureMaxC      float64            `json:"temperature_max_c"`
		PCIeSent             int64              `json:"pcie_sent_bytes"`
		PCIeReceived         int64              `json:"pcie_received_bytes"`
		Throttled            map[string]float64 `json:"throttled"`
		GPM                  *gpm               `json:"gpm"`
		OtherProcesses       int                `json:"other_processes"`
		MIG                  bool               `json:"mig"`
	}
	gpm struct {
		SMUtilization float64 `json:"sm_utilization"`
		SMOccupancy   float64 `json:"sm_occupancy"`
		TensorActive  float64 `json:"tensor_active"`
		DRAMBandwidth float64 `json:"dram_bandwidth"`
		IntervalNs    int64   `json:"interval_ns"`
	}
)

func processOf(p timeline.Process) process {
	out := process{
		PID: p.PID, MinorFaults: p.MinorFaults, MajorFaults: p.MajorFaults,
		VoluntarySwitches: p.VoluntarySwitches, InvoluntarySwitches: p.InvoluntarySwitches,
		RSSStart: p.RSSStart, RSSEnd: p.RSSEnd, RSSPeak: p.RSSPeak, UserNs: p.UserNs, SystemNs: p.SystemNs,
		ReadBytes: p.ReadBytes, WriteBytes: p.WriteBytes, CPUs: p.CPUs, CPUQuota: finite(p.CPUQuota),
		Throttled: p.Throttled, ThrottledNs: p.ThrottledNs, NUMANodes: p.NUMANodes,
	}
	for _, n := range p.NUMA {
		n.CPUShare = finite(n.CPUShare)
		out.NUMA = append(out.NUMA, numaNode(n))
	}
	return out
}

func (p *process) timeline() timeline.Process {
	out := timeline.Process{
		PID: p.PID, MinorFaults: p.MinorFaults, MajorFaults: p.MajorFaults,
		VoluntarySwitches: p.VoluntarySwitches, InvoluntarySwitches: p.InvoluntarySwitches,
		RSSStart: p.RSSStart, RSSEnd: p.RSSEnd, RSSPeak: p.RSSPeak, UserNs: p.UserNs, SystemNs: p.SystemNs,
		ReadBytes: p.ReadBytes, WriteBytes: p.WriteBytes, CPUs: p.CPUs, CPUQuota: p.CPUQuota,
		Throttled: p.Throttled, ThrottledNs: p.ThrottledNs, NUMANodes: p.NUMANodes,
	}
	for _, n := range p.NUMA {
		out.NUMA = append(out.NUMA, timeline.NUMANode(n))
	}
	return out
}

func sensorsOf(s *timeline.Sensors) sensors {
	out := sensors{
		PCI: s.PCI, Index: s.Index, Name: s.Name,
		UtilizationAvg: finite(s.UtilizationAvg), MemoryUtilizationAvg: finite(s.MemoryUtilizationAvg),
		EnergyJ: finite(s.EnergyJ), PowerAvgW: finite(s.PowerAvgW), PowerMaxW: finite(s.PowerMaxW), PowerLimitW: finite(s.PowerLimitW),
		MemoryStart: s.MemoryStart, MemoryPeak: s.MemoryPeak, MemoryEnd: s.MemoryEnd, MemoryTotal: s.MemoryTotal,
		SMClockAvgMHz: finite(s.SMClockAvgMHz), SMClockMinMHz: finite(s.SMClockMinMHz), SMClockMaxMHz: finite(s.SMClockMaxMHz),
		TemperatureMaxC: finite(s.TemperatureMaxC), PCIeSent: s.PCIeSent, PCIeReceived: s.PCIeReceived,
		OtherProcesses: s.OtherProcesses, MIG: s.MIG,
	}
	if s.Throttled != nil {
		out.Throttled = make(map[string]float64, len(s.Throttled))
		for reason, share := range s.Throttled {
			out.Throttled[reason] = finite(share)
		}
	}
	if s.GPM != nil {
		g := gpm(*s.GPM)
		g.SMUtilization, g.SMOccupancy = finite(g.SMUtilization), finite(g.SMOccupancy)
		g.TensorActive, g.DRAMBandwidth = finite(g.TensorActive), finite(g.DRAMBandwidth)
		out.GPM = &g
	}
	return out
}

func (s *sensors) timeline() timeline.Sensors {
	out := timeline.Sensors{
		PCI: s.PCI, Index: s.Index, Name: s.Name,
		UtilizationAvg: s.UtilizationAvg, MemoryUtilizationAvg: s.MemoryUtilizationAvg,
		EnergyJ: s.EnergyJ, PowerAvgW: s.PowerAvgW, PowerMaxW: s.PowerMaxW, PowerLimitW: s.PowerLimitW,
		MemoryStart: s.MemoryStart, MemoryPeak: s.MemoryPeak, MemoryEnd: s.MemoryEnd, MemoryTotal: s.MemoryTotal,
		SMClockAvgMHz: s.SMClockAvgMHz, SMClockMinMHz: s.SMClockMinMHz, SMClockMaxMHz: s.SMClockMaxMHz,
		TemperatureMaxC: s.TemperatureMaxC, PCIeSent: s.PCIeSent, PCIeReceived: s.PCIeReceived,
		Throttled: s.Throttled, OtherProcesses: s.OtherProcesses, MIG: s.MIG,
	}
	if s.GPM != nil {
		g := timeline.GPM(*s.GPM)
		out.GPM = &g
	}
	return out
}
