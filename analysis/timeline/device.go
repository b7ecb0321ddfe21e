package timeline

import "slices"

// OpKind is the kind of a device operation.
type OpKind uint8

// The kinds of device operation. Their order is stable.
const (
	OpKernel OpKind = iota
	OpMemcpy
	OpMemset
	// NumOpKinds is how many kinds there are.
	NumOpKinds
)

// MemoryKind is one side of a copy, numbered as CUPTI's CUpti_ActivityMemoryKind.
type MemoryKind uint8

// The sides of a copy.
const (
	MemoryUnknown       MemoryKind = 0
	MemoryPageable      MemoryKind = 1
	MemoryPinned        MemoryKind = 2
	MemoryDevice        MemoryKind = 3
	MemoryArray         MemoryKind = 4
	MemoryManaged       MemoryKind = 5
	MemoryDeviceStatic  MemoryKind = 6
	MemoryManagedStatic MemoryKind = 7
)

var memoryNames = []string{"unknown", "pageable", "pinned", "device", "array", "managed", "device static", "managed static"}

// String is the side's name.
func (m MemoryKind) String() string {
	if int(m) < len(memoryNames) {
		return memoryNames[m]
	}
	return "unknown"
}

// CopyKind is the direction of a copy, numbered as CUPTI's CUpti_ActivityMemcpyKind.
type CopyKind uint8

// The directions of a copy.
const (
	CopyUnknown CopyKind = 0
	CopyHtoD    CopyKind = 1
	CopyDtoH    CopyKind = 2
	CopyHtoA    CopyKind = 3
	CopyAtoH    CopyKind = 4
	CopyAtoA    CopyKind = 5
	CopyAtoD    CopyKind = 6
	CopyDtoA    CopyKind = 7
	CopyDtoD    CopyKind = 8
	CopyHtoH    CopyKind = 9
	CopyPtoP    CopyKind = 10
)

var copyNames = []string{"unknown", "HtoD", "DtoH", "HtoA", "AtoH", "AtoA", "AtoD", "DtoA", "DtoD", "HtoH", "PtoP"}

// String is the direction as NVIDIA's tools abbreviate it: "HtoD" is host to device.
func (c CopyKind) String() string {
	if int(c) < len(copyNames) {
		return copyNames[c]
	}
	return "unknown"
}

// CallClass says what a CUDA call of the host is for.
type CallClass uint8

// The classes of call. Their order is stable.
const (
	CallOther CallClass = iota
	// CallLaunch launches kernels or a graph.
	CallLaunch
	// CallCopy copies or sets memory.
	CallCopy
	// CallSync waits for the device.
	CallSync
	// CallAlloc allocates, frees, pins or maps memory.
	CallAlloc
	// CallModule loads or links code.
	CallModule
	// CallEvent records an event or makes a stream wait for one.
	CallEvent
	// CallInit initialises CUDA or makes a context.
	CallInit
	// NumCallClasses is how many classes there are.
	NumCallClasses
)

// Device is one GPU: a track of the timeline.
type Device struct {
	// Index is the CUDA ordinal in the profiled process.
	Index int32
	Name  string
	// PCI is the bus id, as CUDA spells it; empty when not known.
	PCI         string
	MemoryBytes int64
	Ops         Ops
}

// Ops holds the operations of one device, sorted by Start. Operations of
// different streams may overlap. Ops that begin before the window were launched
// before it (carry-in) or by a call at its very start; they are clipped.
type Ops struct {
	Start, End []int64
	Kind       []OpKind
	Stream     []uint32
	// Name is the kernel's name, 0 for copies and sets.
	Name []NameID
	// Bytes copied or set, 0 for kernels.
	Bytes          []int64
	Copy           []CopyKind
	Source, Target []MemoryKind
	// Graph is not 0 for a node of a CUDA graph.
	Graph []uint32
	// Call is the row in Timeline.Calls of the call that launched the operation, -1
	// when that is not known: launched before the window, or the call was not recorded.
	Call []int32
}

// Len is the number of rows.
func (o *Ops) Len() int { return len(o.Start) }

// Calls holds the CUDA calls of all threads that matter for the device's work, sorted by Start.
type Calls struct {
	Start, End  []int64
	Thread      []ThreadID
	Class       []CallClass
	Name        []NameID
	Correlation []uint32
	// Bytes are what a call copies, sets or allocates as its arguments say, 0 where they
	// do not; nil when no source looks at arguments.
	Bytes []int64
}

// Len is the number of rows.
func (c *Calls) Len() int { return len(c.Start) }

// DeviceBuilder fills the track of one GPU. One goroutine at a time may use it.
type DeviceBuilder struct {
	device Device
	ops    opTable

	budget *budget
	cut    spillable[opTable]
}

// opTable are the operations of a device under construction.
type opTable struct {
	runs           runs
	start, end     column[int64]
	kind           column[OpKind]
	stream, graph  column[uint32]
	name           column[NameID]
	bytes          column[int64]
	copies         column[CopyKind]
	source, target column[MemoryKind]
	correlation    column[uint32]
}

// Op is one device operation as a collector delivers it.
type Op struct {
	Start, End     int64
	Kind           OpKind
	Stream         uint32
	Name           NameID
	Bytes          int64
	Copy           CopyKind
	Source, Target MemoryKind
	Graph          uint32
	// Correlation is that of the launching call; 0 when not known.
	Correlation uint32
}

