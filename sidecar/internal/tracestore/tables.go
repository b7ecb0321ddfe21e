package tracestore

//go:generate go run ./gendocs

// The rows of the tables. Their comments are the documentation of the format
// (docs/trace-format.md is generated from them). A column's type, unit and meaning
// may not change within a format version.

// threadColumns are the columns of every table whose rows belong to a host thread.
type threadColumns struct {
	// Row of the thread in the table threads.
	Thread int32 `parquet:"thread,dict"`
	// Process id, in the profiled process's own pid namespace.
	PID int32 `parquet:"pid,dict"`
	// Thread id, in the same namespace.
	TID int32 `parquet:"tid,dict"`
	// The thread's name: Python's where known, else the kernel's.
	ThreadName string `parquet:"thread_name,dict"`
}

// frameColumns are the columns of every table whose rows have a call stack.
type frameColumns struct {
	// Row of the call stack in the table stacks; 0 for none.
	Stack int32 `parquet:"stack,dict"`
	// Function of the stack's deepest frame; empty where not known.
	Function string `parquet:"function,dict"`
	// File of that frame; "<cell>" for the cell's own code, a library for a native frame.
	File string `parquet:"file,dict"`
	// Line of that frame, 1-based; 0 where not known.
	FrameLine int32 `parquet:"frame_line,dict"`
}

// One operation of a GPU: a kernel, a copy or a set. Operations of different streams may overlap.
type deviceOpRow struct {
	// Begin, ns. Not before the window: an operation that was running then begins at its start.
	Start int64 `parquet:"start_ns,delta"`
	// End, ns, exclusive. An operation that the cell launched may end after the window.
	End int64 `parquet:"end_ns,delta"`
	// CUDA ordinal of the GPU in the profiled process.
	Device int32 `parquet:"device,dict"`
	// The GPU's name.
	DeviceName string `parquet:"device_name,dict"`
	// The stream's number, as CUPTI gives it.
	Stream uint32 `parquet:"stream,dict"`
	// "kernel", "memcpy" or "memset".
	Kind string `parquet:"kind,dict"`
	// The kernel's name; empty for copies and sets.
	Name string `parquet:"name,dict"`
	// Bytes copied or set; 0 for kernels.
	Bytes int64 `parquet:"bytes,dict"`
	// Direction of a copy ("HtoD", "DtoH", "DtoD", …); "unknown" for what is no copy.
	Copy string `parquet:"copy,dict"`
	// Memory that a copy reads ("pageable", "pinned", "device", …).
	Source string `parquet:"source,dict"`
	// Memory that a copy or a set writes.
	Target string `parquet:"target,dict"`
	// The node's graph when a CUDA graph ran it; 0 otherwise.
	Graph uint32 `parquet:"graph,dict"`
	// Correlation id of the launching call, which carries the same; 0 when not known.
	Correlation uint32 `parquet:"correlation,delta"`
	// Column call of the launching row in the table calls; -1 when the call is not known (it
	// came before the window, or was not recorded), -2 when only correlation tells it.
	Call int32 `parquet:"call,delta"`
}

// One CUDA call of a host thread.
type callRow struct {
	// Begin, ns.
	Start int64 `parquet:"start_ns,delta"`
	// End, ns, exclusive.
	End int64 `parquet:"end_ns,delta"`
	threadColumns
	// What the call is for: "launch", "copy", "sync", "alloc", "module", "event", "init" or "other".
	Class string `parquet:"class,dict"`
	// The function's name.
	Name string `parquet:"name,dict"`
	// Correlation id that the operations which it launched carry.
	Correlation uint32 `parquet:"correlation,delta"`
	// Bytes that it copies, sets or allocates as its arguments say, 0 where they do not; -1 when
	// no source looked at arguments.
	Bytes int64 `parquet:"bytes,dict"`
	// Number of the call, for device_ops.call; -2 in a spilled part.
	Call int32 `parquet:"call,delta"`
}

// A moment from which a thread executes a line of the cell, until its next row or the window's end.
type lineRow struct {
	// Begin, ns.
	Time int64 `parquet:"time_ns,delta"`
	threadColumns
	// Line of the cell's source, 1-based; 0 when the thread leaves the cell's code.
	Line int32 `parquet:"line,dict"`
	// Line of the cell's top-level code that led there.
	Top int32 `parquet:"top,dict"`
	// True when exact events end here because the line was too hot: until the next row only samples tell.
	Sampled bool `parquet:"sampled"`
	// Text of the line.
	Text string `parquet:"text,dict"`
}

