package cupti

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

func smallRing(t testing.TB, capacity int) *ring {
	t.Helper()
	r, err := newRing(t.TempDir(), capacity, uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	return r
}

// perReplay is how many records, names aside, one replay of "adds" gives: kernels,
// their launches, the synchronising call and its wait, and what overheads there are.
func perReplay(t *testing.T) int {
	p := start(t, "adds", false)
	r := smallRing(t, ringCapacity)
	p.outcome("begin %s 0 0 0", r.path)
	p.replay(1)
	p.outcome("end")
	return countRecords(t, r)
}

// countRecords empties the ring and counts what was recorded of the device and its calls.
func countRecords(t testing.TB, r *ring) int {
	t.Helper()
	n := 0
	if err := r.drain(func(record []byte) error {
		if kind := binary.LittleEndian.Uint16(record); kind >= recordKernel {
			n++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFullRingDropsAndNeverWaits(t *testing.T) {
	each := perReplay(t)
	p := start(t, "adds", false)
	r := smallRing(t, ringLeast)
	p.outcome("begin %s 16384 256 0", r.path)
	// Nobody reads. An application that waited for that would wait for ever, and this test with it.
	p.replay(50)
	if o := p.outcome("end"); o.result != 0 || o.busy != 0 {
		t.Errorf("end: %+v", o)
	}
	last, err := r.counters()
	if err != nil {
		t.Fatal(err)
	}
	got := countRecords(t, r)
	// The second CLOCK and the DEVICE record did not fit either, and a name may have been tried for each kernel.
	if lost := int64(50*each - got); got == 0 || last.dropped < lost || last.dropped > 2*lost {
		t.Errorf("%d delivered of %d, %d dropped", got, 50*each, last.dropped)
	}
	if last.discarded != 0 || last.state != stateEnded {
		t.Errorf("%+v", last)
	}
}

func TestRingWraps(t *testing.T) {
	each := perReplay(t)
	p := start(t, "adds", false)
	r := smallRing(t, ringLeast)
	p.outcome("begin %s 4096 256 0", r.path)
	total := 0
	for round := 1; round <= 20; round++ {
		p.replay(1)
		// Whole buffers come by themselves; the rest of this round comes with the next ones.
		eventually(t, "the records of a round", func() bool {
			total += countRecords(t, r)
			return total > (round-1)*each
		})
	}
	p.outcome("end")
	total += countRecords(t, r)
	last, err := r.counters()
	if err != nil || last.dropped != 0 {
		t.Errorf("%+v, %v", last, err)
	}
	if total != 20*each {
		t.Errorf("%d records, want %d", total, 20*each)
	}
	if r.tail < 3*ringLeast {
		t.Errorf("%d bytes: the ring of %d was not filled often enough", r.tail, ringLeast)
	}
}

func TestConsumerKilled(t *testing.T) {
	p := start(t, "adds", false)
	first := newCollector(t)
	one := begin(t, first, p)
	path := one.session.RingPath()
	p.outcome("begin %s 0 0 0", path)
	p.replay(1)
	one.session.Abort()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
	p.replay(1)
	if o := p.outcome("end"); o.result != 0 || o.finalized != 1 {
		t.Errorf("end: %+v", o)
	}
	// Nothing of the dead ring stays in the process, and another sidecar's ring works.
	if maps, err := os.ReadFile("/proc/" + p.do("pid") + "/maps"); err != nil || strings.Contains(string(maps), "gpu-ring") {
		t.Errorf("the ring is still mapped (%v)", err)
	}
	tl, o := capture(t, newCollector(t), p, 1)
	if o.result != 0 {
		t.Errorf("end: %+v", o)
	}
	same(t, tl, readRecording(t, p.file), 1)
}

func TestProducerKilled(t *testing.T) {
	collector := newCollector(t)
	p := start(t, "adds", false)
	one := begin(t, collector, p)
	path := one.session.RingPath()
	p.outcome("begin %s 4096 0 0", path)
	p.replay(1)
	p.kill()
	tl := one.finish(t)
	if found := losses(tl); found["the capture of GPU records was not ended: the last ones are missing"] != 1 {
		t.Errorf("losses %v", found)
	}
	next := start(t, "adds", false)
	another := begin(t, collector, next)
	if another.session.RingPath() == path {
		t.Error("the ring of a process that may still write to it")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old ring is left: %v", err)
	}
	next.outcome("begin %s 0 0 0", another.session.RingPath())
	next.replay(1)
	next.outcome("end")
	same(t, another.finish(t), readRecording(t, next.file), 1)
}

func TestNoRoomForTheRing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root, which this process is not")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if errors.Is(err, unix.EPERM) {
			t.Skipf("mounting is not allowed here: %v", err)
		}
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	r, err := newRing(dir, ringCapacity, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	p := start(t, "adds", false)
	if o := p.outcome("begin %s 0 0 0", r.path); o.result != -1 || !strings.Contains(o.detail, "no room for the ring") {
		t.Errorf("begin: %+v", o)
	}
	// The process lives, and has nothing on.
	if state := p.do("state"); state != "0" {
		t.Errorf("state %s", state)
	}
	if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the directory: %v", err)
	}
	if _, err := newRing(dir, ringCapacity, 0); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a ring in a full directory: %v", err)
	}
}

func TestFileCutShort(t *testing.T) {
	collector := newCollector(t)
	b := timeline.NewBuilder()
	session, err := collector.Begin(context.Background(), collect.Target{PID: os.Getpid(), UID: uint32(os.Geteuid())}, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(session.(*Session).RingPath(), 0); err != nil {
		t.Fatal(err)
	}
	if err := session.Finish(timeline.Interval{}); err != nil {
		t.Fatal(err)
	}
	tl := b.Build(timeline.Interval{Start: 0, End: 1})
	if found := losses(tl); found["the ring of GPU records is corrupt: its file was cut short"] != 1 {
		t.Errorf("losses %v", found)
	}
	next, err := collector.Begin(context.Background(), collect.Target{PID: os.Getpid(), UID: uint32(os.Geteuid())}, timeline.NewBuilder())
	if err != nil {
		t.Fatal(err)
	}
	next.Abort()
}

// record makes a record of the ring.
func record(kind uint16, id uint32, words ...uint64) []byte {
	r := make([]byte, 8, 8+8*len(words))
	binary.LittleEndian.PutUint16(r, kind)
	binary.LittleEndian.PutUint16(r[2:], uint16(8+8*len(words)))
	binary.LittleEndian.PutUint32(r[4:], id)
	for _, w := range words {
		r = binary.LittleEndian.AppendUint64(r, w)
	}
	return r
}

// write publishes records as a producer would.
func (r *ring) write(records ...[]byte) {
	head := r.word(offHead).Load()
	for _, one := range records {
		copy(r.mem[ringHeaderBytes+head%r.capacity:], one)
		head += uint64(len(one))
	}
	r.word(offHead).Store(head)
}

func kernel(start, end uint64, device, name uint32) []byte {
	return record(recordKernel, name, start, end, uint64(device), 1, 0, 0, 0, 0)
}

func TestHostileRecords(t *testing.T) {
	now := uint64(clock.Monotonic())
	clockRecord := record(recordClock, 0, now, now, 50)
	good := kernel(now, now+10, 0, 0)
	wrong := func(change func(r []byte)) []byte {
		r := bytes.Clone(good)
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		records []byte
		head    uint64 // 0: the records' end
		corrupt bool
		kept    int
		loss    string
	}{
		"good":                  {records: good, kept: 1},
		"no size":               {records: wrong(func(r []byte) { r[2] = 0 }), corrupt: true},
		"odd size":              {records: wrong(func(r []byte) { r[2] = 71 }), corrupt: true},
		"short for its type":    {records: wrong(func(r []byte) { r[2] = 64 }), corrupt: true},
		"longer than published": {records: wrong(func(r []byte) { r[3] = 1 }), corrupt: true},
		"unknown type":          {records: wrong(func(r []byte) { r[0] = 99 }), corrupt: true},
		"a long name":           {records: record(recordName, 1, 1<<20, 0), corrupt: true},
		"a far name":            {records: record(recordName, 1<<31, 0, 0), corrupt: true},
		"head beyond":           {records: good, head: ringLeast + 4096, corrupt: true},
		"head not aligned":      {records: good, head: 33, corrupt: true},
		"an unknown name":       {records: kernel(now, now+1, 0, 77), kept: 1},
		"ends before it starts": {records: kernel(now+9, now, 0, 0), loss: "GPU records had no valid times and were left out"},
		"in the far future":     {records: kernel(now, 1<<62, 0, 0), loss: "GPU records had no valid times and were left out"},
		"in the far past":       {records: kernel(1, now, 0, 0), loss: "GPU records had no valid times and were left out"},
		"a device of thousands": {records: kernel(now, now+1, 5000, 0), loss: "GPU records had no valid times and were left out"},
	} {
		t.Run(name, func(t *testing.T) {
			collector := New()
			collector.capacity = ringLeast
			defer collector.Close()
			b := timeline.NewBuilder()
			session, err := collector.Begin(context.Background(), collect.Target{PID: 1, UID: uint32(os.Geteuid())}, b)
			if err != nil {
				t.Fatal(err)
			}
			s := session.(*Session)
			s.ring.write(clockRecord, c.records)
			if c.head != 0 {
				s.ring.word(offHead).Store(c.head)
			}
			if err := session.Finish(timeline.Interval{}); err != nil {
				t.Fatal(err)
			}
			tl := b.Build(timeline.Interval{Start: int64(now) - 1, End: int64(now) + int64(time.Second)})
			if err := tl.Check(); err != nil {
				t.Error(err)
			}
			kept := 0
			for i := range tl.Devices {
				kept += tl.Devices[i].Ops.Len()
			}
			found := losses(tl)
			corrupt := false
			for reason := range found {
				corrupt = corrupt || strings.HasPrefix(reason, errCorrupt.Error())
			}
			if kept != c.kept || corrupt != c.corrupt || c.loss != "" && found[c.loss] != 1 || len(found) != map[bool]int{true: 1}[c.corrupt || c.loss != ""] {
				t.Errorf("%d kept, losses %v", kept, found)
			}
		})
	}
}

func TestRecordsBeforeTheClock(t *testing.T) {
	r := smallRing(t, ringLeast)
	r.write(kernel(5, 6, 0, 0))
	d := newDecoder(1, timeline.NewBuilder())
	d.tick(clock.Monotonic())
	if err := r.drain(d.record); err != nil || d.early != 1 || d.records != 0 {
		t.Errorf("%v, %d early, %d kept", err, d.early, d.records)
	}
}

func TestWallClockThatMoves(t *testing.T) {
	collector := newCollector(t)
	b := timeline.NewBuilder()
	session, err := collector.Begin(context.Background(), collect.Target{PID: 1, UID: uint32(os.Geteuid())}, b)
	if err != nil {
		t.Fatal(err)
	}
	now := uint64(clock.Monotonic())
	session.(*Session).ring.write(record(recordClock, 0, now, 5000, 50), record(recordClock, 0, now+1000, 6000+2_000_000, 50))
	if err := session.Finish(timeline.Interval{}); err != nil {
		t.Fatal(err)
	}
	found := losses(b.Build(timeline.Interval{}))
	if found["the wall clock moved by 2000000 ns during the cell: device times may be off by as much"] != 1 {
		t.Errorf("losses %v", found)
	}
}

func TestSweepOfKilledSidecars(t *testing.T) {
	dir := t.TempDir()
	left, live, other := filepath.Join(dir, directoryPrefix+"left"), filepath.Join(dir, directoryPrefix+"live"), filepath.Join(dir, "other")
	for _, path := range []string{left, live, other} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "gpu-ring-1"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockDirectory(live, uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	sweep(dir)
	for path, want := range map[string]bool{left: false, live: true, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v", path, err == nil)
		}
	}
}

// FuzzRing gives the reader whatever a producer may have written.
func FuzzRing(f *testing.F) {
	now := uint64(1 << 40)
	f.Add(uint64(0), []byte{})
	join := func(records ...[]byte) []byte { return bytes.Join(records, nil) }
	name := append(record(recordName, 1, 11), []byte("cudaMalloc_v3020")...)
	binary.LittleEndian.PutUint16(name[2:], uint16(len(name)))
	whole := join(record(recordClock, 0, now, now, 5), name, kernel(now, now+5, 0, 1),
		record(recordAPI, 1, now, now+1, 7, 1), record(recordMemcpy, 0, now, now+1, 99, 0, 1<<32, 0),
		record(recordMemset, 0, now, now+1, 9, 0, 0), record(recordDevice, 1, 0, 1<<30, 0, 0), record(recordSync, 0, 0, 0, 0, 0),
		record(recordOverhead, 0, now, now+1, 0), record(recordWindow, 0, now, now+5, 2, 1, 2), record(recordPad, 0))
	f.Add(uint64(len(whole)), whole)
	f.Add(uint64(1<<63), whole)
	f.Fuzz(func(t *testing.T, head uint64, content []byte) {
		r := smallRing(t, ringLeast)
		copy(r.mem[ringHeaderBytes:], content)
		if head == 0 {
			head = uint64(len(content)) &^ 7
		}
		r.word(offHead).Store(head)
		b := timeline.NewBuilder()
		d := newDecoder(1, b)
		d.tick(int64(now))
		_ = r.drain(d.record)
		_ = r.drain(d.record)
		if _, err := r.counters(); err != nil {
			t.Error(err)
		}
		for _, w := range d.windows.list {
			b.AddWindow(w)
		}
		if err := b.Build(timeline.Interval{Start: int64(now) - 100, End: int64(now) + 100}).Check(); err != nil {
			t.Error(err)
		}
	})
}
