package procfs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

const (
	// fastest and slowest bound the time between two rounds of samples.
	fastest = 10 * time.Millisecond
	slowest = 250 * time.Millisecond
	// rest is how much longer than a round of samples the pause after it is: it
	// bounds the sampler at 3 % of one CPU however many threads there are.
	rest = 33
	// listEvery and treeEvery are the pauses between looking for new threads and
	// for new children.
	listEvery = 40 * time.Millisecond
	treeEvery = 250 * time.Millisecond
	// maxThreads bounds how many threads are followed.
	maxThreads = 8192
)

// Collector is the rung below perf events: all threads of the process and its
// children are looked at up to a hundred times a second.
type Collector struct{}

var _ collect.Collector = (*Collector)(nil)

// New makes the collector. It holds nothing between cells.
func New() *Collector { return &Collector{} }

// Name is "procfs".
func (*Collector) Name() string { return "procfs" }

// Warm has nothing to do.
func (*Collector) Warm() error { return nil }

// Close has nothing to release.
func (*Collector) Close() error { return nil }

// Status says whether /proc tells enough.
func (c *Collector) Status() collect.Status { return rungStatus(c.Name(), "/proc") }

// Begin starts sampling the threads of the target and of its children.
func (c *Collector) Begin(_ context.Context, target collect.Target, b *timeline.Builder) (collect.Session, error) {
	if !SamePIDNamespace(target.PID) {
		return nil, errors.New("the process lives in another pid namespace than the sidecar")
	}
	ns, err := clock.Of(target.PID)
	if err != nil {
		return nil, err
	}
	s := &sampling{b: b, pid: int32(target.PID), clock: ns, threads: map[threadKey]*sampledThread{},
		processes: map[int32]*Watcher{}, stop: make(chan struct{}), done: make(chan struct{}), buf: make([]byte, 1024)}
	s.list(true)
	s.begun = true
	s.look()
	if len(s.threads) == 0 {
		s.release()
		return nil, fmt.Errorf("no thread of process %d can be read in /proc", target.PID)
	}
	go s.run()
	return s, nil
}

type threadKey struct{ pid, tid int32 }

// sampledThread is one thread that is followed.
type sampledThread struct {
	key       threadKey
	schedstat File
	stat      File
	builder   *timeline.ThreadBuilder
	watch     *Watcher
	track     track
	comm      string
	since     int64
	// start tells this thread from a later one of the same id.
	start int64
	gone  bool
}

// sampling is one cell's samples.
type sampling struct {
	b     *timeline.Builder
	pid   int32
	clock clock.Namespace
	begun bool

	threads   map[threadKey]*sampledThread
	processes map[int32]*Watcher
	tree      []int32
	tids      []int32
	buf       []byte

	rounds      int64
	spent       time.Duration
	first, last int64
	unreadable  int64
	tooMany     int64
	lastList    time.Time
	lastTree    time.Time
	stop, done  chan struct{}
}

// run looks at the threads until it is told to stop.
func (s *sampling) run() {
	defer close(s.done)
	timer := time.NewTimer(fastest)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-timer.C:
		}
		began := time.Now()
		if began.Sub(s.lastList) >= listEvery {
			tree := began.Sub(s.lastTree) >= treeEvery
			s.list(tree)
		}
		s.look()
		took := time.Since(began)
		s.spent += took
		timer.Reset(pause(took))
	}
}

// pause is the time to the next round after one that took so long. It varies
// by a third either way: a program with a beat of its own, such as the 5 ms of
// the GIL, must not be looked at in step with it.
func pause(took time.Duration) time.Duration {
	mean := min(max(rest*took, fastest), slowest) - min(took, fastest/2)
	return mean*2/3 + rand.N(mean*2/3)
}

// list finds new threads, and with tree new children too.
func (s *sampling) list(tree bool) {
	s.lastList = time.Now()
	if tree {
		s.lastTree = s.lastList
		s.tree = Tree(int(s.pid))
	}
	for _, pid := range s.tree {
		var err error
		if s.tids, err = Threads(int(pid), s.tids[:0]); err != nil {
			continue
		}
		for _, tid := range s.tids {
			key := threadKey{pid, tid}
			if t := s.threads[key]; t == nil || t.gone {
				s.follow(key)
			}
		}
	}
}

// follow begins to look at a thread.
func (s *sampling) follow(key threadKey) {
	if len(s.threads) >= maxThreads {
		s.tooMany++
		return
	}
	dir := fmt.Sprintf("/proc/%d/task/%d/", key.pid, key.tid)
	schedstat, err := Open(dir + "schedstat")
	if err != nil {
		if !Gone(err) {
			s.unreadable++
		}
		return
	}
	stat, err := Open(dir + "stat")
	if err != nil {
		schedstat.Close()
		if !Gone(err) {
			s.unreadable++
		}
		return
	}
	var start int64
	if text, err := stat.Read(s.buf); err == nil {
		if parsed, err := ParseStat(text); err == nil {
			start = parsed.StartTicks
		}
	}
	if old := s.threads[key]; old != nil && old.start == start { // a zombie
		schedstat.Close()
		stat.Close()
		return
	}
	watch := s.processes[key.pid]
	if watch == nil {
		watch = NewWatcher(int(key.pid))
		s.processes[key.pid] = watch
	}
	t := &sampledThread{key: key, schedstat: schedstat, stat: stat, watch: watch,
		builder: s.b.Thread(key.pid, key.tid), since: s.clock.Now(), start: start}
	t.track.emit = func(e episode) { t.builder.AppendOffCPU(e.off, e.wake, e.on, e.reason, e.syscall, 0, 0) }
	s.threads[key] = t
}

