package perfevent

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

const (
	// maxSamples bounds the samples kept of one cell, some 16 bytes each.
	maxSamples = 4 << 20
	// rereadAfter is how many samples outside of any known mapping pass before
	// the memory layout is read again.
	rereadAfter = 64
)

// sampleStore keeps, until the end of the cell, what threads executed.
type sampleStore struct {
	period  int64 // ns
	main    threadKey
	threads map[threadKey]*threadSamples
	layouts map[int32]*layout
	n       int
	dropped int64
	silent  []int64 // scratch
}

// threadSamples are the samples of one thread, in order of time.
type threadSamples struct {
	time   []int64
	kind   []timeline.SampleKind
	module []timeline.NameID
	python bool

	runs runs
	// timers are those of each CPU that the thread was on; it runs on cpu since, 0 when it does not run.
	timers map[int32]*timer
	cpu    int32
	since  int64
}

// layout is the executable memory of one process.
type layout struct {
	mappings []procfs.Mapping
	wait     int
}

func newSampleStore(period int64, main threadKey) sampleStore {
	return sampleStore{period: period, main: main, threads: map[threadKey]*threadSamples{}, layouts: map[int32]*layout{}}
}

func (s *sampleStore) thread(key threadKey) *threadSamples {
	t := s.threads[key]
	if t == nil {
		t = &threadSamples{timers: map[int32]*timer{}}
		s.threads[key] = t
	}
	return t
}

// switchedIn is told that a thread runs from now on.
func (s *sampleStore) switchedIn(key threadKey, at int64, cpu int32) {
	t := s.thread(key)
	t.since, t.cpu = at, cpu
	t.runs.begin(at)
}

// switchedOut is told that a thread stops to run on a CPU.
func (s *sampleStore) switchedOut(key threadKey, at int64, cpu int32) {
	t := s.thread(key)
	if one := s.ran(t, at, cpu); one != nil {
		one.leave()
	}
	t.since = 0
	t.runs.end(at)
}

// ran notes that a thread ran on a CPU up to now, with the periods in which the kernel
// was at work for it. It returns the timer of that CPU; nil when the store is full or nothing is sampled.
func (s *sampleStore) ran(t *threadSamples, at int64, cpu int32) *timer {
	if s.period <= 0 {
		return nil
	}
	one := t.timers[cpu]
	if one == nil {
		one = &timer{left: s.period}
		t.timers[cpu] = one
	}
	if t.since == 0 || cpu != t.cpu { // when it came to this CPU is not known
		t.since, t.cpu, one.unsure = at, cpu, true
		return one
	}
	s.silent = one.advance(t.since, at, s.period, s.silent)
	t.since = at
	for _, end := range s.silent {
		if s.n >= maxSamples {
			s.dropped++
			continue
		}
		s.n++
		t.time, t.kind, t.module = append(t.time, end), append(t.kind, timeline.SampleSyscall), append(t.module, 0)
	}
	return one
}

// takeBack drops the last rows of a thread that say that the kernel was at work.
func (s *sampleStore) takeBack(t *threadSamples, rows int) {
	n := len(t.time)
	for ; rows > 0 && n > 0 && t.kind[n-1] == timeline.SampleSyscall; rows-- {
		n--
	}
	s.n -= len(t.time) - n
	t.time, t.kind, t.module = t.time[:n], t.kind[:n], t.module[:n]
}

// checkKernel compares the time in which a thread is taken to have been in the kernel with
// the kernel's own account of it, which is coarse. Where far less is accounted, something
// else held back the samples, and none of it is believed.
func (s *sampleStore) checkKernel(key threadKey, accountedNs int64) {
	const coarse = 30e6
	t := s.threads[key]
	if t == nil {
		return
	}
	rows := int64(0)
	for _, k := range t.kind {
		if k == timeline.SampleSyscall {
			rows++
		}
	}
	if rows*s.period <= accountedNs*3/2+coarse {
		return
	}
	n := 0
	for i, k := range t.kind {
		if k != timeline.SampleSyscall {
			t.time[n], t.kind[n], t.module[n] = t.time[i], k, t.module[i]
			n++
		}
	}
	s.n -= len(t.time) - n
	t.time, t.kind, t.module = t.time[:n], t.kind[:n], t.module[:n]
}

// lost is told that samples are missing.
func (s *sampleStore) lost() {
	for _, t := range s.threads {
		t.runs.fail()
		for _, one := range t.timers {
			one.unsure = true
		}
	}
}

// add keeps one sample.
func (s *sampleStore) add(b *timeline.Builder, key threadKey, at int64, cpu int32, ip uint64) {
	t, l := s.thread(key), s.layouts[key.pid]
	one := s.ran(t, at, cpu)
	if one != nil {
		s.takeBack(t, one.sampled(s.period))
	}
	if s.n >= maxSamples {
		s.dropped++
		return
	}
	if l == nil {
		l = &layout{}
		s.layouts[key.pid] = l
	}
	kind, module := timeline.SampleNative, timeline.NameID(0)
	if m, ok := l.find(key.pid, ip); ok {
		module = b.Name(m.Path)
		if procfs.IsPython(m.Path) {
			kind, t.python = timeline.SamplePython, true
		}
	}
	s.n++
	t.time, t.kind, t.module = append(t.time, at), append(t.kind, kind), append(t.module, module)
}

// find is the mapping of an address. The layout is read when it is first needed
// and when samples fall outside of what is known.
func (l *layout) find(pid int32, ip uint64) (procfs.Mapping, bool) {
	if m, ok := procfs.Find(l.mappings, ip); ok {
		return m, true
	}
	if l.wait > 0 {
		l.wait--
		return procfs.Mapping{}, false
	}
	l.wait = rereadAfter
	mappings, err := procfs.Mappings(int(pid))
	if err != nil {
		return procfs.Mapping{}, false
	}
	l.mappings = slices.DeleteFunc(mappings, func(m procfs.Mapping) bool { return !m.Executable })
	return procfs.Find(l.mappings, ip)
}

// write hands the samples of threads without Python code to the builder. Python
// threads sample themselves on this rung, with their stacks; two sources in one
// table would count the time twice. What is known of those is told by at.
func (s *sampleStore) write(b *timeline.Builder) {
	for key, t := range s.threads {
		if t.python || key == s.main {
			continue
		}
		builder := b.Thread(key.pid, key.tid)
		builder.SetSamplePeriod(s.period)
		for i, at := range t.time {
			builder.AppendSample(at, t.kind[i], -1, 0, t.module[i])
		}
	}
}

// reach is how far in ns from a moment at which a thread ran a sample may lie and still
// tell what it executed: on a busy machine the one nearest is some time slices away.
const reach = 500_000_000

// at is what a thread executed at a moment: what the sample nearest to it tells, if one
// is within reach, and SampleWaiting when the thread did not run.
func (s *sampleStore) at(key threadKey, at int64) (timeline.SampleKind, timeline.NameID, bool) {
	t := s.threads[key]
	if t == nil {
		return 0, 0, false
	}
	if t.runs.waited(at) {
		return timeline.SampleWaiting, 0, true
	}
	i, _ := slices.BinarySearch(t.time, at)
	if i > 0 && (i == len(t.time) || at-t.time[i-1] < t.time[i]-at) {
		i--
	}
	if i == len(t.time) || max(t.time[i]-at, at-t.time[i]) > reach {
		return 0, 0, false
	}
	return t.kind[i], t.module[i], true
}
