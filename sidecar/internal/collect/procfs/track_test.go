package procfs

import (
	"cmp"
	"math/rand"
	"reflect"
	"slices"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

const ms = 1_000_000

// looks feeds a track and returns its episodes in ms.
func looks(finish bool, all ...observation) []episode {
	var got []episode
	tr := track{emit: func(e episode) { got = append(got, e) }}
	for _, o := range all {
		o.at *= ms
		o.account.RunNs *= ms
		o.account.DelayNs *= ms
		tr.observe(o)
	}
	if finish {
		tr.finish(true)
	}
	for i := range got {
		e := &got[i]
		e.off /= ms
		if e.on != timeline.Open {
			e.wake, e.on = e.wake/ms, e.on/ms
		}
	}
	return got
}

func TestTrack(t *testing.T) {
	sleeping := Wait{Reason: timeline.ReasonSleep, Syscall: 230}
	gil := Wait{Reason: timeline.ReasonGIL, Syscall: 202}
	for _, c := range []struct {
		name string
		in   []observation
		want []episode
	}{
		{"asleep throughout", []observation{
			{at: 0, blocked: true, wait: sleeping}, {at: 10, blocked: true, wait: sleeping}, {at: 20, blocked: true, wait: sleeping},
		}, []episode{{0, timeline.Open, timeline.Open, timeline.ReasonSleep, 230}}},
		{"running throughout, the account lags", []observation{
			{at: 0}, {at: 10, account: Schedstat{8, 0, 0}}, {at: 20, account: Schedstat{20, 0, 0}}, {at: 30, account: Schedstat{28, 0, 0}},
		}, nil},
		{"falls asleep", []observation{
			{at: 0}, {at: 10, account: Schedstat{4, 0, 0}, blocked: true, wait: sleeping},
		}, []episode{{4, timeline.Open, timeline.Open, timeline.ReasonSleep, 230}}},
		{"wakes after queueing", []observation{
			{at: 0, blocked: true, wait: sleeping}, {at: 20, account: Schedstat{5, 3, 1}}, {at: 40, account: Schedstat{25, 3, 1}, blocked: true, wait: gil},
		}, []episode{{0, 8, 11, timeline.ReasonSleep, 230}, {36, timeline.Open, timeline.Open, timeline.ReasonGIL, 202}}},
		{"queued for longer than a look", []observation{
			{at: 0}, {at: 10}, {at: 20}, {at: 30, account: Schedstat{6, 24, 1}},
		}, []episode{{6, 6, 30, timeline.ReasonPreempted, -1}}},
		{"woke and slept between two looks", []observation{
			{at: 0, blocked: true, wait: sleeping}, {at: 10, account: Schedstat{2, 0, 1}, blocked: true, wait: gil},
		}, []episode{{0, 4, 4, timeline.ReasonSleep, 230}, {6, timeline.Open, timeline.Open, timeline.ReasonGIL, 202}}},
		{"missed, then hit", []observation{
			{at: 0}, {at: 20, account: Schedstat{4, 0, 1}}, {at: 40, account: Schedstat{8, 0, 2}},
			{at: 60, account: Schedstat{8, 0, 2}, blocked: true, wait: gil},
		}, []episode{{24, 36, 36, timeline.ReasonGIL, 202}, {40, timeline.Open, timeline.Open, timeline.ReasonGIL, 202}}},
		{"missed, and nothing near", []observation{
			{at: 0, blocked: true, wait: sleeping}, {at: 20, account: Schedstat{20, 0, 1}}, {at: 40, account: Schedstat{24, 0, 2}},
			{at: 60, account: Schedstat{28, 0, 3}},
		}, []episode{{44, 56, 56, timeline.ReasonUnknown, -1}}},
		{"queued over many looks, accounted in one", []observation{
			{at: 0}, {at: 10, account: Schedstat{10, 0, 0}}, {at: 20, account: Schedstat{11, 0, 0}}, {at: 30, account: Schedstat{11, 0, 0}},
			{at: 40, account: Schedstat{11, 0, 0}}, {at: 50, account: Schedstat{12, 35, 3}}, {at: 60, account: Schedstat{19, 38, 4}},
		}, []episode{{15, 15, 50, timeline.ReasonPreempted, -1}, {57, 57, 60, timeline.ReasonPreempted, -1}}},
	} {
		if got := looks(true, c.in...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The last look finds the cell's thread waiting for the collection's end. That is no
// reason for a wait that was missed.
func TestTheEndExplainsNoWaitBefore(t *testing.T) {
	var got []episode
	tr := track{emit: func(e episode) { got = append(got, e) }}
	tr.observe(observation{at: 0})
	tr.observe(observation{at: 20 * ms, account: Schedstat{4 * ms, 0, 1}})
	tr.observe(observation{at: 40 * ms, account: Schedstat{8 * ms, 0, 2}})
	tr.ending = true
	tr.observe(observation{at: 60 * ms, account: Schedstat{8 * ms, 0, 2}, blocked: true, wait: Wait{Reason: timeline.ReasonPoll, Syscall: 7}})
	tr.finish(true)
	slices.SortFunc(got, func(a, b episode) int { return cmp.Compare(a.off, b.off) })
	if len(got) != 2 || got[0].reason != timeline.ReasonUnknown || got[1].reason != timeline.ReasonPoll || tr.inferredNs != 0 {
		t.Errorf("%+v, %d ns explained", got, tr.inferredNs)
	}
}

// Whatever a thread does, the sum of its states is the wall, rows never overlap,
// and the run time left over agrees with the kernel's account.
func TestTrackKeepsTheAccount(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for round := range 300 {
		var rows []episode
		tr := track{emit: func(e episode) { rows = append(rows, e) }}
		var at, run, delay, times int64
		blocked := false
		look := func() {
			lag := int64(0)
			if !blocked {
				lag = min(run, rng.Int63n(tick))
			}
			tr.observe(observation{at: at, account: Schedstat{run - lag, delay, times}, blocked: blocked,
				wait: Wait{Reason: timeline.ReasonLock, Syscall: 202}})
		}
		look()
		for range 200 {
			for range rng.Intn(4) {
				span := rng.Int63n(9 * ms)
				at += span
				switch rng.Intn(3) {
				case 0:
					if blocked {
						times++
					}
					blocked, run = false, run+span
				case 1:
					if blocked {
						times++
					}
					blocked, delay, times = false, delay+span, times+1
				default:
					blocked = true
				}
			}
			at += ms
			if blocked {
				look()
			} else {
				run += ms
				look()
			}
		}
		tr.finish(true)
		slices.SortStableFunc(rows, func(a, b episode) int { return cmp.Compare(a.off, b.off) })
		ran, last := at, int64(0)
		for i, r := range rows {
			if r.on == timeline.Open {
				r.wake, r.on = at, at
			}
			if r.off < last || r.wake < r.off || r.on < r.wake || r.on > at {
				t.Fatalf("round %d, row %d: %+v after %d", round, i, r, last)
			}
			last = r.on
			ran -= r.on - r.off
		}
		if diff := ran - run; diff > 30*ms || diff < -30*ms {
			t.Errorf("round %d: the rows leave %d ms of running, the account says %d of %d", round, ran/ms, run/ms, at/ms)
		}
	}
}
