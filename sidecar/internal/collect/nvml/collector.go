// Package nvml reads the devices' sensors around a cell through NVIDIA's
// management library: energy, power, clocks and why they were lowered, memory,
// PCIe traffic, and from Hopper on the GPU's own counters of what its SMs, tensor
// cores and memory did, over time and over the cell.
package nvml

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// The distance of two readings: at first as often as NVML refreshes most sensors (20 to
// 100 ms), then a quarter of the time that the cell has taken so far, up to most.
const (
	leastDistance = 50 * time.Millisecond
	mostDistance  = 250 * time.Millisecond
	// rest is how many times as long as a round of readings took (about a millisecond a
	// device, the GPU's own counters included) nothing is read after it: the driver's lock is
	// held meanwhile, and the program's own calls may wait for it.
	rest = 100
)

// distance is how long nothing is read after a round that took so long, in a cell that began elapsed ago.
func distance(elapsed, took time.Duration) time.Duration {
	return max(min(max(elapsed/4, leastDistance), mostDistance), rest*took)
}

// maxDevices bounds the work on machines with very many.
const maxDevices = 16

// Collector reads every device of the machine. NVML is loaded at Warm or at the
// first Begin and stays until Close.
type Collector struct {
	mu      sync.Mutex
	load    func() nvml.Interface
	lib     nvml.Interface
	devices []device
	err     error
	tried   bool
}

// device is one card with what it cannot tell.
type device struct {
	handle nvml.Device
	index  int
	pci    string
	name   string
	mig    bool
	// uncounted says why its own counters (GPM) cannot be read, enable what would help; empty where they can.
	uncounted, enable string
	// reasons says why clocks are lowered; nil where the driver cannot tell.
	reasons func() (uint64, nvml.Return)
	limitW  float64
}

// New makes the collector without loading anything.
func New() *Collector { return &Collector{load: func() nvml.Interface { return nvml.New() }} }

// Name is "nvml".
func (c *Collector) Name() string { return "nvml" }

// Warm loads NVML and lists the devices; some tens of milliseconds.
func (c *Collector) Warm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open()
}

// open loads once; c.mu must be held.
func (c *Collector) open() error {
	if c.tried {
		return c.err
	}
	c.tried = true
	lib := c.load()
	if ret := lib.Init(); ret != nvml.SUCCESS {
		c.err = fmt.Errorf("no NVIDIA driver answers (%s)", describe(ret))
		return c.err
	}
	c.lib = lib
	count, ret := c.lib.DeviceGetCount()
	switch {
	case ret != nvml.SUCCESS:
		c.err = fmt.Errorf("the NVIDIA driver shows no device (%s)", describe(ret))
		return c.err
	case count == 0:
		c.err = errors.New("the NVIDIA driver shows no device")
		return c.err
	}
	for i := range min(count, maxDevices) {
		handle, ret := c.lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue // another container's device
		}
		c.devices = append(c.devices, open(c.lib, handle, i))
	}
	if len(c.devices) == 0 {
		c.err = fmt.Errorf("none of %d NVIDIA devices may be read", count)
	}
	return c.err
}

func describe(ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return "libnvidia-ml.so.1 is not installed"
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return "the kernel module is not loaded"
	case nvml.ERROR_NO_PERMISSION:
		return "no permission"
	}
	return fmt.Sprintf("NVML error %d", int32(ret))
}

func open(lib nvml.Interface, handle nvml.Device, index int) device {
	d := device{handle: handle, index: index, limitW: -1}
	d.name, _ = handle.GetName()
	if info, ret := handle.GetPciInfo(); ret == nvml.SUCCESS {
		d.pci = fmt.Sprintf("%04x:%02x:%02x.0", info.Domain, info.Bus, info.Device)
	}
	if mode, _, ret := handle.GetMigMode(); ret == nvml.SUCCESS {
		d.mig = mode == nvml.DEVICE_MIG_ENABLE
	}
	if limit, ret := handle.GetEnforcedPowerLimit(); ret == nvml.SUCCESS {
		d.limitW = float64(limit) / 1000
	}
	// A call to a function that the installed driver does not have yet would end this process.
	has := func(symbol string) bool { return lib.Extensions().LookupSymbol(symbol) == nil }
	d.uncounted, d.enable = support(lib, handle, d.mig)
	if has("nvmlDeviceGetCurrentClocksEventReasons") {
		d.reasons = handle.GetCurrentClocksEventReasons
	} else if has("nvmlDeviceGetCurrentClocksThrottleReasons") {
		d.reasons = handle.GetCurrentClocksThrottleReasons
	}
	return d
}

