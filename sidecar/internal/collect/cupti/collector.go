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
	"sync/atomic"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// drainEvery is how often the ring is read: at 500,000 launches a second it is
// then filled to a fifth.
const drainEvery = 10 * time.Millisecond

// directoryPrefix is followed by chance in the name of the directory of shared memory.
const directoryPrefix = "inferscope-gpu-"

// Collector makes sessions that read the shim's ring. It keeps one ring and uses
// it again for each cell, so that its pages are in place.
type Collector struct {
	mu   sync.Mutex
	dir  *directory
	ring *ring
	// used is set while a producer may be writing to the ring.
	used bool
	// capacity of the ring in bytes, a power of two.
	capacity int
}

// New makes the collector. Its shared memory lies in a directory of its own that Close removes.
func New() *Collector { return &Collector{capacity: ringCapacity} }

// Name is "cupti".
func (c *Collector) Name() string { return "cupti" }

// Status is available everywhere: whether the profiled process uses CUDA is seen in the cell.
func (c *Collector) Status() collect.Status {
	return collect.Status{Name: c.Name(), Available: true,
		Detail: "kernels, copies and the CUDA calls that launch them, in cells that use CUDA"}
}

// Warm takes the ring's memory where the machine has an NVIDIA GPU; another shall not pay for it.
func (c *Collector) Warm() error {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ring != nil {
		return nil
	}
	if err := c.open(uint32(os.Geteuid())); err != nil {
		return err
	}
	return c.ring.allocate()
}

// Close removes the shared memory.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.close()
}

func (c *Collector) close() error {
	var err error
	if c.ring != nil {
		err = c.ring.close()
		c.ring = nil
	}
	if c.dir != nil {
		err = errors.Join(err, c.dir.remove())
		c.dir = nil
	}
	return err
}

// open makes the directory and an empty ring for the user uid; c.mu must be held.
func (c *Collector) open(uid uint32) error {
	if c.ring != nil {
		if !c.used && c.dir.uid == uid && c.ring.reset() == nil {
			return nil
		}
		// The last cell's shim never said that it ended and may still write, or has spoilt the ring: leave it that one.
		if err := c.close(); err != nil {
			return err
		}
	}
	dir, err := makeDirectory(uid)
	if err != nil {
		return err
	}
	r, err := newRing(dir.path, c.capacity, uid)
	if err != nil {
		return errors.Join(err, dir.remove())
	}
	c.dir, c.ring, c.used = dir, r, false
	return nil
}

// Begin makes the ring ready and reads it until Finish. The session's RingPath goes to the shim.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(target.UID); err != nil {
		return nil, err
	}
	c.used = true
	s := &Session{collector: c, ring: c.ring, decoder: newDecoder(int32(target.PID), b), b: b,
		stop: make(chan struct{}), done: make(chan struct{})}
	s.rate.begin(clock.Monotonic())
	go s.run()
	return s, nil
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
	read      atomic.Int64
	rate      rate
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
		s.decoder.tick(clock.Monotonic())
		read := int64(0)
		s.corrupt = s.ring.drain(func(record []byte) error {
			read++
			return s.decoder.record(record)
		})
		s.read.Add(read)
		s.rate.observe(s.decoder)
	}
}

// Events implements collect.Counter.
func (s *Session) Events() int64 { return s.read.Load() }

// KernelRate implements collect.KernelMeter.
func (s *Session) KernelRate() (float64, bool) { return s.rate.get() }

// end stops reading and gives the ring back to the collector.
func (s *Session) end() counters {
	close(s.stop)
	<-s.done
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	last, err := s.ring.counters()
	if s.corrupt == nil {
		s.corrupt = err
	}
	if s.corrupt == nil && (last.state == stateIdle || last.state == stateEnded) {
		s.collector.used = false
	}
	return last
}

// Abort stops reading.
func (s *Session) Abort() { s.end() }

// Finish reads what is left; the client has ended the capture by then. What was
// not seen becomes losses.
func (s *Session) Finish(timeline.Interval) error {
	last := s.end()
	for _, w := range s.decoder.windows.list {
		s.b.AddWindow(w)
	}
	add := func(count int64, reason string) {
		if count > 0 {
			s.b.AddLoss(timeline.Loss{Source: "cupti", Reason: reason, Count: count})
		}
	}
	add(last.dropped, "GPU records did not fit into the ring")
	add(last.lost, "GPU records were dropped by CUPTI")
	add(last.invalid+s.decoder.invalid, "GPU records had no valid times and were left out")
	add(last.discarded, "buffers of GPU records were thrown away for lack of memory")
	add(last.unnamed, "GPU records have no name: there are too many different ones")
	add(s.decoder.early, "GPU records came before their clock was known")
	add(s.decoder.excess, "GPU records beyond the number that is kept")
	if last.state == stateOn {
		add(1, "the capture of GPU records was not ended: the last ones are missing")
	}
	if s.decoder.step > stepTolerance || s.decoder.step < -stepTolerance {
		add(1, fmt.Sprintf("the wall clock moved by %d ns during the cell: device times may be off by as much", s.decoder.step))
	}
	s.b.EarlierWork(last.earlierNs)
	if s.decoder.clocks > 0 {
		s.b.DeviceClock(max(s.decoder.bound, abs(s.decoder.step)))
	}
	if s.corrupt != nil {
		add(1, s.corrupt.Error())
	}
	return nil
}

// stepTolerance is how far the offset between CUPTI's clock and CLOCK_MONOTONIC
// may move before it is told: well above the bracket's width (about 100 ns).
const stepTolerance = 10_000
