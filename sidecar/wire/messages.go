// Package wire is the single source of the protocol between the profiled
// Python process and the sidecar. The structs below are the messages; the Python
// mirror ipython_ext/inferscope/_wire.py is generated from them.
//
// Carrier: ZeroMQ DEALER (Python) and ROUTER (sidecar) on ipc://, one msgpack
// Envelope [version, type, sequence, body] in one frame a message. Every request carries a sequence number that
// its answer repeats; Events carries 0 and has no answer. Bulk data travels as
// columns: little-endian binary blobs inside the message.
package wire

// Version is the protocol's version. Both sides must have the same one; a
// mismatch is refused in the answer to Hello with a hint.
const Version = 1

// Hello opens a connection; it must be the first message.
type Hello struct {
	Version       int    `msgpack:"version"`
	Token         []byte `msgpack:"token"`
	ClientVersion string `msgpack:"client_version"`
	PID           int    `msgpack:"pid"`
	// Python is the interpreter's version, "3.12.1".
	Python string `msgpack:"python"`
}

// Welcome answers Hello.
type Welcome struct {
	Version        int    `msgpack:"version"`
	SidecarVersion string `msgpack:"sidecar_version"`
	PID            int    `msgpack:"pid"`
	// Collectors is empty while the sidecar is still looking for them; Status has them.
	Collectors []CollectorStatus `msgpack:"collectors"`
}

// CollectorStatus is the state of one source.
type CollectorStatus struct {
	Name      string `msgpack:"name"`
	Available bool   `msgpack:"available"`
	// Detail says what it gives or why it is missing.
	Detail string `msgpack:"detail"`
	// Enable is the command that would make it available; may be empty.
	Enable string `msgpack:"enable"`
}

// Start asks for collection to begin around a cell. The answer is Started.
type Start struct {
	// CellID is chosen by the client and names the cell in later messages.
	CellID string `msgpack:"cell_id"`
	// MainTID is the system thread id of the thread that runs the cell, in the
	// process's own pid namespace.
	MainTID int `msgpack:"main_tid"`
	// Source is the cell's text as the user sees it, first line included.
	Source string `msgpack:"source"`
	// CellFile is the file name of the cell's compiled code; frames with it belong to the cell.
	CellFile string `msgpack:"cell_file"`
	// LineOffset is added to a line of the cell's compiled code to give the line that the
	// user sees: other than 0 below cell magics that run their body. Lines in Events have it already.
	LineOffset int `msgpack:"line_offset"`
	// Kind is KindCell or KindScript.
	Kind string `msgpack:"kind"`
	// CellName is a title: "In [3]", "train.py".
	CellName       string `msgpack:"cell_name"`
	ExecutionCount int    `msgpack:"execution_count"`
	// NotebookCell is what the front end calls the cell, the same whenever it runs; empty when it does not tell.
	NotebookCell string `msgpack:"notebook_cell"`
	// Calibration lets the kernel-side sampler walk Python frames; Valid is false
	// when it could not be made.
	Calibration Calibration `msgpack:"calibration"`
	// Typed are the settings that the user typed for this cell, by name, as text. The
	// sidecar finds the others.
	Typed map[string]string `msgpack:"typed"`
	// Trace is the folder into which the cell's trace is written, absolute, instead of into
	// the history; it must not exist. Empty is for the history.
	Trace string `msgpack:"trace"`
	// Directory is the client's working directory, Environ the part of its environment that
	// the configuration depends on, as NAME=value.
	Directory string   `msgpack:"directory"`
	Environ   []string `msgpack:"environ"`
	// TextColumns is how wide the report's text may be, 0 for 80 columns; TextColour says that it
	// goes to a terminal that shows colours.
	TextColumns int  `msgpack:"text_columns"`
	TextColour  bool `msgpack:"text_colour"`
	// NoCUPTI says why CUPTI cannot be used in this cell, and what would change that, as a
	// sentence's part; empty when it can, or when that shows only once CUDA is used. The
	// sidecar then makes no ring, and sees the GPU's work by other means where it can.
	NoCUPTI string `msgpack:"no_cupti"`
}

// What is profiled.
const (
	// KindCell is a cell of a notebook.
	KindCell = "cell"
	// KindScript is a whole program, whose main module stands for the cell.
	KindScript = "script"
)

// Options are the settings that count for one cell.
type Options struct {
	// EBPF, GPU switch those collectors.
	EBPF bool `msgpack:"ebpf"`
	GPU  bool `msgpack:"gpu"`
	// SampleHz is the sampling frequency of running threads.
	SampleHz int `msgpack:"sample_hz"`
	// Functions says that exact function events are wanted.
	Functions bool `msgpack:"functions"`
	// Quiet says that the report is not to be shown.
	Quiet bool `msgpack:"quiet"`
	// Live says that it is to be shown how the cell goes on while it runs.
	Live bool `msgpack:"live"`
	// Changes says that the report tells what changed since the cell's run before.
	Changes bool `msgpack:"changes"`
	// MultiGPU is "reject" or "allow": what to do with a cell that uses several GPUs.
	MultiGPU string `msgpack:"multi_gpu"`
	// GPUBudget is how much longer the capture of GPU work may make the cell, as a share.
	GPUBudget float64 `msgpack:"gpu_budget"`
	// Full says that all GPU work is captured, whatever it costs.
	Full bool `msgpack:"full"`
	// CUPTIFinalize says that CUPTI is to be taken out of the process after the cell.
	CUPTIFinalize bool `msgpack:"cupti_finalize"`
}

