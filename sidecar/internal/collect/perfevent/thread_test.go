package perfevent

import (
	"cmp"
	"math/rand"
	"slices"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

const us, ms = 1_000, 1_000_000

func follow(began int64, off bool) (*thread, *[]row) {
	rows := &[]row{}
	t := &thread{emit: func(r row) { *rows = append(*rows, r) }}
	t.begin(began, off, false)
	return t, rows
}

func wait(r timeline.Reason) procfs.Wait { return procfs.Wait{Reason: r, Syscall: 1} }

func TestWaitThatWasLookedAt(t *testing.T) {
	th, rows := follow(0, false)
	th.switchOut(10*ms, false)
	th.looked(look{wait(timeline.ReasonDisk), 12 * ms, 12*ms + 10*us})
	th.switchIn(20 * ms)
	th.switchOut(30*ms, true)
	th.switchIn(34 * ms)
	th.finish(40 * ms)
	if len(*rows) != 2 || (*rows)[0].wait.Reason != timeline.ReasonDisk || !(*rows)[1].preempt {
		t.Errorf("%+v", *rows)
	}
	if th.ran != 10*ms+10*ms+6*ms || th.queued != 4*ms {
		t.Errorf("ran %d, queued %d", th.ran, th.queued)
	}
}

// Records come later than looks: by the time a wait's end is read, the thread may
// have been looked at in the next wait.
func TestLooksOfTwoWaitsBeforeTheirRecords(t *testing.T) {
	th, rows := follow(0, false)
	th.looked(look{wait(timeline.ReasonSleep), 20 * ms, 20*ms + 10*us})
	th.looked(look{wait(timeline.ReasonPipe), 320 * ms, 320*ms + 10*us})
	th.switchOut(10*ms, false)
	th.switchIn(310 * ms)
	th.switchOut(311*ms, false)
	th.finish(330 * ms)
	if len(*rows) != 2 || (*rows)[0].wait.Reason != timeline.ReasonSleep || (*rows)[1].wait.Reason != timeline.ReasonPipe {
		t.Errorf("%+v", *rows)
	}
}

// A look that was interrupted may have seen the wait before: it explains nothing.
func TestLookAcrossTwoWaitsExplainsNeither(t *testing.T) {
	th, rows := follow(0, true)
	th.looked(look{wait(timeline.ReasonPipe), 1 * ms, 9 * ms})
	th.switchIn(5 * ms)
	th.switchOut(5*ms+10*us, false)
	th.finish(300 * ms)
	for _, r := range *rows {
		if r.wait.Reason != timeline.ReasonUnknown {
			t.Errorf("%+v", r)
		}
	}
	if len(*rows) != 2 || th.unexplainedNs == 0 {
		t.Errorf("%+v", *rows)
	}
}

func TestShortWaitsTakeTheReasonOfTheirLength(t *testing.T) {
	th, rows := follow(0, false)
	at := int64(0)
	episode := func(length int64, reason timeline.Reason) {
		at += ms
		th.switchOut(at, false)
		if reason != 0 {
			th.looked(look{wait(reason), at + length/4, at + length/2})
		}
		at += length
		th.switchIn(at)
	}
	for range 20 {
		episode(40*us, 0)
		episode(50*ms, timeline.ReasonSleep)
	}
	episode(40*us, timeline.ReasonGIL)
	for range 20 {
		episode(40*us, 0)
	}
	th.finish(at)
	slices.SortFunc(*rows, func(a, b row) int { return cmp.Compare(a.off, b.off) })
	counts := map[timeline.Reason]int{}
	for _, r := range *rows {
		counts[r.wait.Reason]++
		if long := r.on-r.off > ms; long != (r.wait.Reason == timeline.ReasonSleep) {
			t.Errorf("%d us for %s", (r.on-r.off)/us, r.wait.Reason)
		}
	}
	// Those from long before the only short wait that was looked at stay unknown.
	if counts[timeline.ReasonGIL] < 25 || counts[timeline.ReasonUnknown] < 5 {
		t.Errorf("%v", counts)
	}
	if th.waiting != 0 {
		t.Errorf("%d waits were never written", th.waiting)
	}
}

// Around the cell its thread waits for the collection to begin and to end. That is no
// reason for the waits within that nobody looked at, of whatever length.
func TestWaitsAroundTheCellExplainNone(t *testing.T) {
	th, rows := follow(0, true)
	th.looked(look{wait(timeline.ReasonPoll), 10 * us, 20 * us})
	th.switchIn(300 * us)
	for at := int64(ms); at < 40*ms; at += ms {
		th.switchOut(at, false)
		th.switchIn(at + 300*us)
	}
	th.switchOut(40*ms, false)
	th.looked(look{wait(timeline.ReasonPoll), 40*ms + 10*us, 40*ms + 20*us})
	th.finish(40*ms + 300*us)
	for _, r := range *rows {
		want := timeline.ReasonUnknown
		if r.off == 0 || r.off == 40*ms {
			want = timeline.ReasonPoll
		}
		if r.wait.Reason != want {
			t.Errorf("%s at %d us", r.wait.Reason, r.off/us)
		}
	}
	if len(*rows) != 41 || th.explainedNs != 0 {
		t.Errorf("%d rows, %d ns explained", len(*rows), th.explainedNs)
	}
}

// Whatever records come, in whatever order, rows do not overlap and running plus
// rows is the time known.
func TestThreadOnRandomRecords(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 200 {
		th, rows := follow(0, rng.Intn(2) == 0)
		at, lost := int64(0), int64(0)
		for range 500 {
			at += rng.Int63n(ms)
			switch rng.Intn(5) {
			case 0, 1:
				if th.isOff {
					lost += at - th.off // an arrival was lost: taken as running, see switchOut
				}
				th.switchOut(at, rng.Intn(3) == 0)
			case 2, 3:
				th.switchIn(at)
			default:
				th.looked(look{wait(timeline.ReasonLock), at, at + rng.Int63n(50*us)})
			}
		}
		th.finish(at)
		slices.SortFunc(*rows, func(a, b row) int { return cmp.Compare(a.off, b.off) })
		total, last := th.ran+lost, int64(0)
		for _, r := range *rows {
			if r.off < last || r.on <= r.off {
				t.Fatalf("%+v after %d", r, last)
			}
			last = r.on
			total += r.on - r.off
		}
		if total != at {
			t.Fatalf("%d ns are accounted of %d", total, at)
		}
	}
}
