package procfs

import "github.com/inferscope/inferscope/analysis/timeline"

// tick is how far the kernel's accounting of a running thread may lag behind,
// in ns: one timer interrupt at the common 250 Hz. Where it lags more, what is
// claimed too early as blocked is taken off the next stretch.
const tick = 4_000_000

// near is how far from a wait that no look hit, in ns, the reason of another
// wait of that thread explains it.
const near = 200_000_000

// maxPending bounds how many waits await the next reason.
const maxPending = 256

// episode is one off-CPU row, in the terms of timeline.ThreadBuilder.AppendOffCPU.
type episode struct {
	off, wake, on int64
	reason        timeline.Reason
	syscall       int16
}

// observation is one look at a thread.
type observation struct {
	at      int64 // CLOCK_MONOTONIC ns
	account Schedstat
	// blocked says that it was off the CPU and not runnable; wait then says why.
	blocked bool
	wait    Wait
}

// track turns looks at one thread into off-CPU episodes. How long the thread
// ran, waited for a CPU and was blocked between two looks is the kernel's own
// account; only where in between is placed: what it was doing at either end
// borders on that end.
type track struct {
	emit func(episode)

	begun bool
	first Schedstat
	last  observation
	// off is when the blocked time that has not ended began, if last.blocked.
	off int64
	// reached is the end of the last episode emitted.
	reached int64
	// claimed is the length of all episodes emitted.
	claimed int64
	// carry is time that the kernel had not accounted yet at the last look: the
	// thread was running or queued.
	carry int64
	// hit is the last reason seen in a wait that began under observation, at hitAt (0 is never).
	hit   Wait
	hitAt int64
	// ending says that the collection ends: what the thread waits for from now on is that,
	// which tells nothing of the waits before.
	ending bool
	// pending are waits that no look hit: the next reason seen explains them, else the last.
	pending []episode
	// inferredNs is blocked time explained that way, unexplainedNs that which nothing near explains.
	inferredNs, unexplainedNs int64
}

// observe takes the next look.
func (t *track) observe(o observation) {
	if !t.begun {
		t.begun, t.first, t.off, t.reached = true, o.account, o.at, o.at
		t.last = o
		return
	}
	ran := o.account.RunNs - t.last.account.RunNs
	delay := max(o.account.DelayNs-t.last.account.DelayNs, 0)
	slices := o.account.Slices - t.last.account.Slices
	from, to := t.last.at, o.at
	if slices == 0 && t.last.blocked && o.blocked {
		t.last = o // the same wait goes on
		return
	}
	if o.blocked && !t.ending {
		t.explain(o.wait, o.at)
		t.hit, t.hitAt = o.wait, o.at
	}
	rest := to - from - ran - delay + t.carry
	t.carry = 0
	if !o.blocked {
		// What is not accounted yet may be running or waiting for a CPU: the
		// latter since the thread was last put aside, which is after the last look
		// if it was put on a CPU since.
		held := rest
		switch {
		case t.last.blocked:
			held = min(rest, tick)
		case slices > 0:
			held = min(rest, max(tick, to-from))
		}
		t.carry, rest = held, rest-held
	}
	if rest < 0 {
		t.carry += rest
		rest = 0
	}
	before := t.covered()
	t.place(o, from, to, min(rest, to-from), delay)
	t.last = o
	// What found no room is made up for later, so that the sums stay right.
	t.carry += rest + delay - (t.covered() - before)
}

// covered is how much off-CPU time was claimed up to the last look, in ns.
func (t *track) covered() int64 {
	if t.last.blocked {
		return t.claimed + t.last.at - t.off
	}
	return t.claimed
}

// place lays out blocked and delay ns between from and to.
func (t *track) place(o observation, from, to, blocked, delay int64) {
	delay = min(delay, to-t.reached)
	switch {
	case t.last.blocked:
		head := blocked
		if o.blocked {
			head = blocked / 2
		}
		wake := from + head
		on := min(wake+delay, to)
		t.put(episode{t.off, wake, on, t.last.wait.Reason, t.last.wait.Syscall})
		if o.blocked {
			t.off = max(to-(blocked-head), on)
		}
	case o.blocked:
		off := to - blocked
		t.queued(off, delay)
		t.off = max(off, t.reached)
	case blocked > 0:
		length := blocked + delay
		off := max(t.reached, min((from+to-length)/2, to-length))
		wake := min(off+blocked, to)
		t.await(episode{off: off, wake: wake, on: min(wake+delay, to)})
	default:
		t.queued(to, delay)
	}
}

// queued adds time waiting for a CPU that ended before a moment. It may have
// begun before the last look: the kernel accounts it when it ends.
func (t *track) queued(before, delay int64) {
	if delay > 0 {
		off := max(before-delay, t.reached)
		t.put(episode{off, off, before, timeline.ReasonPreempted, -1})
	}
}

func (t *track) put(e episode) {
	if t.claim(e) {
		t.emit(e)
	}
}

// claim takes the time of an episode; false when it is empty.
func (t *track) claim(e episode) bool {
	if e.on <= e.off {
		return false
	}
	t.reached = max(t.reached, e.on)
	t.claimed += e.on - e.off
	return true
}

// await keeps a wait whose reason no look hit.
func (t *track) await(e episode) {
	if !t.claim(e) {
		return
	}
	if len(t.pending) >= maxPending {
		t.explain(Wait{}, 0)
	}
	t.pending = append(t.pending, e)
}

// explain emits the waits that had no reason: w, seen at a later moment, is
// theirs if it is near, else the last one seen before. A thread that fights for
// the GIL is hit in one wait and missed in the next. at is 0 for no reason.
func (t *track) explain(w Wait, at int64) {
	for _, e := range t.pending {
		ns := e.wake - e.off
		switch {
		case at != 0 && at-e.wake < near:
			e.reason, e.syscall = w.Reason, w.Syscall
			t.inferredNs += ns
		case t.hitAt != 0 && e.off-t.hitAt < near:
			e.reason, e.syscall = t.hit.Reason, t.hit.Syscall
			t.inferredNs += ns
		default:
			e.reason, e.syscall = timeline.ReasonUnknown, -1
			t.unexplainedNs += ns
		}
		t.emit(e)
	}
	t.pending = t.pending[:0]
}

// finish emits what is still open. alive says that the thread exists.
func (t *track) finish(alive bool) {
	t.explain(Wait{}, 0)
	if !t.begun || !t.last.blocked {
		return
	}
	end := int64(timeline.Open)
	if !alive {
		end = t.last.at
	}
	t.put(episode{t.off, end, end, t.last.wait.Reason, t.last.wait.Syscall})
}

// cpuNs is the CPU time between the first look and the last.
func (t *track) cpuNs() int64 { return t.last.account.RunNs - t.first.RunNs }
