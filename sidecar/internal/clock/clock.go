// Package clock is the only place where a timestamp changes its clock.
//
// The timeline runs on CLOCK_MONOTONIC as the profiled process reads it, in
// integer nanoseconds. Three clocks have to be brought to it: the kernel's own
// (BPF and perf events do not know time namespaces), this process's (which may
// live in another time namespace than the profiled one), and CLOCK_REALTIME.
package clock

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Monotonic is this process's CLOCK_MONOTONIC in ns. It never fails on Linux.
func Monotonic() int64 { return read(unix.CLOCK_MONOTONIC) }

func read(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// Bracket relates CLOCK_REALTIME to this process's CLOCK_MONOTONIC.
type Bracket struct {
	// Offset is what to add to a realtime in ns to get monotonic ns. It holds
	// until somebody sets the wall clock.
	Offset int64
	// Error is the most by which Offset can be wrong, in ns: half of the width
	// of the tightest bracket.
	Error int64
}

// ToMonotonic converts a CLOCK_REALTIME in ns.
func (b Bracket) ToMonotonic(realtime int64) int64 { return realtime + b.Offset }

// tries is how many brackets Realtime measures to keep the tightest.
const tries = 100

// Realtime measures the offset between CLOCK_REALTIME and CLOCK_MONOTONIC by
// reading the one between two readings of the other. It takes some 10 us.
func Realtime() Bracket {
	return tightest(tries, Monotonic, func() int64 { return read(unix.CLOCK_REALTIME) })
}

// tightest brackets readings of inner with readings of outer and keeps the
// narrowest: a preemption between two readings only widens its own bracket.
func tightest(n int, outer, inner func() int64) Bracket {
	best, width := Bracket{}, int64(math.MaxInt64)
	for range n {
		before := outer()
		at := inner()
		after := outer()
		if w := after - before; w >= 0 && w < width {
			width = w
			best = Bracket{Offset: before + w/2 - at, Error: (w + 1) / 2}
		}
	}
	return best
}

// Namespace holds the offsets of CLOCK_MONOTONIC that concern one profiled process.
type Namespace struct {
	// FromKernel is what to add to a kernel time (bpf_ktime_get_ns, a perf event
	// with the clock CLOCK_MONOTONIC) to get the profiled process's monotonic ns.
	FromKernel int64
	// FromSelf is what to add to Monotonic() to get it.
	FromSelf int64
}

// Now is the profiled process's CLOCK_MONOTONIC in ns.
func (n Namespace) Now() int64 { return Monotonic() + n.FromSelf }

// Of finds the offsets for a process, by its id as this process sees it. On a
// kernel without time namespaces they are 0. An error means that the process's
// clock cannot be known.
func Of(pid int) (Namespace, error) {
	target, err := monotonicOffset(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return Namespace{}, err
	}
	self, err := monotonicOffset("/proc/self")
	if err != nil {
		return Namespace{}, err
	}
	return Namespace{FromKernel: target, FromSelf: target - self}, nil
}
