// Package perfevent is the rung of the ladder between eBPF and /proc: perf events
// that need no privilege at kernel.perf_event_paranoid 2. They tell every context
// switch of the user's own process, its threads and the children it makes, and
// sample where running threads are in user mode. What a thread waited for is read
// from /proc while it waits.
package perfevent

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flags of all events: user mode only, inherited by new threads and children,
// stamped with CLOCK_MONOTONIC, telling context switches, forks, exits and names.
const flags = unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv | unix.PerfBitInherit | unix.PerfBitSampleIDAll |
	unix.PerfBitUseClockID | unix.PerfBitContextSwitch | unix.PerfBitComm | unix.PerfBitTask | unix.PerfBitWatermark

// sampleType is what a sample carries, and in part every other record at its end.
const sampleType = unix.PERF_SAMPLE_IP | unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_TIME

// attributes describes the event for one thread on one CPU: a clock that samples
// every period ns of user time, or with 0 a dummy that only carries the records.
func attributes(period int64, watermark uint32) unix.PerfEventAttr {
	attr := unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_SOFTWARE,
		Config:      unix.PERF_COUNT_SW_DUMMY,
		Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample_type: sampleType,
		Bits:        flags,
		Clockid:     unix.CLOCK_MONOTONIC,
		Wakeup:      watermark,
	}
	if period > 0 {
		attr.Config = unix.PERF_COUNT_SW_CPU_CLOCK
		attr.Sample = uint64(period)
	}
	return attr
}

// open opens an event for one thread on one CPU.
func open(attr *unix.PerfEventAttr, tid, cpu int) (int, error) {
	fd, err := unix.PerfEventOpen(attr, tid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("perf_event_open: %w", err)
	}
	return fd, nil
}

// paranoid is kernel.perf_event_paranoid; false when the kernel has no perf events.
func paranoid() (int, bool) {
	text, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		return 0, false
	}
	var v int
	if _, err := fmt.Sscan(string(text), &v); err != nil {
		return 0, false
	}
	return v, true
}

// reason turns the error of an open into a sentence and the command that helps;
// level is kernel.perf_event_paranoid.
func reason(err error, level int) (why, enable string) {
	switch {
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		if level > 2 {
			return fmt.Sprintf("kernel.perf_event_paranoid is %d: perf events need 2 or less", level),
				"sudo sysctl kernel.perf_event_paranoid=2"
		}
		return fmt.Sprintf("perf_event_open is refused although kernel.perf_event_paranoid is %d: a seccomp filter or a security module forbids it", level),
			"docker run --cap-add=PERFMON ... (or a seccomp profile that allows perf_event_open)"
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		return "this kernel has no perf events", ""
	case errors.Is(err, unix.EINVAL):
		return "this kernel is too old for perf events with context switches (it needs 4.3)", ""
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "too few file descriptors: one is needed for each thread on each CPU", "ulimit -n 1048576"
	}
	return err.Error(), ""
}
