package ebpf

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

// session collects one cell. Its tables belong to begin, then to the reading
// goroutine, then to Finish: never to two of them at a time.
type session struct {
	collector *Collector
	programs  *programs
	target    collect.Target
	builder   *timeline.Builder
	offset    int64 // from the kernel's clock to the profiled process's
	hz        int

	layout    layout
	python    *pythonFrames
	threads   map[uint64]*thread
	processes map[uint32]*process
	decoder   decoder
	malformed int64
	stacked   int64 // waits of which frames were read
	cut       int64 // those of them of whose stack the deepest frame alone is known
	handled   atomic.Int64
	record    ringbuf.Record

	attached *attachment
	before   probeLossCounts
	drainer  bpfsource.Drainer
	over     bool
}

// thread is one observed thread, or one that woke such a thread.
type thread struct {
	builder *timeline.ThreadBuilder
	process *process
	// observed says that it is of the profiled process or a child of it.
	observed bool
	python   bool
	named    bool // a thread outside has its name already

	known     timeline.Interval
	cpuBefore uint64
	cpuAfter  uint64

	// The last stacks that were read, for episodes that come too soon after them, and the last of them.
	last  lastStacks
	stack timeline.StackID
	// What a thread that was blocked from the beginning was doing.
	seededStack timeline.StackID
}

func newSession(c *Collector, p *programs, target collect.Target, offset int64, b *timeline.Builder) *session {
	s := &session{
		collector: c, programs: p, target: target, builder: b, offset: offset,
		layout:  newLayout(target.Start.Calibration),
		threads: map[uint64]*thread{}, processes: map[uint32]*process{},
		hz: c.options.SampleHz,
	}
	if asked := target.Options.SampleHz; asked > 0 && s.hz > 0 {
		s.hz = min(asked, maxSampleHz)
	}
	s.hz = max(s.hz, 0)
	s.python = newPythonFrames(&s.layout, target.Start, b)
	return s
}

// begin attaches the programs and starts the reader. That keeps its thread, whose
// capabilities let it read the names of Python frames.
func (s *session) begin() error {
	if err := s.attach(); err != nil {
		return err
	}
	s.drainer.Start(func() error {
		runtime.LockOSThread()
		return privilege.Raise()
	}, s.drain)
	return nil
}

// attach attaches the programs and finds the threads.
func (s *session) attach() (err error) {
	pidfd, err := unix.PidfdOpen(s.target.PID, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", s.target.PID, err)
	}
	defer unix.Close(pidfd)
	// What an earlier session could not take back would be mistaken for this one's.
	if err := s.discard(); err != nil {
		return err
	}
	if s.before, err = s.programs.lost(); err != nil {
		return err
	}
	root := &process{pid: uint32(s.target.PID), python: true, gil: s.layout.runtime, gilKnown: s.layout.runtime != addressRange{}}
	s.processes[root.pid] = root
	if err := s.configure(0); err != nil {
		return err
	}
	if err := s.programs.markRoot(pidfd); err != nil {
		return err
	}
	if s.attached, err = s.programs.attach(s.hz); err != nil {
		return errors.Join(err, s.programs.flush())
	}
	err = s.programs.seed()
	if err == nil {
		err = s.drain(bpfsource.Past)
	}
	if err != nil {
		return errors.Join(err, s.attached.detach(), s.programs.flush())
	}
	return nil
}

// configure tells the programs how to walk frames, and which frame to stop at.
func (s *session) configure(lastFrame uint64) error {
	config := s.layout.config
	config.LastFrame = lastFrame
	if err := s.programs.Python.Set(config); err != nil {
		return fmt.Errorf("tell the programs the interpreter's layout: %w", err)
	}
	return nil
}

// discard empties the rings and forgets every thread.
func (s *session) discard() error {
	ignore := func([]byte) {}
	return errors.Join(
		s.programs.flush(),
		bpfsource.Read(s.programs.scheduler, &s.record, bpfsource.Past, ignore),
		bpfsource.Read(s.programs.samples, &s.record, bpfsource.Past, ignore),
	)
}

// drain handles the scheduler's records until the deadline, then the samples that are there.
func (s *session) drain(deadline time.Time) error {
	if err := bpfsource.Read(s.programs.scheduler, &s.record, deadline, s.handle); err != nil {
		return err
	}
	return bpfsource.Read(s.programs.samples, &s.record, bpfsource.Past, s.handle)
}

// Events implements collect.Counter.
func (s *session) Events() int64 { return s.handled.Load() }

func (s *session) handle(raw []byte) {
	s.handled.Add(1)
	switch s.decoder.decode(raw) {
	case probeRecordKindRECORD_OFFCPU:
		s.handleOffCPU(&s.decoder.offcpu)
	case probeRecordKindRECORD_THREAD:
		s.handleThread(&s.decoder.thread)
	case probeRecordKindRECORD_SAMPLE:
		s.handleSample(&s.decoder.sample)
	default:
		s.malformed++
	}
}

