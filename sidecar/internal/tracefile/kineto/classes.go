package kineto

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// class is what an event is to us.
type class uint8

const (
	// classOther is an event of a category that we do not know: a stretch of its thread.
	classOther class = iota
	classKernel
	classMemcpy
	classMemset
	classCall
	classOperator
	classPython
	classAnnotation
	// classWall counts for the wall only: it happened on a device, but is no work of it.
	classWall
	classOverhead
	// classNone counts for nothing: it repeats what other events say.
	classNone
	// classCounter is a reading of a counter.
	classCounter
	// classThreadName is a metadata event that names a thread.
	classThreadName
)

// hasArguments says whether anything of an event's arguments is wanted.
func (c class) hasArguments() bool {
	return c == classKernel || c == classMemcpy || c == classMemset || c == classCall
}

// classOf is the class of a category, in the spellings of all versions.
func classOf(category []byte) class {
	switch string(category) {
	case "kernel", "Kernel":
		return classKernel
	case "gpu_memcpy", "Memcpy", "memcpy":
		return classMemcpy
	case "gpu_memset", "Memset", "memset":
		return classMemset
	case "cuda_runtime", "Runtime", "cuda_driver", "Driver", "hip_runtime", "hip_driver", "runtime", "driver":
		return classCall
	case "cpu_op", "Operator", "operator":
		return classOperator
	case "python_function", "PythonFunction":
		return classPython
	case "user_annotation", "UserAnnotation":
		return classAnnotation
	case "cuda_sync", "cuda_event", "cuda_profiler_range", "gpu_metrics", "collective_comm", "mtia_ccp_events":
		return classWall
	case "overhead", "Overhead":
		return classOverhead
	case "Trace", "trace", "gpu_user_annotation":
		return classNone
	case "thread_state", "gpu_idle", "not_captured": // lanes of InferScope's own exporter (track.Category)
		return classNone
	}
	return classOther
}

// directions are the directions of a copy as names of copies hold them, in small letters.
var directions = []struct {
	text string
	kind timeline.CopyKind
}{
	{"htod", timeline.CopyHtoD}, {"hosttodevice", timeline.CopyHtoD}, {"dtoh", timeline.CopyDtoH}, {"devicetohost", timeline.CopyDtoH},
	{"dtod", timeline.CopyDtoD}, {"devicetodevice", timeline.CopyDtoD}, {"ptop", timeline.CopyPtoP}, {"peertopeer", timeline.CopyPtoP},
	{"htoh", timeline.CopyHtoH}, {"hosttohost", timeline.CopyHtoH}, {"htoa", timeline.CopyHtoA}, {"atoh", timeline.CopyAtoH},
	{"atoa", timeline.CopyAtoA}, {"atod", timeline.CopyAtoD}, {"dtoa", timeline.CopyDtoA},
}

var memories = map[string]timeline.MemoryKind{"pageable": timeline.MemoryPageable, "pinned": timeline.MemoryPinned, "device": timeline.MemoryDevice,
	"array": timeline.MemoryArray, "managed": timeline.MemoryManaged, "device static": timeline.MemoryDeviceStatic,
	"managed static": timeline.MemoryManagedStatic}

// transfer is the direction and the sides of a copy.
type transfer struct {
	kind           timeline.CopyKind
	source, target timeline.MemoryKind
}

// transferOf reads a copy's name: "Memcpy HtoD (Pageable -> Device)", or "CopyHostToDevice" from ROCm.
func transferOf(name string) transfer {
	var t transfer
	lower := strings.ToLower(name)
	if open, end := strings.IndexByte(lower, '('), strings.LastIndexByte(lower, ')'); open >= 0 && end > open {
		if source, target, ok := strings.Cut(lower[open+1:end], "->"); ok {
			t.source, t.target = memories[strings.TrimSpace(source)], memories[strings.TrimSpace(target)]
		}
		lower = lower[:open]
	}
	for _, d := range directions {
		if strings.Contains(lower, d.text) {
			t.kind = d.kind
			break
		}
	}
	return t
}
