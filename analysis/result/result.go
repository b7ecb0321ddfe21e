// Package result is the noun that the analysis produces and the report renders:
// the answer about one cell: why it was slow,
// where, and what a fix would save. It holds types only.
package result

import "github.com/inferscope/inferscope/analysis/timeline"

// Result is the answer about one cell. The renderers in report/ read it and
// compute nothing. No slice in it is nil.
type Result struct {
	Source Source
	Cell   Cell
	// WallNs is the length of the cell's window.
	WallNs  int64
	Verdict Verdict
	Host    Host
	// Devices has one entry for each GPU that did work in the cell.
	Devices []Device
	// Idle is where the GPU's idle time went; empty without a device.
	Idle   Idle
	WhatIf []WhatIf
	// Unpredicted says in a clause why nothing is predicted for a cell that gave a GPU work;
	// empty when something is, and of a cell without such work.
	Unpredicted string
	// Findings are sorted by saving, largest first; of those that are much alike, the easiest first.
	Findings   []Finding
	Collectors []Collector
	Losses     []timeline.Loss
	Overhead   Overhead
	// Notes are sentences about the measurement that fit nowhere else.
	Notes   []string
	Picture Picture
	// Scene is the same for where a script may draw it.
	Scene Scene
	// Repetition is the cell's loop, for comparisons with other runs.
	Repetition Repetition
	// Since is what changed since the run before of the same cell; nil where there is none, or nothing beyond the noise.
	Since *Change
}

// KindScript is the Source.Kind of a whole program, whose main module stands for the cell.
const KindScript = "script"

// Source says what was analysed.
type Source struct {
	// Kind is "cell", KindScript, "inferscope", "kineto" or "nsys".
	Kind string
	// Path is the trace's path; empty for a live cell.
	Path string
	// ToolVersion is InferScope's version.
	ToolVersion string
}

// Cell is the profiled source.
type Cell struct {
	// Lines is the source as the user sees it, line by line. Hostile text.
	Lines []string
	// Outcome is "ok", "error", "interrupted" or "exit".
	Outcome string
	// ErrorName is the exception's class name; empty when ok.
	ErrorName string
	// ExecutionCount is the notebook's In[n]; 0 when not known.
	ExecutionCount int
	// Name is a title: the cell's number, or a script's path.
	Name string
}

// Class is the verdict's class.
type Class string

// The classes of the design.
const (
	CPUBound            Class = "cpu_bound"
	GPUBound            Class = "gpu_bound"
	MemoryTransferBound Class = "memory_transfer_bound"
	Balanced            Class = "balanced"
	Unknown             Class = "unknown"
)

// Verdict is the answer in one line, with how sure it is.
type Verdict struct {
	Class Class
	// Leaning is the class that would have been given when Class is Unknown for lack of confidence.
	Leaning Class
	// TopCause is the largest cause of the wall time.
	TopCause Cause
	// Confidence is Evidence x Margin x Quality, each 0..1.
	Confidence, Evidence, Margin, Quality float64
	// EvidenceWhy, MarginWhy and QualityWhy say in one sentence each what set the number.
	EvidenceWhy, MarginWhy, QualityWhy string
	// Sentence is the verdict for the user. Plain text, ends with a full stop.
	Sentence string
}

// Line is one line of the profiled source.
type Line struct {
	// File is timeline.CellFile for the cell itself.
	File string
	// Number is 1-based; 0 means "no line".
	Number int32
	// Text is the source text of the line, untrimmed. Hostile text.
	Text string
}

// CauseKind is one of the causes of docs/ARCHITECTURE.md.
type CauseKind string

