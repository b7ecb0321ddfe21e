package perfevent

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

const (
	// mostPages and leastPages bound the data pages of one CPU's buffer. A user
	// without privileges may lock 516 KiB a CPU by default.
	mostPages, leastPages = 512, 8
	// mostMemory bounds all buffers together, in bytes.
	mostMemory = 64 << 20
	// maxEvents bounds how many events are opened: each is a descriptor and about
	// a KiB in the kernel.
	maxEvents = 32768
	// rounds is how often threads are listed before it is taken that all have
	// their events: those made meanwhile inherit them.
	rounds = 8
)

// errNoThread says that the process has no thread left.
var errNoThread = errors.New("the process has no thread that can be observed")

// events are the open events of one cell: one for each thread on each CPU,
// because an inherited event may only be mapped a CPU.
type events struct {
	attr  unix.PerfEventAttr
	cpus  []int
	fds   []int
	rings []*ring // one a CPU
	// ready is an epoll of the buffers. It is waited for by way of the runtime's
	// poller: a goroutine in a system call of its own would keep the runtime's
	// monitor awake, which costs more than the wait.
	ready *os.File
	// owners are the events whose buffers the others on their CPU share.
	owners []int
}

// onlineCPUs lists the CPUs that run.
func onlineCPUs() ([]int, error) {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("listing the CPUs: %w", err)
	}
	return procfs.ParseList(text)
}

// openEvents maps a buffer for each CPU with the events of the process's first thread.
func openEvents(pid int, period int64) (*events, error) {
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	pages := mostPages
	for pages > leastPages && pages*len(cpus)*unix.Getpagesize() > mostMemory {
		pages /= 2
	}
	for ; ; pages /= 2 {
		e := &events{cpus: cpus, attr: attributes(period, uint32(pages*unix.Getpagesize()/4))}
		err = e.own(pid, pages)
		if err == nil {
			return e, nil
		}
		e.close()
		if pages <= leastPages || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOMEM) || errors.Is(err, errOpen) {
			return nil, err
		}
	}
}

// errOpen marks an error of opening, as against mapping.
var errOpen = errors.New("opening events")

// own opens the first thread's events and maps the buffers.
func (e *events) own(pid, pages int) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // else it would not go into the poller
		_ = unix.Close(epoll)
		return fmt.Errorf("epoll: %w", err)
	}
	e.ready = os.NewFile(uintptr(epoll), "epoll")
	for i, cpu := range e.cpus {
		fd, err := open(&e.attr, pid, cpu)
		if err != nil {
			return fmt.Errorf("%w: %w", errOpen, err)
		}
		e.fds, e.owners = append(e.fds, fd), append(e.owners, fd)
		r, err := mapRing(fd, pages)
		if err != nil {
			return err
		}
		e.rings = append(e.rings, r)
		// Edge-triggered: a buffer whose thread has ended would be ready forever.
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(i)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
	}
	return nil
}

// add opens the events of one more thread. False without an error means that
// the thread has ended.
func (e *events) add(tid int) (bool, error) {
	if len(e.fds)+len(e.cpus) > maxEvents {
		return false, fmt.Errorf("%w: %w", errOpen, unix.EMFILE)
	}
	for i, cpu := range e.cpus {
		fd, err := open(&e.attr, tid, cpu)
		if errors.Is(err, unix.ESRCH) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("%w: %w", errOpen, err)
		}
		e.fds = append(e.fds, fd)
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_OUTPUT, e.owners[i]); err != nil {
			return false, fmt.Errorf("sharing the event buffer: %w", err)
		}
	}
	return true, nil
}

// wait returns when a buffer is a quarter full, at a moment, or after wake.
func (e *events) wait(until time.Time) {
	conn, err := e.ready.SyscallConn()
	if err == nil {
		err = e.ready.SetReadDeadline(until)
	}
	if err != nil {
		time.Sleep(time.Until(until)) // no such wait here: the buffers are emptied all the same
		return
	}
	var full [16]unix.EpollEvent
	_ = conn.Read(func(fd uintptr) bool {
		n, err := unix.EpollWait(int(fd), full[:], 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// wake ends a wait.
func (e *events) wake() { _ = e.ready.SetReadDeadline(time.Now()) }

// drain appends all records of all buffers, those of one CPU in order.
func (e *events) drain(into []record) (records []record, malformed int64) {
	for i, r := range e.rings {
		_, bad := r.drain(func(rec record) {
			rec.cpu = int32(e.cpus[i])
			into = append(into, rec)
		})
		malformed += bad
	}
	return into, malformed
}

func byTime(a, b record) int {
	switch {
	case a.time < b.time:
		return -1
	case a.time > b.time:
		return 1
	}
	return 0
}

func (e *events) close() {
	for _, r := range e.rings {
		r.close()
	}
	for _, fd := range e.fds {
		_ = unix.Close(fd)
	}
	if e.ready != nil {
		_ = e.ready.Close()
	}
	e.rings, e.fds, e.ready = nil, nil, nil
}
