package result

import "github.com/inferscope/inferscope/analysis/timeline"

// MaxSpans is how many spans a finding carries at most: the longest of its evidence.
const MaxSpans = 20

// SpanKind says what a Span is.
type SpanKind string

// The kinds of span.
const (
	// SpanGap: a device had nothing to do.
	SpanGap SpanKind = "gap"
	// SpanCall: a CUDA call of a thread.
	SpanCall SpanKind = "call"
	// SpanKernel: a kernel on a device.
	SpanKernel SpanKind = "kernel"
	// SpanCopy: a copy or a set on a device.
	SpanCopy SpanKind = "copy"
	// SpanThread: a stretch of a host thread, in which it waited, collected garbage or ran.
	SpanThread SpanKind = "thread"
)

// Span is a stretch of time that is evidence of a finding.
type Span struct {
	Kind SpanKind
	// Start and End are ns from the cell's begin, half-open, 0 <= Start < End.
	Start, End int64
	// Device is the CUDA ordinal of the device of a gap, a kernel or a copy; -1 for others.
	Device int32
	// Row is the row in that device's Ops for a kernel or a copy, in Timeline.Calls for a call; -1 for others.
	Row int32
	// Thread is the row in Timeline.Threads of the thread that called or waited, for a gap of the
	// one that is to blame; 0 when none is known.
	Thread timeline.ThreadID
	// Line is the line of the cell that the time belongs to, 0 when none is known.
	Line int32
	// Label is the kernel's or the call's name, or what the thread did. Hostile text.
	Label string
}
