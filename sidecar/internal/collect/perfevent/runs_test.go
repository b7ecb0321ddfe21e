package perfevent

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

func TestRuns(t *testing.T) {
	var r runs
	if r.waited(5) {
		t.Error("before any switch a thread is known to wait")
	}
	r.end(10) // it ran before it was followed
	r.begin(20)
	r.begin(21) // an end is missing: it runs all the same
	r.end(30)
	r.end(31)
	r.begin(40)
	for at, want := range map[int64]bool{0: false, 9: false, 10: true, 19: true, 20: false, 29: false, 30: true, 39: true, 40: false, 99: false} {
		if got := r.waited(at); got != want {
			t.Errorf("at %d it waited: %v", at, got)
		}
	}
	r.fail()
	r.begin(50)
	r.end(60)
	if r.waited(70) {
		t.Error("with switches lost a thread is known to wait")
	}
	late := runs{}
	late.begin(20)
	if !late.waited(19) || late.waited(20) {
		t.Error("a thread whose first switch is one to a CPU has waited before")
	}
}

// On a busy machine a thread is sampled a few times in a time slice, and then not for many.
func TestWhatRanIsToldAcrossTimeSlices(t *testing.T) {
	key := threadKey{1, 1}
	s := newSampleStore(2e6, key)
	b := timeline.NewBuilder()
	s.switchedIn(key, 0, 0)
	s.add(b, key, 2e6, 0, 0) // in no mapping: native code
	s.switchedOut(key, 3e6, 0)
	s.switchedIn(key, 100e6, 0) // another slice, too short for a sample
	s.switchedOut(key, 100.4e6, 0)
	for _, c := range []struct {
		at   int64
		kind timeline.SampleKind
		ok   bool
	}{
		{1e6, timeline.SampleNative, true},
		{50e6, timeline.SampleWaiting, true},
		{100.2e6, timeline.SampleNative, true},
		{200e6, timeline.SampleWaiting, true},
	} {
		if kind, _, ok := s.at(key, c.at); kind != c.kind || ok != c.ok {
			t.Errorf("at %d ns: %v, %v", c.at, kind, ok)
		}
	}
	s.lost()
	if kind, _, ok := s.at(key, 50e6); !ok || kind != timeline.SampleNative {
		t.Errorf("with switches lost: %v, %v", kind, ok)
	}
	if _, _, ok := s.at(key, 900e6); ok {
		t.Error("a sample tells what ran long after it")
	}
	if _, _, ok := s.at(threadKey{1, 2}, 1e6); ok {
		t.Error("a thread that is not followed")
	}
}
