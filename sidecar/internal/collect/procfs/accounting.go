package procfs

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

const (
	// memoryEvery is the time between two readings of the resident memory.
	memoryEvery = 25 * time.Millisecond
	// scanEvery is the least time between two scans of all threads.
	scanEvery = 100 * time.Millisecond
	// scanRest bounds the scans at 2 % of one CPU.
	scanRest = 50
	// stolenShare is the part of the cell's time, as a divisor, from which CPU time
	// taken by the hypervisor is told.
	stolenShare = 50
	// TicksPerSecond is the unit of the CPU times in stat (USER_HZ).
	TicksPerSecond = 100
)

// Accounting is the collector of what the kernel counts for the process as a
// whole: faults, resident memory, context switches, CPU time, bytes read and
// written, CPUs allowed, throttling, NUMA placement. It needs no privilege
// beyond the process's own user and is on in every cell.
//
// The counts span from Begin to Finish, a little more than the cell's window.
type Accounting struct {
	sys string // where sysfs is mounted
}

var _ collect.Collector = (*Accounting)(nil)

// NewAccounting makes the collector. It holds nothing between cells.
func NewAccounting() *Accounting { return &Accounting{sys: "/sys"} }

// Name is "accounting".
func (*Accounting) Name() string { return "accounting" }

// Warm has nothing to do.
func (*Accounting) Warm() error { return nil }

// Close has nothing to release.
func (*Accounting) Close() error { return nil }

// Status says whether /proc can be read.
func (a *Accounting) Status() collect.Status {
	status := collect.Status{Name: a.Name()}
	text, err := readFile("/proc/self/stat", make([]byte, 1024))
	if err == nil {
		_, err = ParseStat(text)
	}
	if err != nil {
		status.Detail = "/proc cannot be read: " + err.Error()
		return status
	}
	status.Available = true
	status.Detail = "page faults, resident memory, context switches, CPU time, I/O, CPU quota and NUMA placement from /proc"
	return status
}

// accounting is one cell.
type accounting struct {
	b     *timeline.Builder
	pid   int
	clock clock.Namespace
	nodes nodes
	cg    *cgroup

	statm File
	buf   []byte
	rss   *timeline.Counter
	page  int64

	begin    totals
	latest   totals // the last successful reading
	peak     int64  // of the samples, bytes
	switches switchCount

	stop, done chan struct{}
}

// totals are the process-wide counts at one moment. -1 is not known.
type totals struct {
	stat        Stat
	cpuNs       int64
	rss, hwm    int64
	read, wrote int64
	throttle    throttle
	stolen      int64
	at          int64 // CLOCK_MONOTONIC ns
}

// Begin takes the first reading and starts sampling the resident memory.
func (a *Accounting) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	ns, err := clock.Of(target.PID)
	if err != nil {
		return nil, err
	}
	statm, err := Open(fmt.Sprintf("/proc/%d/statm", target.PID))
	if err != nil {
		return nil, fmt.Errorf("reading the process's memory: %w", err)
	}
	s := &accounting{b: b, pid: target.PID, clock: ns, nodes: readNodes(a.sys), statm: statm,
		buf: make([]byte, 8192), rss: b.Counter("rss", "bytes"), page: int64(unix.Getpagesize()),
		stop: make(chan struct{}), done: make(chan struct{})}
	s.cg = findCgroup(target.PID)
	s.switches = newSwitchCount(target.PID, &s.nodes)
	if s.begin, err = s.totals(); err != nil {
		statm.Close()
		return nil, fmt.Errorf("reading the process's accounting: %w", err)
	}
	s.latest = s.begin
	s.switches.scan()
	s.sampleMemory()
	go s.run()
	return s, nil
}

// totals reads the counts of now.
func (s *accounting) totals() (totals, error) {
	t := totals{rss: -1, hwm: -1, read: -1, wrote: -1}
	dir := fmt.Sprintf("/proc/%d/", s.pid)
	text, err := readFile(dir+"stat", s.buf)
	if err != nil {
		return t, err
	}
	if t.stat, err = ParseStat(text); err != nil {
		return t, err
	}
	t.cpuNs = processCPU(s.pid)
	if text, err := readFile(dir+"status", s.buf); err == nil {
		if v, ok := value(text, "VmRSS"); ok {
			t.rss = v << 10
		}
		if v, ok := value(text, "VmHWM"); ok {
			t.hwm = v << 10
		}
	}
	if text, err := readFile(dir+"io", s.buf); err == nil {
		if v, ok := value(text, "read_bytes"); ok {
			t.read = v
		}
		if v, ok := value(text, "write_bytes"); ok {
			t.wrote = v
		}
	}
	t.throttle = s.cg.throttled()
	t.at = s.clock.Now()
	if t.stolen, err = stolen(); err != nil {
		t.stolen = -1
	}
	return t, nil
}

// processCPU is the CPU time of all threads of a process, ended ones included,
// in ns; -1 when the kernel does not tell. It is finer than stat's 10 ms.
func processCPU(pid int) int64 {
	const perProcessSched = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|perProcessSched, &ts); err != nil {
		return -1
	}
	return ts.Nano()
}

func (s *accounting) run() {
	defer close(s.done)
	memory := time.NewTicker(memoryEvery)
	defer memory.Stop()
	scan := time.NewTimer(scanEvery)
	defer scan.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-memory.C:
			s.sampleMemory()
		case <-scan.C:
			began := time.Now()
			s.switches.scan()
			if t, err := s.totals(); err == nil {
				s.latest = t
			}
			scan.Reset(max(scanEvery, scanRest*time.Since(began)))
		}
	}
}