// Describe sets what the device is.
func (d *DeviceBuilder) Describe(name, pci string, memoryBytes int64) {
	d.device.Name, d.device.PCI, d.device.MemoryBytes = bounded(name, maxThreadName), bounded(pci, maxThreadName), memoryBytes
}

// Append adds an operation, in nearly any order.
func (d *DeviceBuilder) Append(o Op) {
	t := &d.ops
	t.runs.note(o.Start)
	t.start.push(o.Start)
	t.end.push(o.End)
	t.kind.push(o.Kind)
	t.stream.push(o.Stream)
	t.graph.push(o.Graph)
	t.name.push(o.Name)
	t.bytes.push(o.Bytes)
	t.copies.push(o.Copy)
	t.source.push(o.Source)
	t.target.push(o.Target)
	t.correlation.push(o.Correlation)
	if t.runs.rows%spillRows == 0 {
		cutTable(d.budget, t, &d.cut, d.batch)
	}
}

// CallBuilder fills the table of CUDA calls. One goroutine at a time may use it.
type CallBuilder struct {
	calls callTable

	budget *budget
	cut    spillable[callTable]
}

// callTable are the calls under construction.
type callTable struct {
	runs        runs
	start, end  column[int64]
	thread      column[ThreadID]
	class       column[CallClass]
	name        column[NameID]
	correlation column[uint32]
	bytes       column[int64] // empty, or as long as the others
}

// AppendSized adds a call with the bytes that its arguments speak of, in nearly any order.
func (c *CallBuilder) AppendSized(start, end int64, thread ThreadID, class CallClass, name NameID, correlation uint32, bytes int64) {
	t := &c.calls
	for t.bytes.len() < t.start.len() {
		t.bytes.push(0)
	}
	t.bytes.push(bytes)
	c.append(start, end, thread, class, name, correlation)
}

// Append adds a call, in nearly any order.
func (c *CallBuilder) Append(start, end int64, thread ThreadID, class CallClass, name NameID, correlation uint32) {
	if t := &c.calls; t.bytes.len() > 0 {
		t.bytes.push(0)
	}
	c.append(start, end, thread, class, name, correlation)
}

func (c *CallBuilder) append(start, end int64, thread ThreadID, class CallClass, name NameID, correlation uint32) {
	t := &c.calls
	t.runs.note(start)
	t.start.push(start)
	t.end.push(end)
	t.thread.push(thread)
	t.class.push(class)
	t.name.push(name)
	t.correlation.push(correlation)
	if t.runs.rows%spillRows == 0 {
		cutTable(c.budget, t, &c.cut, c.batch)
	}
}

// Device is the builder of a GPU's track, made when first asked for.
func (b *Builder) Device(index int32) *DeviceBuilder {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.devices {
		if d.device.Index == index {
			return d
		}
	}
	d := &DeviceBuilder{device: Device{Index: index}, budget: &b.budget}
	b.devices = append(b.devices, d)
	slices.SortFunc(b.devices, func(x, y *DeviceBuilder) int { return int(x.device.Index) - int(y.device.Index) })
	return d
}

// Calls is the builder of the table of CUDA calls.
func (b *Builder) Calls() *CallBuilder { return &b.calls }

// DeviceClock records how far the clock of devices and calls may be off that of the threads, in ns.
func (b *Builder) DeviceClock(ns int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deviceClock = max(b.deviceClock, ns)
}

// EarlierWork records how long the devices were busy with work from before the window,
// which was waited for before it began, in ns.
func (b *Builder) EarlierWork(ns int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.earlier = max(b.earlier, ns)
}

// AddOverhead records an interval in which tracing held the application up.
func (b *Builder) AddOverhead(i Interval) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.overheads = append(b.overheads, i)
}

// Sensors are what the driver's management library says of one device over the
// cell. A value that could not be read is -1.
type Sensors struct {
	// PCI is the bus id, by which a Device is found; Index is NVML's own ordinal, which may differ from CUDA's.
	PCI   string
	Index int
	Name  string
	// UtilizationAvg and MemoryUtilizationAvg are shares 0..1 as NVML averages them over 1/6 to 1 s.
	UtilizationAvg, MemoryUtilizationAvg float64
	// EnergyJ was spent in the cell; PowerAvgW and PowerMaxW are over its samples.
	EnergyJ, PowerAvgW, PowerMaxW, PowerLimitW float64
	// Memory in bytes, of the whole device.
	MemoryStart, MemoryPeak, MemoryEnd, MemoryTotal int64
	SMClockAvgMHz, SMClockMinMHz, SMClockMaxMHz     float64
	TemperatureMaxC                                 float64
	// PCIeSent and PCIeReceived are bytes over the cell, seen from the device.
	PCIeSent, PCIeReceived int64
	// Throttled is the share of samples with a reason that lowers clocks, by the reason's name; nil when none.
	Throttled map[string]float64
	// GPM are Hopper's hardware averages over the cell; nil where they are not to be had.
	GPM *GPM
	// OtherProcesses is how many other processes held memory on the device; -1 when not known.
	OtherProcesses int
	// MIG says that the device is split into instances: then its values are those of the whole card.
	MIG bool
}

// GPM are averages of hardware counters over a cell, shares 0..1.
type GPM struct {
	SMUtilization, SMOccupancy, TensorActive, DRAMBandwidth float64
	// IntervalNs is the time between the two samples.
	IntervalNs int64
}

// AddSensors adds one device's sensors.
func (b *Builder) AddSensors(s Sensors) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sensors = append(b.sensors, s)
}