// One episode off the CPU: blocked in [off, wake), waiting for a CPU in [wake, on). Between a row's
// on_ns and the thread's next off_ns it runs, inside of the time in which it is known (table threads).
type schedulerRow struct {
	// When the thread left the CPU, ns.
	Off int64 `parquet:"off_ns,delta"`
	// When it could run again, ns.
	Wake int64 `parquet:"wake_ns,delta"`
	// When it ran again, ns.
	On int64 `parquet:"on_ns,delta"`
	threadColumns
	// Why it was off: "preempted", "gil", "lock", "disk", "network", "sleep", "page_fault", "poll",
	// "pipe", "child", "gpu_driver", "syscall" or "unknown".
	Reason string `parquet:"reason,dict"`
	// Number of the system call that it was in; -1 for none.
	Syscall int32 `parquet:"syscall,dict"`
	// Row in the table threads of the thread that ended the wait; 0 for an interrupt, or not known.
	Waker int32 `parquet:"waker,dict"`
	// That thread's id; 0 when not known.
	WakerTID int32 `parquet:"waker_tid,dict"`
	// That thread's name.
	WakerName string `parquet:"waker_name,dict"`
	frameColumns
}

// One sample of a thread.
type sampleRow struct {
	// When, ns.
	Time int64 `parquet:"time_ns,delta"`
	// The time that one sample of this thread stands for, ns.
	Period int64 `parquet:"period_ns,dict"`
	threadColumns
	// What it was doing: "python", "native", "syscall", "fault", "on_cpu" or "waiting".
	Kind string `parquet:"kind,dict"`
	// Number of the system call; -1 for none or not known.
	Syscall int32 `parquet:"syscall,dict"`
	// Mapping that held the instruction pointer; empty where not known.
	Module string `parquet:"module,dict"`
	frameColumns
}

// One interval of inferscope.scope().
type scopeRow struct {
	// Begin, ns.
	Start int64 `parquet:"start_ns,delta"`
	// End, ns, exclusive.
	End int64 `parquet:"end_ns,delta"`
	threadColumns
	// The scope's name.
	Name string `parquet:"name,dict"`
	// 0 for an outermost scope of its thread or asyncio task.
	Depth int32 `parquet:"depth,dict"`
}

// One stretch over which a piece of code was active, as the program or a tool marked it. They nest
// like calls. A live cell has none; imported traces have.
type rangeRow struct {
	// Begin, ns.
	Start int64 `parquet:"start_ns,delta"`
	// End, ns, exclusive.
	End int64 `parquet:"end_ns,delta"`
	threadColumns
	// The operator's or the function's name.
	Name string `parquet:"name,dict"`
	// "operator", "python" or "loader".
	Kind string `parquet:"kind,dict"`
}

// One instant of inferscope.mark_event().
type markRow struct {
	// When, ns.
	Time int64 `parquet:"time_ns,delta"`
	threadColumns
	// The mark's name.
	Name string `parquet:"name,dict"`
	// A JSON object; empty for none.
	Attributes string `parquet:"attributes,dict"`
}

// One run of Python's garbage collector.
type gcRow struct {
	// Begin, ns.
	Start int64 `parquet:"start_ns,delta"`
	// End, ns, exclusive.
	End int64 `parquet:"end_ns,delta"`
	threadColumns
	// The oldest generation collected, 0 to 2.
	Generation int32 `parquet:"generation,dict"`
	// Unreachable objects found.
	Collected int64 `parquet:"collected,dict"`
}

// One reading of a counter. Of a GPU's `SM activity`, `SM occupancy`, `tensor activity` and `DRAM bandwidth`
// it is the average from its time to that of the next row; the last row repeats the one before, at that average's end.
type counterRow struct {
	// When, ns.
	Time int64 `parquet:"time_ns,delta"`
	// Number of the counter, in the order of the manifest's list.
	Counter int32 `parquet:"counter,dict"`
	// The counter's name.
	Name string `parquet:"name,dict"`
	// Unit of value.
	Unit string `parquet:"unit,dict"`
	// The reading.
	Value float64 `parquet:"value"`
}