// at brings a kernel time to the profiled process's clock.
func (s *session) at(kernel uint64) int64 { return int64(kernel) + s.offset }

func (s *session) thread(pid, tid uint32) *thread {
	key := uint64(pid)<<32 | uint64(tid)
	t := s.threads[key]
	if t == nil {
		t = &thread{builder: s.builder.Thread(int32(pid), int32(tid))}
		s.threads[key] = t
	}
	return t
}

// observed is a thread of the profiled process or of a child.
func (s *session) observed(pid, tid, hostPID uint32) *thread {
	t := s.thread(pid, tid)
	if !t.observed {
		t.observed = true
		t.process = s.process(hostPID)
		if s.hz > 0 {
			t.builder.SetSamplePeriod(int64(time.Second) / int64(s.hz))
		}
		if t.process.pid == uint32(s.target.PID) && int(tid) == s.target.Start.MainTID {
			t.builder.SetMain()
		}
	}
	return t
}

func (s *session) process(hostPID uint32) *process {
	p := s.processes[hostPID]
	if p == nil {
		p = &process{pid: hostPID}
		s.processes[hostPID] = p
	}
	return p
}

func (s *session) handleThread(r *probeThreadRecord) {
	if s.processes[r.HostPid] == nil {
		p := s.process(r.HostPid)
		if parent := s.processes[r.ParentHostPid]; parent != nil {
			p.parent, p.python = parent, r.Python != 0
		}
	}
	t := s.observed(r.Pid, r.Tid, r.HostPid)
	t.builder.SetComm(commText(&r.Comm))
	switch now := s.at(r.Time); probeThreadEvent(r.Event) {
	case probeThreadEventTHREAD_SEEDED:
		t.known.Start, t.cpuBefore = now, r.CpuNs
		if r.OnCpu == 0 {
			s.seedStack(t, r)
		}
	case probeThreadEventTHREAD_FORKED:
		t.known.Start = now
	case probeThreadEventTHREAD_EXECUTED:
		t.process.executed()
	case probeThreadEventTHREAD_EXITED, probeThreadEventTHREAD_FLUSHED:
		t.known.End, t.cpuAfter = now, r.CpuNs
	}
}

// seedStack reads the stack of a thread that was blocked before the programs came,
// and finds the cell's own frame in it.
func (s *session) seedStack(t *thread, r *probeThreadRecord) {
	if !t.process.python {
		return
	}
	w := s.python.walk(t.process, r.ThreadPointer)
	if len(w.frames) == 0 {
		return
	}
	s.markPython(t)
	t.seededStack = s.python.stack(t.process, w.frames)
	if int(r.Tid) == s.target.Start.MainTID && t.process.pid == uint32(s.target.PID) {
		if frame := s.python.cellFrame(t.process, w); frame != 0 {
			// A failure costs time, not truth: stacks are then walked to their end.
			_ = s.configure(frame)
		}
	}
}

func (s *session) markPython(t *thread) {
	if !t.python {
		t.python = true
		t.builder.SetPython()
	}
}

func (s *session) handleOffCPU(r *probeOffcpuRecord) {
	t := s.observed(r.Pid, r.Tid, r.HostPid)
	off, wake, on := s.at(r.Off), int64(0), s.at(r.On)
	flags := probeOffcpuFlag(r.Flags)
	if flags&probeOffcpuFlagFLAG_END_UNSEEN != 0 && r.Wake > r.On {
		// The thread ran already: the waker was that of its next wait.
		r.Wake, r.WakerPid, r.WakerTid = 0, 0, 0
	}
	switch {
	case r.Wake != 0:
		// A waker may come while the programs still describe the wait.
		wake = s.at(max(r.Wake, r.Off))
	case flags&probeOffcpuFlagFLAG_OPEN != 0:
		// Not woken by the end, which lies after the window: Build clips.
	case flags&probeOffcpuFlagFLAG_END_UNSEEN != 0:
		wake = on
		if probeTaskState(r.State) == probeTaskStateSTATE_RUNNABLE {
			wake = off
		}
	default:
		// It was runnable all the time: preempted, or its wait ended as it began.
		wake = off
	}
	reason := reasonOf(r, t.process.runtimeFor(r), s.programs.majors)
	t.builder.AppendOffCPU(off, wake, on, reason, r.Syscall, s.waker(r), s.stackOf(t, r))
}

// runtimeFor looks the runtime up only for a futex: for a child it means reading a file.
func (p *process) runtimeFor(r *probeOffcpuRecord) addressRange {
	if operationOf(r.Syscall) != opFutex {
		return addressRange{}
	}
	return p.runtime()
}

func (s *session) waker(r *probeOffcpuRecord) timeline.ThreadID {
	if r.WakerTid == 0 {
		return 0
	}
	if probeOffcpuFlag(r.Flags)&probeOffcpuFlagFLAG_WAKER_OUTSIDE == 0 {
		return s.thread(r.WakerPid, r.WakerTid).builder.ID()
	}
	// Ids of a thread outside belong to another namespace, perhaps: negative ones
	// cannot be taken for the profiled process's own.
	t := s.thread(-r.WakerPid, -r.WakerTid)
	if !t.named {
		t.named = true
		t.builder.SetComm(commText(&r.WakerComm))
	}
	return t.builder.ID()
}