// Calibration holds what was measured inside the profiled process about
// CPython's structures; all offsets are bytes.
type Calibration struct {
	Valid bool `msgpack:"valid"`
	// Why says why Valid is false.
	Why string `msgpack:"why"`
	// Fields maps a measured quantity to its value; the keys are the constants
	// in calibration.go.
	Fields map[string]int64 `msgpack:"fields"`
}

// Started answers Start: collection is on.
type Started struct {
	CellID     string            `msgpack:"cell_id"`
	Collectors []CollectorStatus `msgpack:"collectors"`
	// NeedSamples asks the client to sample its own Python stacks: no source of
	// the sidecar can see Python frames in this cell.
	NeedSamples bool `msgpack:"need_samples"`
	// GPURing is the path of the shared memory that the shim is to fill with GPU
	// records; empty when GPU work is not captured in this cell.
	GPURing string `msgpack:"gpu_ring"`
	// Options are the settings that count for this cell.
	Options Options `msgpack:"options"`
	// Note is a sentence about what is wrong in the configuration; empty when nothing is.
	Note string `msgpack:"note"`
}

// Thread names a thread of the profiled process.
type Thread struct {
	TID  int    `msgpack:"tid"`
	Name string `msgpack:"name"`
}

// Events carries what happened inside the Python process, as columns. It may be
// sent any number of times in a cell, from 64 KiB on, and is never answered.
// Blobs of one group have the same number of elements.
type Events struct {
	CellID string `msgpack:"cell_id"`
	// Strings are referred to by index from the columns of this message.
	Strings []string `msgpack:"strings"`
	// Threads that this message's columns speak of.
	Threads []Thread        `msgpack:"threads"`
	Lines   []LineColumns   `msgpack:"lines"`
	Scopes  ScopeColumns    `msgpack:"scopes"`
	Marks   MarkColumns     `msgpack:"marks"`
	GC      GCColumns       `msgpack:"gc"`
	Samples SampleColumns   `msgpack:"samples"`
	Calls   FunctionColumns `msgpack:"calls"`
}

// LineColumns are the line events of one thread, sorted by time.
type LineColumns struct {
	TID int `msgpack:"tid"`
	// Time is int64 CLOCK_MONOTONIC ns.
	Time []byte `msgpack:"time"`
	// Line is int32, 1-based; 0 when the cell's code was left; negative -n when
	// exact events stopped on line n because it was too hot.
	Line []byte `msgpack:"line"`
	// Top is int32: the line of the cell's top-level code.
	Top []byte `msgpack:"top"`
}

// ScopeColumns are finished scopes.
type ScopeColumns struct {
	// TID is int32, Start and End int64 ns, Name int32 into Strings, Depth int32.
	TID   []byte `msgpack:"tid"`
	Start []byte `msgpack:"start"`
	End   []byte `msgpack:"end"`
	Name  []byte `msgpack:"name"`
	Depth []byte `msgpack:"depth"`
}

// MarkColumns are instants.
type MarkColumns struct {
	TID  []byte `msgpack:"tid"`
	Time []byte `msgpack:"time"`
	Name []byte `msgpack:"name"`
	// Attributes is int32 into Strings: a JSON object.
	Attributes []byte `msgpack:"attributes"`
}

// GCColumns are runs of the garbage collector.
type GCColumns struct {
	TID        []byte `msgpack:"tid"`
	Start      []byte `msgpack:"start"`
	End        []byte `msgpack:"end"`
	Generation []byte `msgpack:"generation"`
	// Collected is int64.
	Collected []byte `msgpack:"collected"`
}

// SampleColumns are samples of the in-process sampling thread, used when the
// kernel-side sampler is not available.
type SampleColumns struct {
	// PeriodNs is the time one sample stands for.
	PeriodNs int64 `msgpack:"period_ns"`
	// TID is int32, Time int64.
	TID  []byte `msgpack:"tid"`
	Time []byte `msgpack:"time"`
	// Kind is uint8: a timeline.SampleKind. The thread's own CPU clock told
	// whether it ran (SampleOnCPU) or not (SampleWaiting).
	Kind []byte `msgpack:"kind"`
	// Stack is int32, an index of the first element of a stack in Frames; a stack ends with -1.
	Stack []byte `msgpack:"stack"`
	// Frames is int32: triples (function, file, line), function and file into
	// Strings, deepest frame first; -1 ends a stack.
	Frames []byte `msgpack:"frames"`
}