// An interval in which the GPU's tracing itself held the process up.
type overheadRow struct {
	// Begin, ns.
	Start int64 `parquet:"start_ns,delta"`
	// End, ns, exclusive.
	End int64 `parquet:"end_ns,delta"`
}

// One host thread.
type threadRow struct {
	// Number of the thread, to which the other tables refer; they count from 1.
	Thread int32 `parquet:"thread,delta"`
	// Process id, in the profiled process's own pid namespace.
	PID int32 `parquet:"pid,dict"`
	// Thread id, in the same namespace.
	TID int32 `parquet:"tid,dict"`
	// The thread's name.
	Name string `parquet:"name,dict"`
	// True for the thread that executed the cell.
	Main bool `parquet:"main"`
	// True for a thread with a Python thread state.
	Python bool `parquet:"python"`
	// CPU time within the window as the kernel accounts it, ns; -1 where not known.
	CPU int64 `parquet:"cpu_ns,dict"`
	// From here the scheduler's view of the thread is known, ns.
	KnownStart int64 `parquet:"known_start_ns,dict"`
	// Until here, ns; equal to known_start_ns when there is none.
	KnownEnd int64 `parquet:"known_end_ns,dict"`
	// The time that one sample of the thread stands for, ns; 0 without samples.
	Period int64 `parquet:"sample_period_ns,dict"`
}

// One GPU that the process used.
type deviceRow struct {
	// CUDA ordinal in the profiled process.
	Device int32 `parquet:"device,dict"`
	// The GPU's name.
	Name string `parquet:"name,dict"`
	// PCI bus id; empty when not known.
	PCI string `parquet:"pci,dict"`
	// Bytes of its memory.
	Memory int64 `parquet:"memory_bytes,dict"`
}

// One call stack, as its deepest frame and the stack of that frame's caller.
type stackRow struct {
	// Number of the stack, to which the other tables refer; they count from 1.
	Stack int32 `parquet:"stack,delta"`
	// The caller's stack, a smaller number; 0 at the outermost frame.
	Caller int32 `parquet:"caller,delta"`
	// The frame's function.
	Function string `parquet:"function,dict"`
	// The frame's file; "<cell>" for the cell's own code, a library for a native frame.
	File string `parquet:"file,dict"`
	// The frame's line, 1-based; 0 where not known.
	FrameLine int32 `parquet:"frame_line,dict"`
	// True for a frame of native code.
	Native bool `parquet:"native"`
}

// Every name of the trace once, in the order in which they were met. The other tables hold
// their names themselves; this one lets a reader give them the same numbers again.
type nameRow struct {
	// The name.
	Name string `parquet:"name"`
}

// table is one table of the format: its name, which begins the names of its files,
// and a row, whose type has the columns.
type table struct {
	name string
	row  any
}

// tables are those of the format, in the order in which they are documented and read.
var tables = []table{
	{tableNames, nameRow{}},
	{tableStacks, stackRow{}},
	{tableThreads, threadRow{}},
	{tableDevices, deviceRow{}},
	{tableCalls, callRow{}},
	{tableDeviceOps, deviceOpRow{}},
	{tableLines, lineRow{}},
	{tableScheduler, schedulerRow{}},
	{tableSamples, sampleRow{}},
	{tableScopes, scopeRow{}},
	{tableRanges, rangeRow{}},
	{tableMarks, markRow{}},
	{tableGC, gcRow{}},
	{tableCounters, counterRow{}},
	{tableOverheads, overheadRow{}},
}

// The names of the tables.
const (
	tableNames     = "names"
	tableStacks    = "stacks"
	tableThreads   = "threads"
	tableDevices   = "devices"
	tableCalls     = "calls"
	tableDeviceOps = "device_ops"
	tableLines     = "lines"
	tableScheduler = "scheduler"
	tableSamples   = "samples"
	tableScopes    = "scopes"
	tableRanges    = "ranges"
	tableMarks     = "marks"
	tableGC        = "gc"
	tableCounters  = "counters"
	tableOverheads = "overheads"
)

// bytesUnknown is the value of calls.bytes where no source looked at arguments.
const bytesUnknown = -1

// The values of device_ops.call and calls.call that are no number of a call.
const (
	callUnknown       = -1
	callByCorrelation = -2
)
