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

// sampleStore keeps, until the end of the cell, where in user mode threads ran.
type sampleStore struct {
	period  int64 // ns
	main    threadKey
	threads map[threadKey]*threadSamples
	layouts map[int32]*layout
	n       int
	dropped int64
}

// threadSamples are the samples of one thread, in order of time.
type threadSamples struct {
	time   []int64
	kind   []timeline.SampleKind
	module []timeline.NameID
	python bool
}

// layout is the executable memory of one process.
type layout struct {
	mappings []procfs.Mapping
	wait     int
}

func newSampleStore(period int64, main threadKey) sampleStore {
	return sampleStore{period: period, main: main, threads: map[threadKey]*threadSamples{}, layouts: map[int32]*layout{}}
}

// add keeps one sample.
func (s *sampleStore) add(b *timeline.Builder, key threadKey, at int64, ip uint64) {
	if s.n >= maxSamples {
		s.dropped++
		return
	}
	s.n++
	t, l := s.threads[key], s.layouts[key.pid]
	if t == nil {
		t = &threadSamples{}
		s.threads[key] = t
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

// at is what a thread executed in user mode at a moment: the sample nearest to
// it, if there is one within a period.
func (s *sampleStore) at(key threadKey, at int64) (timeline.SampleKind, timeline.NameID, bool) {
	t := s.threads[key]
	if t == nil {
		return 0, 0, false
	}
	i, _ := slices.BinarySearch(t.time, at)
	if i > 0 && (i == len(t.time) || at-t.time[i-1] < t.time[i]-at) {
		i--
	}
	if i == len(t.time) || max(t.time[i]-at, at-t.time[i]) > s.period {
		return 0, 0, false
	}
	return t.kind[i], t.module[i], true
}
