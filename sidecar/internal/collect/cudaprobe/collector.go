// Package cudaprobe sees the calls of a process into the GPU driver's library where
// CUPTI cannot: another profiler holds it, or its library is missing. It attaches
// eBPF probes to the functions of libcuda that launch, copy, set, wait, allocate and
// load code, in the profiled process alone.
//
// It gives the calls with their times, threads and, where an argument says it, their
// sizes. It does not give what the device did with them: a report says that kernels
// were not seen, and why.
//
// What else it does not see: calls in child processes, which is said where one has the
// library loaded at the end of the cell (a child that was forked cannot use its
// parent's CUDA); calls under way when collection began; calls before the library was
// loaded; and calls that a library makes past the exported functions.
package cudaprobe

import (
	"context"
	"errors"
	"os"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
)

// Name is the collector's name in reports and losses.
const Name = "cudaprobe"

// Options are the settings of a Collector. The zero value is the default.
type Options struct {
	// Ring is the size of the kernel's buffer in bytes, a power of two of at least a
	// page; 4 MiB by default, which is over 100,000 calls between two looks.
	Ring int
}

const defaultRing = 4 << 20

// Collector is the source "cudaprobe". It is safe for concurrent use, but holds one
// session at a time.
type Collector struct{ source *bpfsource.Source[*programs] }

var _ collect.Collector = (*Collector)(nil)

// ErrBusy says that a session of this collector has not ended.
var ErrBusy = errors.New("the CUDA calls are being probed already")

// New makes a collector. It touches nothing of the kernel yet.
func New(o Options) *Collector {
	if o.Ring == 0 {
		o.Ring = defaultRing
	}
	return &Collector{bpfsource.New(bpfsource.Config[*programs]{
		Name:      Name,
		Detail:    "the CUDA calls alone, without the kernels, in cells where CUPTI cannot be used",
		Beginning: "probe the CUDA calls",
		Busy:      ErrBusy,
		Closed:    errors.New("the probing of CUDA calls has been closed"),
		Load:      func() (*programs, error) { return loadPrograms(o.Ring) },
		Lazy:      true, // for a process that has loaded the driver's library
	})}
}

// Name implements collect.Collector.
func (*Collector) Name() string { return Name }

// Status implements collect.Collector. It reads what the kernel and the process have;
// it loads nothing.
func (c *Collector) Status() collect.Status { return c.source.Status() }

// Warm implements collect.Collector. It loads the programs where the machine has an
// NVIDIA GPU, which takes tens of milliseconds; another shall not pay for it.
func (c *Collector) Warm() error {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		return nil
	}
	return c.source.Warm()
}

// Begin implements collect.Collector. Where the process has not loaded the driver's
// library, the session has nothing to see; if that changes, it says so in the end.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	var s *session
	err := c.source.Begin(target, func(_ *programs, fromKernel int64) func() error {
		s = newSession(c, target, fromKernel, b)
		return s.begin
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close implements collect.Collector. A session must have ended before.
func (c *Collector) Close() error { return c.source.Close() }
