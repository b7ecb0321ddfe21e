package ebpf

import (
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// addressRange is [start, end) in a process's memory; empty when not known.
type addressRange struct{ start, end uint64 }

func (r addressRange) contains(address uint64) bool { return address >= r.start && address < r.end }

// deviceMajors are the device numbers of the GPU driver's files.
type deviceMajors []uint32

func (m deviceMajors) has(rdev uint32) bool {
	// The kernel's own encoding: twelve bits of major above twenty of minor.
	major := rdev >> 20
	for _, own := range m {
		if major == own {
			return true
		}
	}
	return false
}

// reasonOf says why the thread of an off-CPU record was off the CPU. gil is the
// object _PyRuntime in that thread's process.
func reasonOf(r *probeOffcpuRecord, gil addressRange, gpu deviceMajors) timeline.Reason {
	state := probeTaskState(r.State)
	if state == probeTaskStateSTATE_RUNNABLE {
		return timeline.ReasonPreempted
	}
	uninterruptible := state == probeTaskStateSTATE_UNINTERRUPTIBLE
	if r.Syscall < 0 {
		if uninterruptible {
			return timeline.ReasonPageFault
		}
		return timeline.ReasonUnknown
	}
	isGPU := uint32(r.FdMode)&unix.S_IFMT == unix.S_IFCHR && gpu.has(r.FdRdev)
	switch operationOf(r.Syscall) {
	case opFutex:
		if gil.contains(r.Arg0) {
			return timeline.ReasonGIL
		}
		return timeline.ReasonLock
	case opFD:
		if isGPU {
			return timeline.ReasonGPUDriver
		}
		return fileReason(r.FdMode, uninterruptible)
	case opSync:
		return timeline.ReasonDisk
	case opFile:
		if uninterruptible {
			return timeline.ReasonDisk
		}
	case opIoctl:
		if isGPU {
			return timeline.ReasonGPUDriver
		}
	case opSocket:
		return timeline.ReasonNetwork
	case opSleep:
		return timeline.ReasonSleep
	case opPoll:
		if r.Arg1 == 0 {
			return timeline.ReasonSleep
		}
		if isGPU {
			return timeline.ReasonGPUDriver
		}
		return timeline.ReasonPoll
	case opSelect:
		if r.Arg0 == 0 {
			return timeline.ReasonSleep
		}
		return timeline.ReasonPoll
	case opEpoll:
		return timeline.ReasonPoll
	case opChild:
		return timeline.ReasonChild
	}
	return timeline.ReasonSyscall
}

// fileReason tells a read or write apart by what kind of file it is on.
func fileReason(mode uint16, uninterruptible bool) timeline.Reason {
	switch uint32(mode) & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFBLK, unix.S_IFDIR:
		return timeline.ReasonDisk
	case unix.S_IFSOCK:
		return timeline.ReasonNetwork
	}
	if mode == 0 && uninterruptible {
		return timeline.ReasonDisk
	}
	return timeline.ReasonPipe
}
