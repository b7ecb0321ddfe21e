// Package timeline is the data model of InferScope: what happened around one
// profiled cell, on one clock, as columns.
//
// Every time is CLOCK_MONOTONIC in integer nanoseconds. Every interval is
// half-open, [start, end). The package imports the standard library only, reads
// no clock and does no I/O; collectors fill a Builder, analyses read a Timeline.
package timeline

// NameID refers to a string interned in Names. 0 is the empty string.
type NameID uint32

// ThreadID is an index into Timeline.Threads. 0 is "no thread known": row 0 of
// Timeline.Threads is a placeholder that stands for it.
type ThreadID uint32

// StackID refers to a call stack interned in Stacks. 0 is "no stack known".
type StackID uint32

// Interval is the half-open interval [Start, End) in CLOCK_MONOTONIC ns.
type Interval struct{ Start, End int64 }

// Ns is the length of the interval in nanoseconds.
func (i Interval) Ns() int64 { return i.End - i.Start }

// Reason says why a thread was off the CPU.
type Reason uint8

// The reasons. Their order is stable: it is part of the recorded format.
const (
	// ReasonUnknown: blocked, and nothing told why.
	ReasonUnknown Reason = iota
	// ReasonPreempted: the thread was runnable the whole time (it wanted the CPU and did not have it).
	ReasonPreempted
	// ReasonGIL: waits for CPython's global interpreter lock (a futex inside _PyRuntime, or the GIL's condition variable).
	ReasonGIL
	// ReasonLock: another futex: a threading.Lock, a mutex, a condition variable, a join.
	ReasonLock
	// ReasonDisk: uninterruptible sleep in a file read, write or sync.
	ReasonDisk
	// ReasonNetwork: a socket call (recv, send, accept, connect).
	ReasonNetwork
	// ReasonSleep: nanosleep and its kin, or a select/poll without descriptors.
	ReasonSleep
	// ReasonPageFault: not in a system call, uninterruptible: the kernel brings a page in.
	ReasonPageFault
	// ReasonPoll: epoll, poll or select on descriptors.
	ReasonPoll
	// ReasonPipe: read or write on a pipe, a terminal or another descriptor that is not a disk file.
	ReasonPipe
	// ReasonChild: waits for a child process to change state.
	ReasonChild
	// ReasonGPUDriver: an ioctl or a poll on a /dev/nvidia* file.
	ReasonGPUDriver
	// ReasonSyscall: another system call; its number is in the row.
	ReasonSyscall
	// NumReasons is how many reasons there are.
	NumReasons
)

var reasonNames = [NumReasons]string{"unknown", "preempted", "gil", "lock", "disk", "network", "sleep",
	"page_fault", "poll", "pipe", "child", "gpu_driver", "syscall"}

// String is the reason's name as it appears in the summary.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "unknown"
}

// SampleKind says what a running thread was doing when it was sampled.
type SampleKind uint8

// The kinds of sample. Their order is stable.
const (
	// SamplePython: user mode, inside the Python interpreter's own code.
	SamplePython SampleKind = iota
	// SampleNative: user mode, in any other mapping (an extension module, a BLAS).
	SampleNative
	// SampleSyscall: kernel mode on behalf of a system call; its number is in the row. -1 is
	// a source that sees neither which, nor whether it was a page fault.
	SampleSyscall
	// SampleFault: kernel mode in a page fault (no system call).
	SampleFault
	// SampleOnCPU: on the CPU, and the source could not tell which of the above.
	SampleOnCPU
	// SampleWaiting: taken by wall-clock time in a source without scheduler data
	// (an in-process sampler): the thread may have been on or off the CPU.
	SampleWaiting
	// NumSampleKinds is how many kinds there are.
	NumSampleKinds
)

// OwnThreadPrefix begins the name of every thread of InferScope's own, by Python and by
// the kernel: such a thread is no part of what is profiled.
const OwnThreadPrefix = "inferscope"

