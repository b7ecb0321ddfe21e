// Package track lays a timeline out for viewers: as tracks of nested slices, instants,
// counters and flows, told to a Sink one by one. The formats that viewers read differ
// in how they write these, not in what there is to see.
package track

import (
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Input is what there is to export.
type Input struct {
	// Timeline is what happened. It is only read.
	Timeline *timeline.Timeline
	// Cell is what ran; the zero value is a cell of which nothing is known.
	Cell result.Cell
	// Source says where the timeline comes from, and which version of InferScope exports it.
	Source result.Source
	// Arch is the architecture whose system call numbers the timeline holds ("amd64",
	// "arm64"); empty for this program's.
	Arch string
}

// ID refers to a track; they are numbered from 1 in the order in which they are told. 0 is no track.
type ID uint32

// Kind says what a track is.
type Kind uint8

// The kinds of track.
const (
	// Process has the threads of one process below it, and no slices.
	Process Kind = iota
	// Thread has what the thread executes as its own slices, and its lanes below it.
	Thread
	// Device has the streams of one GPU below it, and no slices.
	Device
	// Stream holds the operations of one stream of a device.
	Stream
	// Lane is another row of slices of its parent.
	Lane
	// Counter holds values over time.
	Counter
)

// Track is one row of the picture, or a heading of several.
type Track struct {
	ID ID
	// Parent is the track above it; 0 for none. It has been told before.
	Parent ID
	Kind   Kind
	// Name is hostile text. A track that takes what overlaps on another has its name and
	// parent, or is a lane below it when that is a thread.
	Name string
	// PID is the process's id, TID that of the thread, in the profiled process's own pid
	// namespace; set for processes and threads and for the lanes below them.
	PID, TID int32
	// Device is the device's CUDA ordinal, Stream the stream's number; set for devices, for
	// streams, and for the lanes below them.
	Device int32
	Stream uint32
	// Unit is that of a counter.
	Unit string
	// Again is 0, or which one it is of the tracks that take what overlaps on another.
	Again int
}

// Category says what a slice or an instant is, in the words of PyTorch's own traces where
// those have one.
type Category uint8

// The categories.
const (
	// Line is a line of the cell, or a Python function.
	Line Category = iota
	// Operator is an operator of a framework, or another range of its code.
	Operator
	// Scope is an interval of inferscope.scope(), Mark an instant of inferscope.mark_event().
	Scope
	Mark
	// GC is a run of the garbage collector.
	GC
	// State is a state of a thread.
	State
	// RuntimeCall and DriverCall are CUDA calls of the host.
	RuntimeCall
	DriverCall
	// Kernel, Copy and Set are operations of a device.
	Kernel
	Copy
	Set
	// Idle is time in which a device did nothing.
	Idle
	// Unseen is time in which a device was not captured.
	Unseen
	// Overhead is time in which the device's tracing held the program up.
	Overhead
	// NumCategories is how many there are.
	NumCategories
)

var categoryNames = [NumCategories]string{"python_function", "cpu_op", "user_annotation", "user_annotation", "garbage_collection",
	"thread_state", "cuda_runtime", "cuda_driver", "kernel", "gpu_memcpy", "gpu_memset", "gpu_idle", "not_captured", "overhead"}

// String is the category's name in a file.
func (c Category) String() string {
	if c < NumCategories {
		return categoryNames[c]
	}
	return "other"
}

// Arg is one fact about a slice: Text when it is not empty, else Number.
type Arg struct {
	Key    string
	Text   string
	Number int64
}

// Slice is an interval of a track, or an instant (then End is Start).
type Slice struct {
	Start, End int64
	Category   Category
	// Name is hostile text, valid UTF-8.
	Name string
	Args []Arg
	// Flows begin here: each is the In of one other slice.
	Flows []uint64
	// In is the flow that ends here, 0 for none.
	In uint64
}

// Sink writes what it is told. It keeps no slice and nothing inside of one beyond the call,
// texts excepted. The calls about one track come in order of time and properly nested:
// an interval ends no later than the one that it began in.
type Sink interface {
	// Track declares a track, before anything is told of it.
	Track(Track)
	// Begin opens an interval, whose end is known; End closes the innermost one at that time.
	Begin(ID, *Slice)
	End(ID, int64)
	// Instant tells of a moment; it is not ordered in time among the slices of its track.
	Instant(ID, *Slice)
	// Count tells a counter's value from that time on; it is finite.
	Count(ID, int64, float64)
}
