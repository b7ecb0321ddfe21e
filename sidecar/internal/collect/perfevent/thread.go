package perfevent

import (
	"math/bits"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
)

const (
	// near is how far from a wait, in ns, a similar wait of the same thread that
	// was looked at explains it.
	near = 500_000_000
	// classes of duration, each four times as long as the one before.
	classes = 24
	// maxPending bounds the waits of one class that await an explanation.
	maxPending = 1024
)

// row is one off-CPU episode.
type row struct {
	off, on int64
	wait    procfs.Wait
	preempt bool
}

// thread follows one thread through its context switches.
type thread struct {
	pid, tid int32
	emit     func(row)

	since, until int64 // what is known; until 0 is to the end
	isOff        bool
	preempted    bool
	off          int64
	ranSince     int64
	ran          int64 // ns on a CPU
	queued       int64 // ns preempted

	// look is the last look at what the thread waits for, between lookFrom and lookTo.
	look             procfs.Wait
	lookFrom, lookTo int64

	seen    [classes]seen
	pending [classes][]row

	explainedNs, unexplainedNs int64
	waits, looked              int64

	comm string
	// schedstat is the thread's account at the beginning, where it could be read.
	account    procfs.Schedstat
	hasAccount bool
}

// seen is the last wait of a class that was looked at.
type seen struct {
	wait procfs.Wait
	at   int64 // its end; 0 is never
}

// class of a wait's duration.
func class(ns int64) int { return min(bits.Len64(uint64(max(ns, 0)))/2, classes-1) }

// begin says what the thread does at the first moment known.
func (t *thread) begin(at int64, off, preempted bool) {
	t.since, t.isOff, t.preempted, t.off, t.ranSince = at, off, preempted, at, at
}

// switchOut takes the thread off the CPU. A second one in a row means that the
// switch between them was lost: what happened in between is taken as running.
func (t *thread) switchOut(at int64, preempted bool) {
	if !t.isOff {
		t.ran += max(at-t.ranSince, 0)
	}
	t.isOff, t.preempted, t.off = true, preempted, at
}

// switchIn puts it on the CPU.
func (t *thread) switchIn(at int64) {
	if !t.isOff {
		return
	}
	t.isOff, t.ranSince = false, at
	t.close(at)
}

// close ends the off-CPU episode at a moment.
func (t *thread) close(at int64) {
	r := row{off: t.off, on: at, preempt: t.preempted}
	if at <= t.off {
		return
	}
	if t.preempted {
		t.queued += at - t.off
		t.emit(r)
		return
	}
	t.waits++
	k := class(at - t.off)
	if t.lookedAt(t.off, at) {
		t.looked++
		r.wait = t.look
		t.emit(r)
		t.explain(k, r.wait, at)
		return
	}
	if s := t.seen[k]; s.at != 0 && t.off-s.at < near {
		r.wait = s.wait
		t.explainedNs += at - t.off
		t.emit(r)
		return
	}
	if len(t.pending[k]) >= maxPending {
		t.flush(k)
	}
	t.pending[k] = append(t.pending[k], r)
}

// lookedAt says whether the last look fell into a wait. A look takes some
// microseconds: of very short waits it may touch two, which are then of a kind.
func (t *thread) lookedAt(off, on int64) bool {
	return t.lookTo > off && t.lookFrom < on
}

// needsLook says whether the present wait has not been looked at yet.
func (t *thread) needsLook() bool {
	return t.isOff && !t.preempted && t.lookFrom < t.off
}

// explain gives a wait's reason to waits of about its duration that were not
// looked at. Durations matter: looks hit long waits more often than short ones.
func (t *thread) explain(k int, w procfs.Wait, at int64) {
	t.seen[k] = seen{w, at}
	for _, n := range []int{k - 1, k, k + 1} {
		if n >= 0 && n < classes {
			t.resolve(n, w, at)
		}
	}
}

// resolve emits the pending waits of a class that a wait ending at a moment explains.
func (t *thread) resolve(k int, w procfs.Wait, at int64) {
	for _, r := range t.pending[k] {
		if at-r.on < near {
			r.wait = w
			t.explainedNs += r.on - r.off
		} else {
			r.wait = procfs.Wait{Reason: timeline.ReasonUnknown, Syscall: -1}
			t.unexplainedNs += r.on - r.off
		}
		t.emit(r)
	}
	t.pending[k] = t.pending[k][:0]
}

// flush emits the pending waits of a class without a reason, except where a wait
// of a neighbouring class, looked at shortly before, gives one.
func (t *thread) flush(k int) {
	for _, r := range t.pending[k] {
		r.wait = procfs.Wait{Reason: timeline.ReasonUnknown, Syscall: -1}
		for _, n := range []int{k + 1, k - 1} {
			if n >= 0 && n < classes && t.seen[n].at != 0 && r.off-t.seen[n].at < near && t.seen[n].at-r.on < near {
				r.wait = t.seen[n].wait
			}
		}
		if r.wait.Reason == timeline.ReasonUnknown {
			t.unexplainedNs += r.on - r.off
		} else {
			t.explainedNs += r.on - r.off
		}
		t.emit(r)
	}
	t.pending[k] = t.pending[k][:0]
}

// finish closes the thread at the end of the collection, or at its own.
func (t *thread) finish(at int64) {
	if t.isOff {
		t.close(at)
	} else {
		t.ran += max(at-t.ranSince, 0)
	}
	for k := range t.pending {
		t.flush(k)
	}
}