// sampleMemory appends the resident memory to its counter.
func (s *accounting) sampleMemory() {
	text, err := s.statm.Read(s.buf)
	if err != nil {
		return
	}
	_, text = nextField(text)
	field, _ := nextField(text)
	pages, ok := parseInt(field)
	if !ok || pages == 0 { // a process that is ending has no memory
		return
	}
	bytes := pages * s.page
	s.peak = max(s.peak, bytes)
	s.rss.Time = append(s.rss.Time, s.clock.Now())
	s.rss.Value = append(s.rss.Value, float64(bytes))
}

// Finish takes the last reading and fills the builder's Process.
func (s *accounting) Finish(timeline.Interval) error {
	close(s.stop)
	<-s.done
	defer s.statm.Close()
	s.sampleMemory()
	s.switches.scan()
	end, err := s.totals()
	if err != nil {
		s.b.AddLoss(timeline.Loss{Source: "procfs", Reason: "the process ended inside the cell: its accounting stops a moment before"})
		end = s.latest
	}
	p := s.b.Process()
	p.PID = int32(s.pid)
	p.MinorFaults = end.stat.MinorFaults - s.begin.stat.MinorFaults
	p.MajorFaults = end.stat.MajorFaults - s.begin.stat.MajorFaults
	p.VoluntarySwitches, p.InvoluntarySwitches = s.switches.totals()
	p.UserNs, p.SystemNs = cpuSplit(s.begin, end)
	if s.begin.read >= 0 && end.read >= 0 {
		p.ReadBytes, p.WriteBytes = end.read-s.begin.read, end.wrote-s.begin.wrote
	} else {
		s.b.AddLoss(timeline.Loss{Source: "procfs", Reason: "the bytes read from and written to disk are not known: /proc/PID/io may not be read"})
	}
	s.memory(p, end)
	p.CPUs = allowedCPUs(s.pid)
	p.CPUQuota = s.cg.quota()
	if end.throttle.known && s.begin.throttle.known {
		p.ThrottledNs = max(end.throttle.ns-s.begin.throttle.ns, 0)
		p.Throttled = max(end.throttle.count-s.begin.throttle.count, 0)
	}
	s.placement(p)
	if ns := end.stolen - s.begin.stolen; s.begin.stolen >= 0 && ns*stolenShare > end.at-s.begin.at {
		s.b.AddLoss(timeline.Loss{Source: "procfs", Reason: fmt.Sprintf(
			"the hypervisor took %d ms of the machine's CPU time: to the threads that lost it, it counts as running", ns/1e6)})
	}
	if n := s.switches.incomplete(); n > 0 {
		s.b.AddLoss(timeline.Loss{Source: "procfs", Count: n,
			Reason: "threads ended inside the cell: their context switches are counted up to the last look at them"})
	}
	return nil
}

// memory fills the resident memory. The kernel's high-water mark is exact when
// it rose inside the cell; it is never reset, for that would change what the
// user's own code reads in ru_maxrss. Below it the samples have to do.
func (s *accounting) memory(p *timeline.Process, end totals) {
	p.RSSStart, p.RSSEnd = max(s.begin.rss, 0), max(end.rss, 0)
	p.RSSPeak = max(s.peak, p.RSSStart, p.RSSEnd)
	if s.begin.hwm < 0 || end.hwm < 0 {
		return
	}
	if end.hwm > s.begin.hwm {
		p.RSSPeak = max(p.RSSPeak, end.hwm)
		return
	}
	// The mark did not rise: whatever the samples missed stayed below it.
	if end.hwm-p.RSSPeak > max(64<<20, p.RSSPeak/10) {
		s.b.AddLoss(timeline.Loss{Source: "procfs", Reason: fmt.Sprintf(
			"the peak of the resident memory is sampled every %d ms: a shorter one below the process's earlier peak of %d MiB is not seen",
			memoryEvery.Milliseconds(), end.hwm>>20)})
	}
}

// placement fills the NUMA part.
func (s *accounting) placement(p *timeline.Process) {
	p.NUMANodes = len(s.nodes.list)
	switch {
	case len(s.nodes.list) == 0:
	case len(s.nodes.list) == 1:
		p.NUMA = []timeline.NUMANode{{Node: s.nodes.list[0], Bytes: p.RSSEnd, CPUShare: 1}}
	default:
		bytes, err := memoryByNode(s.pid, numaBudget)
		if err != nil {
			s.b.AddLoss(timeline.Loss{Source: "procfs", Reason: "the placement of the memory on its NUMA nodes is not known: " + err.Error()})
			return
		}
		p.NUMA = placementOf(s.nodes.list, bytes, s.switches.cpuByNode)
	}
}

// cpuSplit is the CPU time in user and in kernel mode between two readings. The
// sum is exact; the shares come from stat, which counts in ticks of 10 ms.
func cpuSplit(begin, end totals) (user, system int64) {
	const tickNs = int64(time.Second) / TicksPerSecond
	u := max(end.stat.UserTicks-begin.stat.UserTicks, 0)
	k := max(end.stat.SystemTicks-begin.stat.SystemTicks, 0)
	if begin.cpuNs < 0 || end.cpuNs < 0 {
		return u * tickNs, k * tickNs
	}
	total := max(end.cpuNs-begin.cpuNs, 0)
	if u+k == 0 { // less than a tick: nothing tells the shares
		return total, 0
	}
	system = int64(float64(total) * float64(k) / float64(u+k))
	return total - system, system
}

// allowedCPUs is on how many CPUs the process may run; 0 when not known.
func allowedCPUs(pid int) int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return 0
	}
	return set.Count()
}

// Abort stops sampling.
func (s *accounting) Abort() {
	close(s.stop)
	<-s.done
	s.statm.Close()
}