// The causes that speak of the device, in their order of precedence; those of the
// host come after them.
const (
	// CauseProfiler: CUPTI's own overhead, or that of the probes of CUDA calls.
	CauseProfiler CauseKind = "profiler"
	// CauseWarmUp: CUDA or a library of it was being initialised.
	CauseWarmUp CauseKind = "warm_up"
	// CauseCompile: code was compiled, linked or loaded.
	CauseCompile CauseKind = "compile"
	// CauseLaunchLatency: the launch had returned, at most 20 us before the operation began.
	CauseLaunchLatency CauseKind = "launch_latency"
	// CauseStreamDependency: the launch had returned, and the stream waited for an event of another.
	CauseStreamDependency CauseKind = "stream_dependency"
	// CauseDeviceWait: the launch had returned, and nothing tells why the device did not begin.
	CauseDeviceWait CauseKind = "device_wait"
	// CauseSyncRefill: the host had just left a synchronising call, and the queue was empty.
	CauseSyncRefill CauseKind = "sync_refill"
	// CausePageableCopy: the host was inside a copy with a pageable side.
	CausePageableCopy CauseKind = "pageable_copy"
	// CauseAllocator: the host was allocating, freeing or pinning memory for the device.
	CauseAllocator CauseKind = "allocator"
	// CauseDataLoading: the host was waiting for, or making, the next batch of a data loader.
	CauseDataLoading CauseKind = "data_loading"
	// The causes of a verdict that is bound by transfers, which are no causes of idle time:
	// copies from the host to the device, back, and others, that no kernel covered.
	CauseCopyToDevice   CauseKind = "h2d_copy"
	CauseCopyFromDevice CauseKind = "d2h_copy"
	CauseOtherCopy      CauseKind = "copy"
	// CauseFramework: on the CPU inside a framework's operator or a launch call.
	CauseFramework CauseKind = "framework"
)

// The causes that speak of the host.
const (
	CauseGC        CauseKind = "gc"
	CauseGIL       CauseKind = "gil_wait"
	CauseLock      CauseKind = "lock_wait"
	CauseHostIO    CauseKind = "host_io"
	CauseNetworkIO CauseKind = "network_io"
	CauseSleep     CauseKind = "sleep"
	CausePageFault CauseKind = "page_fault"
	CausePreempted CauseKind = "preempted"
	// CauseChild: waits for a child process.
	CauseChild CauseKind = "child_wait"
	// CausePoll: waits in epoll, poll or select for an event.
	CausePoll CauseKind = "event_wait"
	// CauseGPUDriver: blocked in the GPU driver.
	CauseGPUDriver CauseKind = "gpu_driver"
	// CauseSyscall: another system call, on or off the CPU; Detail names it.
	CauseSyscall CauseKind = "syscall"
	// CausePython: on the CPU in the Python interpreter.
	CausePython CauseKind = "python"
	// CauseNative: on the CPU in native code; Detail names the library.
	CauseNative CauseKind = "native"
	// CauseUnknown: nothing above was shown.
	CauseUnknown CauseKind = "unknown"
)

// Cause is an amount of time with one cause and, where known, one line.
type Cause struct {
	Kind  CauseKind
	Ns    int64
	Share float64 // of the wall, 0..1
	Line  Line
	// Thread is the name of the thread that is to blame or that was waited for (holder, waker); may be empty.
	Thread string
	// Detail is more in words: the deepest frame, the holder, the system call, the file; may be empty. Hostile text.
	Detail string
	// Count is how many episodes make it up (waits, collections, faults); 0 when not countable.
	Count int64
	// Range is the interval of Ns, of idle time that was estimated.
	Range Range
}

// Host is what happened on the CPU side.
type Host struct {
	Rung timeline.Rung
	// States of the cell's main thread over the wall; they sum to the wall.
	States States
	// Causes partition the wall of the main thread by kind and line; they sum to WallNs exactly. Largest first.
	Causes []Cause
	// ByKind are the same summed by kind, largest first.
	ByKind []Cause
	// Lines has one entry for each line of the cell that was seen executing in any thread, by line number.
	Lines []LineStat
	// Threads has one entry a thread, main first, then by running time.
	Threads []ThreadStat
	// Functions are the deepest hot functions of the cell's threads, most samples first.
	Functions []FunctionStat
	Process   timeline.Process
	Scopes    []ScopeStat
	Marks     []MarkStat
	GC        GCStat
}

