package perfevent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// raw makes a record: a header and 32- or 64-bit values.
func raw(typ uint32, misc uint16, values ...any) []byte {
	ne := binary.NativeEndian
	out := ne.AppendUint16(ne.AppendUint16(ne.AppendUint32(nil, typ), misc), 0)
	for _, v := range values {
		switch v := v.(type) {
		case int:
			out = ne.AppendUint32(out, uint32(v))
		case uint64:
			out = ne.AppendUint64(out, v)
		case string:
			b := make([]byte, (len(v)/8+1)*8)
			copy(b, v)
			out = append(out, b...)
		}
	}
	ne.PutUint16(out[6:], uint16(len(out)))
	return out
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want record
	}{
		{raw(unix.PERF_RECORD_SWITCH, unix.PERF_RECORD_MISC_SWITCH_OUT, 7, 8, uint64(99)), record{kind: switchedOut, pid: 7, tid: 8, time: 99}},
		{raw(unix.PERF_RECORD_SWITCH, unix.PERF_RECORD_MISC_SWITCH_OUT|unix.PERF_RECORD_MISC_SWITCH_OUT_PREEMPT, 7, 8, uint64(99)),
			record{kind: switchedOut, preempted: true, pid: 7, tid: 8, time: 99}},
		{raw(unix.PERF_RECORD_SWITCH, 0, 7, 8, uint64(99)), record{kind: switchedIn, pid: 7, tid: 8, time: 99}},
		{raw(unix.PERF_RECORD_SAMPLE, 2, uint64(0xabc), 7, 8, uint64(99)), record{kind: sampled, pid: 7, tid: 8, time: 99, ip: 0xabc}},
		{raw(unix.PERF_RECORD_FORK, 0, 10, 7, 11, 8, uint64(98), 7, 8, uint64(99)), record{kind: forked, pid: 10, tid: 11, parentPID: 7, parentTID: 8, time: 98}},
		{raw(unix.PERF_RECORD_EXIT, 0, 10, 7, 11, 8, uint64(98), 7, 8, uint64(99)), record{kind: exited, pid: 10, tid: 11, parentPID: 7, parentTID: 8, time: 98}},
		{raw(unix.PERF_RECORD_COMM, 0, 7, 8, "a) (\n", 7, 8, uint64(99)), record{kind: named, pid: 7, tid: 8, time: 99, comm: "a) (\n"}},
		{raw(unix.PERF_RECORD_LOST, 0, uint64(1), uint64(55), 7, 8, uint64(99)), record{kind: lost, pid: 7, tid: 8, time: 99, count: 55}},
		{raw(unix.PERF_RECORD_LOST_SAMPLES, 0, uint64(3), 7, 8, uint64(99)), record{kind: lost, pid: 7, tid: 8, time: 99, count: 3}},
		{raw(unix.PERF_RECORD_THROTTLE, 0, uint64(1), uint64(2), uint64(3), 7, 8, uint64(99)), record{kind: other, pid: 7, tid: 8, time: 99}},
	} {
		if got, ok := decode(c.in); !ok || got != c.want {
			t.Errorf("%x: %+v, %v; want %+v", c.in, got, ok, c.want)
		}
	}
}

// ringOf makes a ring over plain memory, at an offset that makes records wrap.
func ringOf(size int, start uint64, records ...[]byte) *ring {
	head, tail := start, start
	r := newRing(nil, make([]byte, size), &head, &tail)
	for _, rec := range records {
		for _, b := range rec {
			r.data[head%uint64(size)] = b
			head++
		}
	}
	return r
}

func TestRingWraps(t *testing.T) {
	for start := uint64(0); start < 256; start += 8 {
		r := ringOf(256, start,
			raw(unix.PERF_RECORD_SWITCH, 0, 7, 8, uint64(1)), raw(unix.PERF_RECORD_THROTTLE, 0, 7, 8, uint64(2)),
			raw(unix.PERF_RECORD_FORK, 0, 10, 7, 11, 8, uint64(3), 7, 8, uint64(3)), raw(unix.PERF_RECORD_SAMPLE, 0, uint64(9), 7, 8, uint64(4)))
		var times []int64
		_, malformed := r.drain(func(rec record) { times = append(times, rec.time) })
		if malformed != 0 || fmt.Sprint(times) != "[1 3 4]" || *r.head != *r.tail {
			t.Errorf("start %d: %v, %d malformed", start, times, malformed)
		}
	}
}

func FuzzRing(f *testing.F) {
	f.Add(raw(unix.PERF_RECORD_SWITCH, 0, 7, 8, uint64(1)), uint16(0))
	f.Add(append(raw(unix.PERF_RECORD_FORK, 0, 1, 2, 3, 4, uint64(3), 7, 8, uint64(3)), 1, 2, 3), uint16(4090))
	f.Fuzz(func(t *testing.T, content []byte, start uint16) {
		const size = 4096
		r := ringOf(size, uint64(start)&^7, content[:min(len(content), size)])
		n := 0
		r.drain(func(record) { n++ })
		if *r.tail != *r.head {
			t.Error("room was not given back")
		}
		if n > size/headerSize {
			t.Errorf("%d records", n)
		}
	})
}

func TestReasonSaysWhatHelps(t *testing.T) {
	for _, c := range []struct {
		err    error
		level  int
		enable bool
	}{
		{unix.EACCES, 3, true}, {unix.EPERM, 4, true}, {unix.EPERM, 2, true}, {unix.ENOSYS, 2, false}, {unix.EINVAL, 2, false},
		{unix.EMFILE, 2, true}, {errors.New("else"), 2, false},
	} {
		why, enable := reason(fmt.Errorf("step: %w", c.err), c.level)
		if why == "" || (enable != "") != c.enable {
			t.Errorf("%v at %d: %q, %q", c.err, c.level, why, enable)
		}
	}
	if _, enable := reason(unix.EACCES, 3); enable != "sudo sysctl kernel.perf_event_paranoid=2" {
		t.Errorf("%q", enable)
	}
}
