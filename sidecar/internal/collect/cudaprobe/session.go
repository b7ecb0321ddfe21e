package cudaprobe

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

const (
	// maxCalls is what one cell may record: some 1 GiB, as with CUPTI.
	maxCalls = 20_000_000
	// maxThreads is how many threads are told apart.
	maxThreads = 1 << 16
	// maxReason bounds the client's sentence about CUPTI, in bytes.
	maxReason = 300
)

// session collects one cell. What belongs to the reading goroutine belongs to Finish afterwards.
type session struct {
	collector *Collector
	programs  *programs // nil while nothing is probed
	target    collect.Target
	builder   *timeline.Builder
	calls     *timeline.CallBuilder
	offset    int64 // from the kernel's clock to the profiled process's

	functions []function
	names     []timeline.NameID // of functions
	threads   map[uint32]timeline.ThreadID
	seen      int64
	excess    int64
	malformed int64

	links   []link.Link
	refused []string // functions that the kernel cannot probe
	before  callsCallCounts
	drainer bpfsource.Drainer
	// unreadable is why a library that is loaded could not be probed.
	unreadable error
	over       bool
}

func newSession(c *Collector, target collect.Target, offset int64, b *timeline.Builder) *session {
	return &session{collector: c, target: target, builder: b, calls: b.Calls(), offset: offset,
		threads: map[uint32]timeline.ThreadID{}}
}

// begin attaches the probes, if there is something to probe. The collector's lock is held.
func (s *session) begin() error {
	mapped, err := mappedLibraries(s.target.PID)
	if err != nil || len(mapped) == 0 {
		return err
	}
	var libraries []*library
	for _, name := range mapped {
		l, err := openLibrary(s.target.PID, name)
		if err != nil {
			s.unreadable = err
			continue
		}
		libraries = append(libraries, l)
	}
	if len(libraries) == 0 {
		return s.unreadable
	}
	p, err := s.collector.source.Load()
	if err != nil {
		return err
	}
	return s.attach(p, libraries)
}

func (s *session) attach(p *programs, libraries []*library) (err error) {
	if err := p.begin(s.target.PID); err != nil {
		return err
	}
	if s.before, err = p.counted(); err != nil {
		return err
	}
	for _, l := range libraries {
		links, refused, err := p.attach(s.target.PID, l.path, l.functions, len(s.functions))
		s.links, s.refused = append(s.links, links...), append(append(s.refused, l.refused...), refused...)
		if err != nil {
			return errors.Join(err, s.detach())
		}
		s.functions = append(s.functions, l.functions...)
	}
	for i := range s.functions {
		s.names = append(s.names, s.builder.Name(s.functions[i].name))
	}
	s.programs = p
	s.drainer.Start(nil, func(deadline time.Time) error { return p.read(deadline, s.handle) })
	return nil
}

// detach takes the probes away, all at once: for each set the kernel waits some 25 ms
// until no thread is in a probe any more. A call that is then seen to begin and not to
// end outlasts the window in any case.
func (s *session) detach() error {
	errs := make([]error, len(s.links))
	var closing sync.WaitGroup
	for i, l := range s.links {
		closing.Go(func() { errs[i] = l.Close() })
	}
	closing.Wait()
	s.links = nil
	return errors.Join(errs...)
}

func (s *session) handle(r *callsCallRecord) {
	if int64(r.Function) >= int64(len(s.functions)) || r.Start == 0 || r.End != 0 && r.End < r.Start {
		s.malformed++
		return
	}
	if s.seen >= maxCalls {
		s.excess++
		return
	}
	s.seen++
	end := int64(timeline.Open)
	if r.End != 0 {
		end = int64(r.End) + s.offset
	}
	f := &s.functions[r.Function]
	s.calls.AppendSized(int64(r.Start)+s.offset, end, s.thread(r.Tid), f.class, s.names[r.Function], 0, int64(min(r.Bytes, 1<<62)))
}

// thread is the thread with an id, 0 when it is not known.
func (s *session) thread(tid uint32) timeline.ThreadID {
	id, ok := s.threads[tid]
	if !ok && tid != 0 && len(s.threads) < maxThreads {
		id = s.builder.Thread(int32(s.target.PID), int32(tid)).ID()
		s.threads[tid] = id
	}
	return id
}

// end takes the probes away and reads what is left.
func (s *session) end() error {
	s.over = true
	defer s.collector.source.End()
	if s.programs == nil {
		return nil
	}
	return errors.Join(s.detach(), s.drainer.Stop(s.programs.reader), s.drainer.Err())
}

// Abort implements collect.Session.
func (s *session) Abort() {
	if !s.over {
		// A probe that could not be taken away goes with this process.
		_ = s.end()
	}
}

// Finish implements collect.Session.
func (s *session) Finish(timeline.Interval) error {
	if s.over {
		return errors.New("the probing of CUDA calls is over")
	}
	err := s.end()
	if s.programs != nil {
		err = errors.Join(err, s.rest())
	}
	s.say()
	if err != nil {
		return fmt.Errorf("end the probing of CUDA calls: %w", err)
	}
	return nil
}

// rest reads what came last, and adds what was lost on the way.
func (s *session) rest() error {
	if err := privilege.Run(s.programs.flush); err != nil {
		return err
	}
	if err := s.programs.read(bpfsource.Past, s.handle); err != nil {
		return err
	}
	after, err := s.programs.counted()
	if err != nil {
		return err
	}
	s.lose(int64(after.Lost-s.before.Lost), "CUDA calls found no room in the kernel's buffer")
	s.lose(int64(after.Unfinished-s.before.Unfinished), "CUDA calls were left without a return that could be seen")
	s.lose(int64(after.Untracked-s.before.Untracked), "CUDA calls of threads for which the kernel had no memory")
	s.lose(s.excess, "CUDA calls beyond the number that is kept")
	s.lose(s.malformed, "records of CUDA calls could not be read")
	return nil
}

// lose records a loss of calls, if there was one.
func (s *session) lose(count int64, reason string) {
	bpfsource.Lose(s.builder, Name, count, reason, "")
}

// say tells what such a session cannot see, as far as there was something to see.
func (s *session) say() {
	tell := func(reason string) { s.builder.AddLoss(timeline.Loss{Source: Name, Reason: reason}) }
	why := s.target.Start.NoCUPTI
	if len(why) > maxReason {
		why = strings.ToValidUTF8(why[:maxReason], "") + "…"
	}
	loaded, _ := mappedLibraries(s.target.PID) // of a process that has ended there is nothing to say
	switch {
	case s.seen > 0:
		tell("kernels were not seen, only the CUDA calls that launch them: " + why)
	case s.programs == nil && len(loaded) > 0:
		tell("the GPU's work was not seen: " + why)
		tell("CUDA was loaded within the cell: its calls were not seen, those of the next cell will be")
	}
	if len(s.refused) > 0 && s.seen > 0 {
		tell("calls of " + strings.Join(s.refused, ", ") + " were not seen: the kernel cannot step over their first instruction")
	}
	if s.unreadable != nil {
		tell("some CUDA calls were not seen: " + s.unreadable.Error())
	}
	if n := childrenWithLibrary(s.target.PID); n > 0 && (s.seen > 0 || len(loaded) > 0) {
		tell("CUDA calls of child processes are not seen; " + strconv.Itoa(n) + " of them had CUDA loaded when the cell ended")
	}
}
