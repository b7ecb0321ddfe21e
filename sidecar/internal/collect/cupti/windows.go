package cupti

import (
	"encoding/binary"

	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// maxWindows is a window each second for 18 hours.
	maxWindows = 1 << 16
	// leastLaunchNs is less than any launch takes, on all threads together.
	leastLaunchNs = 100
)

// windows turns WINDOW records into windows of the timeline: in order, apart, and
// with the kernels that were missed between them where the driver's numbers tell.
type windows struct {
	list []timeline.Window
	// last is the driver's number of the last kernel before what comes next; 0 when it is not known.
	last uint64
	// since is the first window after the one that last came from: none of them launched anything.
	since int
}

// add takes one record; false says that it is implausible and was left out.
// earliest and latest bound its times.
func (w *windows) add(r []byte, earliest, latest int64) bool {
	le := binary.LittleEndian
	start, end, launches := int64(le.Uint64(r[8:])), int64(le.Uint64(r[16:])), le.Uint64(r[24:])
	first, last := le.Uint64(r[32:]), le.Uint64(r[40:])
	n := len(w.list)
	if start >= end || start < earliest || end > latest || n > 0 && start < w.list[n-1].End || launches > most(end-start) {
		return false
	}
	if first == 0 || last < first || last-first >= most(end-start) {
		first, last = 0, 0
	}
	w.list = append(w.list, timeline.Window{Start: start, End: end, Launches: int64(launches), Missed: -1})
	if n == 0 {
		w.list[0].Missed = 0
	}
	switch {
	case first > 0:
		w.between(first)
		w.last, w.since = last, n+1
	case launches > 0: // by graphs alone, or the numbers are not known
		w.last = 0
	}
	return true
}

// most is how many launches fit into ns at the very most.
func most(ns int64) uint64 { return uint64(ns/leastLaunchNs) + 1 }

// between counts the kernels from the last number to first, which is that of the window
// just added, and spreads them over the stretches since by their length.
func (w *windows) between(first uint64) {
	if w.last == 0 || first <= w.last {
		return
	}
	var unseen int64
	for i := w.since; i < len(w.list); i++ {
		unseen += w.list[i].Start - w.list[i-1].End
	}
	missed := first - w.last - 1
	if missed > most(unseen) {
		return
	}
	left, length := int64(missed), unseen
	for i := w.since; i < len(w.list); i++ {
		stretch := w.list[i].Start - w.list[i-1].End
		part := left
		if i+1 < len(w.list) && length > 0 {
			part = int64(float64(left) * float64(stretch) / float64(length))
		}
		w.list[i].Missed = part
		left, length = left-part, length-stretch
	}
}
