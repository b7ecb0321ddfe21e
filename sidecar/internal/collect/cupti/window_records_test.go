package cupti

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

const ms = 1_000_000

func windowRecord(start, end int64, launches, first, last uint64) []byte {
	return record(recordWindow, 0, uint64(start), uint64(end), launches, first, last)
}

// decoded gives the windows that a decoder with a clock makes of records.
func decoded(t *testing.T, records ...[]byte) (*decoder, []timeline.Window) {
	t.Helper()
	d := newDecoder(1, timeline.NewBuilder())
	d.tick(0)
	for _, r := range append([][]byte{record(recordClock, 0, 0, 5_000_000*ms, 50)}, records...) {
		if err := d.record(r); err != nil {
			t.Fatal(err)
		}
	}
	return d, d.windows.list
}

func TestWindows(t *testing.T) {
	for name, c := range map[string]struct {
		records [][]byte
		want    []timeline.Window
		invalid int64
	}{
		"numbered": {[][]byte{windowRecord(0, 250*ms, 9, 1, 9), windowRecord(ms*1000, ms*1050, 3, 100, 102)},
			[]timeline.Window{{Start: 0, End: 250 * ms, Launches: 9}, {Start: 1000 * ms, End: 1050 * ms, Launches: 3, Missed: 90}}, 0},
		"nothing missed": {[][]byte{windowRecord(0, ms, 2, 7, 8), windowRecord(2*ms, 3*ms, 1, 9, 9)},
			[]timeline.Window{{Start: 0, End: ms, Launches: 2}, {Start: 2 * ms, End: 3 * ms, Launches: 1}}, 0},
		"one that launched nothing: by length": {[][]byte{windowRecord(0, ms, 2, 1, 2), windowRecord(2*ms, 3*ms, 0, 0, 0), windowRecord(6*ms, 7*ms, 1, 43, 43)},
			[]timeline.Window{{Start: 0, End: ms, Launches: 2}, {Start: 2 * ms, End: 3 * ms, Missed: 10}, {Start: 6 * ms, End: 7 * ms, Launches: 1, Missed: 30}}, 0},
		"without numbers": {[][]byte{windowRecord(0, ms, 2, 1, 2), windowRecord(2*ms, 3*ms, 4, 0, 0), windowRecord(6*ms, 7*ms, 1, 43, 43)},
			[]timeline.Window{{Start: 0, End: ms, Launches: 2}, {Start: 2 * ms, End: 3 * ms, Launches: 4, Missed: -1}, {Start: 6 * ms, End: 7 * ms, Launches: 1, Missed: -1}}, 0},
		"numbers that go backwards": {[][]byte{windowRecord(0, ms, 2, 50, 51), windowRecord(2*ms, 3*ms, 2, 3, 4), windowRecord(4*ms, 5*ms, 2, 9, 8)},
			[]timeline.Window{{Start: 0, End: ms, Launches: 2}, {Start: 2 * ms, End: 3 * ms, Launches: 2, Missed: -1}, {Start: 4 * ms, End: 5 * ms, Launches: 2, Missed: -1}}, 0},
		"more kernels than there was time for": {[][]byte{windowRecord(0, ms, 2, 1, 2), windowRecord(2*ms, 3*ms, 2, 1e9, 1e9+1), windowRecord(4*ms, 5*ms, 2, math.MaxUint64-1, math.MaxUint64)},
			[]timeline.Window{{Start: 0, End: ms, Launches: 2}, {Start: 2 * ms, End: 3 * ms, Launches: 2, Missed: -1}, {Start: 4 * ms, End: 5 * ms, Launches: 2, Missed: -1}}, 0},
		"impossible ones": {[][]byte{windowRecord(ms, 0, 0, 0, 0), windowRecord(ms, ms, 0, 0, 0), windowRecord(math.MinInt64, math.MaxInt64, 0, 0, 0),
			windowRecord(0, math.MaxInt64, 0, 0, 0), windowRecord(-longBefore-1, ms, 0, 0, 0), windowRecord(0, ms, 1<<40, 0, 0),
			windowRecord(5*ms, 6*ms, 1, 1, 1), windowRecord(ms, 2*ms, 1, 2, 2), windowRecord(5*ms, 7*ms, 1, 2, 2)},
			[]timeline.Window{{Start: 5 * ms, End: 6 * ms, Launches: 1}}, 8},
	} {
		d, got := decoded(t, c.records...)
		if !reflect.DeepEqual(got, c.want) || d.invalid != c.invalid {
			t.Errorf("%s:\n got %+v, %d invalid\nwant %+v, %d", name, got, d.invalid, c.want, c.invalid)
		}
	}
}

