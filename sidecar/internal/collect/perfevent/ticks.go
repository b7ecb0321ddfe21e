package perfevent

// timer follows the sampling timer of one thread on one CPU. It counts the thread's
// time on that CPU; when a period is over, the kernel writes a sample, unless it was
// itself at work for the thread: then the sample is left out, and the time that is over
// without one tells of it.
type timer struct {
	// left is how much longer the thread must run until the period is over, in ns.
	left int64
	// silent is how many periods in a row ended without a sample, up to now.
	silent int
	// anchored says that the thread has not left the CPU since its last sample: when the
	// period ends is then known exactly. Each switch adds a little doubt.
	anchored bool
	// unsure says that records were lost: until the next sample nothing follows from a missing one.
	unsure bool
}

const (
	// maxSilent bounds the periods in one stretch of running that end without a sample.
	maxSilent = 1 << 16
	// onTime is how late in ns a sample may be by the timer's own delay.
	onTime = 300_000
)

// advance is told that the thread ran from one moment to another. It returns the
// moments at which a period ended without a sample; one that ended just now may still get it.
func (t *timer) advance(from, to, period int64, into []int64) []int64 {
	into = into[:0]
	for t.left <= to-from && len(into) < maxSilent {
		from += t.left
		t.left = period
		if !t.unsure {
			into = append(into, from)
		}
	}
	t.left -= min(max(to-from, 0), t.left)
	t.silent += len(into)
	return into
}

// leave is told that the thread leaves the CPU.
func (t *timer) leave() { t.anchored = false }

// sampled is told that the thread was sampled now. It returns how many of the periods
// that ended last without a sample are to be taken back. One is, when the sample is its
// own. All are, when the sample comes for sure between two ends: the timer could not
// expire, most often because a hypervisor had taken the CPU away.
func (t *timer) sampled(period int64) (back int) {
	left := period
	if since := period - t.left; t.silent > 0 && since < period*3/4 {
		back = 1
		if t.anchored && since > onTime {
			back, left = t.silent, t.left // the timer keeps its beat
		}
	}
	t.left, t.silent, t.anchored, t.unsure = left, 0, true, false
	return back
}
