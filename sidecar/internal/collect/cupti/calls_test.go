package cupti

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/inferscope/inferscope/sidecar/internal/clock"
)

func TestCallsWhereAnotherHasSubscribed(t *testing.T) {
	for name := range readAbout(t).Recordings {
		p := start(t, name, false, "MOCK_CUPTI_SUBSCRIBER=1")
		tl, _ := capture(t, newCollector(t), p, 2)
		sameNamed(t, tl, readRecording(t, p.file), 2, cleanName)
		lossless(t, tl)
	}
}

// TestTimesOfCalls: a call's times are those of the thread that made it, on its clock.
func TestTimesOfCalls(t *testing.T) {
	p := start(t, "adds", false)
	before := clock.Monotonic()
	tl, _ := capture(t, newCollector(t), p, 3)
	after := clock.Monotonic()
	last := before
	for i := range tl.Calls.Start {
		if tl.Calls.Start[i] < last || tl.Calls.End[i] < tl.Calls.Start[i] || tl.Calls.End[i] > after {
			t.Fatalf("call %d of %d: %d to %d, the last began at %d", i, tl.Calls.Len(), tl.Calls.Start[i]-before, tl.Calls.End[i]-before, last-before)
		}
		last = tl.Calls.Start[i]
	}
}

func TestThreadsOfCalls(t *testing.T) {
	p := start(t, "backward", false)
	tl, _ := capture(t, newCollector(t), p, 1)
	threads := map[int32]int{}
	for _, id := range tl.Calls.Thread {
		threads[tl.Threads[id].TID]++
		if int(tl.Threads[id].PID) != p.pid() {
			t.Fatalf("thread %d of process %d", tl.Threads[id].TID, tl.Threads[id].PID)
		}
	}
	// The main thread, and another in place of autograd's.
	if len(threads) != 2 || threads[int32(p.pid())] == 0 || threads[int32(p.pid())] == tl.Calls.Len() {
		t.Errorf("%v, this process is %d", threads, p.pid())
	}
}

func TestBoundOfTheClocksIsTold(t *testing.T) {
	tl, _ := capture(t, newCollector(t), start(t, "adds", false), 1)
	if tl.DeviceClockNs <= 0 || tl.DeviceClockNs > int64(time.Millisecond) {
		t.Errorf("%d ns", tl.DeviceClockNs)
	}
}

func TestEarlierWorkIsTold(t *testing.T) {
	p := start(t, "adds", false)
	one := begin(t, newCollector(t), p)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	file, err := os.OpenFile(one.session.RingPath(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// As the shim does when its caller has waited.
	if _, err := file.WriteAt(binary.LittleEndian.AppendUint64(nil, 810_000_000), offEarlier); err != nil {
		t.Fatal(err)
	}
	file.Close()
	p.replay(1)
	p.outcome("end")
	if tl := one.finish(t); tl.EarlierNs != 810_000_000 {
		t.Errorf("%d ns", tl.EarlierNs)
	}
}
