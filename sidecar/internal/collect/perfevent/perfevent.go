package perfevent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

// Collector opens perf events around each cell.
type Collector struct {
	mu   sync.Mutex
	warm int // an event of our own, -1 for none
}

var _ collect.Collector = (*Collector)(nil)

// New makes the collector; nothing is opened before Warm or Begin.
func New() *Collector { return &Collector{warm: -1} }

// Name is "perf".
func (*Collector) Name() string { return "perf" }

// Status opens an event on this process and closes it again.
func (c *Collector) Status() collect.Status {
	status := collect.Status{Name: c.Name()}
	level, ok := paranoid()
	if !ok {
		status.Detail = "this kernel has no perf events"
		return status
	}
	attr := attributes(1e9, 4096)
	fd, err := open(&attr, os.Getpid(), -1)
	if err != nil {
		status.Detail, status.Enable = reason(err, level)
		return status
	}
	_ = unix.Close(fd)
	note, enable := procfs.TraceNote()
	status.Available = true
	status.Detail = "every context switch of all threads and children, samples of user code; reasons of waits by looking at /proc" + note
	status.Enable = enable
	return status
}

// Warm keeps one event open on this process. The first event in the system that
// counts switches makes the kernel patch its scheduler, which takes milliseconds.
func (c *Collector) Warm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.warm >= 0 {
		return nil
	}
	attr := attributes(0, 4096)
	fd, err := open(&attr, os.Getpid(), -1)
	if err != nil {
		return err
	}
	c.warm = fd
	return nil
}

// Close releases what Warm opened.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.warm >= 0 {
		_ = unix.Close(c.warm)
		c.warm = -1
	}
	return nil
}

// Begin opens the events of all threads of the target and of its children. Its
// time grows with threads times CPUs, some microseconds each.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	if !procfs.SamePIDNamespace(target.PID) {
		return nil, errors.New("the process lives in another pid namespace than the sidecar")
	}
	ns, err := clock.Of(target.PID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoThread
	}
	if err != nil {
		return nil, err
	}
	var period int64
	if hz := target.Options.SampleHz; hz > 0 {
		period = max(1e9/int64(hz), 100_000)
	}
	s := &session{b: b, clock: ns, main: int32(target.PID), threads: map[threadKey]*thread{}, watchers: map[int32]*procfs.Watcher{},
		samples: newSampleStore(period, threadKey{int32(target.PID), int32(target.Start.MainTID)}),
		stop:    make(chan struct{}), done: make(chan struct{})}
	if s.events, err = openEvents(target.PID, period); err != nil {
		return nil, explained(err)
	}
	if err := s.seed(target.PID); err != nil {
		s.events.close()
		return nil, explained(err)
	}
	go s.run()
	return s, nil
}

// explained puts an error of opening events into a sentence with its remedy.
func explained(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return errNoThread
	}
	if !errors.Is(err, errOpen) {
		return err
	}
	level, _ := paranoid()
	why, enable := reason(err, level)
	if enable != "" {
		return fmt.Errorf("%s (%s): %w", why, enable, err)
	}
	return fmt.Errorf("%s: %w", why, err)
}
