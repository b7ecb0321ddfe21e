package perfevent

import (
	"slices"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Each case is what the records told, at times in hundredths of a period.
func TestPeriodsWithoutSampleAreTheKernels(t *testing.T) {
	const period = 1_000_000
	const u, k = timeline.SampleNative, timeline.SampleSyscall
	key := threadKey{1, 1}
	type event struct {
		at   int64 // in hundredths of a period
		what string
	}
	for name, c := range map[string]struct {
		events []event
		want   []timeline.SampleKind
	}{
		"user code alone":             {[]event{{1, "in"}, {101, "sample"}, {201, "sample"}, {250, "out"}}, []timeline.SampleKind{u, u}},
		"the kernel alone":            {[]event{{1, "in"}, {350, "out"}}, []timeline.SampleKind{k, k, k}},
		"the kernel, then user code":  {[]event{{1, "in"}, {301, "sample"}, {401, "sample"}}, []timeline.SampleKind{k, k, u, u}},
		"time off the CPU is none":    {[]event{{1, "in"}, {51, "out"}, {900, "in"}, {949, "out"}}, nil},
		"time adds up over switches":  {[]event{{1, "in"}, {61, "out"}, {900, "in"}, {999, "out"}}, []timeline.SampleKind{k}},
		"each CPU has its own timer":  {[]event{{1, "in"}, {91, "out"}, {100, "in on 1"}, {190, "out on 1"}}, nil},
		"the sample is a little late": {[]event{{1, "in"}, {110, "sample"}, {211, "sample"}}, []timeline.SampleKind{u, u}},
		"the CPU was taken away":      {[]event{{1, "in"}, {101, "sample"}, {650, "sample"}, {701, "sample"}, {801, "out"}}, []timeline.SampleKind{u, u, u, k}},
		"a switch leaves a doubt":     {[]event{{1, "in"}, {101, "sample"}, {150, "out"}, {151, "in"}, {460, "sample"}, {561, "out"}}, []timeline.SampleKind{u, k, k, u, k}},
		"records were lost":           {[]event{{1, "in"}, {101, "sample"}, {150, "lost"}, {550, "out"}, {600, "in"}, {620, "sample"}, {721, "out"}}, []timeline.SampleKind{u, u, k}},
		"how it came there is unseen": {[]event{{501, "sample"}, {601, "sample"}, {801, "out"}}, []timeline.SampleKind{u, u, k, k}},
	} {
		t.Run(name, func(t *testing.T) {
			b := timeline.NewBuilder()
			s := newSampleStore(period, key)
			s.layouts[key.pid] = &layout{wait: 1 << 30}
			for _, e := range c.events {
				at := e.at * period / 100
				switch e.what {
				case "in":
					s.switchedIn(key, at, 0)
				case "in on 1":
					s.switchedIn(key, at, 1)
				case "out":
					s.switchedOut(key, at, 0)
				case "out on 1":
					s.switchedOut(key, at, 1)
				case "sample":
					s.add(b, key, at, 0, 1)
				case "lost":
					s.lost()
				}
			}
			got := s.threads[key]
			if !slices.Equal(got.kind, c.want) {
				t.Errorf("%v at %v, want %v", got.kind, got.time, c.want)
			}
			if !slices.IsSorted(got.time) || len(got.module) != len(got.time) || s.n != len(got.time) {
				t.Errorf("%d rows counted: %v with %d modules", s.n, got.time, len(got.module))
			}
		})
	}
}
