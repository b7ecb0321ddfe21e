// Package ebpf collects the scheduler's view of one process and its children, and
// samples of their running threads, with eBPF programs.
//
// The programs in bpf/ send one record for each episode off the CPU, with the
// system call, the waker and the Python frames at the switch. They know threads
// by an entry in task storage, so that container boundaries do not matter. This
// package loads them once, attaches them for each cell, names what they send and
// appends it to a timeline.Builder.
//
// What it does not see: Python frames of a child that executed another program,
// of an interpreter without a global lock, and below the 32nd frame; which lock a
// futex is; anything while the sidecar's own records found no room, which is
// counted and reported as a loss.
package ebpf

import (
	"context"
	"errors"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
)

// Name is the collector's name in reports and losses.
const Name = "ebpf"

// Options are the settings of a Collector. The zero value is the default.
type Options struct {
	// SchedulerRing and SampleRing are the sizes of the kernel's buffers in bytes,
	// powers of two of at least a page. The defaults are 16 MiB and 2 MiB.
	SchedulerRing, SampleRing int
	// SampleHz is the sampling frequency where the client asks for none; 199 by
	// default. Negative switches the sampler off.
	SampleHz int
}

const (
	defaultSchedulerRing = 16 << 20
	defaultSampleRing    = 2 << 20
	defaultSampleHz      = 199
	maxSampleHz          = 10_000
)

// Collector is the source "ebpf". It is safe for concurrent use, but holds one
// session at a time.
type Collector struct {
	options Options
	source  *bpfsource.Source[*programs]
}

var _ collect.Collector = (*Collector)(nil)

// ErrBusy says that a session of this collector has not ended.
var ErrBusy = errors.New("eBPF collection is already on")

// New makes a collector. It touches nothing of the kernel yet.
func New(o Options) *Collector {
	if o.SchedulerRing == 0 {
		o.SchedulerRing = defaultSchedulerRing
	}
	if o.SampleRing == 0 {
		o.SampleRing = defaultSampleRing
	}
	if o.SampleHz == 0 {
		o.SampleHz = defaultSampleHz
	}
	return &Collector{o, bpfsource.New(bpfsource.Config[*programs]{
		Name:      Name,
		Detail:    "on-CPU, runnable and blocked time with its reason for all threads and children, wakers, samples and Python frames",
		Beginning: "start eBPF collection",
		Busy:      ErrBusy,
		Closed:    errors.New("eBPF collection has been closed"),
		Load:      func() (*programs, error) { return loadPrograms(o) },
	})}
}

// Name implements collect.Collector.
func (*Collector) Name() string { return Name }

// Status implements collect.Collector. It reads what the kernel and the process
// have; it loads nothing.
func (c *Collector) Status() collect.Status { return c.source.Status() }

// Warm implements collect.Collector: it loads the programs, which takes tens of milliseconds.
func (c *Collector) Warm() error { return c.source.Warm() }

// Begin implements collect.Collector.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	var s *session
	err := c.source.Begin(target, func(p *programs, fromKernel int64) func() error {
		s = newSession(c, p, target, fromKernel, b)
		return s.begin
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close implements collect.Collector. A session must have ended before.
func (c *Collector) Close() error { return c.source.Close() }
