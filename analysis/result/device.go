package result

import "github.com/inferscope/inferscope/analysis/timeline"

// Device is what one GPU did. "Union" is the length of the union of intervals:
// operations that overlap count once.
type Device struct {
	Index int32
	Name  string
	PCI   string
	// Kernels, Memcpys and Memsets are numbers of operations.
	Kernels, Memcpys, Memsets int64
	// ClockErrorNs is how far the device's times may be off those of the host: what the bracketing of the two clocks
	// allows, or more if an operation seems to begin before the call that launched it.
	ClockErrorNs int64
	// WindowNs is from the first operation's start to the last one's end.
	WindowNs int64
	// BusyNs is the union of all operations; IdleNs is the window without it.
	BusyNs, IdleNs int64
	// ComputeNs is the union of kernels that are not communication, CommNs of those that are
	// (nccl, rccl); MemcpyNs and MemsetNs of copies and sets.
	ComputeNs, CommNs, MemcpyNs, MemsetNs int64
	// ExposedCommNs is communication not covered by compute; ExposedMemcpyNs copies covered by neither.
	ExposedCommNs, ExposedMemcpyNs int64
	// KernelSumNs adds the kernels' lengths without regard to overlap.
	KernelSumNs int64
	// CarryInNs is the union of operations launched before the cell; CarryOutNs the time of the
	// cell's own operations after its last statement.
	CarryInNs, CarryOutNs int64
	// CellIdleNs is the cell's wall, prolonged to the end of its last operation, without BusyNs.
	CellIdleNs int64
	Copies     []Copy
	// TopKernels are the kernels with the largest sums, at most 10.
	TopKernels []Kernel
	// Sensors is nil when the management library said nothing of this device.
	Sensors *timeline.Sensors
	// Coverage is nil when the device's work was captured whole: then the numbers above are
	// counted and measured. Otherwise they are estimates for the whole cell.
	Coverage *Coverage
}

// Range is the 95 % interval of an estimate, Low <= High, in the unit of what it
// belongs to. The zero Range belongs to what was counted or measured.
type Range struct{ Low, High int64 }

// Coverage is the part of a cell in which a device's work was captured, and the
// intervals of what was estimated from it (analysis/coverage).
type Coverage struct {
	// Share is the part of the cell's wall that was captured, 0..1, in Windows windows.
	Share   float64
	Windows int
	// The intervals of the numbers of the same name.
	Kernels, Memcpys, Memsets, KernelSumNs, BusyNs, CellIdleNs Range
}

// Copy sums the copies of one direction and one pair of sides.
type Copy struct {
	// Kind is "HtoD" and the like; Source and Target are "pageable", "pinned", "device" and the like.
	Kind, Source, Target string
	Count, Ns, Bytes     int64
	CountRange, NsRange  Range
}

// Kernel sums the launches of one kernel.
type Kernel struct {
	// Name is the kernel's name, demangled where it was. Hostile text.
	Name      string
	Count, Ns int64
	// Line is the line of the cell that launched most of it; Number 0 when not known.
	Line                Line
	CountRange, NsRange Range
}

// Idle is the time in which no device of the cell had an operation, over the cell's
// wall prolonged to the end of its last operation. With several devices it is that
// of the busiest.
type Idle struct {
	TotalNs int64
	// Range is the interval of TotalNs.
	Range Range
	// Causes sum to TotalNs exactly, largest first.
	Causes []Cause
}