// States is time by scheduler state, in ns. Running + Runnable + Blocked (+ Unknown) is the total.
type States struct {
	RunningNs, RunnableNs, UnknownNs int64
	// BlockedNs is indexed by timeline.Reason.
	BlockedNs [timeline.NumReasons]int64
}

// Blocked is the sum of the blocked time in ns.
func (s States) Blocked() int64 {
	var n int64
	for _, v := range s.BlockedNs {
		n += v
	}
	return n
}

// LineStat is one line's share of the cell.
type LineStat struct {
	Line Line
	// WallNs is the main thread's time with this line executing, deepest line of the cell's code.
	WallNs int64
	// TotalNs includes the functions of the cell that this line called.
	TotalNs int64
	// Hits is how many times the line began; 0 when it was only sampled.
	Hits int64
	// Exact is false when part of the time comes from samples.
	Exact bool
	// States of the main thread while on this line; sums to WallNs.
	States States
	// Causes of this line's wall by kind, largest first; sum to WallNs.
	Causes []Cause
	// PooledNs is the part of WallNs whose causes are those of all short lines together: the line ran for too
	// few samples to tell what it did by itself.
	PooledNs int64
	// Launches and Copies count the kernels and graphs, and the copies and sets, that this line launched.
	Launches, Copies int64
	// GPUNs is device time of the operations that this line launched, summed.
	GPUNs int64
	// IdleCausedNs is the GPU idle time that is this line's.
	IdleCausedNs int64
	// The intervals of the four numbers above.
	LaunchesRange, CopiesRange, GPURange, IdleCausedRange Range
	// OtherThreadsNs is running time of other threads in this line.
	OtherThreadsNs int64
}

// ThreadStat is one thread's time by state over the window.
type ThreadStat struct {
	PID, TID     int32
	Name         string
	Main, Python bool
	States       States
	Switches     int64
}

// FunctionStat is a function seen as the deepest Python frame of samples.
type FunctionStat struct {
	Name, File string
	Line       int32
	// SelfNs is samples x period with this function deepest, over all threads of the cell.
	SelfNs int64
	// Share is of all sampled time.
	Share float64
	// Native is the library that most of these samples were in; empty when in the interpreter.
	Native  string
	Samples int64
	// CellLine is the line of the cell under which most of the samples fell.
	CellLine int32
	// Exact is true when calls were counted exactly (--functions); Calls is then their number.
	Exact bool
	Calls int64
}

// ScopeStat sums the intervals of one scope name.
type ScopeStat struct {
	Name                            string
	Count                           int64
	TotalNs, MinNs, MedianNs, MaxNs int64
}

// MarkStat is one instant. AtNs is relative to the window's start.
type MarkStat struct {
	Name, Attributes, Thread string
	AtNs                     int64
}

// GCStat sums the garbage collector's runs inside the window.
type GCStat struct {
	Count, TotalNs, MaxNs, Collected int64
	// ByGeneration counts runs.
	ByGeneration [3]int64
}

// WhatIf is a prediction: the cell's wall if a change were made.
type WhatIf struct {
	// Change is in words that follow "if you": "remove the sleep on line 5".
	Change string
	// LowNs is the wall with all of the cause gone, HighNs with half of it gone. PredictedNs is
	// what to expect: of a cell that gave a GPU work the middle, as what is left is slowed down
	// by running more tightly; of another, a single chain, LowNs.
	PredictedNs, LowNs, HighNs int64
	// NowNs is the wall as it is, prolonged to the end of the work that the cell gave a GPU, or, of a wait that
	// InferScope took upon itself, as it would have been; SavesNs is NowNs less LowNs: what the change saves at most.
	NowNs, SavesNs int64
	// Bound says that no repair does this: it tells how much one side of the cell matters.
	Bound bool
	// IdentityError is how far the unchanged replay is off, as a share of the wall.
	IdentityError float64
}

