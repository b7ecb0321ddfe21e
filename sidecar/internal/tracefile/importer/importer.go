// Package importer is what the importers of traces share: the interface that each
// implements, the file that it reads, the errors by which it refuses one, and the
// Assembly that turns what it reads into a timeline.
package importer

import (
	"context"
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Importer reads the traces of one tool.
type Importer interface {
	// Kind is the tool's name as the summary has it: "kineto", "nsys".
	Kind() string
	// About says in half a sentence what traces it reads, for a user whose file is none.
	About() string
	// Detect says whether a trace is this importer's, by its first bytes, decompressed,
	// at least HeadBytes of them unless the file is shorter.
	Detect(head []byte) bool
	// Read reads the whole trace. What it cannot read is an *Error; a device or a step
	// that is not in the trace is a *NotThere. ctx ends it early with its error.
	Read(ctx context.Context, source *Source, opts Options) (*Imported, error)
}

// AllDevices is Options.Device for every device of the trace.
const AllDevices = -1

// Options narrow what is read. The zero value reads device 0 alone: start from Whole.
type Options struct {
	// Device is the index of the only device to keep, or AllDevices.
	Device int32
	// Step names a range of the trace, or is the number of a ProfilerStep: the timeline is
	// then that of the range, as if it were a cell. Empty for the whole trace.
	Step string
}

// Whole reads everything.
func Whole() Options { return Options{Device: AllDevices} }

// Imported is a trace that was read.
type Imported struct {
	Timeline *timeline.Timeline
	// Kind is the importer's.
	Kind string
	// Notes are sentences about the trace that a reader must know, with a full stop.
	Notes []string
	// EpochNs is what time 0 of the trace is, in ns since 1970; 0 when the trace does not say.
	EpochNs int64
}

// Error is a trace that cannot be read.
type Error struct {
	// Where names the byte or the record: "byte 1234", "row 5 of StringIds". It may be empty.
	Where string
	// Reason is half a sentence: what is wrong there.
	Reason string
	// Hint says what to do about it; may be empty.
	Hint string
	// Err is the cause; may be nil.
	Err error
}

// Error is the place and the reason, without the hint.
func (e *Error) Error() string {
	text := e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	return text
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// NotThere is a device or a step that was asked for and is not in the trace.
type NotThere struct {
	// What is "device" or "step".
	What string
	// Asked is what the user wrote.
	Asked string
	// Have are the first few that there are, of Count.
	Have  []string
	Count int
}

// Error names what there is instead.
func (e *NotThere) Error() string {
	text := fmt.Sprintf("the trace has no %s %q", e.What, e.Asked)
	if len(e.Have) == 0 {
		return text + ": it names none"
	}
	text += "; it has " + strings.Join(e.Have, ", ")
	if more := e.Count - len(e.Have); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
