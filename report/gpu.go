package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Part is one piece of a device's time over the cell.
type Part struct {
	// Name is "kernels", "communication", "copies", "sets" or "idle".
	Name  string
	Ns    int64
	Share float64
}

// Parts divides a device's time over the cell: kernels, then what no earlier part covers of communication,
// copies and sets, then idle. Pieces that took nothing are left out, except for idle.
func Parts(d result.Device) []Part {
	whole := d.BusyNs + d.CellIdleNs
	sets := max(0, d.BusyNs-d.ComputeNs-d.ExposedCommNs-d.ExposedMemcpyNs)
	list := make([]Part, 0, 5)
	for _, p := range []Part{{Name: "kernels", Ns: d.ComputeNs}, {Name: "communication", Ns: d.ExposedCommNs}, {Name: "copies", Ns: d.ExposedMemcpyNs},
		{Name: "sets", Ns: sets}, {Name: "idle", Ns: d.CellIdleNs}} {
		if p.Ns > 0 || p.Name == "idle" {
			p.Share = Share(p.Ns, whole)
			list = append(list, p)
		}
	}
	return list
}

// PartWords is what a part is called where copies behind kernels must be told from others.
func PartWords(d result.Device, p Part) string {
	if p.Name == "copies" && d.ExposedMemcpyNs < d.MemcpyNs || p.Name == "communication" && d.ExposedCommNs < d.CommNs {
		return p.Name + " not behind kernels"
	}
	return p.Name
}

// Work counts a device's operations: "1,000 kernels, 4 copies".
func Work(d result.Device) string {
	var list []string
	var in result.Coverage
	if d.Coverage != nil {
		in = *d.Coverage
	}
	for _, n := range []struct {
		count     int64
		in        result.Range
		one, many string
	}{{d.Kernels, in.Kernels, "kernel", "kernels"}, {d.Memcpys, in.Memcpys, "copy", "copies"}, {d.Memsets, in.Memsets, "memory set", "memory sets"}} {
		within := Within(n.count, n.in, AboutCount)
		switch {
		case n.count == 1 && within == "":
			list = append(list, "1 "+n.one)
		case n.count > 0:
			list = append(list, Count(n.count)+within+" "+n.many)
		}
	}
	if len(list) == 0 {
		return "no operation was recorded"
	}
	return strings.Join(list, ", ")
}

// Carried says in sentences which of the device's work belongs to another cell, or went on after this one; empty
// when neither is so.
func Carried(r *result.Result, d result.Device) []string {
	var list []string
	subject := Subject(r)
	switch {
	case d.CarryInNs <= 0:
	case d.CarryInNs >= d.BusyNs:
		list = append(list, "All of its work, "+Duration(d.CarryInNs)+", had been launched before the "+subject+" began; the "+subject+" itself launched nothing.")
	default:
		list = append(list, Duration(d.CarryInNs)+" of its work had been launched before the "+subject+" began.")
	}
	switch {
	case d.CarryOutNs > 0 && r.Host.Rung == timeline.RungTrace:
		list = append(list, "It worked on for "+Duration(d.CarryOutNs)+" after the step: that time is counted here, and is not in the wall time.")
	case d.CarryOutNs > 0:
		list = append(list, "It worked on for "+Duration(d.CarryOutNs)+" after the cell's last statement: that time is counted here, and is not in the wall time.")
	}
	return list
}

// Fact is something known of a device, in words.
type Fact struct{ Name, Value string }

// Spent words what a device did with the cell's time: "kernels 40% (861 ms), idle 58% (1.25 s)". Pieces below a
// thousandth are left out, except for idle.
func Spent(d result.Device) string {
	var list []string
	for _, p := range Parts(d) {
		if p.Share >= 0.001 || p.Name == "idle" {
			list = append(list, PartWords(d, p)+" "+Percent(p.Share)+" ("+Duration(p.Ns)+IdleWithin(d, p)+")")
		}
	}
	return strings.Join(list, ", ")
}

// Facts words facts in one sentence's part: "energy 470 J, average power 219 W"; empty without any.
func Facts(list []Fact) string {
	words := make([]string, 0, len(list))
	for _, f := range list {
		name := f.Name
		if len(name) > 1 && name[1] >= 'a' { // "SMs", "DRAM" stay
			name = strings.ToLower(name[:1]) + name[1:]
		}
		words = append(words, name+" "+f.Value)
	}
	return strings.Join(words, ", ")
}

