package perfevent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

const (
	// lookMean is the mean time between two rounds of looks at waiting threads.
	lookMean = 8 * time.Millisecond
	// lookRest bounds the looks at 3 % of one CPU.
	lookRest = 33
	// lookMost is the longest time between two rounds.
	lookMost = 100 * time.Millisecond
	// settled is the age in ns from which all CPUs' records are taken to be there.
	settled = 1_000_000
	// maxThreads bounds how many threads are followed.
	maxThreads = 1 << 16
)

type threadKey struct{ pid, tid int32 }

// session is one cell. Its goroutine owns everything in it.
type session struct {
	b      *timeline.Builder
	clock  clock.Namespace
	events *events
	main   int32 // the profiled process

	threads  map[threadKey]*thread
	watchers map[int32]*procfs.Watcher
	samples  sampleStore
	records  []record
	off      []*thread // scratch

	lost, malformed, tooMany int64

	stop, done chan struct{}
}

// seed opens the events of every thread and reads what each is doing. It lists
// the threads again until none is new: one made meanwhile either inherits its
// events, which its fork record tells, or appears in the next list.
func (s *session) seed(pid int) error {
	s.observe(int32(pid), int32(pid)) // its events own the buffers
	known := map[int32]bool{int32(pid): true}
	tree := procfs.Tree(pid)
	for range rounds {
		found := false
		for _, process := range tree {
			tids, err := procfs.Threads(int(process), nil)
			if err != nil {
				continue
			}
			s.drain(true) // fork records make their threads known
			for _, tid := range tids {
				if known[tid] || s.threads[threadKey{process, tid}] != nil {
					continue
				}
				known[tid], found = true, true
				ok, err := s.events.add(int(tid))
				if err != nil {
					return err
				}
				if ok {
					s.observe(process, tid)
				}
			}
		}
		if !found {
			break
		}
	}
	return nil
}

// observe reads what a thread that has just got its events is doing.
func (s *session) observe(pid, tid int32) {
	at := s.clock.Now()
	t := s.thread(pid, tid)
	stat, ok := statOf(pid, tid)
	if !ok {
		t.begin(at, false, false)
		return
	}
	t.begin(at, stat.State != 'R', false)
	t.name(s.b, stat.Comm)
	t.systemTicks, t.hasTicks = stat.SystemTicks, true
	t.account, t.hasAccount = accountOf(pid, tid)
}

func statOf(pid, tid int32) (procfs.Stat, bool) {
	text, err := readAll(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid))
	if err != nil {
		return procfs.Stat{}, false
	}
	stat, err := procfs.ParseStat(text)
	return stat, err == nil
}

