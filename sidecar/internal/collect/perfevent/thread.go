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
	maxPending = 8192
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
	ending       bool // nothing comes after the wait that is closed
	off          int64
	ranSince     int64
	ran          int64 // ns on a CPU
	queued       int64 // ns preempted

	// looks are the looks at what the thread waits for, oldest first, whose waits
	// have not ended in the records yet: those come later.
	looks []look

	seen    [classes]seen
	pending [classes][]row
	waiting int // rows in pending

	explainedNs, unexplainedNs int64

	comm string
	// schedstat is the thread's account at the beginning, where it could be read.
	account    procfs.Schedstat
	hasAccount bool
	// systemTicks is its time in the kernel at the beginning, where it could be read.
	systemTicks int64
	hasTicks    bool
}

// look is what a look found, and between which moments.
type look struct {
	wait     procfs.Wait
	from, to int64
}

// maxLooks bounds the looks that are kept of one thread.
const maxLooks = 16

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
	k := class(at - t.off)
	if w, ok := t.found(t.off, at); ok {
		r.wait = w
		t.emit(r)
		if !t.around(r) {
			t.explain(k, w, at)
		}
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
	t.waiting++
}

// around says that a wait began before the thread was followed, or goes on after: there the
// thread waits for this collection to begin or to end, which tells nothing of the waits between.
func (t *thread) around(r row) bool { return r.off <= t.since || t.ending }

// looked keeps a look. The first ones are worth most: they are in the wait that ends first.
func (t *thread) looked(l look) {
	if len(t.looks) == maxLooks {
		t.looks = t.looks[:maxLooks-1]
	}
	t.looks = append(t.looks, l)
}

// found is what a look within a wait has found. It drops the looks that no later
// wait can hold.
func (t *thread) found(off, on int64) (w procfs.Wait, ok bool) {
	kept := t.looks[:0]
	for _, l := range t.looks {
		if !ok && l.within(off, on) {
			w, ok = l.wait, true
		}
		if l.to > on {
			kept = append(kept, l)
		}
	}
	t.looks = kept
	return w, ok
}

// within says whether a look fell into a wait. Of waits that are about as short
// as a look it is enough to be touched; a longer one must hold the look whole, or
// the look may have seen the wait before it.
func (l look) within(off, on int64) bool {
	took := l.to - l.from
	if took < briefLook && on-off < 4*took {
		return l.to > off && l.from < on
	}
	return l.from >= off && l.to <= on
}

// briefLook is how long in ns a look takes that was not interrupted.
const briefLook = 100_000

// needsLook says whether the present wait has not been looked at yet, or whether
// earlier ones still await an explanation.
func (t *thread) needsLook() bool {
	return t.waiting > 0 || t.isOff && !t.preempted && (len(t.looks) == 0 || t.looks[len(t.looks)-1].from < t.off)
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
		t.settle(r, w, at-r.on < near)
	}
	t.waiting -= len(t.pending[k])
	t.pending[k] = t.pending[k][:0]
}

// flush emits the pending waits of a class for which no wait of their length was
// looked at. If all waits near one of them that were looked at agree, so does it.
func (t *thread) flush(k int) {
	for _, r := range t.pending[k] {
		var w procfs.Wait
		known, agree := false, true
		for i := range t.seen {
			s := &t.seen[i]
			if s.at == 0 || r.off-s.at >= near || s.at-r.on >= near {
				continue
			}
			agree = agree && (!known || s.wait.Reason == w.Reason)
			w, known = s.wait, true
		}
		t.settle(r, w, known && agree)
	}
	t.waiting -= len(t.pending[k])
	t.pending[k] = t.pending[k][:0]
}

// settle emits a wait that was not looked at, with the reason of another or without.
func (t *thread) settle(r row, w procfs.Wait, explained bool) {
	if explained {
		r.wait = w
		t.explainedNs += r.on - r.off
	} else {
		r.wait = procfs.Wait{Reason: timeline.ReasonUnknown, Syscall: -1}
		t.unexplainedNs += r.on - r.off
	}
	t.emit(r)
}

// finish closes the thread at the end of the collection, or at its own.
func (t *thread) finish(at int64) {
	if t.isOff {
		t.ending = true
		t.close(at)
	} else {
		t.ran += max(at-t.ranSince, 0)
	}
	for k := range t.pending {
		t.flush(k)
	}
}
