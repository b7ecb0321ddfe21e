package procfs

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Wait is what a thread was found to wait for.
type Wait struct {
	// Running says that the thread was on a CPU or runnable; the rest is unset.
	Running bool
	Reason  timeline.Reason
	// Syscall is the system call it is blocked in, -1 for none or not known.
	Syscall int16
	// Guessed says that the system call could not be read (see Watcher.Denied)
	// and the reason comes from the kernel function in which the thread sleeps:
	// a wait on a futex is then ReasonUnknown, for it may be the GIL or a lock.
	Guessed bool
}

// maxWatched bounds the files that a watcher keeps open.
const maxWatched = 64

// Watcher reads what the threads of one process wait for. It is not safe for
// concurrent use. Close it.
type Watcher struct {
	pid     int
	runtime Range
	buf     []byte
	// calls are the files with the system calls of the threads read first: finding
	// one by its path takes longer than reading it.
	calls map[int32]File
	// denied counts reads of syscall that the kernel refused.
	denied int64
}

// NewWatcher makes a watcher for a process. A process without Python is fine:
// none of its waits is for the GIL.
func NewWatcher(pid int) *Watcher {
	r, _ := PyRuntime(pid)
	return &Watcher{pid: pid, runtime: r, buf: make([]byte, 512), calls: map[int32]File{}}
}

// Close releases the watcher's files. It may be called again.
func (w *Watcher) Close() {
	for _, f := range w.calls {
		f.Close()
	}
	clear(w.calls)
}

// Python says whether the process has a Python runtime.
func (w *Watcher) Python() bool { return w.runtime.End > w.runtime.Start }

// Denied is how many reads of a thread's system call the kernel refused. Linux
// grants them to whoever may ptrace the process: the same user, unless Yama's
// ptrace_scope forbids it.
func (w *Watcher) Denied() int64 { return w.denied }

// Read looks at one thread. state is its letter from stat, 0 where not known.
// An error means that nothing could be told; see Gone.
func (w *Watcher) Read(tid int32, state byte) (Wait, error) {
	text, err := w.call(tid)
	if err == nil {
		call, err := ParseSyscall(text)
		if err != nil {
			return Wait{}, err
		}
		return w.classify(call, tid, state), nil
	}
	if Gone(err) {
		return Wait{}, err
	}
	w.denied++
	text, err = readFile(fmt.Sprintf("/proc/%d/task/%d/wchan", w.pid, tid), w.buf)
	if err != nil {
		return Wait{}, err
	}
	where := string(text)
	if where == "0" || where == "" { // running, or the name is withheld
		return Wait{Running: state == 'R', Syscall: -1, Guessed: true}, nil
	}
	return Wait{Reason: reasonOfChannel(where), Syscall: -1, Guessed: true}, nil
}

// call reads the system call of one thread.
func (w *Watcher) call(tid int32) ([]byte, error) {
	f, kept := w.calls[tid]
	if !kept {
		var err error
		if f, err = Open(fmt.Sprintf("/proc/%d/task/%d/syscall", w.pid, tid)); err != nil {
			return nil, err
		}
	}
	text, err := f.Read(w.buf)
	switch {
	case err == nil && (kept || len(w.calls) < maxWatched):
		w.calls[tid] = f
	default:
		f.Close()
		delete(w.calls, tid)
	}
	return text, err
}

// classify names the reason behind a blocked system call.
func (w *Watcher) classify(call Syscall, tid int32, state byte) Wait {
	if call.Running {
		return Wait{Running: true, Syscall: -1}
	}
	if call.Number < 0 || call.Number > 1<<15-1 {
		wait := Wait{Reason: timeline.ReasonUnknown, Syscall: -1}
		if state == 0 {
			if text, err := readFile(fmt.Sprintf("/proc/%d/task/%d/stat", w.pid, tid), w.buf); err == nil {
				if s, err := ParseStat(text); err == nil {
					state = s.State
				}
			}
		}
		if state == 'D' {
			wait.Reason = timeline.ReasonPageFault
		}
		return wait
	}
	kind := kindOf(call.Number)
	if kind == kindSelect && uint32(call.Args[0]) == 0 || kind == kindPoll && uint32(call.Args[1]) == 0 {
		// select or poll without descriptors is a sleep.
		kind = kindSleep
	}
	wait := Wait{Syscall: int16(call.Number), Reason: timeline.ReasonSyscall}
	switch kind {
	case kindFutex:
		wait.Reason = timeline.ReasonLock
		if w.runtime.Contains(call.Args[0]) {
			wait.Reason = timeline.ReasonGIL
		}
	case kindDescriptor:
		wait.Reason = w.reasonOfDescriptor(call.Args[0])
	case kindControl:
		if w.reasonOfDescriptor(call.Args[0]) == timeline.ReasonGPUDriver {
			wait.Reason = timeline.ReasonGPUDriver
		}
	case kindSleep:
		wait.Reason = timeline.ReasonSleep
	case kindNetwork:
		wait.Reason = timeline.ReasonNetwork
	case kindPoll, kindSelect, kindEvents:
		wait.Reason = timeline.ReasonPoll
	case kindChild:
		wait.Reason = timeline.ReasonChild
	case kindDisk:
		wait.Reason = timeline.ReasonDisk
	}
	return wait
}