// FunctionColumns are exact totals of functions (--functions), one row a
// function, cumulative since the start of the cell.
type FunctionColumns struct {
	// Function and File are int32 into Strings, Line int32, Calls and SelfNs and TotalNs int64.
	Function []byte `msgpack:"function"`
	File     []byte `msgpack:"file"`
	Line     []byte `msgpack:"line"`
	Calls    []byte `msgpack:"calls"`
	SelfNs   []byte `msgpack:"self_ns"`
	TotalNs  []byte `msgpack:"total_ns"`
	// Off is uint8: 1 when the function was too hot and events were switched off.
	Off []byte `msgpack:"off"`
}

// Stop ends the collection. The answer is Report.
type Stop struct {
	CellID string `msgpack:"cell_id"`
	// Begin and End are the cell's window in CLOCK_MONOTONIC ns.
	Begin int64 `msgpack:"begin"`
	End   int64 `msgpack:"end"`
	// Outcome is "ok", "error", "interrupted" or "exit".
	Outcome string `msgpack:"outcome"`
	// ErrorName is the exception's class name.
	ErrorName string `msgpack:"error_name"`
	// InProcessNs is the client's estimate of its own time inside the cell.
	InProcessNs int64 `msgpack:"in_process_ns"`
	// Losses are what the client could not see or had to drop.
	Losses []Loss `msgpack:"losses"`
}

// Loss is something that was not seen.
type Loss struct {
	Source string `msgpack:"source"`
	Reason string `msgpack:"reason"`
	Count  int64  `msgpack:"count"`
	Enable string `msgpack:"enable"`
}

// Cancel ends a collection without a report. The answer is Cancelled.
type Cancel struct {
	CellID string `msgpack:"cell_id"`
}

// Cancelled answers Cancel.
type Cancelled struct {
	CellID string `msgpack:"cell_id"`
}

// Report is the merged analysis, rendered.
type Report struct {
	CellID   string `msgpack:"cell_id"`
	HTML     string `msgpack:"html"`
	Markdown string `msgpack:"markdown"`
	Text     string `msgpack:"text"`
	// Summary is the JSON of schema inferscope.summary/1.
	Summary string `msgpack:"summary"`
	Losses  []Loss `msgpack:"losses"`
	// Trace is the folder of the cell's trace, which is written after the report: the
	// sidecar holds an exclusive flock on it until then. Empty when none is kept.
	Trace string `msgpack:"trace"`
}

// Compare asks what changed from some of the kept runs to others. The answer is Comparison.
type Compare struct {
	// Before and After name runs, by id or path; both empty for the last run of a cell and the one before it.
	Before []string `msgpack:"before"`
	After  []string `msgpack:"after"`
	// Directory and Environ are as in Start: they say where runs are kept, and where relative paths begin.
	Directory string   `msgpack:"directory"`
	Environ   []string `msgpack:"environ"`
}

// Comparison is what changed, rendered.
type Comparison struct {
	HTML     string `msgpack:"html"`
	Markdown string `msgpack:"markdown"`
	Text     string `msgpack:"text"`
	// Summary is the JSON of schema inferscope.compare/1.
	Summary string `msgpack:"summary"`
}

// StatusRequest asks for the sidecar's state. The answer is Status.
type StatusRequest struct{}

// Status is the sidecar's state.
type Status struct {
	SidecarVersion string `msgpack:"sidecar_version"`
	PID            int    `msgpack:"pid"`
	UptimeNs       int64  `msgpack:"uptime_ns"`
	ActiveCell     string `msgpack:"active_cell"`
	CellsProfiled  int    `msgpack:"cells_profiled"`
	// Events is how many rows and records the active cell has so far; 0 between cells.
	Events int64 `msgpack:"events"`
	// GPUBusy is the share of the time that the busiest GPU last had something to do, by
	// its driver; -1 when no cell is active, or no device tells.
	GPUBusy float64 `msgpack:"gpu_busy"`
	// SMActivity is the share of its SMs that had work, of the GPU where it last was most, as the
	// GPU itself counts it; -1 when no cell is active, or no device counts.
	SMActivity float64 `msgpack:"sm_activity"`
	// GPUPowerW is what all GPUs last drew together, in watts; -1 when no cell is active, or no device tells.
	GPUPowerW float64 `msgpack:"gpu_power_w"`
	// KernelRate is how many kernels a second were recorded of late; -1 when no cell is active, or none are recorded.
	KernelRate float64 `msgpack:"kernel_rate"`
	// Waits is what the thread that runs the active cell waits for at the moment, as in "the
	// network"; empty when it runs, or when that cannot be seen.
	Waits      string            `msgpack:"waits"`
	Collectors []CollectorStatus `msgpack:"collectors"`
	// History says whether the traces of the last cells are kept, and where or why not.
	History CollectorStatus `msgpack:"history"`
}

// Shutdown asks the sidecar to exit. The answer is Bye, then the socket closes.
type Shutdown struct{}

// Bye answers Shutdown.
type Bye struct{}

// Error answers any request that failed.
type Error struct {
	// Code is a stable word, one of the Code constants.
	Code string `msgpack:"code"`
	// Message is a sentence for the user; Hint says what to do.
	Message string `msgpack:"message"`
	Hint    string `msgpack:"hint"`
}