// stackOf is the Python stack of an episode. Where the programs had no time to
// read all of it, the thread's last stacks stand in.
func (s *session) stackOf(t *thread, r *probeOffcpuRecord) timeline.StackID {
	frames := r.Frames[:min(int(r.FrameCount), maxFrames)]
	flags := probeOffcpuFlag(r.Flags)
	switch {
	case flags&probeOffcpuFlagFLAG_SEEDED != 0:
		return t.seededStack
	case flags&probeOffcpuFlagFLAG_SAME_STACK != 0:
		return t.stack
	case len(frames) == 0:
		return 0
	}
	changed := t.last.read(frames, flags&probeOffcpuFlagFLAG_TOP_ONLY != 0)
	s.stacked++
	if t.last.cut {
		s.cut++
	}
	if !changed {
		return t.stack
	}
	s.markPython(t)
	t.stack = s.python.stack(t.process, t.last.frames)
	return t.stack
}

func (s *session) handleSample(r *probeSampleRecord) {
	t := s.observed(r.Pid, r.Tid, r.HostPid)
	kind, module := timeline.SampleNative, timeline.NameID(0)
	switch {
	case r.InUser != 0:
		if m := t.process.mapping(r.Ip); m != nil {
			module = s.builder.Name(m.path)
			if m.python {
				kind = timeline.SamplePython
			}
		}
	case r.Syscall >= 0:
		kind = timeline.SampleSyscall
	default:
		kind = timeline.SampleFault
	}
	var stack timeline.StackID
	if frames := r.Frames[:min(int(r.FrameCount), maxFrames)]; len(frames) > 0 {
		s.markPython(t)
		stack = s.python.stack(t.process, frames)
	}
	t.builder.AppendSample(s.at(r.Time), kind, r.Syscall, stack, module)
}

// end stops the programs and the reader.
func (s *session) end() error {
	s.over = true
	defer s.collector.source.End()
	return privilege.Run(func() error {
		return errors.Join(s.attached.detach(), s.drainer.Stop(s.programs.scheduler), s.programs.flush())
	})
}

// Abort implements collect.Session.
func (s *session) Abort() {
	if s.over {
		return
	}
	// What could not be undone is undone by the next session, or by Close.
	_ = s.end()
}

// Finish implements collect.Session.
func (s *session) Finish(timeline.Interval) error {
	if s.over {
		return errors.New("eBPF collection is over")
	}
	err := s.end()
	err = errors.Join(err, s.drainer.Err(), privilege.Run(func() error { return s.drain(bpfsource.Past) }))
	for _, t := range s.threads {
		s.close(t)
	}
	s.builder.SetRung(timeline.RungEBPF)
	after, lossErr := s.programs.lost()
	if lossErr == nil {
		s.addLosses(after)
	}
	if err = errors.Join(err, lossErr); err != nil {
		s.builder.AddLoss(timeline.Loss{Source: Name, Reason: "collection ended with an error: " + err.Error()})
		return fmt.Errorf("end eBPF collection: %w", err)
	}
	return nil
}

// close tells the builder over which time a thread is known.
func (s *session) close(t *thread) {
	if !t.observed || t.known.Start == 0 || t.known.End == 0 {
		return
	}
	t.builder.SetKnown(t.known)
	if t.cpuAfter >= t.cpuBefore {
		t.builder.SetCPU(int64(t.cpuAfter - t.cpuBefore))
	}
}

// cutShare: stacks without callers are told of where they are at least one in so many.
// A few at the beginning, before any whole stack was read, hide nothing.
const cutShare = 20

func (s *session) addLosses(after probeLossCounts) {
	add := func(count uint64, reason, enable string) {
		bpfsource.Lose(s.builder, Name, int64(count), reason, enable)
	}
	add(after.Scheduler-s.before.Scheduler, "scheduler records found no room in the kernel's buffer: some waits are missing", "")
	add(after.Samples-s.before.Samples, "samples found no room in the kernel's buffer", "")
	add(uint64(s.malformed), "records of the kernel could not be read", "")
	if !s.layout.valid {
		s.builder.AddLoss(timeline.Loss{Source: Name, Reason: "waits and samples carry no Python frames: " + s.layout.why})
		return
	}
	add(after.Walks-s.before.Walks, "Python stacks could not be read to their end", "")
	if s.cut*cutShare >= s.stacked {
		add(uint64(s.cut), "Python stacks of waits in quick succession end at their deepest frame", "")
	}
	if s.python.forbidden {
		add(uint64(s.python.failed), "the names of Python frames may not be read from the process's memory", privilege.EnableCommand())
	} else {
		add(uint64(s.python.failed), "functions were gone before their names could be read", "")
	}
}
