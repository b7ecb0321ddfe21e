package session

import (
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// waits says what a wait is for, as the live line of a notebook names it. A reason that is
// not here, and a thread that wants a CPU and has none, are not told: one look is no proof.
var waits = map[timeline.Reason]string{
	timeline.ReasonGIL:       "the GIL",
	timeline.ReasonLock:      "a lock",
	timeline.ReasonDisk:      "the disk",
	timeline.ReasonNetwork:   "the network",
	timeline.ReasonSleep:     "a sleep",
	timeline.ReasonPageFault: "a page of memory",
	timeline.ReasonPoll:      "an event",
	timeline.ReasonPipe:      "a pipe or terminal",
	timeline.ReasonChild:     "a child process",
	timeline.ReasonGPUDriver: "the GPU driver",
}

// progress fills in what Status tells of a cell that is going on. Service.mu must be held.
func (c *cell) progress(status *wire.Status) {
	status.Events = c.python.Events()
	power, metered := 0.0, false
	for _, one := range c.sessions {
		if counter, ok := one.(collect.Counter); ok {
			status.Events += counter.Events()
		}
		if meter, ok := one.(collect.BusyMeter); ok {
			if share, ok := meter.Busy(); ok {
				status.GPUBusy = max(status.GPUBusy, share)
			}
		}
		if meter, ok := one.(collect.ActivityMeter); ok {
			if share, ok := meter.Activity(); ok {
				status.SMActivity = max(status.SMActivity, share)
			}
		}
		if meter, ok := one.(collect.PowerMeter); ok {
			if watts, ok := meter.Power(); ok {
				power, metered = power+watts, true
			}
		}
		if meter, ok := one.(collect.KernelMeter); ok {
			if rate, ok := meter.KernelRate(); ok {
				status.KernelRate = max(status.KernelRate, rate)
			}
		}
	}
	if metered {
		status.GPUPowerW = power
	}
	status.Waits = c.waits()
}

// waits looks at what the cell's thread waits for; empty when it runs.
func (c *cell) waits() string {
	if c.look == nil {
		c.look = procfs.NewWatcher(c.peer.PID)
	}
	defer c.look.Close() // twice a second is too seldom to keep a file open
	wait, err := c.look.Read(int32(c.start.MainTID), 0)
	if err != nil || wait.Running {
		return "" // a thread that is gone is none of ours to explain
	}
	return waits[wait.Reason]
}