// look takes one sample of every thread.
func (s *sampling) look() {
	s.rounds++
	s.last = s.clock.Now()
	if s.first == 0 {
		s.first = s.last
	}
	for _, t := range s.threads {
		if !t.gone {
			s.sample(t)
		}
	}
}

// sample looks at one thread. A thread that was off the CPU and has not been on
// it since costs one read.
func (s *sampling) sample(t *sampledThread) {
	at, text, err := s.timed(t.schedstat)
	if err != nil {
		t.end()
		return
	}
	account, err := ParseSchedstat(text)
	if err != nil {
		s.unreadable++
		return
	}
	last := &t.track.last
	if t.track.begun && last.blocked && account == last.account {
		t.track.observe(observation{at: at, account: account, blocked: true, wait: last.wait})
		return
	}
	text, err = t.stat.Read(s.buf)
	if err != nil {
		t.end()
		return
	}
	stat, err := ParseStat(text)
	if err != nil {
		s.unreadable++
		return
	}
	if stat.State == 'Z' || stat.State == 'X' || stat.State == 'x' {
		t.end()
		return
	}
	if stat.Comm != t.comm {
		t.comm = stat.Comm
		t.builder.SetComm(stat.Comm)
	}
	o := observation{at: at, account: account}
	if stat.State != 'R' {
		o.blocked = true
		o.wait, err = t.watch.Read(t.key.tid, stat.State)
		switch {
		case err != nil && Gone(err):
			t.end()
			return
		case err != nil:
			o.wait = Wait{Reason: timeline.ReasonUnknown, Syscall: -1, Guessed: true}
		case o.wait.Running:
			// It was woken between the two reads; what it waited for is not known.
			o.wait = Wait{Reason: timeline.ReasonUnknown, Syscall: -1}
			o.blocked = false
		}
	}
	t.track.observe(o)
}

// timed reads a file together with the moment of its text. On a busy machine this
// process may be put aside between the clock and the file: then it reads again.
func (s *sampling) timed(f File) (at int64, text []byte, err error) {
	const apart, tries = 500_000, 5
	for range tries {
		before := s.clock.Now()
		if text, err = f.Read(s.buf); err != nil {
			return 0, nil, err
		}
		if at = s.clock.Now(); at-before < apart {
			break
		}
	}
	return at, text, nil
}

// end says that the thread is gone.
func (t *sampledThread) end() {
	t.gone = true
	t.track.finish(false)
	t.builder.SetKnown(timeline.Interval{Start: t.since, End: max(t.track.last.at, t.since)})
	t.close()
}

func (t *sampledThread) close() {
	t.schedstat.Close()
	t.stat.Close()
}

// Finish takes a last look and writes what is left.
func (s *sampling) Finish(window timeline.Interval) error {
	close(s.stop)
	<-s.done
	for _, t := range s.threads {
		t.track.ending = true
	}
	s.look()
	var inferred, unexplained, guessed int64
	for _, w := range s.processes {
		guessed += w.Denied()
	}
	for _, t := range s.threads {
		if !t.gone {
			t.track.finish(true)
			t.builder.SetKnown(timeline.Interval{Start: t.since, End: timeline.Open})
		}
		if t.track.begun {
			t.builder.SetCPU(t.track.cpuNs())
		}
		inferred += t.track.inferredNs
		unexplained += t.track.unexplainedNs
	}
	s.losses(inferred, unexplained, guessed)
	s.release()
	return nil
}

// losses tells what this way of looking cannot see.
func (s *sampling) losses(inferredNs, unexplainedNs, denied int64) {
	add := func(count int64, reason, enable string) {
		s.b.AddLoss(timeline.Loss{Source: "procfs", Reason: reason, Count: count, Enable: enable})
	}
	every := slowest
	if s.rounds > 1 {
		every = time.Duration((s.last - s.first) / (s.rounds - 1))
	}
	add(0, fmt.Sprintf("threads were looked at every %.0f ms: how long each ran and waited is exact, when is known to that, "+
		"and threads that lived shorter are missing", float64(every)/1e6), "")
	if inferredNs > 0 {
		add(0, fmt.Sprintf("%.1f ms of waiting fell between two looks: its reason is that of the thread's nearest wait that was seen", float64(inferredNs)/1e6), "")
	}
	if unexplainedNs > 0 {
		add(0, fmt.Sprintf("%.1f ms of waiting fell between two looks, and no wait near it was seen: its reason is not known", float64(unexplainedNs)/1e6), "")
	}
	if denied > 0 {
		add(denied, deniedReason, deniedEnable())
	}
	if s.unreadable > 0 {
		add(s.unreadable, "looks at threads failed", "")
	}
	if s.tooMany > 0 {
		add(s.tooMany, fmt.Sprintf("only the first %d threads are followed", maxThreads), "")
	}
}

// Abort stops sampling.
func (s *sampling) Abort() {
	close(s.stop)
	<-s.done
	s.release()
}

func (s *sampling) release() {
	for _, t := range s.threads {
		t.close()
	}
	for _, w := range s.processes {
		w.Close()
	}
}
