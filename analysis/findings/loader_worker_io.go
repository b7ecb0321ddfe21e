package findings

import (
	"path"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// waiting is what the workers' states say while the loop waits.
const (
	// workerIO is the share of its busy time that a worker must spend on files or the network.
	workerIO = 0.5
	// maxStretches bounds the waits that are looked at: the first.
	maxStretches = 1 << 16
)

var loaderWorkerIO = Rule{
	ID:    "data-loader-worker-io",
	Title: "A data loader's workers wait for files or the network",
	Sees: "The GPU was idle while the loop waited for the next batch, and meanwhile the loader's worker processes were, for most of the time in which they had " +
		"something to do, blocked in reads of files or sockets. The worker with the most of it is named, with the function that read.",
	Bad: "More workers help only as far as the storage answers more of them at once. Many small files, a network file system or a remote " +
		"store answer late, and cold files later still.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms of waiting for batches on one line, or in total, when the GPU was idle for less than 10% of the wall, without scheduler data of the workers, and " +
		"when they computed for longer than they read.",
	Do: "Copy the data to a local disk, pack samples into large files that are read in order (WebDataset, Parquet, LMDB), keep what fits " +
		"in memory, and prefetch further ahead.",
	Causes:   []result.CauseKind{result.CauseDataLoading},
	Change:   "let the workers find their data in memory or on a local disk",
	Effort:   result.Moderate,
	CellWide: true,
	Before: `def __getitem__(self, i):
    return decode(open(self.remote[i], "rb").read())`,
	After: `def __init__(self, ...):
    self.local = copy_to("/dev/shm", self.remote)    # or a local disk

def __getitem__(self, i):
    return decode(open(self.local[i], "rb").read())`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if !e.Attribution.GPU.Owned() {
			return nil
		}
		list := e.linesOrTotal(result.CauseDataLoading)
		if len(list) == 0 {
			return nil
		}
		var ns int64
		for _, c := range list {
			ns += c.Ns
		}
		var waits []timeline.Interval
		e.moments([]result.CauseKind{result.CauseDataLoading}, func(m *attribution.Moment) {
			if n := len(waits); n > 0 && waits[n-1].End == m.Start {
				waits[n-1].End = m.End
			} else if n < maxStretches {
				waits = append(waits, timeline.Interval{Start: m.Start, End: m.End})
			}
		})
		var most worker
		var io, busy int64
		for _, w := range e.workers(waits) {
			io, busy = io+w.files+w.network, busy+w.files+w.network+w.working
			if w.files+w.network > most.files+most.network {
				most = w
			}
		}
		if io == 0 || float64(io) < workerIO*float64(busy) {
			return nil
		}
		doing := "reading or writing files"
		if most.network > most.files {
			doing = "waiting for the network"
		}
		text := "Getting the next batch took " + e.took(ns) + on(list[0].Line) + "; meanwhile \"" + phrase.Plain(most.name) + "\" was " + doing + " for " +
			phrase.Duration(most.files+most.network) + most.where + ", and the workers together had " + phrase.Percent(float64(io)/float64(busy)) + " of their busy time in such waits"
		return []result.Finding{r.finding(e, list[0].Line, ns, text+".")}
	},
}

// worker is what a thread of a child process did while the loop waited for it, in ns.
type worker struct {
	name, where             string
	files, network, working int64
}

// workers sums what the threads of child processes did within intervals that are in order.
func (e *Evidence) workers(within []timeline.Interval) []worker {
	tl := e.Attribution.Timeline()
	main := &tl.Threads[tl.Main()]
	var out []worker
	for id := range tl.Threads {
		t := &tl.Threads[id]
		if id == 0 || t.PID == main.PID || t.PID <= 0 || t.Sched.Known.Ns() <= 0 {
			continue
		}
		w := worker{name: t.Name + " (process " + strconv.Itoa(int(t.PID)) + ")"}
		stacks := map[timeline.StackID]int64{}
		row := 0
		for _, x := range within {
			x.Start, x.End = max(x.Start, t.Sched.Known.Start), min(x.End, t.Sched.Known.End)
			if x.End <= x.Start {
				continue
			}
			w.working += x.Ns()
			for ; row < t.Sched.Len() && t.Sched.On[row] <= x.Start; row++ {
			}
			for i := row; i < t.Sched.Len() && t.Sched.Off[i] < x.End; i++ {
				ns := max(min(t.Sched.Wake[i], x.End)-max(t.Sched.Off[i], x.Start), 0)
				switch t.Sched.Reason[i] {
				case timeline.ReasonDisk:
					w.files += ns
					stacks[t.Sched.Stack[i]] += ns
				case timeline.ReasonNetwork:
					// A server that nobody asks for anything waits for no data: every worker has one, for shared memory.
					if !strings.HasPrefix(e.Attribution.SyscallName(t.Sched.Syscall[i]), "accept") {
						w.network += ns
						stacks[t.Sched.Stack[i]] += ns
					}
				case timeline.ReasonPageFault: // work, of a kind
					continue
				}
				w.working -= ns
			}
		}
		w.where = deepestIn(tl, largest(stacks))
		out = append(out, w)
	}
	return out
}

// deepestIn is " in load (dataset.py, line 12)", or nothing for a stack without Python frames.
func deepestIn(tl *timeline.Timeline, id timeline.StackID) string {
	for ; id != 0; id = tl.Stacks.Caller(id) {
		f, ok := tl.Stacks.Deepest(id)
		if !ok {
			return ""
		}
		if f.Native {
			continue
		}
		out := " in " + phrase.Plain(tl.Names.String(f.Func)) + " (" + phrase.Plain(path.Base(tl.Names.String(f.File)))
		if f.Line > 0 {
			out += ", line " + strconv.Itoa(int(f.Line))
		}
		return out + ")"
	}
	return ""
}
