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
	"fmt"
	"os"
	"sync"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
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
type Collector struct {
	options Options

	mu       sync.Mutex
	programs *programs
	failed   error // why loading failed; it is not tried again
	active   bool
}

var _ collect.Collector = (*Collector)(nil)

// ErrBusy says that a session of this collector has not ended.
var ErrBusy = errors.New("the CUDA calls are being probed already")

// New makes a collector. It touches nothing of the kernel yet.
func New(o Options) *Collector {
	if o.Ring == 0 {
		o.Ring = defaultRing
	}
	return &Collector{options: o}
}

// Name implements collect.Collector.
func (*Collector) Name() string { return Name }

// Status implements collect.Collector. It reads what the kernel and the process have;
// it loads nothing.
func (c *Collector) Status() collect.Status {
	status := collect.Status{Name: Name}
	err := c.unavailable()
	if err == nil {
		status.Available = true
		status.Detail = "the CUDA calls alone, without the kernels, in cells where CUPTI cannot be used"
		return status
	}
	status.Detail = err.Error()
	var m privilege.Missing
	if errors.As(err, &m) {
		status.Enable = m.Enable
	}
	return status
}

// unavailable says why the collector cannot be used; nil when it can.
func (c *Collector) unavailable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.programs != nil:
		return nil
	case c.failed != nil:
		return c.failed
	}
	if err := privilege.ProbeKernel(); err != nil {
		return err
	}
	return privilege.Probe()
}

// Warm implements collect.Collector. It loads the programs where the machine has an
// NVIDIA GPU, which takes tens of milliseconds; another shall not pay for it.
func (c *Collector) Warm() error {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		return nil
	}
	if err := c.unavailable(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load()
}

// load loads the programs once. The caller holds the lock.
func (c *Collector) load() error {
	if c.programs != nil || c.failed != nil {
		return c.failed
	}
	err := privilege.Run(func() (err error) {
		c.programs, err = loadPrograms(c.options.Ring)
		return err
	})
	if err != nil {
		c.failed = privilege.Refusal(err)
	}
	return c.failed
}

// Begin implements collect.Collector. Where the process has not loaded the driver's
// library, the session has nothing to see; if that changes, it says so in the end.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	if err := c.unavailable(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active {
		return nil, ErrBusy
	}
	if err := privilege.CheckUser(target); err != nil {
		return nil, err
	}
	offsets, err := clock.Of(target.PID)
	if err != nil {
		return nil, err
	}
	s := newSession(c, target, offsets.FromKernel, b)
	if err := privilege.Run(s.begin); err != nil {
		return nil, fmt.Errorf("probe the CUDA calls: %w", err)
	}
	c.active = true
	return s, nil
}

// done lets the next session begin.
func (c *Collector) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = false
}

// Close implements collect.Collector. A session must have ended before.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.programs == nil {
		return nil
	}
	err := c.programs.close()
	c.programs, c.failed = nil, errors.New("the probing of CUDA calls has been closed")
	return err
}
