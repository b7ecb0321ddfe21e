package perfevent

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// kind is what a record tells.
type kind uint8

const (
	switchedOut kind = iota
	switchedIn
	sampled
	forked
	exited
	named
	lost
	other
)

// record is one decoded record. Times are the kernel's CLOCK_MONOTONIC in ns,
// ids are in this process's pid namespace.
type record struct {
	time     int64
	kind     kind
	pid, tid int32
	// cpu is the CPU that wrote it; drain knows.
	cpu int32
	// preempted says of switchedOut that the thread still wanted the CPU.
	preempted bool
	// parent is the process and thread that made the one that forked speaks of.
	parentPID, parentTID int32
	// ip is where a sample found the thread.
	ip uint64
	// count is how many records were lost.
	count uint64
	// comm is the new name.
	comm string
}

const (
	headerSize = 8
	// trailerSize is the end of every record but samples: pid, tid, time.
	trailerSize = 16
)

// decode reads one record, header included. False means that it is malformed.
func decode(raw []byte) (record, bool) {
	if len(raw) < headerSize {
		return record{}, false
	}
	le := binary.NativeEndian
	typ, misc := le.Uint32(raw), le.Uint16(raw[4:])
	body := raw[headerSize:]
	r := record{kind: other}
	if typ == unix.PERF_RECORD_SAMPLE {
		if len(body) < 24 {
			return record{}, false
		}
		r.kind, r.ip = sampled, le.Uint64(body)
		r.pid, r.tid, r.time = int32(le.Uint32(body[8:])), int32(le.Uint32(body[12:])), int64(le.Uint64(body[16:]))
		return r, true
	}
	if len(body) < trailerSize {
		return record{}, false
	}
	end := body[len(body)-trailerSize:]
	body = body[:len(body)-trailerSize]
	r.pid, r.tid, r.time = int32(le.Uint32(end)), int32(le.Uint32(end[4:])), int64(le.Uint64(end[8:]))
	switch typ {
	case unix.PERF_RECORD_SWITCH:
		r.kind = switchedIn
		if misc&unix.PERF_RECORD_MISC_SWITCH_OUT != 0 {
			r.kind = switchedOut
			r.preempted = misc&unix.PERF_RECORD_MISC_SWITCH_OUT_PREEMPT != 0
		}
	case unix.PERF_RECORD_FORK, unix.PERF_RECORD_EXIT:
		if len(body) < 24 {
			return record{}, false
		}
		r.kind = forked
		if typ == unix.PERF_RECORD_EXIT {
			r.kind = exited
		}
		r.pid, r.parentPID = int32(le.Uint32(body)), int32(le.Uint32(body[4:]))
		r.tid, r.parentTID = int32(le.Uint32(body[8:])), int32(le.Uint32(body[12:]))
		r.time = int64(le.Uint64(body[16:]))
	case unix.PERF_RECORD_COMM:
		if len(body) < 8 {
			return record{}, false
		}
		r.kind = named
		r.pid, r.tid = int32(le.Uint32(body)), int32(le.Uint32(body[4:]))
		name, _, _ := bytes.Cut(body[8:], []byte{0})
		r.comm = string(name)
	case unix.PERF_RECORD_LOST:
		if len(body) < 16 {
			return record{}, false
		}
		r.kind, r.count = lost, le.Uint64(body[8:])
	case unix.PERF_RECORD_LOST_SAMPLES:
		if len(body) < 8 {
			return record{}, false
		}
		r.kind, r.count = lost, le.Uint64(body)
	}
	return r, true
}
