package timeline

import (
	"strconv"
	"strings"
)

// What the counters of a GPU are of; GPUCounter makes the counter's name of it. Those
// in UnitShare that a GPU's own counters give (the four of ActivityCounters) are averages
// from a point's time to that of the next; others are readings of a moment.
const (
	// CounterSMActivity is the share of the SMs that had work, CounterSMOccupancy that of the warps that they can hold.
	CounterSMActivity  = "SM activity"
	CounterSMOccupancy = "SM occupancy"
	// CounterTensorActivity is the share of the time that the SMs' tensor cores worked.
	CounterTensorActivity = "tensor activity"
	// CounterDRAMBandwidth is the share of the GPU's memory bandwidth that was used.
	CounterDRAMBandwidth = "DRAM bandwidth"
	// CounterDRAMRead and CounterDRAMWrite are the parts of it, where another tool's trace tells them apart.
	CounterDRAMRead  = "DRAM read bandwidth"
	CounterDRAMWrite = "DRAM write bandwidth"
	// CounterPower is in watts, CounterSMClock in MHz, CounterMemory in bytes of the whole GPU.
	CounterPower   = "power"
	CounterSMClock = "SM clock"
	CounterMemory  = "memory"
	// CounterUtilisation is the share of the time that any kernel ran, as the driver averages it over 1/6 to 1 s.
	CounterUtilisation = "utilisation"
)

// UnitShare is the unit of counters from 0 to 1.
const UnitShare = "share"

// ActivityCounters are those that GPUs from Hopper on count themselves, in the order of GPM's fields.
var ActivityCounters = [4]string{CounterSMActivity, CounterSMOccupancy, CounterTensorActivity, CounterDRAMBandwidth}

const gpuPrefix = "gpu"

// GPUCounter is the name of a counter of the GPU with that number: "gpu0 power". Of a
// live cell it is Sensors.Index, of another tool's trace Device.Index.
func GPUCounter(gpu int, what string) string { return gpuPrefix + strconv.Itoa(gpu) + " " + what }

// SplitGPUCounter is the GPU's number and what is counted; false for a counter of no GPU.
func SplitGPUCounter(name string) (gpu int, what string, ok bool) {
	number, what, ok := strings.Cut(name, " ")
	number, prefixed := strings.CutPrefix(number, gpuPrefix)
	gpu, err := strconv.Atoi(number)
	if !ok || !prefixed || err != nil || gpu < 0 {
		return 0, "", false
	}
	return gpu, what, true
}
