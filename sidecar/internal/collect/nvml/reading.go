package nvml

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// throttles are the clock event reasons that slow a kernel down, by their bit in
// nvml.h; idle clocks and settings of the user are none.
var throttles = []struct {
	bit  uint64
	name string
}{
	{nvml.ClocksEventReasonSwPowerCap, "power cap"},
	{nvml.ClocksThrottleReasonHwSlowdown, "hardware slowdown"},
	{nvml.ClocksEventReasonSwThermalSlowdown, "software thermal limit"},
	{nvml.ClocksThrottleReasonHwThermalSlowdown, "hardware thermal limit"},
	{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, "power brake"},
}

// reading gathers one device's sensors over a cell.
type reading struct {
	device
	pid uint32

	first  counters
	sums   struct{ util, memUtil, power, clock float64 }
	n      struct{ util, power, clock, throttle int64 }
	out    timeline.Sensors
	hits   map[string]int64
	times  []int64
	powers []float64
	utils  []float64
	mems   []float64
	clocks []float64

	activity activity

	// util is the last utilisation, from 0 to 1; -1 before there is one.
	util float64
	// watts is the last draw; -1 before there is one.
	watts float64
}

// counters are those that only grow.
type counters struct {
	energyMJ uint64
	energyOK bool
	sent     uint64
	received uint64
	pcieOK   bool
}

func newReading(lib nvml.Interface, d device, pid uint32) *reading {
	return &reading{device: d, pid: pid, hits: map[string]int64{}, util: -1, watts: -1,
		activity: activity{lib: lib, handle: d.handle, missing: d.uncounted, enable: d.enable}}
}

func (r *reading) counters() counters {
	var c counters
	if energy, ret := r.handle.GetTotalEnergyConsumption(); ret == nvml.SUCCESS {
		c.energyMJ, c.energyOK = energy, true
	}
	fields := []nvml.FieldValue{{FieldId: nvml.FI_DEV_PCIE_COUNT_TX_BYTES}, {FieldId: nvml.FI_DEV_PCIE_COUNT_RX_BYTES}}
	if r.handle.GetFieldValues(fields) == nvml.SUCCESS && fields[0].NvmlReturn == 0 && fields[1].NvmlReturn == 0 {
		c.sent, c.received, c.pcieOK = binary.LittleEndian.Uint64(fields[0].Value[:]), binary.LittleEndian.Uint64(fields[1].Value[:]), true
	}
	return c
}

func (r *reading) begin() {
	r.out = timeline.Sensors{PCI: r.pci, Index: r.index, Name: r.name, MIG: r.mig, PowerLimitW: r.limitW,
		UtilizationAvg: -1, MemoryUtilizationAvg: -1, EnergyJ: -1, PowerAvgW: -1, PowerMaxW: -1, MemoryStart: -1, MemoryPeak: -1,
		MemoryEnd: -1, MemoryTotal: -1, SMClockAvgMHz: -1, SMClockMinMHz: -1, SMClockMaxMHz: -1, TemperatureMaxC: -1,
		PCIeSent: -1, PCIeReceived: -1, OtherProcesses: -1}
	r.first = r.counters()
	r.activity.begin(monotonic())
	r.memory(&r.out.MemoryStart)
}

func (r *reading) memory(to *int64) {
	if m, ret := r.handle.GetMemoryInfo(); ret == nvml.SUCCESS {
		*to, r.out.MemoryTotal = int64(m.Used), int64(m.Total)
		r.out.MemoryPeak = max(r.out.MemoryPeak, int64(m.Used))
	}
}

// power is the present draw: the instantaneous field where there is one, since
// GetPowerUsage is an average over a second on most parts.
func (r *reading) power() (float64, bool) {
	field := []nvml.FieldValue{{FieldId: nvml.FI_DEV_POWER_INSTANT}}
	if r.handle.GetFieldValues(field) == nvml.SUCCESS && field[0].NvmlReturn == 0 {
		return float64(binary.LittleEndian.Uint32(field[0].Value[:])) / 1000, true
	}
	mw, ret := r.handle.GetPowerUsage()
	return float64(mw) / 1000, ret == nvml.SUCCESS
}

func (r *reading) throttle() {
	if r.reasons == nil {
		return
	}
	reasons, ret := r.reasons()
	if ret != nvml.SUCCESS {
		return
	}
	r.n.throttle++
	for _, t := range throttles {
		if reasons&t.bit != 0 {
			r.hits[t.name]++
		}
	}
}