// Status says which devices there are.
func (c *Collector) Status() collect.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := collect.Status{Name: c.Name()}
	if err := c.open(); err != nil {
		s.Detail = err.Error()
		return s
	}
	s.Available = true
	s.Detail = fmt.Sprintf("power, clocks, memory and utilisation of %s", c.devices[0].name)
	if n := len(c.devices); n > 1 {
		s.Detail += fmt.Sprintf(" and %d more", n-1)
	}
	return s
}

// Close unloads NVML.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lib != nil {
		c.lib.Shutdown()
		c.lib = nil
	}
	return nil
}

// Begin reads the counters and samples every device until Finish.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(); err != nil {
		return nil, err
	}
	s := &session{b: b, stop: make(chan struct{}), done: make(chan struct{})}
	for _, d := range c.devices {
		s.readings = append(s.readings, newReading(c.lib, d, uint32(target.PID)))
	}
	s.busy.Store(math.Float64bits(-1))
	s.active.Store(math.Float64bits(-1))
	s.power.Store(math.Float64bits(-1))
	go s.run()
	return s, nil
}

type session struct {
	b        *timeline.Builder
	readings []*reading
	stop     chan struct{}
	done     chan struct{}
	// busy is the last utilisation of the busiest device, bits of a float64 from 0 to 1; -1 before there is one.
	busy atomic.Uint64
	// active is the last activity of the SMs of the device where it was most, bits of a float64 from 0 to 1; -1 before there is one.
	active atomic.Uint64
	// power is the last draw of all devices together, bits of a float64 in watts; -1 before there is one.
	power atomic.Uint64
}

func (s *session) run() {
	defer close(s.done)
	for _, r := range s.readings {
		r.begin()
	}
	start := time.Now()
	timer := time.NewTimer(leastDistance)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-timer.C:
			began := time.Now()
			s.sample()
			timer.Reset(distance(began.Sub(start), time.Since(began)))
		}
	}
}

// sample reads every device once.
func (s *session) sample() {
	busiest, active, drawn := -1.0, -1.0, -1.0
	for _, r := range s.readings {
		r.sample(monotonic())
		busiest, active = max(busiest, r.util), max(active, r.activity.latest())
		if r.watts >= 0 {
			drawn = max(drawn, 0) + r.watts
		}
	}
	s.busy.Store(math.Float64bits(busiest))
	s.active.Store(math.Float64bits(active))
	s.power.Store(math.Float64bits(drawn))
}

// Busy implements collect.BusyMeter.
func (s *session) Busy() (float64, bool) {
	busy := math.Float64frombits(s.busy.Load())
	return busy, busy >= 0
}

// Activity implements collect.ActivityMeter.
func (s *session) Activity() (float64, bool) {
	active := math.Float64frombits(s.active.Load())
	return active, active >= 0
}

// Power implements collect.PowerMeter.
func (s *session) Power() (float64, bool) {
	watts := math.Float64frombits(s.power.Load())
	return watts, watts >= 0
}

func (s *session) Abort() {
	close(s.stop)
	<-s.done
	for _, r := range s.readings {
		r.free()
	}
}

func (s *session) Finish(window timeline.Interval) error {
	close(s.stop)
	<-s.done
	for _, r := range s.readings {
		s.b.AddSensors(r.end(window, s.b))
		r.free()
	}
	return nil
}

func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return t.Nano()
}
