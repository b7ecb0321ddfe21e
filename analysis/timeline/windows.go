package timeline

import "fmt"

// Window is a stretch of the cell in which every operation and every CUDA call was
// captured. Between two windows nothing of either was seen.
type Window struct {
	Start, End int64
	// Launches is how many calls launched kernels or graphs within it, as the producer counted.
	Launches int64
	// Missed is how many kernels were launched, by calls of their own and on any device,
	// since the window before it ended; -1 when that is not known.
	Missed int64
}

// AddWindow records a window of capture; they come in order and do not overlap.
// What was captured without any was captured whole.
func (b *Builder) AddWindow(w Window) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.windows = append(b.windows, w)
}

// windows clips windows to w and makes the first of them begin with it: a capture
// begins whole, and what came before it, when it began late, used no device. One
// that lies before w altogether leaves an empty window, for what followed it was not seen.
func windows(list []Window, w Interval, fix *repairs) []Window {
	var out []Window
	var reached int64 // the end of the last row kept, before clipping
	whole := true     // nothing was left out since
	for _, x := range list {
		if x.End <= x.Start || len(out) > 0 && x.Start < reached {
			fix.windows++
			whole = false
			continue
		}
		if x.Start >= w.End && len(out) > 0 {
			break
		}
		reached = x.End
		before := len(out) == 1 && out[0].End == w.Start // what is there tells only that this is not the first
		if before && x.Start <= w.Start {
			out = out[:0]
		}
		if before || !whole {
			x.Missed = -1
		}
		x.Start, x.End = min(max(x.Start, w.Start), w.End), min(max(x.End, w.Start), w.End)
		x.Launches, x.Missed = max(x.Launches, 0), max(x.Missed, -1)
		if len(out) == 0 {
			x.Start, x.Missed = w.Start, 0
		}
		out = append(out, x)
		whole = true
	}
	return out
}

// untilWindows ends windows at end; the first stays, empty at the least.
func untilWindows(list []Window, end int64) []Window {
	var out []Window
	for i, w := range list {
		if i > 0 && w.Start >= end {
			break
		}
		w.End = min(w.End, end)
		out = append(out, w)
	}
	return out
}

func (t *Timeline) checkWindows() error {
	at := t.Window.Start
	for i, w := range t.Windows {
		if w.Start < at || w.End < w.Start || w.End > t.Window.End || i == 0 && w.Start != at {
			return fmt.Errorf("windows: row %d, [%d, %d), is out of order or outside of the cell", i, w.Start, w.End)
		}
		if w.Launches < 0 || w.Missed < -1 || i == 0 && w.Missed != 0 {
			return fmt.Errorf("windows: row %d counts %d launches and %d missed kernels", i, w.Launches, w.Missed)
		}
		at = w.End
	}
	return nil
}
