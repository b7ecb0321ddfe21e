// Package collect defines what a source of events is. Each source is one folder
// below this one and one line in the registry of package session.
package collect

import (
	"context"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// Status says whether a source can be used, and if not, why and what command would enable it.
type Status = wire.CollectorStatus

// Target is the process to observe.
type Target struct {
	// PID is the profiled process as this process sees it (from the socket's peer credentials).
	PID int
	// UID is the user of that process, from the same credentials.
	UID uint32
	// Start is what the client asked for.
	Start wire.Start
	// Options are the settings that count for the cell.
	Options wire.Options
}

// Collector is one source of events. It is created once a sidecar and reused
// for every cell; Begin and the Session's methods are never called concurrently
// for one collector.
type Collector interface {
	// Name is the source's name in reports: "ebpf", "perf", "procfs".
	Name() string
	// Status probes without side effects that outlast the call. It may take
	// tens of milliseconds the first time and is cheap afterwards.
	Status() Status
	// Warm does in advance what makes Begin fast (loading programs). It is called
	// once in the background after the sidecar is ready. An error is recorded in Status.
	Warm() error
	// Begin starts collecting into b. The session must be ended with Finish or
	// Abort. It must return within milliseconds when warm. Begin and the session's
	// background goroutines may use b until Finish or Abort returns.
	Begin(ctx context.Context, target Target, b *timeline.Builder) (Session, error)
	// Close releases everything the collector holds.
	Close() error
}

// Witness is a Session that saw what threads executed without seeing their Python
// stacks. Samples of the stacks, taken in the process, get from it what they cannot tell.
type Witness interface {
	// Executing is what a thread of the profiled process executed at a moment,
	// CLOCK_MONOTONIC ns, and the file of that code; SampleSyscall, without a file, says
	// that it was in the kernel, be it for a page fault, SampleWaiting that it did not run.
	// False when nothing is known. It may be called once Finish has returned.
	Executing(tid int32, at int64) (timeline.SampleKind, timeline.NameID, bool)
}

// Counter is a Session that tells how many records it has taken in so far. Events may
// be called at any time, by any goroutine.
type Counter interface{ Events() int64 }

// BusyMeter is a Session that watches devices. Busy is the share of the time that the
// busiest one last had something to do; false before the first reading, or when no device
// tells. It may be called at any time, by any goroutine.
type BusyMeter interface{ Busy() (float64, bool) }

// ActivityMeter is a Session that reads what devices count themselves. Activity is the share of
// its SMs that had work, 0..1, of the device where it last was most; false when none counts.
// It may be called at any time, by any goroutine.
type ActivityMeter interface{ Activity() (float64, bool) }

// PowerMeter is a Session that watches devices. Power is what they last drew together, in
// watts; false when none tells. It may be called at any time, by any goroutine.
type PowerMeter interface{ Power() (float64, bool) }

// KernelMeter is a Session that records kernels. KernelRate is how many a second there were
// while it recorded of late; false before that is known. It may be called at any time, by any goroutine.
type KernelMeter interface{ KernelRate() (float64, bool) }

// Session is one cell's collection by one source. It drains its own buffers in
// the background, into the builder, so that memory stays bounded and nothing is
// overwritten.
type Session interface {
	// Finish stops collecting, drains what is left and adds losses to the builder.
	// The session is over afterwards, also on error. Events outside of window may
	// be kept: Builder.Build clips.
	Finish(window timeline.Interval) error
	// Abort stops collecting; what was collected is of no further use.
	Abort()
}