func TestWindowsBeforeAnyClock(t *testing.T) {
	d := newDecoder(1, timeline.NewBuilder())
	if err := d.record(windowRecord(0, ms, 1, 1, 1)); err != nil || d.early != 1 || len(d.windows.list) != 0 {
		t.Errorf("%v, %d early, %v", err, d.early, d.windows.list)
	}
	if err := d.record(windowRecord(0, ms, 1, 1, 1)[:40]); err == nil {
		t.Error("a record that is too short was taken")
	}
}

func TestNumberOfWindowsIsBounded(t *testing.T) {
	d, _ := decoded(t)
	for i := range int64(maxWindows + 10) {
		d.window(windowRecord(10*i, 10*i+5, 0, 0, 0))
	}
	if len(d.windows.list) != maxWindows || d.excess != 10 {
		t.Errorf("%d windows, %d in excess", len(d.windows.list), d.excess)
	}
}

// From the ring to the timeline, with the losses of what was refused.
func TestWindowsReachTheTimeline(t *testing.T) {
	collector := newCollector(t)
	b := timeline.NewBuilder()
	session, err := collector.Begin(context.Background(), collect.Target{PID: 1, UID: uint32(os.Geteuid())}, b)
	if err != nil {
		t.Fatal(err)
	}
	now := clock.Monotonic()
	session.(*Session).ring.write(record(recordClock, 0, uint64(now), uint64(now)+5000, 50), windowRecord(now, now+2*ms, 3, 5, 7),
		windowRecord(now+ms, now+3*ms, 1, 9, 9), windowRecord(now+4*ms, now+5*ms, 1, 20, 20))
	if err := session.Finish(timeline.Interval{}); err != nil {
		t.Fatal(err)
	}
	tl := b.Build(timeline.Interval{Start: now + ms, End: now + 6*ms})
	want := []timeline.Window{{Start: now + ms, End: now + 2*ms, Launches: 3}, {Start: now + 4*ms, End: now + 5*ms, Launches: 1, Missed: 12}}
	if err := tl.Check(); err != nil || !reflect.DeepEqual(tl.Windows, want) {
		t.Errorf("%v, %v, want %v", err, tl.Windows, want)
	}
	if found := losses(tl); found["GPU records had no valid times and were left out"] != 1 || len(found) != 1 {
		t.Errorf("losses %v", found)
	}
}

// Whatever a producer writes, the timeline keeps its model, and nobody missed more than there was time for.
func TestHostileWindows(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		d, _ := decoded(t)
		for range rng.IntN(60) {
			at := rng.Int64N(400*ms) - 100*ms
			r := windowRecord(at, at+rng.Int64N(40*ms)-5*ms, uint64(rng.IntN(50)), uint64(rng.IntN(90)), uint64(rng.IntN(90)))
			if rng.IntN(4) == 0 {
				binary.LittleEndian.PutUint64(r[8+8*rng.IntN(5):], rng.Uint64())
			}
			d.window(r)
		}
		b := timeline.NewBuilder()
		for _, w := range d.windows.list {
			b.AddWindow(w)
			if w.Missed > 500*ms/leastLaunchNs {
				t.Fatalf("seed %d: %+v", seed, w)
			}
		}
		tl := b.Build(timeline.Interval{Start: 0, End: 200 * ms})
		if err := tl.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(tl.Losses) > 0 {
			t.Fatalf("seed %d: the timeline had to repair: %v", seed, tl.Losses)
		}
	}
}
