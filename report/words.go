package report

import (
	"regexp"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

var causeWords = map[result.CauseKind][2]string{
	result.CausePython:    {"running Python", "on a CPU, in the Python interpreter"},
	result.CauseNative:    {"running native code", "on a CPU, in a compiled library"},
	result.CauseSyscall:   {"system calls", "in the kernel on the program's behalf"},
	result.CauseGC:        {"garbage collection", "Python's cyclic garbage collector was running"},
	result.CauseGIL:       {"waiting for the GIL", "another thread was executing Python"},
	result.CauseLock:      {"waiting for a lock", "a lock, queue, future or join"},
	result.CauseHostIO:    {"waiting for files", "reads, writes and syncs of disks and pipes"},
	result.CauseNetworkIO: {"waiting for the network", "sockets: send, receive, accept, connect"},
	result.CauseSleep:     {"sleeping", "time.sleep and its kin: nothing was being done"},
	result.CausePageFault: {"page faults", "the kernel was bringing in memory"},
	result.CausePreempted: {"waiting for a CPU", "ready to run, but other work had the CPUs"},
	result.CauseChild:     {"waiting for a child process", "a subprocess had not finished"},
	result.CausePoll:      {"waiting for an event", "epoll, poll or select: usually an event loop"},
	result.CauseGPUDriver: {"in the GPU driver", "blocked in a call to the GPU driver"},
	result.CauseUnknown:   {"not known", "nothing that was recorded tells"},

	result.CauseProfiler:         {"tracing itself", "tracing held the program up"},
	result.CauseWarmUp:           {"CUDA warming up", "CUDA or one of its libraries was being initialised"},
	result.CauseCompile:          {"compiling", "code was being compiled, linked or loaded"},
	result.CauseLaunchLatency:    {"launch latency", "from the launch to the operation's start"},
	result.CauseStreamDependency: {"waiting for another stream", "launched, and waited for an event of another stream"},
	result.CauseDeviceWait:       {"waiting on the device", "launched, and nothing tells why it did not begin"},
	result.CauseSyncRefill:       {"empty queue after a synchronisation", "the host had waited for the GPU, which then waited for the host"},
	result.CausePageableCopy:     {"copying pageable memory", "the host was inside a copy from or to pageable memory"},
	result.CauseAllocator:        {"allocating GPU memory", "cudaMalloc, cudaFree or pinning was running"},
	result.CauseDataLoading:      {"loading data", "waiting for, or making, the next batch"},
	result.CauseFramework:        {"framework overhead", "on a CPU inside an operator or a launch call"},
	result.CauseCopyToDevice:     {"copying to the GPU", "copies from the host to the GPU that no kernel covered"},
	result.CauseCopyFromDevice:   {"copying from the GPU", "copies from the GPU to the host that no kernel covered"},
	result.CauseOtherCopy:        {"copying on the GPU", "copies on the GPU, or between GPUs, that no kernel covered"},
}

// Cause is what a kind of cause is called in a sentence: "waiting for the GIL".
// A kind without a wording is shown by its name.
func Cause(k result.CauseKind) string {
	if w, ok := causeWords[k]; ok {
		return w[0]
	}
	return strings.ReplaceAll(string(k), "_", " ")
}

var causeShort = map[result.CauseKind]string{
	result.CausePython: "Python", result.CauseNative: "native code", result.CauseSyscall: "system calls", result.CauseGC: "GC",
	result.CauseGIL: "GIL wait", result.CauseLock: "lock wait", result.CauseHostIO: "file wait", result.CauseNetworkIO: "network",
	result.CauseSleep: "sleep", result.CausePageFault: "page faults", result.CausePreempted: "CPU wait", result.CauseChild: "child process",
	result.CausePoll: "event wait", result.CauseGPUDriver: "GPU driver", result.CauseUnknown: "not known",
	result.CauseProfiler: "profiler", result.CauseWarmUp: "warm-up", result.CauseCompile: "compiling", result.CauseLaunchLatency: "launch delay",
	result.CauseStreamDependency: "stream wait", result.CauseDeviceWait: "device wait", result.CauseSyncRefill: "after a sync",
	result.CausePageableCopy: "pageable copy", result.CauseAllocator: "allocation", result.CauseDataLoading: "data loading",
	result.CauseFramework: "framework", result.CauseCopyToDevice: "copy to GPU", result.CauseCopyFromDevice: "copy from GPU",
	result.CauseOtherCopy: "GPU copies",
}

// CauseShort is Cause in the room of a narrow column: "GIL wait".
func CauseShort(k result.CauseKind) string {
	if w, ok := causeShort[k]; ok {
		return w
	}
	return Cause(k)
}

// TooShort says that a line ran too shortly to tell what it did: most of its time has
// the causes of all short lines together, which say nothing of this one.
func TooShort(s result.LineStat) bool { return s.PooledNs*2 > s.WallNs }

// CauseMeaning explains a kind of cause in a few words; empty when there is no wording.
func CauseMeaning(k result.CauseKind) string { return causeWords[k][1] }

// Class is what a verdict's class is called: "CPU-bound".
func Class(c result.Class) string {
	switch c {
	case result.CPUBound:
		return "CPU-bound"
	case result.GPUBound:
		return "GPU-bound"
	case result.MemoryTransferBound:
		return "Bound by memory transfers"
	case result.Balanced:
		return "Balanced"
	case result.Unknown, "":
		return "Not known"
	}
	return strings.ReplaceAll(string(c), "_", " ")
}

// platform is what the build adds to the name of an extension module.
var platform = regexp.MustCompile(`\.(?:cpython-\d+[a-z]*(?:-[0-9A-Za-z_-]+)?|abi3)\.so\b`)

// Modules shortens the names of extension modules in a text: "_multiarray_umath.cpython-312-x86_64-linux-gnu.so"
// is called what Python calls it, "_multiarray_umath".
func Modules(s string) string {
	if !strings.Contains(s, ".so") {
		return s
	}
	return platform.ReplaceAllString(s, "")
}

// Confidence names a confidence of 0..1: "high", "fair", "low".
func Confidence(c float64) string {
	switch {
	case c >= 0.8:
		return "high"
	case c >= 0.5:
		return "fair"
	}
	return "low"
}

// Subject is what a report speaks of: a cell, a script, or the trace of another tool.
func Subject(r *result.Result) string {
	if r.Host.Rung == timeline.RungTrace {
		return "trace"
	}
	if r.Source.Kind == result.KindScript {
		return "script"
	}
	return "cell"
}

// Rung says how the scheduler's view was obtained, in words.
func Rung(r timeline.Rung) string {
	switch r {
	case timeline.RungEBPF:
		return "eBPF: every switch of every thread"
	case timeline.RungPerf:
		return "unprivileged perf events: every switch, reasons in part"
	case timeline.RungProcfs:
		return "/proc: sampled thread states"
	case timeline.RungInProcess:
		return "in-process sampling only: no scheduler data"
	case timeline.RungTrace:
		return "none: the trace of another tool"
	case "":
		return "not known"
	}
	return string(r)
}

// Effort is how much work a repair usually is, in words; empty when that is not known.
func Effort(e result.Effort) string {
	switch e {
	case result.Easy:
		return "easy to change"
	case result.Moderate:
		return "some work to change"
	case result.Hard:
		return "much work to change"
	}
	return ""
}

// State is one state's share of a thread's time.
type State struct {
	// Name is "running", "runnable", "unknown", or a timeline.Reason's name.
	Name string
	// Words is what the state is called in a sentence.
	Words string
	Ns    int64
}

var reasonWords = [timeline.NumReasons]string{
	timeline.ReasonUnknown: "blocked, reason not known", timeline.ReasonPreempted: "preempted",
	timeline.ReasonGIL: "waiting for the GIL", timeline.ReasonLock: "waiting for a lock",
	timeline.ReasonDisk: "disk", timeline.ReasonNetwork: "network", timeline.ReasonSleep: "sleeping",
	timeline.ReasonPageFault: "page fault", timeline.ReasonPoll: "waiting for an event",
	timeline.ReasonPipe: "pipe or terminal", timeline.ReasonChild: "child process",
	timeline.ReasonGPUDriver: "GPU driver", timeline.ReasonSyscall: "other system call",
}

// States lists the states that took time: running, runnable, the reasons of
// blocking in their stable order, then what is not known.
func States(s result.States) []State {
	list := make([]State, 0, 4)
	add := func(name, words string, ns int64) {
		if ns > 0 {
			list = append(list, State{name, words, ns})
		}
	}
	add("running", "running", s.RunningNs)
	add("runnable", "waiting for a CPU", s.RunnableNs)
	for r, ns := range s.BlockedNs {
		name := timeline.Reason(r).String()
		if r == int(timeline.ReasonUnknown) {
			name = "blocked"
		}
		add(name, reasonWords[r], ns)
	}
	add("unknown", "not known", s.UnknownNs)
	return list
}

// callWords are the classes of CUDA calls.
var callWords = map[string]string{"call_launch": "launch calls", "call_copy": "copy calls", "call_sync": "waits for the GPU", "call_alloc": "allocation calls",
	"call_module": "loading code", "call_event": "event calls", "call_init": "CUDA initialising", "call_other": "other CUDA calls"}

// StateWords is what a slice's class is called: a state, reason or cause by name, or what a device did.
func StateWords(class string) string {
	switch class {
	case "running":
		return "running"
	case "runnable":
		return "waiting for a CPU"
	case "gc":
		return "garbage collection"
	case "unknown":
		return "not known"
	case "kernel":
		return "GPU kernels"
	case "copy":
		return "GPU copies"
	case "set":
		return "GPU memory sets"
	case "unseen":
		return "not captured"
	case "other":
		return "everything else"
	}
	if words, ok := callWords[class]; ok {
		return words
	}
	for r, words := range reasonWords {
		if timeline.Reason(r).String() == class {
			return words
		}
	}
	return Cause(result.CauseKind(class))
}

// Outcome words how the cell ended when it did not end well; empty for "ok".
func Outcome(r *result.Result) string {
	c, the := r.Cell, "The "+Subject(r)
	switch c.Outcome {
	case "", "ok":
		return ""
	case "error":
		if c.ErrorName != "" {
			return the + " raised " + Visible(c.ErrorName, 120) + ". The report covers the time until then."
		}
		return the + " raised an exception. The report covers the time until then."
	case "interrupted":
		return the + " was interrupted. The report covers the time until then."
	case "exit":
		return the + " asked the interpreter to exit. The report covers the time until then."
	}
	return the + " ended with: " + Visible(c.Outcome, 120) + "."
}

// Overhead says in one sentence what the measurement itself cost; nothing is known of that
// when another tool took the trace.
func Overhead(r *result.Result) string {
	if r.Host.Rung == timeline.RungTrace {
		return "It did not take this trace: what tracing cost is not known."
	}
	o := r.Overhead
	s := "InferScope used " + Duration(o.CollectorCPUNs) + " of CPU in its own process and about " +
		About(o.InProcessNs) + " inside the " + Subject(r) + "'s"
	if o.EstimatedSlowdown > 0 {
		s += "; the estimated slowdown of the " + Subject(r) + " is " + Percent(max(0, o.EstimatedSlowdown-1))
	}
	return s + "."
}

// LineOf is the cause's line of the cell, or, when it names none, the line of
// the largest cause of its kind in all that does.
func LineOf(c result.Cause, all []result.Cause) result.Line {
	if c.Line.Number > 0 {
		return c.Line
	}
	for _, o := range all {
		if o.Kind == c.Kind && o.Line.Number > 0 {
			return o.Line
		}
	}
	return result.Line{}
}

// Calm tells whether nothing in r asks to be changed: no finding above "info".
func Calm(r *result.Result) bool {
	for _, f := range r.Findings {
		if f.Severity != result.Info {
			return false
		}
	}
	return true
}