func (r *reading) sample(now int64) {
	r.activity.sample(now)
	power, util, mhz, mem := -1.0, -1.0, -1.0, int64(-1)
	if u, ret := r.handle.GetUtilizationRates(); ret == nvml.SUCCESS {
		util = float64(u.Gpu) / 100
		r.util = util
		r.sums.util += util
		r.sums.memUtil += float64(u.Memory) / 100
		r.n.util++
	}
	if w, ok := r.power(); ok {
		power, r.watts = w, w
		r.sums.power += w
		r.n.power++
		r.out.PowerMaxW = max(r.out.PowerMaxW, w)
	}
	if clock, ret := r.handle.GetClockInfo(nvml.CLOCK_SM); ret == nvml.SUCCESS {
		mhz = float64(clock)
		r.sums.clock += mhz
		r.n.clock++
		r.out.SMClockMaxMHz = max(r.out.SMClockMaxMHz, mhz)
		if r.out.SMClockMinMHz < 0 || mhz < r.out.SMClockMinMHz {
			r.out.SMClockMinMHz = mhz
		}
	}
	r.throttle()
	if celsius, ret := r.handle.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		r.out.TemperatureMaxC = max(r.out.TemperatureMaxC, float64(celsius))
	}
	r.memory(&mem)
	r.times = append(r.times, now)
	r.powers, r.utils, r.mems, r.clocks = append(r.powers, power), append(r.utils, util), append(r.mems, float64(mem)), append(r.clocks, mhz)
}

// end reads the counters again and gives what the cell cost; window is the cell.
func (r *reading) end(window timeline.Interval, b *timeline.Builder) timeline.Sensors {
	last := r.counters()
	now := monotonic()
	r.sample(now)
	r.memory(&r.out.MemoryEnd)
	out := &r.out
	if r.first.energyOK && last.energyOK && last.energyMJ >= r.first.energyMJ {
		out.EnergyJ = float64(last.energyMJ-r.first.energyMJ) / 1000
	}
	if r.first.pcieOK && last.pcieOK && last.sent >= r.first.sent && last.received >= r.first.received {
		out.PCIeSent, out.PCIeReceived = int64(last.sent-r.first.sent), int64(last.received-r.first.received)
	}
	if r.n.util > 0 {
		out.UtilizationAvg, out.MemoryUtilizationAvg = r.sums.util/float64(r.n.util), r.sums.memUtil/float64(r.n.util)
	}
	if r.n.power > 0 {
		out.PowerAvgW = r.sums.power / float64(r.n.power)
	}
	if r.n.clock > 0 {
		out.SMClockAvgMHz = r.sums.clock / float64(r.n.clock)
	}
	for name, hits := range r.hits {
		if out.Throttled == nil {
			out.Throttled = map[string]float64{}
		}
		out.Throttled[name] = float64(hits) / float64(r.n.throttle)
	}
	if list, ret := r.handle.GetComputeRunningProcesses(); ret == nvml.SUCCESS {
		out.OtherProcesses = others(list, r.pid, procDirectory)
	}
	out.GPM = r.activity.whole(now)
	r.activity.counters(r.index, window, b)
	if loss, missed := r.activity.loss(); missed && r.worked() {
		b.AddLoss(loss)
	}
	for _, column := range []struct {
		name, unit string
		values     []float64
	}{{timeline.CounterPower, "W", r.powers}, {timeline.CounterUtilisation, timeline.UnitShare, r.utils}, {timeline.CounterMemory, "bytes", r.mems},
		{timeline.CounterSMClock, "MHz", r.clocks}} {
		counter := b.Counter(timeline.GPUCounter(r.index, column.name), column.unit)
		for i, v := range column.values {
			if v >= 0 {
				counter.Time, counter.Value = append(counter.Time, r.times[i]), append(counter.Value, v)
			}
		}
	}
	return *out
}

const procDirectory = "/proc"

// others counts the processes but pid, -1 when that cannot be told: in a container
// the driver may name processes by ids that mean nothing here.
func others(list []nvml.ProcessInfo, pid uint32, proc string) int {
	count := 0
	foreign := false
	for _, p := range list {
		if p.Pid == pid {
			return len(list) - 1
		}
		_, err := os.Stat(fmt.Sprintf("%s/%d", proc, p.Pid))
		foreign = foreign || err != nil
		count++
	}
	if foreign {
		return -1
	}
	return count
}

// worked says whether the device had something to do, as far as the driver tells: one that
// had not has no activity that could be missed.
func (r *reading) worked() bool { return r.n.util == 0 || r.sums.util > 0 }

func (r *reading) free() { r.activity.free() }