// Severity of a finding.
type Severity string

// The severities.
const (
	High   Severity = "high"
	Medium Severity = "medium"
	Low    Severity = "low"
	Info   Severity = "info"
)

// Effort is how much work a repair usually is.
type Effort string

// The efforts, the least first.
const (
	// Easy: a word, a flag or a line changes.
	Easy Effort = "easy"
	// Moderate: some lines of the cell are put differently.
	Moderate Effort = "moderate"
	// Hard: the program's structure, its data or its machine changes.
	Hard Effort = "hard"
)

// Rank orders efforts, the least first; one that is not known comes between.
func (e Effort) Rank() int {
	switch e {
	case Easy:
		return 0
	case Hard:
		return 2
	}
	return 1
}

// Saving is the wall time a fix may save, a range in ns. Low <= High.
type Saving struct{ LowNs, HighNs int64 }

// Finding is one thing worth changing.
type Finding struct {
	// ID is the rule's name: "gil-contention".
	ID, Title string
	Severity  Severity
	// Effort is how much work the repair usually is.
	Effort Effort
	Line   Line
	// Evidence is one sentence with the numbers.
	Evidence   string
	Saving     Saving
	Confidence float64
	// Change is the repair as what a reader does, after "if you": "read the files ahead". Empty where nothing is saved.
	Change string
	// Advice is one or two sentences; Before and After are snippets to paste, may be empty.
	Advice, Before, After string
	// Why is the evidence in words: whole sentences, as Explanation.Facts.
	Why []string
	// Spans are the longest stretches of the evidence by start, at most MaxSpans; empty
	// where the finding has no place in time.
	Spans []Span
}

// Collector is the state of one source in this cell.
type Collector struct {
	Name      string
	Available bool
	// Detail says what it gives or why it is missing.
	Detail string
	// Enable is the command that would make it available; may be empty.
	Enable string
}

// Overhead is InferScope's own cost.
type Overhead struct {
	// CollectorCPUNs is the sidecar's CPU time during the cell.
	CollectorCPUNs int64
	// InProcessNs is the estimated time that InferScope took from the cell inside its process: line events x their
	// calibrated cost, and what sampling ran for while the cell's threads did too.
	InProcessNs int64
	// EstimatedSlowdown is a ratio, 1.0 = none.
	EstimatedSlowdown float64
}

// Picture is what the static timeline draws: lanes of slices, already merged so
// that none is narrower than a pixel of a drawing PictureColumns wide.
type Picture struct {
	Window timeline.Interval
	Lanes  []Lane
}

// PictureColumns is the number of columns the picture is prepared for.
const PictureColumns = 480

// LaneKind says what a lane shows.
type LaneKind string

// The kinds of lane.
const (
	LaneLines  LaneKind = "lines"
	LaneScopes LaneKind = "scopes"
	LaneThread LaneKind = "thread"
	LaneGC     LaneKind = "gc"
	LaneMarks  LaneKind = "marks"
	// LaneStream is a device's stream, LaneIdle the idle time of the busiest device.
	LaneStream LaneKind = "stream"
	LaneIdle   LaneKind = "idle"
)

// Lane is one row of the picture.
type Lane struct {
	Kind   LaneKind
	Name   string
	Slices []Slice
}

// Slice is one coloured piece of a lane. Class is "running", "runnable", a
// timeline.Reason name, "gc", "scope", "mark", "line" (then Line is its number),
// in a stream "kernel", "copy" or "set", and in the idle lane a CauseKind (then
// Line is the line that it belongs to, 0 when none is known). In both of these
// "unseen" is what was not captured.
type Slice struct {
	Start, End int64
	Class      string
	Line       int32
	Label      string
}