// Thread is one host thread: a track of the timeline.
type Thread struct {
	// PID and TID are ids in the profiled process's own pid namespace.
	PID, TID int32
	// Name is the thread's name: Python's threading name where known, else the kernel's comm. Hostile text.
	Name string
	// Main marks the thread that executed the cell.
	Main bool
	// Python marks a thread with a Python thread state.
	Python bool
	// Kernel-side facts a whole cell: how much CPU time (ns) it used within the
	// window as the kernel accounts it, or -1 where not known.
	CPUNs int64

	Sched   Sched
	Lines   Lines
	Samples Samples
	Scopes  Scopes
	Ranges  Ranges
	Marks   Marks
	GC      GC
}

// Sched holds the off-CPU episodes of one thread, sorted by Off. The thread is
// blocked in [Off, Wake), runnable (waiting for a CPU) in [Wake, On), and
// running between one row's On and the next row's Off. A thread with rows covers
// the window from its first known moment to its last; see Thread.Known.
type Sched struct {
	Off, Wake, On []int64
	Reason        []Reason
	// Syscall is the system call number at switch-out, -1 for none.
	Syscall []int16
	// Waker is the thread that ended the wait; 0 when it was an interrupt or not known.
	Waker []ThreadID
	// Stack is the Python stack at switch-out, deepest frame first.
	Stack []StackID
	// Known is the time over which the thread's state is known: outside of it nothing is claimed.
	// Empty (Start == End) when there is no scheduler data for this thread.
	Known Interval
}

// Len is the number of rows.
func (s *Sched) Len() int { return len(s.Off) }

// Lines holds the line events of the cell's own code in one thread, sorted by Time.
// From a row's Time to the next row's, the thread executes Line (1-based in the
// cell's source); Line 0 means that no code of the cell is executing. Top is the
// line of the cell's top-level code that led there (equal to Line at top level).
// A row with Sampled set says that from here exact events were off (a hot loop
// went over the budget): until the next row the lines come from samples alone.
type Lines struct {
	Time    []int64
	Line    []int32
	Top     []int32
	Sampled []bool
}

// Len is the number of rows.
func (l *Lines) Len() int { return len(l.Time) }

// Samples holds the samples of one thread, sorted by Time.
type Samples struct {
	Time    []int64
	Kind    []SampleKind
	Syscall []int16
	Stack   []StackID
	// Module is the native mapping that held the instruction pointer (a file name), 0 where not known.
	Module []NameID
	// PeriodNs is the time that one sample stands for.
	PeriodNs int64
}

// Len is the number of rows.
func (s *Samples) Len() int { return len(s.Time) }

// Scopes holds the intervals of inferscope.scope(), sorted by Start.
type Scopes struct {
	Start, End []int64
	Name       []NameID
	// Depth is 0 for an outermost scope of the thread (or asyncio task).
	Depth []uint16
}

// Len is the number of rows.
func (s *Scopes) Len() int { return len(s.Start) }

// Marks holds the instants of inferscope.mark_event(), sorted by Time.
type Marks struct {
	Time []int64
	Name []NameID
	// Attributes is a JSON object.
	Attributes []NameID
}

// Len is the number of rows.
func (m *Marks) Len() int { return len(m.Time) }

// GC holds the garbage collector's runs in this thread, sorted by Start.
type GC struct {
	Start, End []int64
	Generation []uint8
	// Collected is the number of unreachable objects found.
	Collected []int64
}

// Len is the number of rows.
func (g *GC) Len() int { return len(g.Start) }

// Frame is one frame of a stack.
type Frame struct {
	Func, File NameID
	// Line is 1-based, 0 where not known. For frames of the cell's own code File is CellFile.
	Line int32
	// Native marks a frame that is a native library (Func is a symbol or empty, File the library).
	Native bool
}

// CellFile is the file name that frames of the cell's own code carry, whatever
// name IPython gave the compiled cell.
const CellFile = "<cell>"

// Counter is a sampled quantity over time, sorted by Time.
type Counter struct {
	Name, Unit string
	Time       []int64
	Value      []float64
}

// Loss is something that was not seen: a source that is absent, or that dropped
// records. Loss is data: it is shown, and it lowers confidence.
type Loss struct {
	// Source is the collector: "ebpf", "cupti", "nvml", "perf", "procfs", "python".
	Source string
	// Reason is a sentence in the user's terms, without a final full stop.
	Reason string
	// Count is the number of records lost; 0 for a source that is absent.
	Count int64
	// Enable is the command or the step that would make it seen; may be empty.
	Enable string
}

