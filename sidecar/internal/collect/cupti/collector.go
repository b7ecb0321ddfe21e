// Package cupti receives what the shim in the profiled process records of the
// GPU: kernels, copies, sets and the CUDA calls that launched them.
//
// The shim (folder cupti/) is told the path of a ring in shared memory by the
// client and fills it; this package makes the ring, drains it while the cell
// runs, brings the times to CLOCK_MONOTONIC and checks every record.
package cupti

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// drainEvery is how often the ring is read: at 500,000 launches a second it is
// then filled to a fifth.
const drainEvery = 10 * time.Millisecond

// Collector makes sessions that read the shim's ring. It keeps one ring and uses
// it again for each cell, so that its pages are in place.
type Collector struct {
	mu   sync.Mutex
	dir  string
	ring *ring
	busy bool
}

// New makes the collector. Its shared memory lies in a directory of its own that Close removes.
func New() *Collector { return &Collector{} }

// Name is "cupti".
func (c *Collector) Name() string { return "cupti" }

// Status is available everywhere: whether the profiled process uses CUDA is seen in the cell.
func (c *Collector) Status() collect.Status {
	return collect.Status{Name: c.Name(), Available: true,
		Detail: "kernels, copies and the CUDA calls that launch them, in cells that use CUDA"}
}

// Warm does nothing: a machine without a GPU shall not pay for the ring.
func (c *Collector) Warm() error { return nil }

// Close removes the shared memory.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.ring != nil {
		err = c.ring.close()
		c.ring = nil
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
		c.dir = ""
	}
	return err
}

// Begin makes the ring ready and reads it until Finish. The session's RingPath goes to the shim.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ring != nil && c.busy {
		// The last cell's shim never said that it ended: it may still write. Leave it that ring.
		if err := c.ring.close(); err != nil {
			return nil, err
		}
		c.ring = nil
	}
	if c.dir == "" {
		dir, err := os.MkdirTemp(sharedMemory(), "inferscope-")
		if err != nil {
			return nil, fmt.Errorf("making a directory for GPU records: %w", err)
		}
		c.dir = dir
	}
	if c.ring == nil {
		r, err := newRing(c.dir)
		if err != nil {
			return nil, err
		}
		c.ring = r
	}
	c.ring.reset()
	if err := os.Chown(c.ring.path, int(target.UID), -1); err != nil && os.Geteuid() == 0 {
		return nil, fmt.Errorf("giving the ring to the profiled process's user: %w", err)
	}
	c.busy = true
	s := &Session{collector: c, ring: c.ring, decoder: newDecoder(int32(target.PID), b), b: b,
		stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s, nil
}

// sharedMemory is a directory in memory where there is one: a mapped file on a
// disk would be written back.
func sharedMemory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

// Session reads one cell's ring.
type Session struct {
	collector *Collector
	ring      *ring
	decoder   *decoder
	b         *timeline.Builder
	stop      chan struct{}
	done      chan struct{}
	corrupt   error
}

// RingPath is the file that the shim is to fill.
func (s *Session) RingPath() string { return s.ring.path }

func (s *Session) run() {
	defer close(s.done)
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			s.drain()
			return
		case <-ticker.C:
			s.drain()
		}
	}
}

func (s *Session) drain() {
	if s.corrupt == nil {
		s.corrupt = s.ring.drain(s.decoder.record)
	}
}

func (s *Session) end() {
	close(s.stop)
	<-s.done
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	const idle, ended = 0, 3
	if state := s.ring.state(); s.corrupt == nil && (state == idle || state == ended) {
		s.collector.busy = false
	}
}

// Abort stops reading.
func (s *Session) Abort() { s.end() }

// Finish reads what is left; the client has ended the capture by then. What was
// not seen becomes losses.
func (s *Session) Finish(timeline.Interval) error {
	s.end()
	lost := s.ring.counters()
	add := func(count int64, reason string) {
		if count > 0 {
			s.b.AddLoss(timeline.Loss{Source: "cupti", Reason: reason, Count: count})
		}
	}
	add(lost.dropped, "GPU records did not fit into the ring")
	add(lost.lost, "GPU records were dropped by CUPTI")
	add(lost.invalid, "GPU records had no valid times and were left out")
	add(lost.discarded, "buffers of GPU records were thrown away for lack of memory")
	add(s.decoder.early, "GPU records came before their clock was known")
	if s.decoder.step > stepTolerance || s.decoder.step < -stepTolerance {
		add(1, fmt.Sprintf("the wall clock moved by %d ns during the cell: device times may be off by as much", s.decoder.step))
	}
	if s.corrupt != nil {
		add(1, s.corrupt.Error())
	}
	return nil
}

// stepTolerance is how far the offset between CUPTI's clock and CLOCK_MONOTONIC
// may move before it is told: well above the bracket's width (about 100 ns).
const stepTolerance = 10_000