// reasonOfDescriptor says what a read or a write of a descriptor waits for.
func (w *Watcher) reasonOfDescriptor(fd uint64) timeline.Reason {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", w.pid, fd))
	if err != nil {
		return timeline.ReasonSyscall
	}
	return reasonOfFile(name)
}

// reasonOfFile classes what /proc/PID/fd/N points to.
func reasonOfFile(name string) timeline.Reason {
	switch {
	case strings.HasPrefix(name, "socket:"):
		return timeline.ReasonNetwork
	case strings.HasPrefix(name, "/dev/nvidia"):
		return timeline.ReasonGPUDriver
	case strings.HasPrefix(name, "pipe:"), strings.HasPrefix(name, "anon_inode:"), strings.HasPrefix(name, "/dev/"):
		return timeline.ReasonPipe
	case strings.HasPrefix(name, "/"):
		return timeline.ReasonDisk
	}
	return timeline.ReasonSyscall
}

// channels relate the kernel function in which a thread sleeps (its beginning)
// to a reason. It is the second best source, where the system call may not be read.
var channels = []struct {
	prefix string
	reason timeline.Reason
}{
	{"futex", timeline.ReasonUnknown}, // the GIL or a lock: the address would tell
	{"hrtimer_nanosleep", timeline.ReasonSleep},
	{"do_nanosleep", timeline.ReasonSleep},
	{"ep_poll", timeline.ReasonPoll},
	{"do_epoll_wait", timeline.ReasonPoll},
	{"do_select", timeline.ReasonPoll},
	{"do_poll", timeline.ReasonPoll},
	{"do_sys_poll", timeline.ReasonPoll},
	{"poll_schedule_timeout", timeline.ReasonPoll},
	{"pipe_", timeline.ReasonPipe},
	{"anon_pipe_", timeline.ReasonPipe},
	{"n_tty_", timeline.ReasonPipe},
	{"do_wait", timeline.ReasonChild},
	{"kernel_wait", timeline.ReasonChild},
	{"sk_wait", timeline.ReasonNetwork},
	{"__skb_wait", timeline.ReasonNetwork},
	{"skb_wait", timeline.ReasonNetwork},
	{"sk_stream_wait", timeline.ReasonNetwork},
	{"inet_csk_", timeline.ReasonNetwork},
	{"inet_wait", timeline.ReasonNetwork},
	{"tcp_", timeline.ReasonNetwork},
	{"unix_", timeline.ReasonNetwork},
	{"handle_userfault", timeline.ReasonPageFault},
	{"nv_", timeline.ReasonGPUDriver},
	{"os_acquire", timeline.ReasonGPUDriver},
	{"blkdev_", timeline.ReasonDisk},
	{"rq_qos_", timeline.ReasonDisk},
	{"jbd2_", timeline.ReasonDisk},
	{"submit_bio", timeline.ReasonDisk},
	{"folio_wait_writeback", timeline.ReasonDisk},
	{"wait_on_page_writeback", timeline.ReasonDisk},
	{"blk_", timeline.ReasonDisk},
	{"bit_wait_io", timeline.ReasonDisk},
}

// reasonOfChannel classes a wait channel. A page being read in (io_schedule,
// folio_wait_bit) may belong to a read or to a fault: that stays unknown.
func reasonOfChannel(function string) timeline.Reason {
	function = strings.TrimPrefix(function, "__x64_")
	for _, c := range channels {
		if strings.HasPrefix(function, c.prefix) {
			return c.reason
		}
	}
	return timeline.ReasonUnknown
}

// What a system call can wait for.
type callKind uint8

const (
	kindOther      callKind = iota
	kindFutex               // the first argument is the address
	kindDescriptor          // the first argument is a descriptor that is read or written
	kindControl             // ioctl
	kindSleep               //
	kindNetwork             //
	kindPoll                // the second argument is the number of descriptors
	kindSelect              // select: the first argument is the number of descriptors
	kindEvents              // epoll
	kindChild               //
	kindDisk                // sync and its kin
)

// kindOf classes a system call by its number on this architecture.
func kindOf(number int64) callKind {
	switch number {
	case unix.SYS_FUTEX:
		return kindFutex
	case unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_SPLICE, unix.SYS_SENDFILE,
		unix.SYS_COPY_FILE_RANGE, unix.SYS_VMSPLICE, unix.SYS_TEE:
		return kindDescriptor
	case unix.SYS_IOCTL:
		return kindControl
	case unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP:
		return kindSleep
	case unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG, unix.SYS_SENDTO, unix.SYS_SENDMSG,
		unix.SYS_SENDMMSG, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_CONNECT, unix.SYS_SHUTDOWN:
		return kindNetwork
	case unix.SYS_PPOLL:
		return kindPoll
	case unix.SYS_PSELECT6:
		return kindSelect
	case unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2:
		return kindEvents
	case unix.SYS_WAIT4, unix.SYS_WAITID:
		return kindChild
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_SYNC_FILE_RANGE,
		unix.SYS_MSYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_OPENAT, unix.SYS_GETDENTS64,
		unix.SYS_IO_GETEVENTS, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_STATX:
		return kindDisk
	case sysFutexWait, sysFutexWaitv:
		return kindFutex
	}
	return archKindOf(number)
}

// System calls that are newer than the library's tables on some architecture;
// the numbers are the same on all.
const (
	sysFutexWaitv = 449
	sysFutexWait  = 455
)