// Process holds what the kernel accounts for the profiled process (children
// included where the kernel sums them) between the two ends of the cell.
type Process struct {
	PID                      int32
	MinorFaults, MajorFaults int64
	// VoluntarySwitches and InvoluntarySwitches are over all threads; -1 when not known.
	VoluntarySwitches, InvoluntarySwitches int64
	// RSSStart, RSSEnd, RSSPeak are bytes; RSSPeak is the highest seen inside the cell.
	RSSStart, RSSEnd, RSSPeak int64
	// UserNs and SystemNs are CPU time of all threads of the process.
	UserNs, SystemNs int64
	// ReadBytes and WriteBytes went to the block layer.
	ReadBytes, WriteBytes int64
	// CPUs is the number of CPUs that the process may run on.
	CPUs int
	// CPUQuota is how many CPUs' worth of time the control group allows; 0 is no limit, or not known.
	CPUQuota float64
	// Throttled is how often the control group used up its quota inside the cell,
	// ThrottledNs for how long it was then held back (ns, as the kernel sums it).
	Throttled, ThrottledNs int64
	// NUMA is the placement of the process's memory, one entry a node; nil when not known.
	NUMA []NUMANode
	// NUMANodes is how many memory nodes the machine has; 0 when not known.
	NUMANodes int
}

// NUMANode is the process's memory on one node.
type NUMANode struct {
	Node int
	// Bytes resident on this node.
	Bytes int64
	// CPUShare is the share of the process's CPU time spent on this node's CPUs, 0..1; -1 when not known.
	CPUShare float64
}

// Rung says how the scheduler's view was obtained, best first.
type Rung string

// The rungs of the ladder.
const (
	RungEBPF      Rung = "ebpf"
	RungPerf      Rung = "perf_events"
	RungProcfs    Rung = "procfs"
	RungInProcess Rung = "in_process"
	// RungTrace: the trace of another tool, which records no switches.
	RungTrace Rung = "trace"
)

// Timeline is everything known about one profiled cell. It is immutable once built.
type Timeline struct {
	// Window is the cell: from the first statement's start to the last one's end.
	Window Interval
	// Extent is Window prolonged to the end of the last device operation that the
	// cell launched; the same as Window without a device.
	Extent Interval
	// NoCell says that the window is all that a trace holds, and no cell: then nothing in it counts as
	// launched before it.
	NoCell bool
	// Devices are the GPUs that the process used, by index; empty when none was used or none was seen.
	Devices []Device
	Calls   Calls
	// Windows are the stretches in which devices and calls were captured, in order and
	// apart, the first of which begins with Window; empty when all of the cell was. When
	// the last reaches the end of Window, all that the cell launched is known to its end.
	Windows []Window
	// Sensors has one entry for each device that the management library could read.
	Sensors []Sensors
	// DeviceClockNs is how far the clock of devices and calls may be off that of the threads, as
	// the bracketing of both has it, in ns; 0 when no device was captured.
	DeviceClockNs int64
	// EarlierNs is how long the devices were busy with work from before Window: the capture
	// waited for it before Window began, in ns. 0 when they were not, or nothing was captured.
	EarlierNs int64
	// Overheads are the intervals in which the device's tracing itself held things up, by start.
	Overheads []Interval
	// Threads are the host threads; row 0 is the "no thread" placeholder.
	Threads  []Thread
	Names    Names
	Stacks   Stacks
	Counters []Counter
	Process  Process
	Rung     Rung
	Losses   []Loss
}

// Main is the thread that executed the cell, or 0.
func (t *Timeline) Main() ThreadID {
	for i := 1; i < len(t.Threads); i++ {
		if t.Threads[i].Main {
			return ThreadID(i)
		}
	}
	return 0
}

// Rows is how many rows the tables have together.
func (t *Timeline) Rows() int64 {
	n := t.Calls.Len() + len(t.Overheads)
	for i := range t.Threads {
		th := &t.Threads[i]
		n += th.Sched.Len() + th.Lines.Len() + th.Samples.Len() + th.Scopes.Len() + th.Ranges.Len() + th.Marks.Len() + th.GC.Len()
	}
	for i := range t.Devices {
		n += t.Devices[i].Ops.Len()
	}
	for i := range t.Counters {
		n += len(t.Counters[i].Time)
	}
	return int64(n)
}