func accountOf(pid, tid int32) (procfs.Schedstat, bool) {
	text, err := readAll(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
	if err != nil {
		return procfs.Schedstat{}, false
	}
	account, err := procfs.ParseSchedstat(text)
	return account, err == nil
}

func readAll(path string) ([]byte, error) {
	f, err := procfs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Read(make([]byte, 1024))
}

// thread is the thread of that id, made when first met.
func (s *session) thread(pid, tid int32) *thread {
	key := threadKey{pid, tid}
	t := s.threads[key]
	if t == nil {
		t = &thread{pid: pid, tid: tid}
		builder := s.b.Thread(pid, tid)
		t.emit = func(r row) {
			if r.preempt {
				builder.AppendOffCPU(r.off, r.off, r.on, timeline.ReasonPreempted, -1, 0, 0)
			} else {
				builder.AppendOffCPU(r.off, r.on, r.on, r.wait.Reason, r.wait.Syscall, 0, 0)
			}
		}
		s.threads[key] = t
	}
	return t
}

func (t *thread) name(b *timeline.Builder, comm string) {
	if comm != "" && comm != t.comm {
		t.comm = comm
		b.Thread(t.pid, t.tid).SetComm(comm)
	}
}

// run empties the buffers and looks at waiting threads until it is told to stop.
func (s *session) run() {
	defer close(s.done)
	// Finding the interpreter's symbols takes a millisecond or more: not in Begin, not in a look.
	s.watchers[s.main] = procfs.NewWatcher(int(s.main))
	var pause time.Duration
	next := time.Now().Add(lookMean)
	for {
		select {
		case <-s.stop:
			return
		default:
		}
		s.events.wait(next)
		s.drain(false)
		if began := time.Now(); !began.Before(next) {
			s.lookAround()
			pause = min(max(lookMean, lookRest*time.Since(began)), lookMost)
			// In no step with any beat of the program.
			next = time.Now().Add(pause*2/3 + rand.N(pause*2/3))
		}
	}
}

// drain handles the records that have arrived, up to the moment before which
// every CPU has written its own; all of them when last is set.
func (s *session) drain(last bool) {
	horizon := s.clock.Now() - s.clock.FromKernel - settled
	var malformed int64
	s.records, malformed = s.events.drain(s.records)
	s.malformed += malformed
	slices.SortStableFunc(s.records, byTime)
	n := 0
	for n < len(s.records) && (last || s.records[n].time <= horizon) {
		s.handle(&s.records[n])
		n++
	}
	s.records = s.records[:copy(s.records, s.records[n:])]
}

// handle follows one record.
func (s *session) handle(r *record) {
	at := r.time + s.clock.FromKernel
	if r.kind == lost {
		s.lost += int64(r.count)
		s.samples.lost()
		return
	}
	t := s.threads[threadKey{r.pid, r.tid}]
	if t == nil {
		if len(s.threads) >= maxThreads {
			s.tooMany++
			return
		}
		if r.kind == exited {
			return
		}
		t = s.thread(r.pid, r.tid)
		// Whatever it did before its first record is not known.
		t.begin(at, r.kind == forked || r.kind == switchedIn, r.kind == forked)
		t.hasTicks = r.kind == forked
	}
	switch r.kind {
	case switchedOut:
		if at >= t.since {
			t.switchOut(at, r.preempted)
			s.samples.switchedOut(threadKey{r.pid, r.tid}, at, r.cpu)
		}
	case switchedIn:
		if at >= t.since {
			t.switchIn(at)
			s.samples.switchedIn(threadKey{r.pid, r.tid}, at, r.cpu)
		}
	case sampled:
		s.samples.add(s.b, threadKey{r.pid, r.tid}, at, r.cpu, r.ip)
	case forked:
		if parent := s.threads[threadKey{r.parentPID, r.parentTID}]; parent != nil {
			t.name(s.b, parent.comm)
		}
	case named:
		t.name(s.b, r.comm)
	case exited:
		t.until = at
	}
}

// lookAround reads what the threads wait for that are off the CPU and have not
// been looked at since.
func (s *session) lookAround() {
	s.off = s.off[:0]
	for _, t := range s.threads {
		if t.until == 0 && t.needsLook() {
			s.off = append(s.off, t)
		}
	}
	for _, t := range s.off {
		w := s.watchers[t.pid]
		if w == nil {
			w = procfs.NewWatcher(int(t.pid))
			s.watchers[t.pid] = w
		}
		from := s.clock.Now()
		wait, err := w.Read(t.tid, 0)
		if err != nil {
			continue
		}
		if wait.Running {
			continue
		}
		t.looked(look{wait, from, s.clock.Now()})
	}
}

// Finish takes what is left and writes it.
func (s *session) Finish(timeline.Interval) error {
	s.end()
	s.drain(false)
	s.lookAround()
	end := s.clock.Now()
	// A last short wait for records of this very moment is not worth it: the cell
	// has ended before, and Build clips to it.
	s.drain(true)
	s.write(end)
	s.release()
	return nil
}

// end ends the goroutine.
func (s *session) end() {
	close(s.stop)
	s.events.wake()
	<-s.done
}

// release closes what is open.
func (s *session) release() {
	for _, w := range s.watchers {
		w.Close()
	}
	s.events.close()
}

// write hands every thread to the builder.
func (s *session) write(end int64) {
	var explained, unexplained, afterWake, denied int64
	for _, t := range s.threads {
		builder := s.b.Thread(t.pid, t.tid)
		known := timeline.Interval{Start: t.since, End: timeline.Open}
		if t.until != 0 {
			known.End = t.until
			t.finish(t.until)
		} else {
			t.finish(end)
		}
		builder.SetKnown(known)
		builder.SetCPU(t.ran)
		if t.hasAccount && t.until == 0 {
			if now, ok := accountOf(t.pid, t.tid); ok {
				builder.SetCPU(now.RunNs - t.account.RunNs)
				afterWake += max(now.DelayNs-t.account.DelayNs-t.queued, 0)
			}
		}
		if stat, ok := statOf(t.pid, t.tid); ok && t.hasTicks && t.until == 0 {
			s.samples.checkKernel(threadKey{t.pid, t.tid}, (stat.SystemTicks-t.systemTicks)*int64(time.Second)/procfs.TicksPerSecond)
		}
		if strings.HasPrefix(t.comm, timeline.OwnThreadPrefix) {
			continue // no wait of the program's
		}
		explained += t.explainedNs
		unexplained += t.unexplainedNs
	}
	for _, w := range s.watchers {
		denied += w.Denied()
	}
	s.samples.write(s.b)
	add := func(count int64, reason, enable string) {
		s.b.AddLoss(timeline.Loss{Source: "perf", Reason: reason, Count: count, Enable: enable})
	}
	if s.lost > 0 {
		add(s.lost, "context switches and samples were lost: the event buffer was full", "sudo sysctl kernel.perf_event_mlock_kb=2064")
	}
	if s.samples.dropped > 0 {
		add(s.samples.dropped, fmt.Sprintf("only the first %d samples are kept", maxSamples), "")
	}
	if s.malformed > 0 {
		add(s.malformed, "records of the event buffer could not be read", "")
	}
	if s.tooMany > 0 {
		add(s.tooMany, fmt.Sprintf("only the first %d threads are followed", maxThreads), "")
	}
	if explained >= 1e5 {
		add(0, fmt.Sprintf("%.1f ms of waiting was too short to look at: its reason is that of a wait of similar length of the same thread", float64(explained)/1e6), "")
	}
	if unexplained >= 1e5 {
		add(0, fmt.Sprintf("%.1f ms of waiting was too short to look at, and its reason is not known", float64(unexplained)/1e6), "")
	}
	if afterWake >= 1e6 {
		add(0, fmt.Sprintf("%.1f ms of waiting for a CPU after a wake-up counts as blocked", float64(afterWake)/1e6), "")
	}
	if denied > 0 {
		reason, enable := procfs.DeniedLoss()
		add(denied, reason, enable)
	}
}

var _ collect.Witness = (*session)(nil)

// Executing implements collect.Witness.
func (s *session) Executing(tid int32, at int64) (timeline.SampleKind, timeline.NameID, bool) {
	return s.samples.at(threadKey{s.main, tid}, at)
}

// Abort stops.
func (s *session) Abort() {
	s.end()
	s.release()
}