// KeyFacts are the sensors that belong beside the device's time: energy, power, memory, and what of the chip was
// in use. What could not be read is left out.
func KeyFacts(d result.Device) []Fact {
	s := d.Sensors
	if s == nil {
		return nil
	}
	var list []Fact
	if s.EnergyJ >= 0 {
		list = append(list, Fact{"Energy", Quantity(s.EnergyJ, "J")})
	}
	if s.PowerAvgW >= 0 {
		list = append(list, Fact{"Average power", Quantity(s.PowerAvgW, "W")})
	}
	if s.MemoryPeak >= 0 {
		v := Bytes(s.MemoryPeak)
		if s.MemoryTotal > 0 {
			v += " of " + Bytes(s.MemoryTotal)
		}
		list = append(list, Fact{"Memory at most", v})
	}
	if g := s.GPM; g != nil {
		for _, f := range []struct {
			name  string
			share float64
		}{{"SMs busy", g.SMUtilization}, {"Tensor cores", g.TensorActive}, {"DRAM bandwidth", g.DRAMBandwidth}} {
			if f.share >= 0 {
				list = append(list, Fact{f.name, Percent(f.share)})
			}
		}
	} else if s.UtilizationAvg >= 0 {
		list = append(list, Fact{"Utilisation", Percent(s.UtilizationAvg)})
	}
	return list
}

// SensorFacts are the other sensors, for whoever unfolds them.
func SensorFacts(d result.Device) []Fact {
	var list []Fact
	add := func(known bool, name, format string, values ...any) {
		if known {
			list = append(list, Fact{name, fmt.Sprintf(format, values...)})
		}
	}
	add(d.PCI != "", "Bus id", "%s", Visible(d.PCI, 40))
	s := d.Sensors
	if s == nil {
		return append(list, Fact{"Sensors", "the driver's management library said nothing of this device"})
	}
	add(s.SMClockAvgMHz >= 0, "SM clock", "%s on average, %s to %s", Quantity(s.SMClockAvgMHz, "MHz"), Quantity(s.SMClockMinMHz, "MHz"), Quantity(s.SMClockMaxMHz, "MHz"))
	reasons := make([]string, 0, len(s.Throttled))
	for reason := range s.Throttled {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		if x, y := s.Throttled[a], s.Throttled[b]; x != y && x > y {
			return -1
		} else if x != y {
			return 1
		}
		return strings.Compare(a, b)
	})
	for i, reason := range reasons[:min(len(reasons), 8)] {
		reasons[i] = Visible(reason, 60) + " in " + Percent(s.Throttled[reason]) + " of the samples"
	}
	if len(reasons) > 0 {
		add(true, "Clocks held down by", "%s", strings.Join(reasons[:min(len(reasons), 8)], ", "))
	} else {
		add(s.SMClockAvgMHz >= 0, "Clocks held down by", "nothing")
	}
	add(s.PowerMaxW >= 0 && s.PowerLimitW > 0, "Power", "%s at most, of %s allowed", Quantity(s.PowerMaxW, "W"), Quantity(s.PowerLimitW, "W"))
	add(s.TemperatureMaxC >= 0, "Temperature", "%s at most", Quantity(s.TemperatureMaxC, "°C"))
	add(s.MemoryStart >= 0 && s.MemoryEnd >= 0, "Memory", "%s at the start, %s at the end", Bytes(max(0, s.MemoryStart)), Bytes(max(0, s.MemoryEnd)))
	add(s.PCIeSent >= 0 && s.PCIeReceived >= 0, "PCIe", "%s received, %s sent", Bytes(max(0, s.PCIeReceived)), Bytes(max(0, s.PCIeSent)))
	if g := s.GPM; g != nil {
		add(g.SMOccupancy >= 0, "Occupancy", "%s of the SMs' warps were resident, over %s", Percent(g.SMOccupancy), Duration(g.IntervalNs))
	}
	add(s.UtilizationAvg >= 0, "Utilisation", "%s, as the driver averages it", Percent(s.UtilizationAvg))
	switch {
	case s.OtherProcesses == 0:
		add(true, "Other processes", "none held memory on it")
	case s.OtherProcesses == 1:
		add(true, "Other processes", "one held memory on it")
	case s.OtherProcesses > 1:
		add(true, "Other processes", "%s held memory on it", Count(int64(s.OtherProcesses)))
	}
	add(s.MIG, "MIG", "the device is split into instances: these values are the whole card's")
	return list
}

// Quantity writes a measurement with three significant digits: "612 J", "1,980 MHz". One that is not known is "–".
func Quantity(v float64, unit string) string {
	switch {
	case !(v >= 0) || math.IsInf(v, 0):
		return "–"
	case v >= 1000:
		return Count(int64(math.Round(min(v, 1e15)))) + " " + unit
	}
	return trimFloat(roundSignificant(v, 3), 3) + " " + unit
}

// Bandwidth is bytes over ns: "24.3 GB/s". It is "–" when no time is known.
func Bandwidth(bytes, ns int64) string {
	if ns <= 0 || bytes < 0 {
		return "–"
	}
	v := float64(bytes) / float64(ns) // GB/s: 1e9 bytes over 1e9 ns
	for _, unit := range []string{"GB/s", "MB/s", "kB/s"} {
		if v >= 1 || unit == "kB/s" {
			return Quantity(v, unit)
		}
		v *= 1000
	}
	return "–"
}

// CopyWords is a kind of copy in words: "host to device, pageable to device".
func CopyWords(c result.Copy) string {
	return Direction(c.Kind) + ", " + Visible(c.Source, 20) + " to " + Visible(c.Target, 20)
}

// Direction is the kind of a copy in words: "host to device".
func Direction(kind string) string {
	switch kind {
	case "HtoD":
		return "host to device"
	case "DtoH":
		return "device to host"
	case "DtoD":
		return "inside the device"
	case "PtoP":
		return "between devices"
	case "HtoH":
		return "inside the host"
	}
	return Visible(kind, 20)
}

// Middle cuts s to at most limit characters by leaving its middle out: the ends of a kernel's name tell more than
// what its templates hold.
func Middle(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	if limit < 3 {
		return Fit(s, limit)
	}
	tail := (limit - 1) / 4
	return string(r[:limit-1-tail]) + "…" + string(r[len(r)-tail:])
}

// Kernel is a kernel's name as one line of at most limit characters, without what says nothing to whoever reads it:
// the type that it returns, the list of its arguments, and the namespace that all of PyTorch's kernels share.
func Kernel(name string, limit int) string {
	if s := withoutArguments(strings.TrimPrefix(name, "void ")); s != "" {
		name = strings.ReplaceAll(s, "at::native::", "")
	}
	if name == "" {
		return "(no name)"
	}
	return Middle(Visible(name, 0), limit)
}

// FullKernel is all of a kernel's name, within limit.
func FullKernel(name string, limit int) string { return Middle(Visible(name, 0), limit) }

// withoutArguments cuts the parenthesis that a name ends with.
func withoutArguments(name string) string {
	if !strings.HasSuffix(name, ")") {
		return name
	}
	depth := 0
	for i := len(name) - 1; i > 0; i-- {
		switch name[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth == 0 {
				return name[:i]
			}
		}
	}
	return name
}

// DeviceTitle names a device: "GPU 0, NVIDIA H100 80GB HBM3".
func DeviceTitle(d result.Device) string {
	s := "GPU " + strconv.Itoa(int(d.Index))
	if d.Name != "" {
		s += ", " + Visible(d.Name, 80)
	}
	return s
}

// IdleIntro says how much of the cell or trace the device was idle: "620 ms, 61% of the cell". It is empty without a device.
func IdleIntro(r *result.Result) string {
	if len(r.Devices) == 0 || r.Idle.TotalNs <= 0 {
		return ""
	}
	return Duration(r.Idle.TotalNs) + Within(r.Idle.TotalNs, r.Idle.Range, About) + ", " + Percent(idleShare(r)) + " of the " + Subject(r)
}

// IdleMatters tells whether the device was idle for a tenth of the cell or more: below that nothing is to be gained.
func IdleMatters(r *result.Result) bool { return len(r.Devices) > 0 && idleShare(r) >= 0.1 }

// idleShare is idle time as a share of the busiest device's cell.
func idleShare(r *result.Result) float64 {
	var busy int64
	for _, d := range r.Devices {
		busy = max(busy, d.BusyNs)
	}
	return Share(r.Idle.TotalNs, busy+r.Idle.TotalNs)
}
